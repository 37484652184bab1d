"""The relational graph laid out as trees (App. F.1), equal trees and equal branches stored once.

Each item is the root of a tree. It branches to its largest queries, these on to smaller ones, down to single words, so
that every query of the item stands in its tree once:

* a query q of fewer than `max_words` words, and fewer than the item, hangs from q and the item's first word that q
  lacks (words in the order of their ids);
* all others hang from the root: those of `max_words` words, that of all words of the item, longer searched queries.

Items with the same words have the same tree below the root, so the trees are those of the distinct word sets, and an
item points to its own. What hangs below a query q in the tree of a word set s depends only on q and on how many of the
first words of s it begins with: one word less at each of these places. So equal branches are found without looking
into them, each is stored once, and a number that items send (Eq. 4) is added up where their trees meet.
"""

from collections.abc import Iterable
from functools import cached_property
from itertools import pairwise
from math import ceil, log2
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import GraphError
from magus_pyg.graph._branches import OneRows, grow
from magus_pyg.graph._tree_source import Source, ascending, find_shapes
from magus_pyg.graph.access import check_node
from magus_pyg.ragged import Ragged

__all__ = ["RelationalTrees", "Touched", "Tree", "whole_units"]


class Tree(NamedTuple):
    """The tree of one item.

    Attributes:
        node: int64 [M], the item, then its queries, ascending.
        parent: int64 [M], the place in `node` that each hangs from; -1 for the root.
    """

    node: Tensor
    parent: Tensor


class Touched(NamedTuple):
    """The nodes that Eq. (9) treats differently from all others when a node u is answered.

    Attributes:
        node: int64 [T], the nodes that some item contains together with u, except u itself; ascending.
        is_whole: bool [T], whether u is part of the node (R+ from u); the others are R+ towards u, or R⊥.
    """

    node: Tensor
    is_whole: Tensor


def whole_units(n_items: int) -> float:
    """In how many whole units a score of 1 is counted, so that float64 holds all sums of `n_items` scores in [0, 1].

    Sums of whole numbers are exact in any order: equal sets of items have equal sums, and parts add up to the whole.
    """
    return float(2.0 ** min(40, 52 - ceil(log2(max(n_items, 1)))))


