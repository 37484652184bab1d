"""DeepFM: a factorization machine and a deep network over the same embeddings."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from magus_pyg.models.feature_space import FeatureSpace
from magus_pyg.models.fields import EMBEDDINGS, LAYERS, FieldEmbeddings, generator_of
from magus_pyg.models.interaction_model import InteractionOptions, InteractionRecommender
from magus_pyg.models.kernels.field_products import factorization_machine
from magus_pyg.models.kernels.field_vectors import FieldVectors
from magus_pyg.models.mlp import MLP

__all__ = ["DeepFM", "DeepFMOptions"]


@dataclass
class DeepFMOptions(InteractionOptions):
    """Options of DeepFM; see `InteractionOptions`."""

    name: str = "deepfm"
    hidden: list[int] = field(default_factory=lambda: [64])


class DeepFM(InteractionRecommender):
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
        self.fields = FieldEmbeddings(features, options.dim, options.init_std, generator_of(seed, EMBEDDINGS))  # v, ℓ
        self.bias = nn.Parameter(torch.zeros(()))  # b
        self.deep = MLP(4 * options.dim, options.hidden, 1, options.hidden_dropout, generator_of(seed, LAYERS))

    def interact(self, user: FieldVectors, item: FieldVectors) -> Tensor:
        """y_FM + y_DNN (Eq. 1) of pairs, [n] or [n, m]."""
        y_fm = factorization_machine(user, item, self.bias)  # b + Σ_f ℓ_f + Σ_{f<g} ⟨v_f, v_g⟩ (Eq. 2)
        y_dnn = self.deep.of_fields(user, item)  # MLP([v_1, ..., v_4]) (Eqs. 3 and 4)
        return y_fm + y_dnn
