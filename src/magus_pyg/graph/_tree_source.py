"""A relational graph as its trees read it, and the distinct word sets of its items."""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import GraphError
from magus_pyg.graph.access import improves_edges, item_queries, n_items, n_nodes, node_words
from magus_pyg.ragged import Ragged

__all__ = ["Source", "ascending", "distinct", "find_shapes"]


_UNKNOWN = (
    "trees need the nodes of build_relational_graph with min_support=1: items, then every combination of at most "
    "max_words words that some item contains, by size, then longer searched queries"
)


@dataclass(frozen=True, eq=False)
class Source:
    """A relational graph as trees read it: everything but the row pointers is the graph's own memory.

    Attributes:
        graph: as made by `build_relational_graph`.
        n_items, n_nodes: I and N.
        most: K, the most words of an enumerated query that there is.
        first: [K + 2], the first node of k words at place k; that of longer searched queries at K + 1.
        part: int64 [E], the parts of R+, sorted by whole.
        rows: [I] rows of `part`, the queries of each item.
        words: [N] rows, the words of each node.
    """

    graph: HeteroData
    n_items: int
    n_nodes: int
    most: int
    first: tuple[int, ...]
    part: Tensor
    rows: Ragged
    words: Ragged

    @classmethod
    def of(cls, graph: HeteroData, rows: Ragged | None = None) -> "Source":
        """Read a graph.

        Args:
            graph: as made by `build_relational_graph`.
            rows: `item_queries(graph)`, where it is at hand.

        Raises:
            GraphError: its nodes are not those of `build_relational_graph`.
        """
        first_query, most = n_items(graph), int(graph.max_words)
        rows, words = item_queries(graph) if rows is None else rows, node_words(graph)
        of_query = words.lengths[first_query:]
        steps = torch.arange(most + 2, device=of_query.device)
        ascends = bool((of_query[1:] >= of_query[:-1])[of_query[:-1] <= most].all())
        first = (torch.searchsorted(of_query.clamp(max=most + 1), steps) + first_query).tolist()
        while most and first[most] == first[most + 1]:
            most -= 1
        sizes = (*first[: most + 1], first[-1])
        source = cls(graph, first_query, n_nodes(graph), most, sizes, improves_edges(graph)[0], rows, words)
        if not ascends:
            raise GraphError(_UNKNOWN)
        return source

    def check_complete(self) -> None:
        """Raise a GraphError unless every combination of an item's words is there, which trees are made of."""
        if bool((self.rows.lengths < self.regular(self.words.lengths[: self.n_items])).any()):
            raise GraphError(_UNKNOWN)

    def regular(self, size: Tensor) -> Tensor:
        """int64: how many enumerated queries items of `size` words contain."""
        largest = int(size.max()) if size.numel() else 0
        count = [sum(comb(n, k) for k in range(1, min(n, self.most) + 1)) for n in range(largest + 1)]
        return torch.tensor(count, device=size.device)[size]

    def without(self, query: Tensor, size: int, place: int) -> Tensor:
        """int64: the nodes of queries without the word at a place; they are counted from the first of `size` words."""
        # A query of k words has all 2^k - 2 combinations of fewer words as parts; the last k of them lack one word
        # each, the last one at first.
        begin = self.rows.index.numel()
        for k in range(1, size):
            begin += (self.first[k + 1] - self.first[k]) * (2**k - 2)
        width = 2**size - 2
        return self.part[begin + query * width + (width - 1 - place)]

    def queries_of(self, items: Tensor) -> Tensor:
        """int64: the distinct queries of items, ascending."""
        return ascending(self.rows.gather(items)[1], self.n_items, self.n_nodes)

    def contain(self, queries: Tensor, node: int) -> Tensor:
        """bool [T]: which queries, ascending, hold all words of another one."""
        own = self.words.index[int(self.words.ptr[node]) : int(self.words.ptr[node + 1])].tolist()
        holds = torch.zeros(queries.numel(), dtype=torch.bool, device=queries.device)
        if not queries.numel():
            return holds
        bounds = torch.searchsorted(queries, queries.new_tensor(self.first[1:])).tolist()
        for size in range(len(own) + 1, self.most + 1):  # enumerated queries of one size: so many words each, in a row
            some = slice(bounds[size - 1], bounds[size])
            if some.start == some.stop:
                continue
            first, steps = int(self.words.ptr[self.first[size]]), torch.arange(size, device=queries.device)
            word = self.words.index[((queries[some] - self.first[size]) * size + first).unsqueeze(1) + steps]
            holds[some] = torch.stack([(word == one).any(1) for one in own]).all(0)
        long = queries[bounds[self.most] :]
        if long.numel():
            position, word = self.words.gather(long)
            held = torch.zeros(long.numel(), dtype=torch.int64, device=queries.device)
            for one in own:
                held[position[word == one]] += 1  # a query holds a word once
            holds[bounds[self.most] :] = (held == len(own)) & (long != node)
        return holds

    def tree(self, item: int) -> tuple[Tensor, Tensor]:
        """The nodes of one item's tree, and the place of the parent of each; see `Tree`."""
        row = self.rows.index[int(self.rows.ptr[item]) : int(self.rows.ptr[item + 1])]
        size = int(self.words.lengths[item])
        largest = min(size, self.most)
        places: dict[tuple[int, ...], int] = {}
        for k in range(1, largest + 1):
            for chosen in combinations(range(size), k):
                places[chosen] = len(places) + 1
        parent = [-1] + [0] * row.numel()
        for chosen, place in places.items():
            if len(chosen) < largest:
                lacks = next(at for at in range(size) if at not in chosen)
                parent[place] = places[tuple(sorted((*chosen, lacks)))]
        node = torch.cat([row.new_tensor([item]), row])
        return node, torch.tensor(parent, dtype=torch.int64, device=row.device)


