"""Who contains whom by the rows of R+: what `RelationalTrees` finds, where queries of few items are left out."""

from functools import cached_property

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.graph._tree_source import Source, ascending
from magus_pyg.graph.access import check_node
from magus_pyg.graph.trees import Touched
from magus_pyg.ragged import Ragged

__all__ = ["RelationalRows"]


class RelationalRows:
    """The items of each query, and what an answer touches (Eq. 9).

    A tree needs every combination of an item's words; with `min_support` above 1 there are fewer.

    Args:
        graph: as made by `build_relational_graph`.
        rows: `item_queries(graph)`, where it is at hand.

    Raises:
        GraphError: a graph whose nodes are not those of `build_relational_graph`.
    """

    def __init__(self, graph: HeteroData, rows: Ragged | None = None) -> None:
        self._source = Source.of(graph, rows)

    def __repr__(self) -> str:
        source = self._source
        return f"RelationalRows({source.n_items} items, {source.n_nodes - source.n_items} queries)"

    @cached_property
    def grouped(self) -> Tensor:
        """int32 [I] (int64 beyond 2^31): the items, in the order of their nodes."""
        count = self._source.n_items
        return torch.arange(count, dtype=torch.int32 if count < 2**31 else torch.int64, device=self._source.part.device)

    @cached_property
    def _items(self) -> Ragged:
        return self._source.rows.transpose(self._source.n_nodes)

    def items_of(self, node: int) -> Tensor:
        """int64, ascending: the items that contain a node; an item contains itself."""
        if check_node(self._source.graph, node) < self._source.n_items:
            return torch.tensor([node], device=self._source.part.device)
        return self._items.index[int(self._items.ptr[node]) : int(self._items.ptr[node + 1])]

    def touch(self, node: int, active: Tensor | None = None) -> Touched:
        """What an answer to a node touches; arguments and errors as of `RelationalTrees.touch`."""
        items = self.items_of(node)
        if active is not None:
            items = items[active[items]]
        queries = self._source.queries_of(items)
        if node < self._source.n_items:
            return Touched(queries, torch.zeros_like(queries, dtype=torch.bool))
        queries = queries[queries != node]
        is_whole = torch.cat([torch.ones_like(items, dtype=torch.bool), self._source.contain(queries, node)])
        return Touched(torch.cat([ascending(items, 0, self._source.n_items), queries]), is_whole)
