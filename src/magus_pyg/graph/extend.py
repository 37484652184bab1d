"""New items in a relational graph: the graph of the joined table, without its old items being read again."""

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import DataError, GraphError
from magus_pyg.graph._added_words import NAMED, AllWords, OldGraph, add_words
from magus_pyg.graph._memory import require_memory
from magus_pyg.graph._merging import MergedCombinations, append_texts, merge_combinations
from magus_pyg.graph._texts import Texts
from magus_pyg.graph.access import improves_edges, n_nodes
from magus_pyg.graph.combinations import ADVICE, Combinations, enumerate_combinations
from magus_pyg.graph.relational import IMPROVES, INDEPENDENT, INHIBITS, checked_ids, materialize_relations
from magus_pyg.graph.searched import LongQueries, containing, match_queries
from magus_pyg.graph.settings import GraphSettings
from magus_pyg.graph.titles import read_titles
from magus_pyg.graph.vocabulary import Vocabulary
from magus_pyg.graph.words import build_word_table
from magus_pyg.ragged import Ragged

__all__ = ["Extension", "extend_relational_graph"]

_OF_NODES = ("num_nodes", "is_item")


class Extension(NamedTuple):
    """A graph with new items.

    Attributes:
        graph: the graph of all items.
        node_map: int64 [N], the node in `graph` of every node of the graph before. Items keep their numbers; queries
            keep their order. -1 for a searched query that is no node any more (see `extend_relational_graph`).
    """

    graph: HeteroData
    node_map: Tensor

    @property
    def new_nodes(self) -> Tensor:
        """int64: the nodes of `graph` that the graph before did not have, ascending."""
        is_new = torch.ones(n_nodes(self.graph), dtype=torch.bool, device=self.node_map.device)
        is_new[self.node_map[self.node_map >= 0]] = False
        return torch.nonzero(is_new).flatten()


def extend_relational_graph(
    graph: HeteroData, items: pd.DataFrame, common_words: Literal["raise", "keep"] = "raise"
) -> Extension:
    """Add items to a graph by the rules that it was built by.

    The result is the graph that `build_relational_graph` makes of the joined table, number for number: the new items
    are the nodes after the old items, all queries follow in their order of size and words, so queries move up; words
    are numbered anew where new ones stand between them. The time is that of building a graph of the new items alone,
    and of copying. The graph itself does not change, so whoever holds it can go on with it.

    Cells are read as texts as the table holds them: a column of whole numbers must not have become one of floats.

    Args:
        graph: as made by `build_relational_graph`, this function or `load_graph`.
        items: n new rows with the columns that the graph was built of; others are not looked at. Without rows the
            graph itself is returned.
        common_words: where `max_share` leaves out words: new items change the shares. "raise": an error where a
            rebuild would choose other words among the old ones, so that the result always is the rebuild. "keep": the
            old words stay in or out as they are. New words on more than the share of all items are left out by both.

    Returns:
        The graph, and where the nodes of the graph before are in it. R- and R⊥ are made again where the graph was built
        with them (they are quadratic in all nodes). Searched queries are matched again: one that had no item becomes a
        node if a new item contains it; a word of one that stands in a second field now is ambiguous, and is dropped.

    Raises:
        DataError: missing columns, a missing or repeated item id, an id that the graph has already.
        GraphError: a graph without `settings` (saved by an earlier release) or with tensors of its own, a word that
            became too common or too rare for `max_share`, too little memory.
    """
    if common_words not in ("raise", "keep"):
        raise GraphError(f'common_words must be "raise" or "keep", got {common_words!r}')
    settings = _settings_of(graph)
    ids = checked_ids(items, settings.item_id, may_be_empty=True)
    table = build_word_table(items, settings.word_fields, dict(settings.merge_fields), 1.0, settings.separator)
    if not len(items):
        return Extension(graph, torch.arange(n_nodes(graph), device=improves_edges(graph).device))
    _check_new(graph, ids, settings.item_id)
    old = OldGraph(graph)
    words = add_words(old, table, settings, common_words == "keep")
    new = enumerate_combinations(words.item_words, words.new.numel(), old.max_words)
    merged = merge_combinations(old.combinations, new, words.old, words.new, len(words.words))
    vocabulary = Vocabulary(words.words, append_texts(graph.vocabulary.item_ids, ids))
    long, counts = match_queries(
        settings.searched.distinct(), vocabulary, merged.levels, old.max_words, _Holders(old, words)
    )
    node_map = _node_map(old, len(ids), merged, words, long)
    extended = _assemble(old, words, new, merged, long, node_map)
    extended.vocabulary = vocabulary
    extended.max_words, extended.relations = old.max_words, graph.relations
    extended.counts = {
        "words dropped by max_share": len(words.dropped),
        "items without words": graph.counts["items without words"] + int((words.item_words.lengths == 0).sum()),
        **counts,
    }
    extended.settings = replace(settings, dropped=words.dropped)
    if settings.title_field is not None:
        extended.titles = append_texts(graph.titles, read_titles(items, settings.title_field))
    materialize_relations(extended, settings.materialize, graph.relations)
    device = improves_edges(graph).device
    return Extension(extended.to(device), node_map.to(device))


