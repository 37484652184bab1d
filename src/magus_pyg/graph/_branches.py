"""The distinct branches of the trees of `RelationalTrees`: found from the largest queries down, kept as 0/1 matrices.

A branch is a query q with what hangs below it. In the tree of a word set s it is told by q and by j, how many of the
first words of s the query begins with: q hangs above itself without its i-th word for each i < j, and that query then
begins with i of them. So the branches of k - 1 words follow from those of k words, whatever the word sets.
"""

import warnings
from dataclasses import dataclass
from math import comb

import torch
from torch import Tensor

from magus_pyg.graph._tree_source import Source, distinct
from magus_pyg.ragged import Ragged, ragged_arange

__all__ = ["Branches", "OneRows", "grow"]


class OneRows:
    """A sparse matrix of ones, by rows.

    Args:
        ptr: int32 or int64 [R + 1].
        index: integer [E], the columns.
        n_columns: C.
    """

    def __init__(self, ptr: Tensor, index: Tensor, n_columns: int) -> None:
        small = torch.int32 if index.numel() < 2**31 else torch.int64
        self.ptr, self.index, self.n_columns = ptr.to(small), index.to(small), n_columns
        self._matrix: Tensor | None = None

    @classmethod
    def collect(cls, row: Tensor, column: Tensor, n_rows: int, n_columns: int) -> "OneRows":
        """From pairs: row integer [E], column integer [E]."""
        ptr = torch.zeros(n_rows + 1, dtype=torch.int64, device=row.device)
        torch.cumsum(torch.bincount(row, minlength=n_rows), 0, out=ptr[1:])
        order = torch.sort(row.to(torch.int32) if n_rows < 2**31 else row, stable=True).indices
        return cls(ptr, column[order], n_columns)

    @property
    def ragged(self) -> Ragged:
        """The same as rows."""
        return Ragged(self.ptr, self.index)

    def product(self, values: Tensor, ones: Tensor, out: Tensor | None = None) -> Tensor:
        """The sums of each row: values float64 [C] or [C, B] to [R] or [R, B].

        Args:
            values: float64.
            ones: float64, at least [E].
            out: where to write them.
        """
        if out is None:
            out = values.new_empty((self.ptr.numel() - 1, *values.shape[1:]))
        if not self.index.numel() or not values.numel():
            return out.zero_()
        if self._matrix is None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
                shape = (self.ptr.numel() - 1, self.n_columns)
                weight = ones[: self.index.numel()]
                self._matrix = torch.sparse_csr_tensor(self.ptr, self.index, weight, shape, check_invariants=False)
        multiply = torch.mv if values.dim() == 1 else torch.mm
        multiply(self._matrix, values, out=out)
        return out


@dataclass(frozen=True, eq=False)
class _Level:
    """The branches at the queries of one size.

    Attributes:
        least: the first node of this size.
        n_queries: how many queries of this size there are.
        node: int32 [C], the query of each branch, counted from `least`, ascending; None where they are all of this
            size, each once.
        above: [C] rows, the branches of the level above that each hangs from; at the top the word sets, counted from
            the first with as many words; None where each is that of its own place.
        roots: where the word sets of this very size begin and end; empty at the top, where `above` holds them.
        place: int32 [roots], the branch that each of them is, ascending.
        merge: [n_queries] rows, the branches of each; None where each has one.
    """

    least: int
    n_queries: int
    node: Tensor | None
    above: OneRows | None
    roots: tuple[int, int]
    place: Tensor
    merge: OneRows | None

    def query(self) -> Tensor:
        """int64 [n_queries]: the nodes of the queries."""
        if self.node is None:
            return torch.arange(self.least, self.least + self.n_queries, device=self.place.device)
        query: Tensor = torch.unique_consecutive(self.node)
        return query.to(torch.int64) + self.least

    def branches_of(self, node: int) -> Tensor:
        """int64: the branches at a query."""
        low, high = node - self.least, node - self.least + 1
        if self.node is not None:
            low, high = torch.searchsorted(self.node, self.node.new_tensor([low, high])).tolist()
        elif low >= self.n_queries:
            low = high = 0
        return torch.arange(low, high, device=self.place.device)


@dataclass(frozen=True, eq=False)
class Branches:
    """All branches below S word sets.

    Attributes:
        levels: from the largest enumerated queries down to single words.
        top: the first word set that has at least as many words as the first level.
        long: [queries] rows, the word sets that hold each longer searched query; they come last among all queries.
        long_node: int64, the nodes of these queries, ascending.
    """

    levels: tuple[_Level, ...]
    top: int
    long: OneRows
    long_node: Tensor

    @property
    def n_queries(self) -> int:
        """Q."""
        return sum(level.n_queries for level in self.levels) + self.long_node.numel()

    @property
    def rows(self) -> list[OneRows]:
        """All matrices."""
        return [rows for level in self.levels for rows in (level.above, level.merge) if rows is not None] + [self.long]

    @property
    def nodes(self) -> list[Tensor]:
        """What is kept beside them."""
        return [kept for level in self.levels for kept in (level.node, level.place) if kept is not None]

    def query(self) -> Tensor:
        """int64 [Q]: the nodes of the queries, ascending."""
        return torch.cat([*(level.query() for level in reversed(self.levels)), self.long_node])

    def pour(self, pooled: Tensor, out: Tensor, ones: Tensor) -> Tensor:
        """Let the word sets send numbers down.

        Args:
            pooled: float64 [S] or [S, B].
            out: float64 [Q] or [Q, B]: for every query the sum over the word sets that contain it.
            ones: see `OneRows.product`.
        """
        end = out.shape[0] - self.long_node.numel()
        if self.long_node.numel():
            self.long.product(pooled, ones, out[end:])
        value = pooled[self.top :]
        for level in self.levels:
            end, sums = end - level.n_queries, out[end - level.n_queries : end]
            if level.above is not None:
                value = level.above.product(value, ones, sums if level.merge is None else None)
            else:
                value = sums.copy_(value)
            if level.place.numel():
                value.index_add_(0, level.place, pooled[slice(*level.roots)])
            if level.merge is not None:
                level.merge.product(value, ones, sums)
        return out

    def shapes_of(self, node: int) -> Tensor:
        """int64: the word sets that contain a query, each once; none where it is not among theirs."""
        if self.long_node.numel() and node >= int(self.long_node[0]):
            row = torch.nonzero(self.long_node == node).flatten()
            return self.long.ragged.gather(row)[1].to(torch.int64)
        if not self.levels:
            return self.long_node[:0]
        at = next(at for at, level in enumerate(self.levels) if level.least <= node)
        branch, found = self.levels[at].branches_of(node), []
        for level in reversed(self.levels[: at + 1]):
            if level.place.numel():
                spot = torch.searchsorted(level.place, branch.to(torch.int32)).clamp_(max=level.place.numel() - 1)
                found.append(spot[level.place[spot] == branch] + level.roots[0])
            if level.above is not None:
                branch = level.above.ragged.gather(branch)[1].to(torch.int64)
        return torch.cat([*found, branch + self.top])


