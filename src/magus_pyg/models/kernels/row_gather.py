"""Rows of a tensor, many of them more than once."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["take_rows"]


def take_rows(x: Tensor, place: Tensor) -> Tensor:
    """x[place], [n, width] for x [m, width] and `place` int64 [n]; differentiable once.

    The gradient of torch's look-up of embeddings takes up to three times as long on a CPU.
    """
    if torch.compiler.is_compiling():  # a compiler has its own
        return x.index_select(0, place)
    rows: Tensor = _TakeRows.apply(x, place)  # type: ignore[no-untyped-call]
    return rows


class _TakeRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, place: Tensor) -> Tensor:
        ctx.save_for_backward(place)
        ctx.m = len(x)
        return x.index_select(0, place)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (place,) = ctx.saved_tensors
        return gradient.new_zeros(ctx.m, *gradient.shape[1:]).index_add_(0, place, gradient), None
