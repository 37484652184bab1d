"""The relational graph (Definition 3.1) as a PyG `HeteroData`."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import DataError, GraphError
from magus_pyg.graph._memory import require_memory
from magus_pyg.graph.combinations import Combinations, count_pairs, enumerate_combinations
from magus_pyg.graph.relations import Relations, relation_edges
from magus_pyg.graph.searched import LongQueries, match_queries
from magus_pyg.graph.words import Vocabulary, WordTable, build_word_table
from magus_pyg.ragged import Ragged

__all__ = ["IMPROVES", "INDEPENDENT", "INHIBITS", "MATERIALIZE_LIMIT", "build_relational_graph"]

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
) -> HeteroData:
    """Build the relational graph of a catalogue, exactly by Definition 3.1.

    The nodes are the I items in the order of the table, then the Q query nodes: the combinations of at most
    `max_words` words that some item contains (App. C.2), sorted by size, then by words. Every pair of distinct nodes
    is in one relation: R+ if one is strictly part of the other, R- if no item contains both, R⊥ otherwise. Two items
    are always R-, an item and a query R+ or R-.

    Args:
        items: I rows, one column a field; several values of a field are joined by `separator`.
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

    Returns:
        A `HeteroData` with
        `["node"].num_nodes` = N = I + Q, `["node"].is_item` (bool [N]);
        `["node", "improves", "node"].edge_index`, R+ from part to whole, int64 [2, E], sorted by whole, then part;
        `["node", "inhibits", "node"]` and `["node", "independent", "node"]`, both directions, where materialised;
        `word_ptr` (int64 [N + 1]) and `word_index`, the words of every node; `vocabulary` (`Vocabulary`);
        `n_items`, `max_words`, `relations` and `counts` (what was dropped).

    Raises:
        DataError: missing columns, no items, a missing or repeated item id.
        GraphError: settings out of range, too little memory for the edges asked for.
    """
    ids = _checked_ids(items, item_id)
    table = build_word_table(items, word_fields, merge_fields, max_share, separator)
    sizes = table.item_words.lengths
    require_memory(40 * count_pairs(sizes, max_words), "R+", "lower max_words or max_share, or name fewer word_fields")
    base = enumerate_combinations(table.item_words, len(table.words), max_words)
    vocabulary = Vocabulary(table.words, ids)
    long, counts = match_queries(queries or (), vocabulary, table.item_words, base, max_words, separator)
    counts = {
        "words dropped by max_share": len(table.dropped),
        "items without words": table.wordless,
        **counts,
    }
    graph = _assemble(table, base, long)
    graph.vocabulary = vocabulary
    graph.max_words = max_words
    graph.relations = relations
    graph.counts = counts
    _materialize(graph, materialize, relations)
    return graph


def _checked_ids(items: pd.DataFrame, item_id: str) -> list[str]:
    if item_id not in items.columns:
        raise DataError(f"the item table has no column {item_id!r}; its columns are {list(items.columns)}")
    if not len(items):
        raise DataError("the item table is empty: a graph needs at least one item")
    column = items[item_id]
    if column.isna().any():
        row = int(column.isna().to_numpy().argmax())
        raise DataError(f"row {row} of the item table has no {item_id}")
    ids = column.astype(str)
    repeated = ids.duplicated()
    if repeated.any():
        row = int(repeated.to_numpy().argmax())
        raise DataError(f"{item_id} {ids.iloc[row]!r} stands twice in the item table (again in row {row})")
    return [str(value) for value in ids]


def _assemble(table: WordTable, base: Combinations, long: LongQueries) -> HeteroData:
    """Number the nodes (items, then combinations, then longer searched queries) and write R+."""
    n_items, n_base = len(table.item_words), len(base.words)
    n_nodes = n_items + n_base + len(long.words)
    words = [table.item_words, base.words, long.words]

    part = torch.cat([base.item_parts.index, long.item_part + n_base, base.parts.index, long.parts.index]) + n_items
    whole = torch.cat(
        [
            base.item_parts.row,
            long.item,
            base.parts.row + n_items,
            long.parts.row + (n_items + n_base),
        ]
    )
    if len(long.words):  # otherwise the pairs come sorted by whole, then by part
        order = torch.argsort(whole * n_nodes + part)
        part, whole = part[order], whole[order]

    graph = HeteroData()
    graph["node"].num_nodes = n_nodes
    is_item = torch.zeros(n_nodes, dtype=torch.bool)
    is_item[:n_items] = True
    graph["node"].is_item = is_item
    graph[IMPROVES].edge_index = torch.stack([part, whole])
    lengths = torch.cat([rows.lengths for rows in words])
    graph.word_ptr = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    graph.word_index = torch.cat([rows.index for rows in words])
    graph.n_items = n_items
    return graph


def _materialize(graph: HeteroData, materialize: bool | Literal["auto"], relations: Relations) -> None:
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
    require_memory(24 * n_nodes**2, f"R- and R⊥ of {n_nodes} nodes", "pass materialize=False: no layer needs the edges")
    edges = graph[IMPROVES].edge_index
    inhibits, independent = relation_edges(
        edges, node_fields(graph) if relations == "fields" else None, n_nodes, int(graph.n_items), relations
    )
    graph[INHIBITS].edge_index = inhibits
    graph[INDEPENDENT].edge_index = independent


def node_fields(graph: HeteroData) -> Tensor:
    """bool [N, F]: which fields the words of a node come from."""
    fields = sorted({word.field for word in graph.vocabulary.words})
    field_of = torch.tensor([fields.index(word.field) for word in graph.vocabulary.words], dtype=torch.int64)
    rows = Ragged(graph.word_ptr, graph.word_index)
    table = torch.zeros((len(rows), max(len(fields), 1)), dtype=torch.bool)
    table[rows.row, field_of[rows.index]] = True
    return table