def find_shapes(source: Source, item: Tensor) -> tuple[Tensor, Ragged, Tensor]:
    """The distinct word sets of items, by size.

    Returns:
        `(shape, members, size)`: int32 [I], the word set of each item; [S] rows, the places in `item` of those that
        have each, ascending; int64 [S], its number of words.
    """
    start = source.words.ptr[item]
    size = source.words.ptr[item + 1] - start
    begin = source.rows.ptr[item]
    # A set of at most K words is a query itself: the last enumerated one of the item.
    code = torch.zeros_like(size)
    small = torch.nonzero((size > 0) & (size <= source.most)).flatten()
    code[small] = source.part[begin[small] + (1 << size[small]) - 2] - (source.n_items - 1)
    bound = source.n_nodes - source.n_items + 1
    for n in torch.unique(size[size > source.most]).tolist() if source.most else []:
        # A larger one is told by the queries of its first K words, the next K, ..., and the last K.
        chosen = torch.nonzero(size == n).flatten()
        lead = sum(comb(n, k) for k in range(1, source.most))
        number = torch.zeros_like(chosen)
        for at in [*range(0, n - source.most, source.most), n - source.most]:
            # Before the block's query stand those that begin with an earlier word.
            place = lead + sum(comb(n - 1 - word, source.most - 1) for word in range(at))
            query = source.part[begin[chosen] + place] - source.n_items
            number = torch.unique(number * bound + query, return_inverse=True)[1]
        code[chosen] = number + bound
        bound += chosen.numel()
    found, shape = distinct(code, bound)
    shape = shape.to(torch.int32)
    ends = torch.cumsum(torch.bincount(shape, minlength=found.numel()), 0)
    members = Ragged(torch.cat([ends.new_zeros(1), ends]), torch.sort(shape, stable=True).indices)
    return shape, members, size[members.index[members.ptr[:-1]]]


def ascending(nodes: Tensor, first: int, end: int) -> Tensor:
    """int64: the distinct nodes, ascending.

    Args:
        nodes: integer, in [first, end).
        first, end: marks of that many nodes replace sorting where they are few.
    """
    if nodes.numel() <= (end - first) // 64:
        found: Tensor = torch.unique(nodes)
        return found
    marks = torch.zeros(end - first, dtype=torch.bool, device=nodes.device)
    marks[nodes - first] = True
    return torch.nonzero(marks).flatten() + first


def distinct(key: Tensor, bound: int) -> tuple[Tensor, Tensor]:
    """The distinct keys, ascending, and the place of each among them.

    Args:
        key: int64 [E] in [0, bound).
        bound: marks of that many keys replace sorting where they are few.
    """
    if bound > 4 * key.numel():
        found, place = torch.unique(key, return_inverse=True)
        return found, place
    marks = torch.zeros(bound, dtype=torch.int32, device=key.device)
    marks[key] = 1
    return torch.nonzero(marks).flatten(), (torch.cumsum(marks, 0, dtype=torch.int32)[key] - 1).to(torch.int64)
