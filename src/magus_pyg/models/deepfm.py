"""DeepFM: a factorization machine and a deep network over the same embeddings."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from magus_pyg.models.feature_space import FeatureSpace
from magus_pyg.models.field_model import FieldModelOptions, FieldRecommender, Terms
from magus_pyg.models.fields import Side
from magus_pyg.models.kernels.side_rows import squared_lengths
from magus_pyg.models.mlp import MLP

__all__ = ["DeepFM", "DeepFMOptions", "pair_products"]


@dataclass
class DeepFMOptions(FieldModelOptions):
    """Options of DeepFM; see `FieldModelOptions`."""

    name: str = "deepfm"
    hidden: list[int] = field(default_factory=lambda: [64])


class DeepFM(FieldRecommender):
    r"""DeepFM (Guo et al. 2017, "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction", Eqs. 1-4).

    .. math::
        y = \underbrace{b + \sum_f \ell_f + \sum_{f<g} \langle v_f, v_g \rangle}_{\text{FM}}
            + \underbrace{\text{MLP}([v_1, \dots, v_4])}_{\text{deep}}

    The fields f are user, profile, item and words, with one vector v and one linear term ℓ each, and both parts read
    the same vectors: there is no training before, and what either part learns the other has. A field of several values
    is the mean of their vectors, so that values of one field do not interact in the FM part (they do in `FM`). A
    cold id has a zero vector and no linear term, and a word combination has no item.

    The paper drops hidden units; entries of embeddings are dropped here, too. It has three layers of 400; smaller ones
    do as well on small logs and score many times faster.

    Args:
        options: see `DeepFMOptions`.
        features: what is known of users, items and words.
        seed: of the weights before training.
    """

    options: DeepFMOptions

    def __init__(self, options: DeepFMOptions, features: FeatureSpace, seed: int = 0) -> None:
        super().__init__(options, features, seed)
        self.deep = MLP(4 * options.dim, options.hidden, 1, options.hidden_dropout, self.layers_generator())
        self.bias = nn.Parameter(torch.zeros(()))

    @property
    def width(self) -> int:
        """The widest layer."""
        return max(self.options.hidden)

    def user_terms(self, side: Side) -> Terms:
        """Sum of the vectors [n, dim]; FM's terms of the side alone [n]; its share of the first layer [n, units]."""
        return self._terms(side, self.deep.first.weight[:, : 2 * self.options.dim], self.deep.first.bias, self.bias)

    def candidate_terms(self, side: Side) -> Terms:
        """As `user_terms`, without the biases."""
        return self._terms(side, self.deep.first.weight[:, 2 * self.options.dim :], None, None)

    def row_logits(self, left: Side, right: Side) -> Tensor:
        """Logits [n] of rows."""
        first, size = self.deep.first, 2 * self.options.dim
        hidden = F.linear(left.vectors.flatten(1), first.weight[:, :size], first.bias)
        hidden = torch.addmm(hidden, right.vectors.flatten(1), first.weight[:, size:].T)
        linear = left.linear + right.linear + self.bias
        return linear + pair_products(left.vectors, right.vectors) + self.deep.rest(hidden).squeeze(-1)

    def combine(self, left: Terms, right: Terms, pairs: bool) -> Tensor:
        """Logits, [n] or [n, m]."""
        (total, side, first), (other, other_side, other_first) = left, right
        if pairs:
            machine = torch.addmm(side.unsqueeze(1) + other_side, total, other.T)
            first = first.unsqueeze(1) + other_first
        else:
            machine = side + other_side + (total * other).sum(1)
            first = first + other_first
        return machine + self.deep.rest(first).squeeze(-1)

    @staticmethod
    def _terms(side: Side, weight: Tensor, bias: Tensor | None, constant: Tensor | None) -> Terms:
        id_vector, mean = side.vectors.unbind(1)
        alone = side.linear + (id_vector * mean).sum(1)
        alone = alone if constant is None else alone + constant
        return id_vector + mean, alone, F.linear(side.vectors.flatten(1), weight, bias)


def pair_products(left: Tensor, right: Tensor) -> Tensor:
    """The sum of the inner products of all pairs of four vectors, [n], two of `left` and two of `right` [n, 2, dim]."""
    if torch.compiler.is_compiling():  # a compiler fuses plain operations itself
        return _pair_products(left, right)[0]
    products: Tensor = _PairProducts.apply(left, right)  # type: ignore[no-untyped-call]
    return products


def _pair_products(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """The products, and the sum of the vectors, [n, dim]."""
    total = left[:, 0] + left[:, 1] + right[:, 0] + right[:, 1]
    squares = squared_lengths(left.flatten(1)) + squared_lengths(right.flatten(1))
    return (squared_lengths(total) - squares) / 2, total


class _PairProducts(torch.autograd.Function):
    """`pair_products`: the gradient of a vector is the sum of the others."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        products, total = _pair_products(left, right)
        ctx.save_for_backward(left, right, total)
        return products

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        left, right, total = ctx.saved_tensors
        weight = gradient.view(-1, 1, 1)
        given = total.unsqueeze(1) * weight
        return torch.addcmul(given, left, weight, value=-1), torch.addcmul(given, right, weight, value=-1)
