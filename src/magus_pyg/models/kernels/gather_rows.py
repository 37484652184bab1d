"""Rows of a tensor, many of them more than once."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["gather_rows"]


def gather_rows(x: Tensor, index: Tensor) -> Tensor:
    """x[index], [n, width] for x [m, width] and `index` int64 [n]; differentiable once.

    The gradient of torch's look-up of embeddings takes up to three times as long on a CPU.
    """
    if torch.compiler.is_compiling():  # a compiler has its own
        return x.index_select(0, index)
    rows: Tensor = _GatherRows.apply(x, index)  # type: ignore[no-untyped-call]
    return rows


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.m = len(x)
        return x.index_select(0, index)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        return gradient.new_zeros(ctx.m, *gradient.shape[1:]).index_add_(0, index, gradient), None
