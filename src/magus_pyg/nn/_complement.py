"""Sums over all pairs of nodes that no edge joins, without forming those pairs.

R- joins nearly every pair of nodes. A sum over the nodes *not* joined to v is the total, minus v itself, minus the
joined ones: O(N + E) numbers instead of O(N²).
"""

import torch
from torch import Tensor
from torch_geometric.utils import scatter

__all__ = ["Complement", "edge_dot"]


def edge_dot(source: Tensor, target: Tensor, left: Tensor, right: Tensor | None = None) -> Tensor:
    """Dot products left[source]·right[target], [E], of feature rows [N, r] (`right` is `left` where it is None)."""
    other = left if right is None else right
    return (left.index_select(0, source) * other.index_select(0, target)).sum(-1)


class Complement:
    """The ordered pairs (u, v), u != v, of one graph that no given edge joins in either direction.

    Attributes:
        source, target: int64 [J], the joined ordered pairs, sorted by target. Each pair stands there once, however
            often and in whichever direction its edges were given; loops are left out.
        keep: bool [J] saying which entries count, or None where all do. Only compiled graphs, whose shapes cannot
            depend on values, carry it.
        batch: int64 [N], the graph of each node, or None for one graph. Pairs of two graphs are not in the complement.
        num_nodes: N.
    """

    def __init__(self, joined: list[Tensor], num_nodes: int, batch: Tensor | None = None) -> None:
        """Collect the joined pairs.

        Args:
            joined: at least one int64 [2, E] tensor of edges in [0, num_nodes); with `batch`, each within a graph.
            num_nodes: N.
            batch: int64 [N], at least 0 (and below N where the call is compiled).
        """
        first, second = torch.cat(joined, dim=1)
        key = torch.cat([second, first]) * num_nodes + torch.cat([first, second])
        key = key.sort().values
        divisor = max(num_nodes, 1)
        source, target = key % divisor, torch.div(key, divisor, rounding_mode="floor")
        keep = source != target
        # A pair given twice, or in both directions, or by two kinds of edges, is taken from the total once.
        repeated = torch.cat([keep.new_zeros(1), key[1:] == key[:-1]])[: key.numel()]
        keep = keep & ~repeated
        self.keep: Tensor | None = None
        if torch.compiler.is_compiling():
            self.keep = keep
        else:
            source, target = source[keep], target[keep]
        self.source, self.target = source, target
        self.batch, self.num_nodes = batch, num_nodes

    def sum(self, value: Tensor) -> Tensor:
        """Σ value_u over the complement of each node v: [N, k] to [N, k] (floating or integer)."""
        message = value.index_select(0, self.source)
        if self.keep is not None:
            message = message * self.keep.unsqueeze(-1)
        return self._totals(value) - value - self._gather(message)

    def weighted_sum(self, value: Tensor, factors: Tensor) -> Tensor:
        """Σ (factors_u·factors_v) value_u over the complement of each v: value [N, k], factors [N, r] to [N, k].

        The weight is a dot product, so factors_v leaves the sum: factors_v · Σ_u factors_u value_u. With `batch`
        the outer products take N·r·k numbers.
        """
        if self.batch is None:
            total = factors @ (factors.t() @ value)
        else:
            outer = factors.unsqueeze(-1) * value.unsqueeze(1)
            total = (factors.unsqueeze(-1) * self._totals(outer)).sum(1)
        own = factors.square().sum(-1, keepdim=True) * value
        weight = edge_dot(self.source, self.target, factors)
        if self.keep is not None:
            weight = weight * self.keep
        return total - own - self._gather(weight.unsqueeze(-1) * value.index_select(0, self.source))

    def count(self, allowed: Tensor | None = None) -> Tensor:
        """The number of nodes in the complement of each node, int64 [N]; only nodes of the bool mask `allowed`."""
        ones = torch.ones(self.num_nodes, 1, dtype=torch.int64, device=self.source.device)
        if allowed is not None:
            ones = ones * allowed.unsqueeze(-1)
        return self.sum(ones).squeeze(-1)

    def mean(self, value: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Mean of value_u over the complement of each v, [N, k]; 0 where it is empty. `allowed`: see `count`."""
        count = self.count(allowed).unsqueeze(-1)
        if allowed is not None:
            value = value * allowed.unsqueeze(-1)
        # The sum of an empty complement is a difference of equal numbers: rounding may leave it off zero.
        return torch.where(count > 0, self.sum(value) / count.clamp(min=1), 0.0)

    def _gather(self, message: Tensor) -> Tensor:
        return scatter(message, self.target, dim=0, dim_size=self.num_nodes, reduce="sum")  # type: ignore[no-any-return]

    def _totals(self, value: Tensor) -> Tensor:
        """The total of each node's graph, broadcastable to [N, ...]."""
        if self.batch is None:
            return value.sum(0, keepdim=True)
        num_graphs = self.num_nodes  # the bound known without looking at values
        if not torch.compiler.is_compiling():
            num_graphs = int(self.batch.max()) + 1 if self.num_nodes else 0
        total = scatter(value, self.batch, dim=0, dim_size=num_graphs, reduce="sum")
        return total.index_select(0, self.batch)  # type: ignore[no-any-return]
