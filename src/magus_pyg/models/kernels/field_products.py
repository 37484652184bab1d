"""Inner and outer products of the vectors of the four fields user, profile, item and words."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from magus_pyg.models.kernels.field_vectors import FieldVectors
from magus_pyg.models.kernels.id_and_bag import squared_lengths

__all__ = [
    "add_inner_products",
    "add_outer_product",
    "add_weighted",
    "factorization_machine",
    "inner_products",
    "pair_products",
]

# Pairs of the fields user, profile, item, words, in the order of their weights.
_PAIRS = ((0, 1), (2, 3), (0, 2), (0, 3), (1, 2), (1, 3))


def factorization_machine(user: FieldVectors, item: FieldVectors, bias: Tensor) -> Tensor:
    r"""The factorization machine over the four fields, b + Σ_f ℓ_f + Σ_{f<g} ⟨v_f, v_g⟩, [n] or [n, m].

    Args:
        user, item: both sides of the pairs.
        bias: b, a scalar.
    """
    if torch.is_grad_enabled() and not user.meets_all and not torch.compiler.is_compiling():
        return user.linear + item.linear + bias + pair_products(user.vectors, item.vectors)
    # The pairs within a side once a row; across, the sums of two meet: Σ_{f,g} ⟨v_f, v_g⟩ = ⟨Σ_f v_f, Σ_g v_g⟩.
    alone = user.once("alone", _alone) + bias + item.once("alone", _alone)
    total, other = user.once("total", _total), item.once("total", _total)
    if user.meets_all:
        return torch.addmm(alone, total.squeeze(1), other.squeeze(0).T)
    return alone + (total * other).sum(1)


def _alone(side: FieldVectors) -> Tensor:
    return side.linear + (side.vectors[:, 0] * side.vectors[:, 1]).sum(1)


def _total(side: FieldVectors) -> Tensor:
    return side.vectors[:, 0] + side.vectors[:, 1]


def pair_products(left: Tensor, right: Tensor) -> Tensor:
    """The sum of the inner products of all pairs of four vectors, [n], two of `left` and two of `right` [n, 2, dim]."""
    products: Tensor = _PairProducts.apply(left, right)  # type: ignore[no-untyped-call]
    return products


class _PairProducts(torch.autograd.Function):
    """`pair_products`: the gradient of a vector is the sum of the others."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        total = left[:, 0] + left[:, 1] + right[:, 0] + right[:, 1]
        squares = squared_lengths(left.flatten(1)) + squared_lengths(right.flatten(1))
        ctx.save_for_backward(left, right, total)
        return (squared_lengths(total) - squares) / 2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        left, right, total = ctx.saved_tensors
        weight = gradient.view(-1, 1, 1)
        given = total.unsqueeze(1) * weight
        return torch.addcmul(given, left, weight, value=-1), torch.addcmul(given, right, weight, value=-1)


def add_inner_products(z: Tensor, user: FieldVectors, item: FieldVectors, weight: Tensor) -> Tensor:
    """z + W p, where p are the inner products of the six pairs of different fields.

    Args:
        z: [n, units] or [n, m, units].
        user, item: both sides of the pairs.
        weight: [units, 6], of the pairs (user, profile), (item, words), (user, item), (user, words), (profile, item),
            (profile, words).
    """
    if not user.meets_all:
        return add_weighted(z, inner_products(user.vectors, item.vectors), weight)
    left, right = user.vectors.squeeze(1), item.vectors.squeeze(0)
    across = left.flatten(0, 1) @ right.flatten(0, 1).T
    across = across.view(len(left), 2, len(right), 2).transpose(1, 2).reshape(len(left), len(right), 4)
    own = left.prod(1).sum(1, keepdim=True) * weight[:, 0]
    other = right.prod(1).sum(1, keepdim=True) * weight[:, 1]
    return z + F.linear(across, weight[:, 2:]).add_(own.unsqueeze(1)).add_(other)


def inner_products(left: Tensor, right: Tensor) -> Tensor:
    """The inner products of the six pairs of four vectors, [n, 6], in the order of `add_inner_products`.

    Args:
        left: [n, 2, dim], the vectors of user and profile.
        right: [n, 2, dim], those of item and words.
    """
    if torch.compiler.is_compiling():  # a compiler fuses plain operations itself
        return _inner_products(left, right)
    products: Tensor = _InnerProducts.apply(left, right)  # type: ignore[no-untyped-call]
    return products


def _inner_products(left: Tensor, right: Tensor) -> Tensor:
    fields = (*left.unbind(1), *right.unbind(1))
    return torch.stack([(fields[one] * fields[other]).sum(1) for one, other in _PAIRS], 1)


class _InnerProducts(torch.autograd.Function):
    """`inner_products`, whose gradient is summed in place."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(left, right)
        return _inner_products(left, right)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        left, right = ctx.saved_tensors
        fields = (*left.unbind(1), *right.unbind(1))
        given = torch.empty_like(left), torch.empty_like(right)
        for number, total in enumerate((*given[0].unbind(1), *given[1].unbind(1))):
            terms = [
                (fields[pair[1 - pair.index(number)]], gradient[:, place : place + 1])
                for place, pair in enumerate(_PAIRS)
                if number in pair
            ]
            torch.mul(*terms[0], out=total)
            for field, weight in terms[1:]:
                total.addcmul_(field, weight)
        return given


def add_weighted(z: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """z [n, units] + x [n, few] times the transposed weight [units, few]."""
    if torch.compiler.is_compiling() or torch.is_autocast_enabled(z.device.type):
        return z + F.linear(x, weight)
    added: Tensor = _AddWeighted.apply(z, x, weight)  # type: ignore[no-untyped-call]
    return added


class _AddWeighted(torch.autograd.Function):
    """`add_weighted`; with few columns, its gradient's products take a fraction of the time the other way round."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.addmm(z, x, weight.T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return gradient, (weight.T @ gradient.T).T, (x.T @ gradient).T


def add_outer_product(z: Tensor, user: FieldVectors, item: FieldVectors, weight: Tensor) -> Tensor:
    """z + W p, where p is the outer product of the sum of the four vectors with itself.

    Args:
        z: [n, units] or [n, m, units].
        user, item: both sides of the pairs.
        weight: [units, dim, dim].
    """
    total, other = user.vectors.sum(-2), item.vectors.sum(-2)
    if not user.meets_all:
        return z + _outer_square(total + other, weight)
    # The square of a sum: the squares of both sides, and 2 (symmetrised) across.
    total, other = total.squeeze(1), other.squeeze(0)
    across: Tensor = torch.einsum("nd,hde,me->nmh", total, weight + weight.transpose(1, 2), other)
    return z + (across + _outer_square(total, weight).unsqueeze(1) + _outer_square(other, weight))


def _outer_square(total: Tensor, weight: Tensor) -> Tensor:
    return F.linear((total.unsqueeze(2) * total.unsqueeze(1)).flatten(1), weight.flatten(1))
