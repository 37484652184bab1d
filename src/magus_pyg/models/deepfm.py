"""DeepFM: a factorization machine and a deep network over the same embeddings."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from magus_pyg.models.features import FeatureSpace
from magus_pyg.models.field_model import FieldModelOptions, FieldRecommender, Terms
from magus_pyg.models.fields import Side
from magus_pyg.models.mlp import MLP

__all__ = ["DeepFM", "DeepFMOptions"]


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
