"""The factorization machine from sums over its features, with the gradient written out."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from magus_pyg.models.kernels.feature_sums import vector_columns
from magus_pyg.models.kernels.id_and_bag import squared_lengths

__all__ = ["second_order"]


def second_order(total: Tensor, square: Tensor) -> Tensor:
    """Σ w_i x_i + Σ_{i<j} ⟨v_i x_i, v_j x_j⟩ over features i, [n], in linear time; differentiable once.

    The pairs are (|Σ v_i x_i|² - Σ |v_i x_i|²) / 2 (Rendle 2010, lemma 3.1).

    Args:
        total: [n, dim + 1], Σ v_i x_i, and Σ w_i x_i in the last column.
        square: [n], Σ |v_i x_i|².
    """
    if not torch.is_grad_enabled() or torch.compiler.is_compiling():  # a compiler fuses plain operations itself
        return total[:, -1] + 0.5 * (total.square() @ vector_columns(total) - square)
    logits: Tensor = _SecondOrder.apply(total, square)  # type: ignore[no-untyped-call]
    return logits


class _SecondOrder(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, total: Tensor, square: Tensor) -> Tensor:
        ctx.save_for_backward(total)
        return squared_lengths(total[:, :-1]).sub_(square).mul_(0.5).add_(total[:, -1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        (total,) = ctx.saved_tensors
        given = total * gradient.unsqueeze(1)
        given[:, -1] = gradient
        return given, -0.5 * gradient
