"""Reading a relational graph: words of nodes, nodes of items and queries, containment as rows."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import GraphError
from magus_pyg.graph._cells import cell_text
from magus_pyg.graph.searched import one_word
from magus_pyg.graph.titles import harmless_text
from magus_pyg.graph.words import Word
from magus_pyg.ragged import Ragged

__all__ = [
    "check_node",
    "find_query",
    "given_title",
    "id_texts",
    "improves_edges",
    "item_id_of",
    "item_node",
    "item_nodes",
    "item_queries",
    "min_support",
    "n_items",
    "n_nodes",
    "node_label",
    "node_parts",
    "node_wholes",
    "node_words",
    "query_node",
    "title_of",
    "words_of",
]


def n_nodes(graph: HeteroData) -> int:
    """N, the number of nodes."""
    return int(graph["node"].num_nodes)


def n_items(graph: HeteroData) -> int:
    """I, the number of items; they are the nodes 0..I-1."""
    return int(graph.n_items)


def min_support(graph: HeteroData) -> int:
    """How many items contain a query node at the least."""
    settings = getattr(graph, "settings", None)
    return 1 if settings is None else int(settings.min_support)  # a file of an earlier release has no settings


def improves_edges(graph: HeteroData) -> Tensor:
    """R+ from part to whole, int64 [2, E], sorted by whole, then part."""
    edge_index: Tensor = graph["node", "improves", "node"].edge_index
    return edge_index


def node_words(graph: HeteroData) -> Ragged:
    """[N] rows: the word ids of every node, ascending."""
    return Ragged(graph.word_ptr, graph.word_index)


def node_parts(graph: HeteroData) -> Ragged:
    """[N] rows: the nodes strictly part of every node, ascending; those of an item are its queries."""
    part, whole = improves_edges(graph)
    return Ragged.from_pairs(whole, part, n_nodes(graph))


def node_wholes(graph: HeteroData) -> Ragged:
    """[N] rows: the nodes that every node is strictly part of, ascending (items first)."""
    part, whole = improves_edges(graph)
    return Ragged.from_pairs(part, whole, n_nodes(graph))


def item_queries(graph: HeteroData) -> Ragged:
    """[I] rows: the query nodes that every item contains, ascending."""
    part, whole = improves_edges(graph)
    count = n_items(graph)
    end = int(torch.searchsorted(whole.contiguous(), count))  # sorted by whole, and items are the first nodes
    return Ragged.from_pairs(whole[:end], part[:end], count)


def check_node(graph: HeteroData, node: int) -> int:
    """The node itself, if the graph has it.

    Raises:
        GraphError: otherwise.
    """
    if isinstance(node, bool | float) or not 0 <= int(node) < n_nodes(graph):
        raise GraphError(f"node {node!r} is not in the graph: its nodes are 0..{n_nodes(graph) - 1}")
    return int(node)


def words_of(graph: HeteroData, node: int) -> tuple[Word, ...]:
    """The words of a node, in the order of their ids.

    Raises:
        GraphError: if the graph has no such node.
    """
    node = check_node(graph, node)
    words = graph.vocabulary.words  # looked up once: PyG's attributes take microseconds
    start, end = graph.word_ptr[node : node + 2].tolist()
    return tuple(words[word] for word in graph.word_index[start:end].tolist())


def item_node(graph: HeteroData, item_id: str) -> int:
    """The node of an item.

    Raises:
        GraphError: if no item has this id.
    """
    ids = graph.vocabulary.item_ids
    node: int | None = ids.find(str(item_id))
    if node is None:
        raise GraphError(f"unknown item id {item_id!r}: the graph has {n_items(graph)} items, such as {ids[0]!r}")
    return node


def id_texts(item_ids: Iterable[object]) -> tuple[str, ...]:
    """Item ids as texts, as tables are read: whole numbers have no point.

    Raises:
        GraphError: one text in place of a list of ids.
    """
    if isinstance(item_ids, str):
        raise GraphError(f"item ids must be a list of ids, got the text {item_ids!r}")
    return tuple(cell_text(item_id) for item_id in item_ids)


def item_nodes(graph: HeteroData, item_ids: Iterable[object]) -> Tensor:
    """The nodes of many items at once, int64 [len(item_ids)].

    Raises:
        GraphError: if no item has one of these ids, or as of `id_texts`.
    """
    texts = id_texts(item_ids)
    nodes = torch.from_numpy(graph.vocabulary.item_ids.positions(texts))
    if (nodes < 0).any():
        item_node(graph, texts[int((nodes < 0).to(torch.int8).argmax())])  # raises, and says which
    return nodes


def item_id_of(graph: HeteroData, node: int) -> str:
    """The id of an item node.

    Raises:
        GraphError: if the node is a query or not in the graph.
    """
    if check_node(graph, node) >= n_items(graph):
        words = " ".join(str(word) for word in words_of(graph, node))
        raise GraphError(f"node {node} is the query {words!r}, not an item")
    item_id: str = graph.vocabulary.item_ids[int(node)]
    return item_id


def title_of(graph: HeteroData, node: int, words: Sequence[Word] | None = None) -> str:
    """What people read of a node, on one line and without control characters.

    Args:
        graph: the relational graph.
        node: the node.
        words: its words, where they are known already.

    Returns:
        Of a query its words, in the order of the word fields, parted by blanks; of an item its title, where there is
        none its words likewise, where there are none its id.

    Raises:
        GraphError: if the graph has no such node.
    """
    return given_title(graph, node) or _words_text(graph, node, words) or harmless_text(item_id_of(graph, node))


def given_title(graph: HeteroData, node: int) -> str:
    """The title that an item was given in the item table; "" for a query, and where it was given none.

    Raises:
        GraphError: if the graph has no such node.
    """
    titles: Sequence[str] = getattr(graph, "titles", ())  # built without a title field, or by an earlier release
    return titles[int(node)] if check_node(graph, node) < len(titles) else ""


def node_label(graph: HeteroData, node: int) -> str:
    """A node as lists name it: a query by its words, an item by its title, its id if it was given none, and its words.

    Raises:
        GraphError: if the graph has no such node.
    """
    words = _words_text(graph, node)
    if check_node(graph, node) >= n_items(graph):
        return words
    name = given_title(graph, node) or f"item {harmless_text(item_id_of(graph, node))}"
    return f"{name} ({words})" if words else name


def _words_text(graph: HeteroData, node: int, words: Sequence[Word] | None = None) -> str:
    return harmless_text(" ".join(map(str, words_of(graph, node) if words is None else words)))


def find_query(graph: HeteroData, words: Sequence[str | tuple[str, str]] | str) -> int | None:
    """The query node of a combination of words, in any order.

    Args:
        graph: the relational graph.
        words: values or (field, value); see `one_word` for what is one alone.

    Returns:
        The node, or None where the graph has no such query node (no item contains it, or it is too long).

    Raises:
        GraphError: if a word is unknown, if a value stands in several fields, or if no word is given.
    """
    alone = one_word(words, graph.vocabulary)
    listed = list(words) if alone is None else [alone]
    if not listed:
        raise GraphError("a query needs at least one word")
    return query_node(graph, tuple(sorted({graph.vocabulary.word_id(word) for word in listed})))


def query_node(graph: HeteroData, word_ids: tuple[int, ...]) -> int | None:
    """The query node of ascending word ids, or None; found by bisection among the nodes of that size."""
    first, ptr, index, size = n_items(graph), graph.word_ptr, graph.word_index, len(word_ids)

    def length(query: int) -> int:
        return int(ptr[first + query + 1] - ptr[first + query])

    queries = range(n_nodes(graph) - first)  # ascending by size
    low = bisect_left(queries, size, key=length)
    end = high = bisect_right(queries, size, key=length)
    while low < high:
        middle = (low + high) // 2
        start = int(ptr[first + middle])
        if tuple(index[start : start + size].tolist()) < word_ids:
            low = middle + 1
        else:
            high = middle
    if low == end:
        return None
    start = int(ptr[first + low])
    return first + low if tuple(index[start : start + size].tolist()) == word_ids else None
