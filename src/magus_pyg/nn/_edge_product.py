"""Sums over the edges into each node as a sparse product, without a message an edge.

Which way to sum edges is fastest was measured (`benchmarks/sparse.py`; 100,000 nodes, 1,000,000 edges, one thread). The
product of torch's CSR matrix beats gathering and adding 2.4 to 11 times going forward, more than every other primitive
with or without torch_scatter and torch_sparse; edges that are not sorted by target are sorted for it, which 16 columns
pay for. Its own gradient is slow, and for weights forms a dense N x N matrix: here it is the product of the transposed
matrix, and a dot product an edge. Targets with the same edges get the same bits. Beside `index_add_` the last bits can
differ: on some processors MKL adds 4, 8, 16 or 24 columns in an order of its own.
"""

import warnings
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from magus_pyg.nn._complement import row_dot

__all__ = ["EdgeRows", "product_pays"]

_LEAST = 1 << 18
"""Numbers E·B from which the product is worth its preparation."""

_UNSORTED_COLUMNS = 16
"""Columns from which sorting the edges first is worth it."""


def product_pays(x: Tensor, ends: Tensor, columns: int) -> bool:
    """Whether to sum rows of `x` over edges int64 [2, E] by a product, `columns` numbers a row at once.

    Only where it was measured: on the CPU with MKL, in float32 and float64; never in a compiled graph.
    """
    if torch.compiler.is_compiling() or x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64):
        return False
    if columns < 2 or ends.size(1) * columns < _LEAST or not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        return False
    return columns >= _UNSORTED_COLUMNS or _is_sorted(ends[1])


def _is_sorted(ids: Tensor) -> bool:
    return bool((ids[1:] >= ids[:-1]).all())


class EdgeRows:
    """E edges as rows of sources, one row a target; sorted once for all products and their gradients.

    Args:
        ends: int64 [2, E], source and target, in any order.
        num_src, num_dst: the numbers of sources and targets.
    """

    def __init__(self, ends: Tensor, num_src: int, num_dst: int) -> None:
        self.ends, self.num_src, self.num_dst = ends, num_src, num_dst

    @cached_property
    def transposed(self) -> "EdgeRows":
        """The same edges from target to source."""
        return EdgeRows(self.ends.flip(0), self.num_dst, self.num_src)

    @cached_property
    def count(self) -> Tensor:
        """int64 [num_dst], the number of edges into each node."""
        return torch.bincount(self.ends[1], minlength=self.num_dst)

    @cached_property
    def _rows(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """(row pointer, sources row by row, where each stands in `ends` if not in place)."""
        ptr = torch.zeros(self.num_dst + 1, dtype=torch.int64)
        torch.cumsum(self.count, 0, out=ptr[1:])
        source, target = self.ends
        if _is_sorted(target):
            return ptr, source.contiguous(), None
        order = torch.sort(target, stable=True).indices  # stable: sums keep the order of the edges
        return ptr, source[order], order

    def sum(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Σ w·x_u over the edges u -> v, differentiable.

        Args:
            x: [num_src, B], or [num_src, H, B] for H sums with weights of their own.
            weight: [E] or None; [E, H].

        Returns:
            [num_dst, B]; [num_dst, H, B].
        """
        return _EdgeProduct.apply(x, weight, self)  # type: ignore[no-any-return, no-untyped-call]

    def mean(self, x: Tensor) -> Tensor:
        """The mean of x_u over the edges u -> v, [num_dst, B]; 0 without edges."""
        return self.sum(x) / self.count.clamp(min=1).unsqueeze(-1)

    def product(self, x: Tensor, weight: Tensor | None) -> Tensor:
        """`sum` without gradients."""
        ptr, source, order = self._rows
        if weight is not None and order is not None:
            weight = weight.index_select(0, order)
        size = (self.num_dst, self.num_src)

        def of_head(x: Tensor, weight: Tensor) -> Tensor:
            return torch.sparse_csr_tensor(ptr, source, weight, size, check_invariants=False) @ x

        # Autocast would take a lower precision, which sparse products do not have.
        with warnings.catch_warnings(), torch.autocast("cpu", enabled=False):
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            if x.dim() == 2:
                return of_head(x, x.new_ones(source.numel()) if weight is None else weight.contiguous())
            assert weight is not None, "heads have weights"
            out = x.new_empty(self.num_dst, *x.shape[1:])
            for head, of_edges in enumerate(weight.t().contiguous()):
                out[:, head] = of_head(x[:, head], of_edges)
            return out


class _EdgeProduct(torch.autograd.Function):
    """`EdgeRows.product` with gradients, which can be differentiated again."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor | None, rows: EdgeRows) -> Tensor:
        return rows.product(x, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor | None, EdgeRows], output: Tensor) -> None:
        x, weight, ctx.rows = inputs
        ctx.save_for_backward(x if weight is not None else None, weight)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        grad, rows = grad_outputs[0].contiguous(), ctx.rows
        to_x = rows.transposed.sum(grad, weight) if ctx.needs_input_grad[0] else None
        to_weight = row_dot(x, rows.ends[0], grad, rows.ends[1]) if ctx.needs_input_grad[1] else None
        return to_x, to_weight, None