def _settings_of(graph: HeteroData) -> GraphSettings:
    settings: GraphSettings | None = getattr(graph, "settings", None)
    if settings is None:
        raise GraphError(
            "the graph does not say how it was built (it was saved by an earlier release): build it again, and new "
            "items can be added from then on"
        )
    added = [f"{name}.{key}" for name in graph.node_types for key, _ in graph[name].items() if key not in _OF_NODES]
    added += [f"{edge}.{key}" for edge in graph.edge_types for key, _ in graph[edge].items() if key != "edge_index"]
    added += [str(edge) for edge in graph.edge_types if edge not in (IMPROVES, INHIBITS, INDEPENDENT)]
    if added:
        raise GraphError(
            f"the graph holds {', '.join(added)}, of which new nodes and edges have no values: take them out, and put "
            "them back for all nodes of the extended graph (node_map says where the old ones are)"
        )
    return settings


def _check_new(graph: HeteroData, ids: Texts, item_id: str) -> None:
    """Raise unless the graph has none of the ids."""
    node = graph.vocabulary.item_ids.positions(ids)
    twice = np.flatnonzero(node >= 0)
    if twice.size:
        named = ", ".join(repr(ids[row]) for row in twice[:NAMED].tolist())
        more = f" and {twice.size - NAMED} more" if twice.size > NAMED else ""
        raise DataError(f"{item_id} {named}{more} of the new items: the graph has them already")


class _Holders:
    """Finds the items that hold a long searched query: old ones as the graph says, new ones by their words."""

    def __init__(self, old: OldGraph, words: AllWords) -> None:
        self.old, self.words = old, words

    def __call__(self, longer: Ragged) -> tuple[Tensor, Tensor]:
        old, words, n_words = self.old, self.words, len(self.words.words)
        if not len(longer) and not len(old.long_words):  # nearly always: nothing to look through R+ for
            none = torch.zeros(0, dtype=torch.int64)
            return none, none
        rows = Ragged(words.item_words.ptr, words.new[words.item_words.index])
        query, item = containing(longer, rows, n_words)
        queries, items = [query], [item + old.n_items]
        now = {tuple(row): number for number, row in enumerate(longer.tolist())}
        number_of = torch.tensor([now.get(row, -1) for row in _long_rows(old, words)], dtype=torch.int64)
        is_long = old.part[: old.of_items] >= old.first_long
        query = number_of[old.part[: old.of_items][is_long] - old.first_long]
        queries.append(query[query >= 0])
        items.append(old.whole[: old.of_items][is_long][query >= 0])
        if words.second:
            # Queries that lost a word which stands in two fields now are new, and made of old words.
            other = torch.ones(len(longer), dtype=torch.bool)
            other[number_of[number_of >= 0]] = False
            changed = torch.nonzero(other).flatten()
            held = Ragged(old.item_words.ptr, words.renumber(old.item_words.index))
            query, item = containing(longer.select(changed), held, n_words)
            queries.append(changed[query])
            items.append(item)
        return torch.cat(queries), torch.cat(items)


def _long_rows(old: OldGraph, words: AllWords) -> list[tuple[int, ...]]:
    """The words, as numbered now, of the long searched queries that were nodes."""
    return [tuple(row) for row in Ragged(old.long_words.ptr, words.renumber(old.long_words.index)).tolist()]


def _node_map(old: OldGraph, count: int, merged: MergedCombinations, words: AllWords, long: LongQueries) -> Tensor:
    """int64 [N]: the new numbers of old nodes; see `Extension`."""
    node_map = torch.empty(old.n_nodes, dtype=torch.int64)
    first = old.n_items + count
    torch.arange(old.n_items, out=node_map[: old.n_items])
    taken = old.n_items
    for size, (many, position) in enumerate(zip(old.combinations.counts, merged.old, strict=False), 1):
        start = first + merged.levels.offset(size)
        block = node_map[taken : taken + many]
        block.copy_(torch.arange(many) if position is None else position)
        block += start
        taken += many
    now = {tuple(row): number for number, row in enumerate(long.words.tolist(), first + merged.levels.total)}
    node_map[taken:] = torch.tensor([now.get(row, -1) for row in _long_rows(old, words)], dtype=torch.int64)
    return node_map


