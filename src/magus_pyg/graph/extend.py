"""New items in a relational graph: the graph of the joined table, without its old items being read again."""

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import DataError, GraphError
from magus_pyg.graph._texts import Texts
from magus_pyg.graph.access import improves_edges, n_items, n_nodes, node_words
from magus_pyg.graph.combinations import Levels, by_size
from magus_pyg.graph.relational import IMPROVES, INDEPENDENT, INHIBITS, checked_ids, graph_of_words
from magus_pyg.graph.settings import GraphSettings
from magus_pyg.graph.titles import read_titles
from magus_pyg.graph.vocabulary import Words
from magus_pyg.graph.words import WordTable, build_word_table, join_words, leave_out
from magus_pyg.ragged import Ragged

__all__ = ["Extension", "extend_relational_graph"]

_OF_NODES = ("num_nodes", "is_item")
_NAMED = 5
"""Of many things that are wrong, as many are named."""


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
    are numbered anew where new ones stand between them. Texts of old items are not read again: their words, ids and
    titles are in the graph, from which it is built anew. The graph itself does not change, so whoever holds it can go
    on with it.

    Cells are read as texts as the table holds them: a column of whole numbers must not have become one of floats.

    Args:
        graph: as made by `build_relational_graph`, this function or `load_graph`.
        items: n new rows with the columns that the graph was built of; others are not looked at. The column of titles
            may be missing: then the new items have none. Without rows the graph itself is returned.
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
    titles = None
    if settings.title_field is not None:
        given = settings.title_field in items.columns
        titles = read_titles(items, settings.title_field) if given else Texts.of([""] * len(items))
    new = build_word_table(items, settings.word_fields, dict(settings.merge_fields), 1.0, settings.separator)
    device = improves_edges(graph).device
    if not len(items):
        return Extension(graph, torch.arange(n_nodes(graph), device=device))
    _check_new(graph, ids, settings.item_id)
    table, number = _joined_tables(graph, new, settings, common_words == "keep")
    if titles is not None:
        titles = _joined(Texts.of(graph.titles), titles)  # a graph that was moved to a device has a list of them
    ids = _joined(graph.vocabulary.item_ids, ids)
    extended, levels = graph_of_words(
        table, ids, titles, settings, int(graph.max_words), graph.relations, settings.min_support
    )
    moved = extended.to(device)
    if titles is not None:
        moved.titles = titles
    return Extension(moved, _node_map(graph, extended, levels, number).to(device))


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
        named = ", ".join(repr(ids[row]) for row in twice[:_NAMED].tolist())
        more = f" and {twice.size - _NAMED} more" if twice.size > _NAMED else ""
        raise DataError(f"{item_id} {named}{more} of the new items: the graph has them already")


def _joined(texts: Texts, more: Texts) -> Texts:
    """Two sequences of texts one after the other."""
    return Texts.of(pa.concat_arrays([texts.arrow(), more.arrow()]))


def _joined_tables(graph: HeteroData, new: WordTable, settings: GraphSettings, keep: bool) -> tuple[WordTable, Tensor]:
    """The words of old and new items, those left out by `max_share` apart.

    Returns:
        The table, and the number in it of every word of the graph, int64 [W].
    """
    before, rows = graph.vocabulary.words, node_words(graph).to("cpu")
    count = n_items(graph)
    held = Ragged(rows.ptr[: count + 1], rows.index[: int(rows.ptr[count])])
    codes = np.array([before.fields.index(word.field) for word, _ in settings.dropped], dtype=np.int32)
    dropped = Words(before.fields, codes, Texts.of([word.value for word, _ in settings.dropped]))
    words, (of_old, of_new, of_dropped) = join_words([before, new.words, dropped])
    number = torch.from_numpy(of_old)
    index = torch.cat([number[held.index], torch.from_numpy(of_new)[new.item_words.index]])
    item_words = Ragged(torch.cat([held.ptr, new.item_words.ptr[1:] + held.index.numel()]), index)

    carriers = np.bincount(index.numpy(), minlength=len(words))
    carriers[of_dropped] += np.array([many for _, many in settings.dropped], dtype=np.int64)
    share = carriers / len(item_words)
    out = share > settings.max_share
    was_in, was_out = np.zeros((2, len(words)), dtype=bool)
    was_in[of_old], was_out[of_dropped] = True, True
    changed = np.flatnonzero(was_in & out | was_out & ~out).tolist()
    if changed and not keep:
        which = [(words[place], share[place], "leave it out" if out[place] else "take it in") for place in changed]
        named = ", ".join(f"{word.field}={word.value} ({part:.0%}: {what})" for word, part, what in which[:_NAMED])
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        raise GraphError(
            f"with the new items max_share={settings.max_share} chooses other words: a build of all would change "
            f"{named}{more}; build the graph again from the joined table, or pass common_words='keep' to go on with "
            "the words chosen before"
        )
    out = was_out | out & ~was_in
    kept = torch.from_numpy(~out).cumsum(0) - 1
    return leave_out(words, item_words, carriers, out), kept[number]


def _node_map(graph: HeteroData, extended: HeteroData, levels: Levels, number: Tensor) -> Tensor:
    """int64 [N]: where the nodes of the graph before are, whose words are numbered anew; see `Extension`."""
    rows, count = node_words(graph).to("cpu"), n_items(graph)
    first = n_items(extended)
    node_map = torch.arange(len(rows))
    queries = torch.arange(count, len(rows))
    short = queries[rows.lengths[count:] <= graph.max_words]
    for chosen, words in by_size(rows.select(short)):
        node_map[short[chosen]] = levels.find(number[words]) + first  # more items contain it than before
    long = first + levels.total
    now = {
        tuple(row): node
        for node, row in enumerate(node_words(extended).select(torch.arange(long, n_nodes(extended))).tolist(), long)
    }
    before = rows.select(queries[short.numel() :])
    for place, row in enumerate(Ragged(before.ptr, number[before.index]).tolist(), count + short.numel()):
        node_map[place] = now.get(tuple(row), -1)
    return node_map