def grow(source: Source, item: Tensor, size: Tensor) -> Branches:
    """The branches below word sets.

    Args:
        source: the graph.
        item: int64 [S], an item of each word set.
        size: int64 [S], how many words each has, ascending.
    """
    largest = min(source.most, int(size[-1])) if size.numel() else 0
    ends = torch.searchsorted(size, torch.arange(largest + 2, device=size.device)).tolist()
    columns = item.numel() - ends[largest]  # of the level above
    node = begins = item[:0]  # there: the queries, and with how many of the first words of their sets they begin
    levels: list[_Level] = []
    for k in range(largest, 0, -1):
        slots = k + 1 if k > 1 else 1  # nothing hangs from a single word, however its set begins
        count, top = source.first[k + 1] - source.first[k], k == largest
        if top:
            pairs, roots = _largest(source, item[ends[k] :], size[ends[k] :], k, slots), item[:0]
        else:
            pairs = [_below(source, node, begins, k, place, slots) for place in range(k + 1)]
            roots = source.part[source.rows.ptr[item[ends[k] : ends[k + 1]]] + (2**k - 2)]  # all words of the set
        column = torch.cat([pair[0] for pair in pairs])
        keys = [pair[1] for pair in pairs] + [(roots - source.first[k]) * slots + (slots - 1)]
        found, branch = distinct(torch.cat(keys), count * slots)
        node, begins = torch.div(found, slots, rounding_mode="floor"), found % slots
        query, of_query = torch.unique_consecutive(node, return_inverse=True)
        edges, branches = column.numel(), torch.arange(found.numel(), device=size.device)
        above = merge = None
        if not top or int(size[-1]) > k:  # else each word set is the one branch at its own query
            above = OneRows.collect(branch[:edges], column, found.numel(), columns)
        if query.numel() < found.numel():
            merge = OneRows.collect(of_query, branches, query.numel(), found.numel())
        every = merge is None and query.numel() == count
        levels.append(
            _Level(
                least=source.first[k],
                n_queries=query.numel(),
                node=None if every else node.to(torch.int32),
                above=above,
                roots=(ends[k], ends[k] + roots.numel()),
                place=branch[edges:].to(torch.int32),
                merge=merge,
            )
        )
        columns = found.numel()
    long_node, long = _longer(source, item, size)
    return Branches(tuple(levels), ends[largest], long, long_node)


def _largest(source: Source, item: Tensor, size: Tensor, k: int, slots: int) -> list[tuple[Tensor, Tensor]]:
    """The queries of k words of word sets with k words, or more where none of more words is enumerated.

    Returns:
        For each number of words `(word set, branch)`, int64 [E] each; a branch is told by query·slots + first words.
    """
    pairs = []
    for n in torch.unique_consecutive(size).tolist():
        chosen = torch.nonzero(size == n).flatten()
        places = torch.combinations(torch.arange(n), k)
        first_words = (places == torch.arange(k)).to(torch.int64).cumprod(1).sum(1).to(size.device)
        lead = sum(comb(n, fewer) for fewer in range(1, k))
        at = source.rows.ptr[item[chosen]].unsqueeze(1) + lead + torch.arange(places.shape[0], device=size.device)
        key = (source.part[at] - source.first[k]) * slots + (first_words if k > 1 else 0)
        pairs.append((chosen.repeat_interleave(places.shape[0]), key.view(-1)))
    return pairs


def _below(source: Source, node: Tensor, begins: Tensor, k: int, place: int, slots: int) -> tuple[Tensor, Tensor]:
    """What hangs from branches of k + 1 words without the word at a place: as of `_largest`."""
    chosen = torch.nonzero(begins > place).flatten()
    query = source.without(node[chosen], k + 1, place)
    return chosen, (query - source.first[k]) * slots + (place if k > 1 else 0)


def _longer(source: Source, item: Tensor, size: Tensor) -> tuple[Tensor, OneRows]:
    """The longer searched queries of word sets: their nodes, ascending, and the word sets that hold each."""
    regular = source.regular(size)
    count = source.rows.ptr[item + 1] - source.rows.ptr[item] - regular
    owner = torch.repeat_interleave(count)
    query = source.part[(source.rows.ptr[item] + regular)[owner] + ragged_arange(count)]
    node, row = torch.unique(query, return_inverse=True)
    return node, OneRows.collect(row, owner, node.numel(), item.numel())
