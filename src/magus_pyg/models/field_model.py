"""What the models of the four fields share: each side is embedded once, and pairs of sides are scored in blocks."""

from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor

from magus_pyg.models.base import BaseRecommender, TrainingTerms
from magus_pyg.models.batches import Batch
from magus_pyg.models.feature_space import Candidates, FeatureSpace, check_ids
from magus_pyg.models.fields import Fields, Side
from magus_pyg.models.kernels.dropout import drop
from magus_pyg.models.mlp import check_sizes
from magus_pyg.models.model_options import ModelOptions
from magus_pyg.options import check_range
from magus_pyg.random import derive_seed

__all__ = ["FieldModelOptions", "FieldRecommender", "Terms"]

_EMBEDDINGS, _LAYERS = 1, 2  # what a random number is for
# While scoring: candidates in a block, floats of the widest tensor of a block (so that it stays in the cache), users
# and candidates embedded at once.
_CANDIDATES, _FLOATS, _SIDES = 512, 1 << 21, 1 << 15

#: What one side of some pairs gives, tensors [n, ...].
Terms = tuple[Tensor, ...]


@dataclass
class FieldModelOptions(ModelOptions):
    """What the models of the four fields have in common.

    Attributes:
        name: key of the model in `MODELS`.
        dim: length of the embedding vectors.
        hidden: units of the hidden layers, in turn.
        dropout: share of the embedding entries set to 0 in a training step, in [0, 1).
        hidden_dropout: share of the hidden units set to 0 in a training step, in [0, 1).
        init_std: standard deviation of the embeddings before training; linear weights start at 0.
    """

    name: str = "deepfm"
    dim: int = 64
    hidden: list[int] = field(default_factory=lambda: [128, 64])
    dropout: float = 0.2
    hidden_dropout: float = 0.5
    init_std: float = 0.1

    def __post_init__(self) -> None:
        check_range(self, "dim", 1)
        check_sizes(self, "hidden")
        check_range(self, "dropout", 0, 1, below=True)
        check_range(self, "hidden_dropout", 0, 1, below=True)
        check_range(self, "init_std", 0)


