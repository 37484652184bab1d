"""What all people share: who contains whom, as trees and as rows, and what an answer to a node touches."""

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import GraphError
from magus_pyg.graph import (
    RelationalRows,
    RelationalTrees,
    SessionGraphBuilder,
    Touched,
    min_support,
    n_items,
    n_nodes,
)
from magus_pyg.ragged import Ragged

__all__ = ["CatalogueIndex", "Containment"]

_KEPT_NODES = 2**23
"""Most nodes that are kept of what answers touch, and of the items of nodes: 140 MB together."""

_FEWER_EDGES = 0.65
"""Sums go along the trees where these have at most this share of the edges of the rows. Measured (benchmarks/trees.py):
where word sets are shared that is so, and the sums are as much faster; else the rows are read in a better order."""

_Kept = TypeVar("_Kept")


class _Recent(Generic[_Kept]):
    """What was found for nodes, while it is not too much."""

    def __init__(self, size: Callable[[_Kept], int]) -> None:
        self._size, self._held = size, 0
        self._found: OrderedDict[int, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, node: int, find: Callable[[int], _Kept]) -> _Kept:
        """What is kept of a node, or is found now; by several threads at once, perhaps, each time the same."""
        with self._lock:
            if node in self._found:
                self._found.move_to_end(node)
                return self._found[node]
        found = find(node)
        with self._lock:
            if node not in self._found:
                self._found[node] = found
                self._held += self._size(found)
                while self._held > _KEPT_NODES and len(self._found) > 1:
                    self._held -= self._size(self._found.popitem(last=False)[1])
        return found


@dataclass(frozen=True, eq=False)
class Containment:
    """A weight for each pair of a query and an item that contains it: sums over the rows of R+.

    Attributes:
        matrix: [Q, I], sparse (CSR), its columns in the order of `order`.
        order: int32 [I], the items by word set: what a query reads then lies close together.
    """

    matrix: Tensor
    order: Tensor

    def total(self, values: Tensor, out: Tensor | None = None) -> Tensor:
        """For every query the weighted sum of the values [I] or [I, B] of the items that contain it: [Q] or [Q, B].

        Args:
            values: of the type of the weights.
            out: where to write them.
        """
        if out is None:
            out = values.new_empty((self.matrix.shape[0], *values.shape[1:]))
        if not out.numel():
            return out
        multiply = torch.mv if values.dim() == 1 else torch.mm
        multiply(self.matrix, values.index_select(0, self.order), out=out)
        return out


class CatalogueIndex:
    """Containment of a whole catalogue, made once a process, for sessions of many threads.

    Args:
        graph: the relational graph; its device is that of all work.

    Attributes:
        scratch: to be held while `marks` and `sums` are used, since all sessions share them.

    Raises:
        GraphError: a graph whose relations are not those of Definition 3.1 (the ablations need explicit edges).
    """

    def __init__(self, graph: HeteroData) -> None:
        if graph.relations != "definition":
            raise GraphError(
                f"a whole catalogue needs relations='definition', and this graph has {graph.relations!r}: "
                "the others need R- as edges, which is quadratic"
            )
        self.graph = graph
        self.n_items, self.n_nodes = n_items(graph), n_nodes(graph)
        self.builder = SessionGraphBuilder(graph)
        self.scratch = threading.Lock()
        self._touched: _Recent[Touched] = _Recent(lambda touched: touched.node.numel())
        self._items: _Recent[Tensor] = _Recent(Tensor.numel)

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self.item_queries.ptr.device

    @property
    def item_queries(self) -> Ragged:
        """[I] rows: the queries of each item."""
        return self.builder.item_parts

    @cached_property
    def trees(self) -> RelationalTrees | RelationalRows:
        """The graph as trees (App. F.1); as rows where queries of few items are left out."""
        if min_support(self.graph) > 1:
            return RelationalRows(self.graph, self.item_queries)
        return RelationalTrees(self.graph, self.item_queries)

    @cached_property
    def sums_along_trees(self) -> bool:
        """Whether Eq. (4) is summed along the trees, not over the rows; the sums are the same."""
        if isinstance(self.trees, RelationalRows):
            return False
        return self.trees.n_edges <= _FEWER_EDGES * self.item_queries.index.numel()

    @cached_property
    def places(self) -> Ragged:
        """[Q] rows of int32: where the items that contain each query stand in `trees.grouped`, ascending; the query of
        row q is the node I + q."""
        position, query = self.item_queries.gather(self.trees.grouped)
        n_queries = self.n_nodes - self.n_items
        query, by_query = torch.sort((query - self.n_items).to(torch.int32), stable=True)
        ends = torch.cumsum(torch.bincount(query, minlength=n_queries), 0)
        return Ragged(torch.cat([ends.new_zeros(1), ends]), position.to(torch.int32)[by_query])

    @cached_property
    def containment(self) -> Containment:
        """The rows of R+ with unit weights."""
        return self.weighted_containment(torch.ones(self.places.index.numel(), dtype=torch.float64))

    def weighted_containment(self, weight: Tensor) -> Containment:
        """The rows of R+ with weights.

        Args:
            weight: floating [E], in the order of `places`.
        """
        rows = self.places
        # 32 bits halve what a product reads; pointers count edges.
        size = torch.int32 if rows.index.numel() < 2**31 else torch.int64
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            ptr, place, shape = rows.ptr.to(size), rows.index.to(size), (len(rows), self.n_items)
            matrix = torch.sparse_csr_tensor(ptr, place, weight.to(self.device), shape, check_invariants=False)
        return Containment(matrix, self.trees.grouped)

    def total(self, values: Tensor, out: Tensor | None = None) -> Tensor:
        """For every query the sum over the items that contain it, along the trees or over the rows.

        Args:
            values: float64 [I] or [I, B], whole numbers (`RelationalTrees.whole`), so that both give the same bits.
            out: float64 [Q] or [Q, B], to write to.
        """
        if self.sums_along_trees and isinstance(self.trees, RelationalTrees):
            return self.trees.total(values, out)
        return self.containment.total(values, out)

    @cached_property
    def held_by(self) -> Tensor:
        """int64 [Q]: how many items contain each query."""
        return torch.bincount(self.item_queries.index - self.n_items, minlength=self.n_nodes - self.n_items)

    @cached_property
    def marks(self) -> Tensor:
        """bool [N], all False between uses (`scratch`): membership of few nodes without sorting them."""
        return torch.zeros(self.n_nodes, dtype=torch.bool, device=self.device)

    @cached_property
    def sums(self) -> Tensor:
        """float64 [N], all 0 between uses (`scratch`)."""
        return torch.zeros(self.n_nodes, dtype=torch.float64, device=self.device)

    def items_of(self, node: int) -> Tensor:
        """int64 [K]: the items that contain a node, ascending; an item contains itself. Not to be changed."""
        return self._items.get(node, self.trees.items_of)

    def touch(self, node: int, active: Tensor | None = None) -> Touched:
        """What an answer to a node touches (Eq. 9); see `Touched`. Not to be changed.

        Args:
            node: the node u.
            active: bool [N], the nodes of the session; None for all. Only items among them make nodes compatible.
        """
        if active is not None:
            return self.trees.touch(node, active)
        return self._touched.get(node, self.trees.touch)