class RelationalTrees:
    """One tree an item, columnar: from items to their queries as sums (Eq. 4) and as sets (Eq. 9).

    Args:
        graph: as made by `build_relational_graph`; its device is that of all work.
        rows: `item_queries(graph)`, where it is at hand.

    Attributes:
        shape: int32 [I], which of the S distinct word sets each item has; they are numbered by size.
        units: in how many units a score of 1 is counted; selections and parts keep that of the whole catalogue.

    Raises:
        GraphError: a graph whose nodes are not those of `build_relational_graph` with `min_support` 1.
    """

    shape: Tensor
    units: float

    def __init__(self, graph: HeteroData, rows: Ragged | None = None) -> None:
        source = Source.of(graph, rows)
        source.check_complete()
        self._plant(source, None, whole_units(source.n_items))

    def _plant(self, source: Source, chosen: Tensor | None, units: float) -> None:
        """Args: the graph; int64 [I] its chosen items, None for all; units."""
        self._source, self._chosen, self.units = source, chosen, units
        self.shape, members, sizes = find_shapes(source, self.item)
        self._members = OneRows(members.ptr, members.index, self.n_items)
        first = self._nodes(members.index[members.ptr[:-1]])  # an item of each word set stands for it
        self._representative = first.to(torch.int32)
        self._branches = grow(source, first, sizes)

    @classmethod
    def _of(cls, source: Source, chosen: Tensor, units: float) -> "RelationalTrees":
        trees = cls.__new__(cls)
        trees._plant(source, chosen, units)
        return trees

    def __repr__(self) -> str:
        return (
            f"RelationalTrees({self.n_items} items, {self.n_queries} queries, {self.n_shapes} word sets, "
            f"{self.n_edges} edges)"
        )

    @property
    def item(self) -> Tensor:
        """int64 [I], the items, whose scores `sums` takes in this order."""
        if self._chosen is None:
            return torch.arange(self._source.n_items, device=self._source.part.device)
        return self._chosen

    @property
    def grouped(self) -> Tensor:
        """int32 [I] (int64 beyond 2^31): the places in `item` by word set, so that like items stand together."""
        return self._members.index

    @property
    def query(self) -> Tensor:
        """int64 [Q], the nodes of the queries that they contain, ascending; `sums` gives them in this order."""
        return self._branches.query()

    @property
    def n_items(self) -> int:
        """I."""
        return self.shape.numel()

    @property
    def n_queries(self) -> int:
        """Q."""
        return self._branches.n_queries

    @property
    def n_shapes(self) -> int:
        """S, the distinct word sets."""
        return self._representative.numel()

    @property
    def n_edges(self) -> int:
        """How many numbers `sums` adds up: items to their word sets, and along the distinct branches."""
        return sum(rows.index.numel() for rows in self._rows)

    @property
    def nbytes(self) -> int:
        """The memory of the trees beyond the graph, in bytes."""
        chosen = [] if self._chosen is None else [self._chosen]
        kept = [*chosen, self.shape, self._representative, *self._branches.nodes, self._ones]
        halves = [half for rows in self._rows for half in (rows.ptr, rows.index)]
        return sum(tensor.nbytes for tensor in (*kept, *halves))

    @property
    def _rows(self) -> list[OneRows]:
        return [self._members, *self._branches.rows]

    @cached_property
    def _ones(self) -> Tensor:
        """float64: the values of all matrices."""
        most = max(rows.index.numel() for rows in self._rows)
        return torch.ones(most, dtype=torch.float64, device=self.shape.device)

    def _nodes(self, column: Tensor) -> Tensor:
        """int64: the item nodes at places of `item`."""
        return column.to(torch.int64) if self._chosen is None else self._chosen[column]

    def whole(self, values: Tensor) -> Tensor:
        """Scores in [0, 1] as whole numbers of units, float64."""
        return (values.to(torch.float64) * self.units).round_()

    def sums(self, values: Tensor, out: Tensor | None = None) -> Tensor:
        """Eq. (4): for every query the sum of the scores of the items that contain it.

        Args:
            values: floating [I] or, for B people at once, [I, B], in [0, 1]; counted in whole units.
            out: float64 [Q] or [Q, B], to write to.

        Returns:
            float64 [Q] or [Q, B]; the same bits whatever the order and number of additions.

        Raises:
            GraphError: values of another shape.
        """
        return self.total(self.whole(values), out).div_(self.units)

    def total(self, values: Tensor, out: Tensor | None = None) -> Tensor:
        """The sums of any float64 values, unscaled; exact where they are whole numbers. Arguments as of `sums`."""
        if values.dim() not in (1, 2) or values.shape[0] != self.n_items:
            raise GraphError(
                f"values must have one row per item, [{self.n_items}] or [{self.n_items}, B], got {list(values.shape)}"
            )
        if out is None:
            out = values.new_empty((self.n_queries, *values.shape[1:]))
        if values.dim() == 1 and not values.is_cuda:  # twice as fast as rows that mostly hold one or two items
            pooled = torch.bincount(self.shape, values.to(torch.float64), self.n_shapes)
        else:
            pooled = self._members.product(values, self._ones)
        return self._branches.pour(pooled, out, self._ones)

    def select(self, items: Tensor) -> "RelationalTrees":
        """The trees of chosen items alone, such as a retrieval list; the work is that of these items.

        Args:
            items: int64 [K], item nodes, each once; `sums` then takes their scores in this order.

        Raises:
            GraphError: a node that is no item, or stands twice.
        """
        items = items.to(self.shape.device, torch.int64)
        outside = items[(items < 0) | (items >= self._source.n_items)]
        if outside.numel():
            raise GraphError(f"node {int(outside[0])} is no item: items are the nodes 0..{self._source.n_items - 1}")
        ordered = torch.sort(items).values
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if twice.numel():
            raise GraphError(f"item {int(twice[0])} is chosen twice")
        return self._of(self._source, items, self.units)

    def split(self, parts: int) -> list["RelationalTrees"]:
        """Parts with about as many items each, to be worked apart; items of one word set stay together.

        The sums of each, given the scores of its items, add up to those of all (`add`), bit for bit.

        Args:
            parts: how many, at least 1; there are fewer where there are fewer distinct word sets.

        Raises:
            GraphError: fewer than 1.
        """
        if parts < 1:
            raise GraphError(f"parts must be at least 1, got {parts}")
        ends = self._members.ptr[1:].to(torch.int64)
        marks = torch.arange(1, parts + 1, device=ends.device) * self.n_items // parts
        cuts = torch.unique(ends[torch.searchsorted(ends, marks)]).tolist() if ends.numel() else []
        return [
            self._of(self._source, self._nodes(self._members.index[start:end].to(torch.int64)), self.units)
            for start, end in pairwise([0, *cuts])
        ]

    def add(self, parts: Iterable[tuple["RelationalTrees", Tensor]]) -> Tensor:
        """The sums of all items from those of the parts.

        Args:
            parts: each part of `split` (at least one) and its sums, float64 [Q'] or [Q', B].

        Returns:
            float64 [Q] or [Q, B].
        """
        query, total = self.query, torch.zeros(0)
        for number, (part, sums) in enumerate(parts):
            if not number:
                total = sums.new_zeros((query.numel(), *sums.shape[1:]))
            whole = self._chosen is None
            place = part.query - self._source.n_items if whole else torch.searchsorted(query, part.query)
            total.index_add_(0, place, sums)
        return total

    def tree(self, item: int) -> Tree:
        """The tree of one item, written out.

        Raises:
            GraphError: the node is not among the items.
        """
        if not self._column(check_node(self._source.graph, item)).numel():
            raise GraphError(f"node {item} is not among the items of these trees")
        return Tree(*self._source.tree(item))

    def _column(self, node: int) -> Tensor:
        """int64 [0] or [1]: the place of an item in `item`."""
        if self._chosen is not None:
            return torch.nonzero(self._chosen == node).flatten()
        return torch.arange(node, node + (node < self.n_items), device=self.shape.device)

    def items_of(self, node: int) -> Tensor:
        """int64, ascending: the items that contain a node; an item contains itself."""
        if node < self._source.n_items:
            return self._nodes(self._column(node))
        return ascending(self._below(self._branches.shapes_of(node))[1], 0, self._source.n_items)

    def _below(self, shapes: Tensor) -> tuple[Tensor, Tensor]:
        """The items of word sets: which of `shapes` each is of, and its node."""
        place, column = self._members.ragged.gather(shapes)
        return place, self._nodes(column.to(torch.int64))

    def touch(self, node: int, active: Tensor | None = None) -> Touched:
        """What an answer to a node touches (Eq. 9); see `Touched`.

        Args:
            node: the node u.
            active: bool [N], the nodes on offer; None for all. Only items among them make nodes compatible.

        Raises:
            GraphError: the graph has no such node.
        """
        if check_node(self._source.graph, node) < self._source.n_items:
            items = self._nodes(self._column(node))
            queries = self._source.queries_of(items if active is None else items[active[items]])
            return Touched(queries, torch.zeros_like(queries, dtype=torch.bool))
        shapes = self._branches.shapes_of(node)
        place, items = self._below(shapes)
        if active is not None:
            offered = active[items]
            items, shapes = items[offered], shapes[torch.unique(place[offered])]
        queries = self._source.queries_of(self._representative[shapes].to(torch.int64))
        queries = queries[queries != node]
        is_whole = torch.cat([torch.ones_like(items, dtype=torch.bool), self._source.contain(queries, node)])
        return Touched(torch.cat([ascending(items, 0, self._source.n_items), queries]), is_whole)