class FieldRecommender(BaseRecommender):
    """A model of the fields user, profile, item and words, each one vector (see `Fields`).

    A model implements `user_terms`, `candidate_terms` and `combine`. What they share is that all that depends on one
    side alone, such as its half of a first linear layer, is computed once for a user or a candidate, not for each pair.

    Args:
        options: see `FieldModelOptions`.
        features: what is known of users, items and words.
        seed: of the weights before training.
    """

    has_embeddings = False
    options: FieldModelOptions

    def __init__(self, options: FieldModelOptions, features: FeatureSpace, seed: int = 0) -> None:
        super().__init__(options, features, seed)
        generator = torch.Generator().manual_seed(derive_seed(seed, _EMBEDDINGS))
        self.fields = Fields(features, options.dim, options.init_std, generator)

    def layers_generator(self) -> torch.Generator:
        """The generator of a model's layers before training, from the model's seed."""
        return torch.Generator().manual_seed(derive_seed(self.seed, _LAYERS))

    @property
    @abstractmethod
    def width(self) -> int:
        """Floats of the widest tensor that `combine` makes, for each pair."""

    @abstractmethod
    def user_terms(self, side: Side) -> Terms:
        """What users [n] give to their pairs, tensors [n, ...], from their two field vectors and linear terms."""

    @abstractmethod
    def candidate_terms(self, side: Side) -> Terms:
        """What candidates [n] give to their pairs, tensors [n, ...]."""

    @abstractmethod
    def combine(self, left: Terms, right: Terms, pairs: bool) -> Tensor:
        """Logits.

        Args:
            left: what `user_terms` gave, of users [n].
            right: what `candidate_terms` gave, of candidates [m].
            pairs: False pairs row with row (n = m) and gives [n]; True pairs each with each and gives [n, m].
        """

    def logits(self, user: Tensor, candidates: Candidates) -> Tensor:
        """The logits of the pairs, float [n]."""
        left, right = self._sides(user, candidates)
        return self.combine(self.user_terms(left), self.candidate_terms(right), pairs=False)

    def row_logits(self, left: Side, right: Side) -> Tensor:
        """Logits [n] of rows; a model overrides it where this can be had in fewer steps than `combine` takes."""
        return self.combine(self.user_terms(left), self.candidate_terms(right), pairs=False)

    def training_terms(self, batch: Batch) -> TrainingTerms:
        """The logits [n] of rows, and the mean squared length of the embeddings (and linear weights) a row uses."""
        left, right = self._batch_sides(batch)
        logits = self.row_logits(left, right)
        return TrainingTerms(logits, self._penalty(left, right, len(logits)), logits.new_zeros(()))

    def user_features(self, users: Tensor) -> Tensor:
        """The vectors of the fields user and profile, float32 [n, 2 dim]."""
        check_ids(users, self.features.n_users, "user")
        with self._scoring():
            side = self._user_side(users.to(self.device, torch.int64))
        return side.vectors.flatten(1).to(users.device, torch.float32)

    def candidate_features(self, candidates: Candidates) -> Tensor:
        """The vectors of the fields item and words, float32 [n, 2 dim]."""
        with self._scoring():
            return self._candidate_side(candidates).vectors.flatten(1).to(torch.float32)

    def _batch_sides(self, batch: Batch) -> tuple[Side, Side]:
        """Both sides of the rows of a step."""
        if not self._reads_sides:
            return self._sides(batch.user, Candidates.of_items(batch.item, self.item_words))
        left, right = self._read_users(self.fields, batch.user), self._read_items(self.fields, batch.item)
        return self._drop(Side.of_rows(left)), self._drop(Side.of_rows(right))

    def _sides(self, user: Tensor, candidates: Candidates) -> tuple[Side, Side]:
        return self._user_side(user), self._candidate_side(candidates)

    def _user_side(self, user: Tensor) -> Side:
        return self._drop(self.fields.users(user, self.user_known[user], self.user_profiles.select(user)))

    def _candidate_side(self, candidates: Candidates) -> Side:
        item = candidates.item
        return self._drop(self.fields.candidates(item, self.item_known[item], candidates.words))

    def _drop(self, side: Side) -> Side:
        return side._replace(vectors=drop(side.vectors, self.options.dropout, self.training))

    @staticmethod
    def _penalty(left: Side, right: Side, n: int) -> Tensor:
        return (left.norm + right.norm) / max(1, n)

    def _score_items(self, user: Tensor, item: Tensor) -> Tensor:
        if item.dim() == 1:
            return self._score_shared(user, Candidates.of_items(item, self.item_words))
        distinct, place = torch.unique(item, return_inverse=True)
        left = self._all_user_terms(user)
        right = self._all_candidate_terms(Candidates.of_items(distinct, self.item_words))
        size = item.shape[1]
        row = torch.arange(len(user), device=user.device).repeat_interleave(size)
        scores = [
            self.combine(_take(left, rows), _take(right, places), pairs=False)
            for rows, places in zip(
                torch.split(row, self._pairs()), torch.split(place.view(-1), self._pairs()), strict=True
            )
        ]
        return torch.cat(scores).view(item.shape) if row.numel() else user.new_zeros(item.shape, dtype=torch.float32)

    def _score_shared(self, user: Tensor, candidates: Candidates) -> Tensor:
        scores = self.user_known.new_zeros(len(user), len(candidates))
        left, right = self._all_user_terms(user), self._all_candidate_terms(candidates)
        rows = max(1, self._pairs() // _CANDIDATES)
        for start in range(0, len(user), rows):
            block = tuple(term[start : start + rows] for term in left)
            for first in range(0, len(candidates), _CANDIDATES):
                part = tuple(term[first : first + _CANDIDATES] for term in right)
                scores[start : start + rows, first : first + _CANDIDATES] = self.combine(block, part, pairs=True)
        return scores

    def _pairs(self) -> int:
        return max(1, _FLOATS // self.width)

    def _all_user_terms(self, user: Tensor) -> Terms:
        parts = torch.split(user, _SIDES)
        return _cat([self.user_terms(self._user_side(part)) for part in parts])

    def _all_candidate_terms(self, candidates: Candidates) -> Terms:
        parts = torch.split(torch.arange(len(candidates), device=candidates.item.device), _SIDES)
        chosen = (Candidates(candidates.item[part], candidates.words.select(part)) for part in parts)
        return _cat([self.candidate_terms(self._candidate_side(part)) for part in chosen])


def _cat(parts: list[Terms]) -> Terms:
    return parts[0] if len(parts) == 1 else tuple(torch.cat(terms) for terms in zip(*parts, strict=True))


def _take(terms: Terms, rows: Tensor) -> Terms:
    return tuple(term[rows] for term in terms)
