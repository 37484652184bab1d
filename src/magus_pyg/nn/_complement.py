"""Sums over all pairs of nodes that no edge joins, without forming those pairs.

R- joins nearly every pair of nodes. A sum over the nodes *not* joined to v is the total, minus v itself, minus the
joined ones: O(N + E) numbers instead of O(N²).
"""

import warnings
from typing import Any

import torch
from torch import Tensor
from torch_geometric.utils import scatter

from magus_pyg.nn._inputs import check_batch

__all__ = ["Complement", "ComplementCache", "edge_dot", "own_rows", "row_dot", "select_edges"]


_BLOCK = 1 << 18
"""Numbers of features looked at together where no gradient is asked for: they stay in the cache."""


def edge_dot(source: Tensor, target: Tensor, features: Tensor) -> Tensor:
    """Dot products features[source]·features[target], [E], of rows [N, r]."""
    return row_dot(features, source, features, target)


def row_dot(left: Tensor, left_row: Tensor | None, right: Tensor, right_row: Tensor) -> Tensor:
    """left[left_row]·right[right_row], [E], or [E, H] for rows [H, B]; `left_row` None takes the rows as they stand."""
    size, block = right_row.numel(), max(1, _BLOCK // max(1, left.size(1)))
    needs_grad = torch.is_grad_enabled() and (left.requires_grad or right.requires_grad)
    if torch.compiler.is_compiling() or needs_grad or size <= block:
        rows = left if left_row is None else left.index_select(0, left_row)
        return (rows * right.index_select(0, right_row)).sum(-1)
    result = left.new_empty(size, *left.shape[1:-1])
    for start in range(0, size, block):  # without this, E·r numbers would be written and read twice
        part = slice(start, start + block)
        rows = left[part] if left_row is None else left.index_select(0, left_row[part])
        torch.sum(rows * right.index_select(0, right_row[part]), -1, out=result[part])
    return result


def own_rows(source: Tensor, target: Tensor, rows: Tensor | None) -> tuple[Tensor, Tensor]:
    """The rows of both ends of edges [E]; those of their nodes if None."""
    return (source, target) if rows is None else (rows.index_select(0, source), rows.index_select(0, target))


def select_edges(ends: Tensor, mask: Tensor) -> Tensor:
    """The edges of the bool mask [E]: [2, E']. A compiled graph makes loops of the others, which join nothing."""
    if torch.compiler.is_compiling():
        return torch.stack([ends[0], torch.where(mask, ends[1], ends[0])])
    return ends[:, mask]


class Complement:
    """The ordered pairs (u, v), u != v, of one graph that no given edge joins in either direction.

    Attributes:
        source, target: int64 [J], the joined ordered pairs, sorted by target and source. Each pair stands there once,
            however often and in whichever direction its edges were given; loops are left out.
        keep: bool [J] saying which entries count, or None where all do. Only compiled graphs, whose shapes cannot
            depend on values, carry it.
        ptr: int64 [N + 1], the pairs of target v are `ptr[v]:ptr[v + 1]`; None where `keep` is not.
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
        self.ptr: Tensor | None = None
        if torch.compiler.is_compiling():
            self.keep = keep
        else:
            source, target = source[keep], target[keep]
            self.ptr = torch.searchsorted(target, torch.arange(num_nodes + 1, device=target.device))
        self.source, self.target = source, target
        self.batch, self.num_nodes = batch, num_nodes

    def sum(self, value: Tensor) -> Tensor:
        """Σ value_u over the complement of each node v: floating [N, k] to [N, k]."""
        return self._totals(value) - value - self._joined_sum(value)

    def weighted_sum(self, value: Tensor, factors: Tensor, rows: Tensor | None = None) -> Tensor:
        """Σ (factors_u·factors_v) value_u over the complement of each v: value [N, k], factors [N, r] to [N, k].

        Node v has the row `rows[v]` of the factors, its own if `rows` is None.

        The weight is a dot product, so factors_v leaves the sum: factors_v · Σ_u factors_u value_u. One column takes
        N·r numbers; of more columns, whose products with all factors would be too many, the joined pairs are weighted
        one by one, J·(r + k) numbers, and with `batch` the totals take N·r·k.
        """
        if value.size(1) == 1:
            needs_grad = torch.is_grad_enabled() and (value.requires_grad or factors.requires_grad)
            if not torch.compiler.is_compiling() and not needs_grad:
                return self._weighted_column(value.squeeze(-1), factors, rows).unsqueeze(-1)
        factors = factors if rows is None else factors.index_select(0, rows)
        if value.size(1) == 1:
            return (factors * self.sum(factors * value)).sum(-1, keepdim=True)
        if self.batch is None:
            total = factors @ (factors.t() @ value)
        else:
            total = (factors.unsqueeze(-1) * self._totals(factors.unsqueeze(-1) * value.unsqueeze(1))).sum(1)
        own = factors.square().sum(-1, keepdim=True) * value
        weight = edge_dot(self.source, self.target, factors)
        if self.keep is not None:
            weight = weight * self.keep
        return total - own - self._to_targets(weight.unsqueeze(-1) * value.index_select(0, self.source))

    def _weighted_column(self, value: Tensor, factors: Tensor, rows: Tensor | None) -> Tensor:
        """`weighted_sum` of one column [N], looking only at the nodes that send something."""
        senders = value.nonzero().squeeze(-1)
        sent = value.index_select(0, senders)
        feature = factors.index_select(0, senders if rows is None else rows.index_select(0, senders))
        if self.batch is None:
            result = (factors if rows is None else factors.index_select(0, rows)) @ (feature.t() @ sent)
        else:
            num_graphs = int(self.batch.max()) + 1 if self.num_nodes else 0
            total = factors.new_zeros((num_graphs, factors.size(1)))
            total.index_add_(0, self.batch.index_select(0, senders), feature * sent.unsqueeze(-1))
            sending = total.new_zeros(num_graphs, dtype=torch.bool)
            sending[self.batch.index_select(0, senders)] = True
            nodes = sending.index_select(0, self.batch).nonzero().squeeze(-1)  # elsewhere the sum is 0
            result = value.new_zeros(self.num_nodes)
            own = nodes if rows is None else rows.index_select(0, nodes)
            result[nodes] = row_dot(factors, own, total, self.batch.index_select(0, nodes))
        result.index_add_(0, senders, -feature.square().sum(-1) * sent)
        sends = value.index_select(0, self.source) != 0
        source, target = self.source[sends], self.target[sends]
        weight = edge_dot(*own_rows(source, target, rows), factors)
        result.index_add_(0, target, -weight * value.index_select(0, source))
        return result

    def count(self, allowed: Tensor | None = None) -> Tensor:
        """The number of nodes in the complement of each node, int64 [N]; only nodes of the bool mask `allowed`."""
        if allowed is None:
            allowed = torch.ones(self.num_nodes, dtype=torch.bool, device=self.source.device)
        allowed = allowed.to(torch.int64)
        joined = allowed.index_select(0, self.source)
        if self.keep is not None:
            joined = joined * self.keep
        return self._totals(allowed) - allowed - self._to_targets(joined)

    def mean(self, value: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Mean of value_u over the complement of each v, [N, k]; 0 where it is empty. `allowed`: see `count`."""
        count = self.count(allowed).unsqueeze(-1)
        if allowed is not None:
            value = value * allowed.unsqueeze(-1)
        # The sum of an empty complement is a difference of equal numbers: rounding may leave it off zero.
        return torch.where(count > 0, self.sum(value) / count.clamp(min=1), 0.0)

    def _joined_sum(self, value: Tensor) -> Tensor:
        """Σ value_u over the nodes joined to v, [N, k]."""
        if self.ptr is not None and self.source.numel() and value.dtype in (torch.float32, torch.float64):
            return _SymmetricProduct.apply(value, self.ptr, self.source)  # type: ignore[no-any-return, no-untyped-call]
        message = value.index_select(0, self.source)
        return self._to_targets(message if self.keep is None else message * self.keep.unsqueeze(-1))

    def _to_targets(self, message: Tensor) -> Tensor:
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


class _SymmetricProduct(torch.autograd.Function):
    """Product of the 0-1 matrix of the joined pairs with [N, k]: no message is formed, 4 times faster than a scatter.

    Joined pairs stand in both directions, so the matrix is its own transpose and the gradient the same product.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, ptr: Tensor, source: Tensor) -> Tensor:
        ctx.save_for_backward(ptr, source)
        size = (value.size(0), value.size(0))
        ones = value.new_ones(source.numel())
        # Sparse products exist in float32 and float64 alone, and autocast would take a lower precision.
        with warnings.catch_warnings(), torch.autocast(value.device.type, enabled=False):
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            matrix = torch.sparse_csr_tensor(ptr, source, ones, size, check_invariants=False)
            return matrix @ value

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        ptr, source = ctx.saved_tensors
        return _SymmetricProduct.apply(grad_outputs[0].contiguous(), ptr, source), None, None  # type: ignore[no-untyped-call]


class ComplementCache:
    """The last `Complement`, handed out again where the same unchanged tensors ask for it.

    Only plain tensors can be known again: not the ones read from a SparseTensor, and not those made in inference mode,
    whose changes are not counted. A compiled graph holds no cache.
    """

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self._stored: tuple[tuple[object, ...], list[Tensor], Complement] | None = None

    def clear(self) -> None:
        self._stored = None

    def get(self, joined: list[Tensor], num_nodes: int, batch: Tensor | None) -> Complement:
        """The complement of the joined pairs; `check_batch` says what is raised."""
        held = [*joined, *([] if batch is None else [batch])]
        if not self.enabled or torch.compiler.is_compiling() or any(tensor.is_inference() for tensor in held):
            check_batch(batch, num_nodes, *joined)
            return Complement(joined, num_nodes, batch)
        # The storage is held, so an address cannot come back for other edges; the version counts changes in place.
        key = (num_nodes, len(joined), *((t.data_ptr(), t._version, tuple(t.shape), t.stride()) for t in held))
        if self._stored is None or self._stored[0] != key:
            check_batch(batch, num_nodes, *joined)
            self._stored = (key, held, Complement(joined, num_nodes, batch))
        return self._stored[2]