def _assemble(
    old: OldGraph, words: AllWords, new: Combinations, merged: MergedCombinations, long: LongQueries, node_map: Tensor
) -> HeteroData:
    """R+ and the words of all nodes; see `relational`."""
    levels, count = merged.levels, len(words.item_words)
    items = old.n_items + count
    base = items + levels.total
    nodes = base + len(long.words)
    widths = [2**size - 2 for size in range(1, len(levels.keys) + 1)]
    part, whole = old.part[: old.of_items], old.whole[: old.of_items]
    if old.first_long < old.n_nodes:  # long queries are written again
        short = part < old.first_long
        part, whole = part[short], whole[short]
    of_new = torch.cat([p + items + levels.offset(size) for size, p in enumerate(merged.new, 1)])  # combination to node
    sizes = [part.numel(), new.item_parts.index.numel()]
    sizes += [keys.numel() * width for keys, width in zip(levels.keys, widths, strict=True)]
    sizes.append(long.parts.index.numel())
    require_memory(
        16 * (sum(sizes) + 2 * long.item.numel()), f"R+ with {sum(sizes) + long.item.numel():,} edges", ADVICE
    )

    edges = torch.empty((2, sum(sizes)), dtype=torch.int64)
    parts, wholes = (torch.split(row, sizes) for row in edges)
    torch.index_select(node_map, 0, part, out=parts[0])
    wholes[0].copy_(whole)
    torch.index_select(of_new, 0, new.item_parts.index.to(torch.int64), out=parts[1])
    wholes[1].copy_(new.item_parts.row + old.n_items)
    taken = 0
    for size, width in enumerate(widths[1:], 2):
        block = parts[size + 1].view(-1, width)
        wholes[size + 1].view(-1, width).copy_((torch.arange(len(block)) + items + levels.offset(size)).unsqueeze(1))
        _merge_parts(block, size, old, new, merged, node_map, of_new, taken)
        if size <= len(new.levels.keys):
            taken += new.levels.keys[size - 1].numel() * width
    parts[-1].copy_(long.parts.index + items)
    wholes[-1].copy_(long.parts.row + base)
    if long.item.numel():
        edges = _insert_long(edges, sizes[0] + sizes[1], long, base)

    extended = HeteroData()
    extended["node"].num_nodes = nodes
    extended["node"].is_item = torch.arange(nodes) < items
    extended[IMPROVES].edge_index = edges
    held = [words.renumber(old.item_words.index), words.new[words.item_words.index]]
    combinations = levels.rows()
    lengths = [old.item_words.lengths, words.item_words.lengths, combinations.lengths, long.words.lengths]
    ptr = torch.zeros(nodes + 1, dtype=torch.int64)
    torch.cumsum(torch.cat(lengths), 0, out=ptr[1:])
    extended.word_ptr = ptr
    extended.word_index = torch.cat([*held, combinations.index, long.words.index])
    extended.n_items = items
    return extended


def _merge_parts(
    block: Tensor,
    size: int,
    old: OldGraph,
    new: Combinations,
    merged: MergedCombinations,
    node_map: Tensor,
    of_new: Tensor,
    taken: int,
) -> None:
    """Write the parts of all combinations of a size, [n_k, 2^k - 2]; those of new items start at `taken`."""
    width = block.shape[1]
    if size <= len(old.combinations.counts):
        before = old.combinations.parts[size - 1].reshape(-1)
        moved = merged.old[size - 1]
        if moved is None:
            torch.index_select(node_map, 0, before, out=block.view(-1))
            return
        block[moved] = node_map[before].view(-1, width)
    fresh = merged.fresh[size - 1]
    own = new.parts.index[taken : taken + fresh.numel() * width].view(-1, width)[fresh]
    block[merged.new[size - 1][fresh]] = of_new[own.to(torch.int64)]


def _insert_long(edges: Tensor, of_items: int, long: LongQueries, first: int) -> Tensor:
    """R+ with the long queries of items: they stand last among the parts of an item."""
    order = torch.argsort(long.item * max(len(long.words), 1) + long.item_part)
    item = long.item[order]
    place = torch.searchsorted(edges[1, :of_items], item, right=True) + torch.arange(item.numel())
    merged = torch.empty((2, edges.shape[1] + item.numel()), dtype=torch.int64)
    is_long = torch.zeros(merged.shape[1], dtype=torch.bool)
    is_long[place] = True
    for row, before, values in zip(merged, edges, (long.item_part[order] + first, item), strict=True):
        row.masked_scatter_(~is_long, before)
        row[place] = values
    return merged
