"""The factorization machine."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from magus_pyg.models.base import TrainingTerms
from magus_pyg.models.batches import Batch
from magus_pyg.models.dot_product import DotProductRecommender
from magus_pyg.models.feature_space import Candidates, FeatureSpace
from magus_pyg.models.fields import FieldRecommender
from magus_pyg.models.kernels.embedding_tables import add_tables
from magus_pyg.models.kernels.feature_sums import FeatureSums
from magus_pyg.models.kernels.second_order import second_order
from magus_pyg.models.model_options import WIDEST, ModelOptions
from magus_pyg.options import at_least, at_most, between, check_options

__all__ = ["FM", "FMOptions"]


@dataclass
class FMOptions(ModelOptions):
    """Options of the factorization machine.

    Attributes:
        name: "fm".
        dim: length of the embedding vectors.
        dropout: share of the embedding entries set to 0 in a training step, in [0, 1).
        init_std: standard deviation of the embeddings before training; the linear weights start at 0.
    """

    name: str = "fm"
    dim: int = 64
    dropout: float = 0.0
    init_std: float = 0.01

    def __post_init__(self) -> None:
        check_options(self, dim=at_least(1), dropout=between(0, 1, "[)"), init_std=at_least(0))
        check_options(self, dim=at_most(WIDEST))


class FM(FieldRecommender, DotProductRecommender):
    r"""Second-order factorization machine (Rendle 2010, "Factorization Machines", Eq. 1).

    .. math::
        y(x) = w_0 + \sum_i w_i x_i + \sum_{i<j} \langle v_i, v_j \rangle x_i x_j

    Fields are the user id, the user's profile values, the item id and the item's words. A field of several values
    carries 1/len at each, so that it sums to 1. A word combination is a candidate with words and no item id. Ids
    without a training row count as absent (x = 0).

    Every pair of features lies on the user's side, on the candidate's side, or across, so with U and V the sums of
    v_i x_i of either side, y = side_u + side_v + U·V, where a side is its linear terms plus the sum over its pairs
    (and w_0 goes to the user's). Embeddings are e_u = [U, side_u, 1] and e_v = [V, 1, side_v], so d = dim + 2 and
    sigmoid(e_u · e_v) is exactly the machine's probability.

    Args:
        options: see `FMOptions`.
        features: what is known of users, items and words.
        seed: of the embeddings before training.
    """

    ranks_beside = True
    options: FMOptions

    def __init__(self, options: FMOptions, features: FeatureSpace, seed: int = 0) -> None:
        super().__init__(options, features, seed)
        generator = torch.Generator().manual_seed(seed)
        # v_i, and w_i as the last column, of users, profile values, items and words.
        add_tables(
            self, features.sizes, options.dim, lambda size: torch.randn(size, generator=generator) * options.init_std
        )
        self.bias = nn.Parameter(torch.zeros(()))  # w_0

    @property
    def fields(self) -> nn.Module:  # type: ignore[override]
        """The tables are the model's own."""
        return self

    def embed_users(self, user: Tensor) -> Tensor:
        """[U, side_u, 1], float [n, dim + 2], for `user` int64 [n]."""
        return self._user_embedding(self.feature_sums_of_users(user, self.options.dropout))

    def embed_candidates(self, candidates: Candidates) -> Tensor:
        """[V, 1, side_v], float [n, dim + 2], for n candidates."""
        return self._item_embedding(self.feature_sums_of_candidates(candidates, self.options.dropout))

    def _user_embedding(self, sums: FeatureSums) -> Tensor:
        side = (second_order(sums.total, sums.square) + self.bias).unsqueeze(1)
        return torch.cat([sums.total[:, :-1], side, torch.ones_like(side)], 1)

    def _item_embedding(self, sums: FeatureSums) -> Tensor:
        side = second_order(sums.total, sums.square).unsqueeze(1)
        return torch.cat([sums.total[:, :-1], torch.ones_like(side), side], 1)

    def training_terms(self, batch: Batch) -> TrainingTerms:
        """The logits [n] of rows, and the mean squared length of the embeddings (and weights) a row uses."""
        return self._terms(batch)[0]

    def terms_beside(self, batch: Batch, items: Tensor) -> tuple[TrainingTerms, Tensor]:
        """As `training_terms`, and the logits [p, S] of the users of the p positive rows with items, int64 [S]."""
        terms, user = self._terms(batch)
        liked = torch.nonzero(batch.label == 1).squeeze(1)
        other = self._item_embedding(self.feature_sums_of_items(items, self.options.dropout))
        chosen = FeatureSums(user.total.index_select(0, liked), user.norm, user.square.index_select(0, liked))
        return terms, self._user_embedding(chosen) @ other.T

    def _terms(self, batch: Batch) -> tuple[TrainingTerms, FeatureSums]:
        user = self.feature_sums_of_users(batch.user, self.options.dropout)
        item = self.feature_sums_of_items(batch.item, self.options.dropout)
        logits = second_order(user.total + item.total, user.square + item.square) + self.bias  # Eq. 1
        penalty = (user.norm + item.norm) / max(1, len(logits))
        return TrainingTerms(logits, penalty, penalty.new_zeros(())), user
