"""The means of rows of a table over bags of values, with the gradient written out."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from magus_pyg.models.kernels.side_rows import both_ways, sum_runs, table_gradient
from magus_pyg.ragged import Ragged

__all__ = ["read_means"]


def read_means(module: nn.Module, name: str, rows: Ragged, chosen: Tensor) -> Tensor:
    """The means of the rows of a table over chosen bags, [n, width], 0 for an empty one; differentiable once.

    No row of an entry's own is formed, forwards or backwards: only sums over bags and over the uses of a value.

    Args:
        module: holds the table, a parameter [V, width].
        name: of the table.
        rows: [R] bags of values.
        chosen: int64 [n], which of them.
    """
    table, sparse = getattr(module, name), name in getattr(module, "sparse", ())
    n_values = float("inf") if sparse else len(table)
    bags = both_ways(rows, chosen, n_values, table.dtype)
    means: Tensor = _Means.apply(table, *bags, sparse)  # type: ignore[no-untyped-call]
    return means


class _Means(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        table: Tensor,
        entries: Tensor,
        start: Tensor,
        scale: Tensor,
        values: Tensor | None,
        bag: Tensor,
        first: Tensor,
        sparse: bool,
    ) -> Tensor:
        ctx.save_for_backward(scale, values, bag, first)
        ctx.table = table.shape, sparse
        value = table.detach() if values is None else table.index_select(0, values)
        return sum_runs(value, entries, start).mul_(scale.unsqueeze(1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        scale, values, bag, first = ctx.saved_tensors
        shape, sparse = ctx.table
        gradient = sum_runs(gradient * scale.unsqueeze(1), bag, first)
        return table_gradient(gradient, shape, values, sparse), *[None] * 7
