"""The relational graph (Definition 3.1) as a PyG `HeteroData`."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import DataError, GraphError
from magus_pyg.graph._cells import column_texts
from magus_pyg.graph._texts import Texts
from magus_pyg.graph.combinations import ADVICE, MAX_QUERIES, Combinations, Levels, enumerate_combinations
from magus_pyg.graph.relations import Relations, relation_edges
from magus_pyg.graph.searched import LongQueries, count_queries, match_queries
from magus_pyg.graph.settings import GraphSettings, SearchedQueries
from magus_pyg.graph.titles import read_titles
from magus_pyg.graph.vocabulary import Vocabulary
from magus_pyg.graph.words import WordTable, build_word_table
from magus_pyg.memory import require_memory
from magus_pyg.ragged import Ragged, ragged_arange

__all__ = [
    "IMPROVES",
    "INDEPENDENT",
    "INHIBITS",
    "MATERIALIZE_LIMIT",
    "build_relational_graph",
    "checked_ids",
    "graph_of_words",
]

logger = logging.getLogger(__name__)

IMPROVES = ("node", "improves", "node")
INHIBITS = ("node", "inhibits", "node")
INDEPENDENT = ("node", "independent", "node")
MATERIALIZE_LIMIT = 1000
"""With `materialize="auto"`, R- and R⊥ get edges of their own up to this many nodes."""


def build_relational_graph(
    items: pd.DataFrame,
    word_fields: Sequence[str],
    item_id: str = "item_id",
    max_words: int = 3,
    max_share: float = 1.0,
    queries: Iterable[str | Sequence[str | tuple[str, str]]] | None = None,
    materialize: bool | Literal["auto"] = "auto",
    *,
    merge_fields: Mapping[str, Sequence[str]] | None = None,
    relations: Relations = "definition",
    separator: str = "|",
    title_field: str | None = None,
    min_support: int | Literal["auto"] = 1,
    max_queries: int = MAX_QUERIES,
) -> HeteroData:
    """Build the relational graph of a catalogue, exactly by Definition 3.1.

    The nodes are the I items in the order of the table, then the Q query nodes: the combinations of at most
    `max_words` words that some item contains (App. C.2), sorted by size, then by words. Every pair of distinct nodes
    is in one relation: R+ if one is strictly part of the other, R- if no item contains both, R⊥ otherwise. Two items
    are always R-, an item and a query R+ or R-.

    Args:
        items: I rows, one column a field; several values of a field are a list, or a text joined by `separator`.
        word_fields: the columns whose values are words.
        item_id: the column with the items' ids.
        max_words: the most words of an enumerated query node.
        max_share: words on more than this share of the items are left out.
        queries: searched queries; each is a text of values joined by `separator`, or a sequence of values or
            (field, value). Words that no item has are dropped; a query of more than `max_words` words becomes a
            node of its own if some item contains it whole; a query that no item contains is dropped. All of that
            is counted in `graph.counts`.
        materialize: whether R- and R⊥ become edges: True, False, or "auto" (up to `MATERIALIZE_LIMIT` nodes). R- is
            quadratic; every layer and variant of this package works without its edges.
        merge_fields: merged field -> columns whose equal values are one word (levels of a category tree).
        relations: "definition" (the prose of Definition 3.1), "swapped" (its numbered three scenarios: R- and R⊥
            change places) or "fields" (App. C.3: R- for pairs that share a field). The latter two are for ablation
            and need explicit edges.
        separator: the text between several values.
        title_field: the column with the titles that people see of items (`title_of`); it makes no words.
        min_support: how many items contain a query node at the least. What one item alone contains says no more than
            the item, and where items have many words that is nearly all there is. "auto": 1, or 2 where more than
            `max_queries` combinations would be nodes; `min_support(graph)` says which.
        max_queries: see there.

    Returns:
        A `HeteroData` with
        `["node"].num_nodes` = N = I + Q, `["node"].is_item` (bool [N]);
        `["node", "improves", "node"].edge_index`, R+ from part to whole, int64 [2, E], sorted by whole, then part;
        `["node", "inhibits", "node"]` and `["node", "independent", "node"]`, both directions, where materialised;
        `word_ptr` (int64 [N + 1]) and `word_index` (int64), the words of every node; `vocabulary` (`Vocabulary`);
        `n_items`, `max_words`, `relations`, `counts` (what was dropped), `settings` (for `extend_relational_graph`)
        and, with `title_field`, `titles` ([I] texts).

    Raises:
        DataError: missing columns, no items, a missing or repeated item id.
        GraphError: settings out of range, too little memory: the message gives the estimate and what to change.
    """
    ids = checked_ids(items, item_id)
    titles = None if title_field is None else read_titles(items, title_field)
    table = build_word_table(items, word_fields, merge_fields, max_share, separator)
    settings = GraphSettings(
        word_fields=tuple(word_fields),
        item_id=item_id,
        max_share=max_share,
        materialize=materialize,
        separator=separator,
        merge_fields=tuple((name, tuple(members)) for name, members in (merge_fields or {}).items()),
        searched=SearchedQueries.of(count_queries(queries or (), separator)),
        title_field=title_field,
    )
    return graph_of_words(table, ids, titles, settings, max_words, relations, min_support, max_queries)[0]


def graph_of_words(
    table: WordTable,
    ids: Texts,
    titles: Texts | None,
    settings: GraphSettings,
    max_words: int,
    relations: Relations,
    min_support: int | Literal["auto"] = 1,
    max_queries: int = MAX_QUERIES,
) -> tuple[HeteroData, Levels]:
    """The graph of items whose words are known, and its enumerated combinations.

    Args:
        table: the words of I items.
        ids: [I] texts.
        titles: [I] texts, if the graph has a title field.
        settings: how the table was made; its `dropped` are those of the table, its `min_support` what is found here.
        max_words, relations, min_support, max_queries: as for `build_relational_graph`.

    Raises:
        GraphError: as of `build_relational_graph`.
    """
    base = enumerate_combinations(table.item_words, len(table.words), max_words, min_support, max_queries)
    if min_support == "auto" and base.min_support > 1:
        logger.warning(
            "more than %d queries would arise: those that one item alone contains are left out (min_support=auto)",
            max_queries,
        )
    vocabulary = Vocabulary(table.words, ids)
    searched = settings.searched.distinct()
    long, counts = match_queries(searched, vocabulary, base.levels, max_words, table.item_words, base.min_support)
    graph = _assemble(table, base, long)
    graph.vocabulary = vocabulary
    graph.max_words = max_words
    graph.relations = relations
    graph.counts = {
        "words dropped by max_share": len(table.dropped),
        "items without words": table.wordless,
        **counts,
    }
    dropped = tuple(zip(table.dropped, table.dropped_items, strict=True))
    graph.settings = replace(settings, dropped=dropped, min_support=base.min_support)
    if titles is not None:
        graph.titles = titles
    _materialize_relations(graph, settings.materialize, relations)
    return graph, base.levels


def checked_ids(items: pd.DataFrame, item_id: str, may_be_empty: bool = False) -> Texts:
    """The ids of an item table.

    Raises:
        DataError: no such column, no items unless that may be, a missing or repeated id.
    """
    if item_id not in items.columns:
        raise DataError(f"the item table has no column {item_id!r}; its columns are {list(items.columns)}")
    if not len(items) and not may_be_empty:
        raise DataError("the item table is empty: a graph needs at least one item")
    column = items[item_id]
    if column.isna().any():
        row = int(column.isna().to_numpy().argmax())
        raise DataError(f"row {row} of the item table has no {item_id}")
    texts = column_texts(column, item_id)
    repeated = pd.Series(texts.to_pandas(), dtype=object).duplicated()
    if repeated.any():
        row = int(repeated.to_numpy().argmax())
        raise DataError(f"{item_id} {texts[row].as_py()!r} stands twice in the item table (again in row {row})")
    return Texts.of(texts)


def _assemble(table: WordTable, base: Combinations, long: LongQueries) -> HeteroData:
    """Number the nodes (items, then combinations, then longer searched queries) and write R+."""
    n_items, n_base = len(table.item_words), len(base.words)
    n_nodes = n_items + n_base + len(long.words)
    n_edges = base.item_parts.index.numel() + base.parts.index.numel() + long.item.numel() + long.parts.index.numel()
    require_memory(16 * n_edges, f"R+ with {n_edges:,} edges", ADVICE)

    # The pairs come sorted by whole, then by part, so they are written in place: the longest arrays of all exist once.
    edge_index = torch.empty((2, n_edges), dtype=torch.int64)
    part, whole = edge_index
    lengths = torch.cat([base.item_parts.lengths, base.parts.lengths, long.parts.lengths])
    if len(long.words):
        lengths[:n_items] += torch.bincount(long.item, minlength=n_items)
    ends = lengths.cumsum(0)
    of_items = int(ends[n_items - 1])
    if len(long.words):  # they come after all combinations, so they stand last among the parts of an item
        order = torch.argsort(long.item * max(len(long.words), 1) + long.item_part)
        counted = torch.bincount(long.item, minlength=n_items)
        place = ends[:n_items][long.item[order]] - counted[long.item[order]]
        place += ragged_arange(counted)
        is_long = torch.zeros(of_items, dtype=torch.bool)
        is_long[place] = True
        part[:of_items].masked_scatter_(~is_long, base.item_parts.index.to(torch.int64))
        part[place] = long.item_part[order] + n_base
    else:
        part[:of_items] = base.item_parts.index
    taken = of_items + base.parts.index.numel()
    part[of_items:taken] = base.parts.index
    part[taken:] = long.parts.index
    part += n_items
    # The whole of a pair is the number of rows that end at or before it.
    whole.zero_()
    inner = ends[ends < n_edges]
    whole.index_add_(0, inner, torch.ones_like(inner))
    torch.cumsum(whole, 0, out=whole)

    graph = HeteroData()
    graph["node"].num_nodes = n_nodes
    is_item = torch.zeros(n_nodes, dtype=torch.bool)
    is_item[:n_items] = True
    graph["node"].is_item = is_item
    graph[IMPROVES].edge_index = edge_index
    words = [table.item_words, base.words, long.words]
    sizes = torch.cat([rows.lengths for rows in words])
    graph.word_ptr = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    graph.word_index = torch.cat([rows.index for rows in words]).to(torch.int64)
    graph.n_items = n_items
    return graph


def _materialize_relations(graph: HeteroData, materialize: bool | Literal["auto"], relations: Relations) -> None:
    """Give a graph R- and R⊥ as edges where they are wanted; arguments and errors as of `build_relational_graph`."""
    n_nodes = int(graph["node"].num_nodes)
    if materialize not in (True, False, "auto"):
        raise GraphError(f'materialize must be True, False or "auto", got {materialize!r}')
    wanted = n_nodes <= MATERIALIZE_LIMIT if materialize == "auto" else bool(materialize)
    if relations not in ("definition", "swapped", "fields"):
        raise GraphError(f'relations must be "definition", "swapped" or "fields", got {relations!r}')
    if relations != "definition" and not wanted:
        raise GraphError(
            f"relations={relations!r} needs explicit edges, and {n_nodes} nodes are more than {MATERIALIZE_LIMIT}; "
            "pass materialize=True, or relations='definition'"
        )
    if not wanted:
        return
    # Nearly every pair is an edge: 16 bytes as found, 16 as rows of edge_index, and the masks they are found in.
    require_memory(40 * n_nodes**2, f"R- and R⊥ of {n_nodes} nodes", "pass materialize=False: no layer needs the edges")
    edges = graph[IMPROVES].edge_index
    inhibits, independent = relation_edges(
        edges, node_fields(graph) if relations == "fields" else None, n_nodes, int(graph.n_items), relations
    )
    graph[INHIBITS].edge_index = inhibits
    graph[INDEPENDENT].edge_index = independent


def node_fields(graph: HeteroData) -> Tensor:
    """bool [N, F]: which fields the words of a node come from."""
    words = graph.vocabulary.words
    fields = sorted({words.fields[code] for code in np.unique(words.field).tolist()})
    number_of = {name: number for number, name in enumerate(fields)}
    field_of = torch.tensor([number_of.get(name, 0) for name in words.fields])[torch.from_numpy(words.field).long()]
    rows = Ragged(graph.word_ptr, graph.word_index)
    table = torch.zeros((len(rows), max(len(fields), 1)), dtype=torch.bool)
    table[rows.row, field_of[rows.index]] = True
    return table
