"""What all people share: containment as rows, which items are on offer, and what an answer to a node touches."""

import warnings
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import GraphError
from magus_pyg.graph import SessionGraphBuilder, n_items, n_nodes
from magus_pyg.graph.access import node_wholes
from magus_pyg.ragged import Ragged

__all__ = ["CatalogueIndex", "Touch"]

_CACHED_NODES = 2**24
"""Most nodes that kept `Touch`es hold together: about 200 MB."""


@dataclass(frozen=True)
class Touch:
    """The nodes that Eq. (9) treats differently from all others when a node u is answered.

    Attributes:
        node: int64 [T], the nodes that some item contains together with u, except u itself: R+ in both directions and
            R⊥. All other nodes are R- to u. Items first, ascending.
        is_whole: bool [T], whether u is part of the node: R+ from u, which receives +w where the other nodes of `node`
            receive nothing.
    """

    node: Tensor
    is_whole: Tensor


class CatalogueIndex:
    """Rows of containment of a whole catalogue, made once a process.

    Args:
        graph: the relational graph; its device is that of all work.

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
        self._touched: OrderedDict[int, Touch] = OrderedDict()
        self._held = 0

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self.item_queries.ptr.device

    @property
    def item_queries(self) -> Ragged:
        """[I] rows: the queries of each item."""
        return self.builder.item_parts

    @cached_property
    def query_items(self) -> Ragged:
        """[Q] rows: the items that contain each query, ascending; the query of row q is the node I + q."""
        rows = self.builder.query_items
        return Ragged(rows.ptr[self.n_items :] - rows.ptr[self.n_items], rows.index)

    @cached_property
    def containment(self) -> Tensor:
        """float64 [Q, I], sparse: 1 where an item contains a query; see `containment_matrix`."""
        return self.containment_matrix(torch.ones(self.query_items.index.numel(), dtype=torch.float64))

    def containment_matrix(self, weight: Tensor) -> Tensor:
        """[Q, I], sparse (CSR): a weight for each pair of a query and an item that contains it.

        Args:
            weight: floating [E], in the order of `query_items`.
        """
        rows = self.query_items
        # 32 bits halve what a product reads; pointers count edges.
        size = torch.int32 if rows.index.numel() < 2**31 else torch.int64
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            shape = (self.n_nodes - self.n_items, self.n_items)
            ptr, item = rows.ptr.to(size), rows.index.to(size)
            return torch.sparse_csr_tensor(ptr, item, weight.to(self.device), shape, check_invariants=False)

    @cached_property
    def wholes(self) -> Ragged:
        """[N] rows: the nodes that contain each node, ascending."""
        return node_wholes(self.graph)

    @cached_property
    def marks(self) -> Tensor:
        """bool [N], all False between uses: membership of few nodes without sorting them."""
        return torch.zeros(self.n_nodes, dtype=torch.bool, device=self.device)

    @cached_property
    def sums(self) -> Tensor:
        """float64 [N], all 0 between uses."""
        return torch.zeros(self.n_nodes, dtype=torch.float64, device=self.device)

    def items_of(self, node: int) -> Tensor:
        """int64 [K]: the items that contain a node; an item contains itself."""
        if node < self.n_items:
            return torch.tensor([node], device=self.device)
        start, end = self.query_items.ptr[node - self.n_items : node - self.n_items + 2].tolist()
        return self.query_items.index[start:end]

    def touch(self, node: int, active: Tensor | None = None) -> Touch:
        """What an answer to a node touches; see `Touch`.

        Args:
            node: the node u.
            active: bool [N], the nodes of the session; None for all. Only items among them make nodes compatible.
        """
        if active is not None:
            return self._find(node, active)
        if node in self._touched:
            self._touched.move_to_end(node)
            return self._touched[node]
        found = self._find(node, None)
        self._touched[node] = found
        self._held += found.node.numel()
        while self._held > _CACHED_NODES and len(self._touched) > 1:
            _, dropped = self._touched.popitem(last=False)
            self._held -= dropped.node.numel()
        return found

    def _find(self, node: int, active: Tensor | None) -> Touch:
        items = self.items_of(node)
        start, end = self.wholes.ptr[node : node + 2].tolist()
        wholes = self.wholes.index[start:end]
        if active is not None:
            items, wholes = items[active[items]], wholes[active[wholes]]
        # Every query of an item that contains u is compatible with u: among them all parts and all wholes of u.
        _, queries = self.item_queries.gather(items)
        marks = self.marks
        marks[queries] = True
        if queries.numel() > self.n_nodes // 64:
            queries = torch.nonzero(marks[self.n_items :]).flatten() + self.n_items
        else:
            queries = torch.unique(queries)
        marks[queries] = False
        touched = torch.cat([items, queries])
        touched = touched[touched != node]
        marks[wholes] = True
        is_whole = marks[touched]
        marks[wholes] = False
        return Touch(touched, is_whole)
