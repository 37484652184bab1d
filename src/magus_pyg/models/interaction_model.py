"""What the models of interacting fields share: training, and scoring of many pairs in blocks."""

from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor

from magus_pyg.models.base import TrainingTerms
from magus_pyg.models.batches import Batch
from magus_pyg.models.feature_space import Candidates, check_ids
from magus_pyg.models.fields import FieldRecommender
from magus_pyg.models.kernels.dropout import dropout
from magus_pyg.models.kernels.field_vectors import FieldVectors
from magus_pyg.models.kernels.id_and_bag import IdAndBag
from magus_pyg.models.model_options import WIDEST, ModelOptions
from magus_pyg.models.scoring_blocks import slices
from magus_pyg.options import at_least, at_most, between, check_options, one_or_more

__all__ = ["InteractionOptions", "InteractionRecommender"]

# While scoring: candidates in a block, floats of the widest tensor of a block (so that it stays in the cache), users or
# candidates embedded at once, pairs of users with candidates of their own looked at together.
_CANDIDATES, _FLOATS, _EMBEDDED, _OWN = 512, 1 << 21, 1 << 15, 1 << 20


@dataclass
class InteractionOptions(ModelOptions):
    """What the models of interacting fields have in common.

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
        dropout = between(0, 1, "[)")
        rules = {"dropout": dropout, "hidden_dropout": dropout, "init_std": at_least(0)}
        check_options(self, dim=at_least(1), hidden=one_or_more(at_least(1)), **rules)
        check_options(self, dim=at_most(WIDEST), hidden=at_most(WIDEST))


class InteractionRecommender(FieldRecommender):
    """A model whose score is a function of the four fields' vectors and linear terms: `interact`."""

    has_embeddings = False
    options: InteractionOptions

    @property
    def width(self) -> int:
        """Floats of the widest tensor that `interact` makes, for each pair."""
        return max(self.options.hidden)

    @abstractmethod
    def interact(self, user: FieldVectors, item: FieldVectors) -> Tensor:
        """The logits of pairs, [n] for rows with rows, [n, m] for each user with each candidate."""

    def logits(self, user: Tensor, candidates: Candidates) -> Tensor:
        """The logits of the pairs, float [n]."""
        return self.interact(*self.pair_fields(user, candidates))

    def pair_fields(self, user: Tensor, candidates: Candidates) -> tuple[FieldVectors, FieldVectors]:
        """The fields of n users and n candidates."""
        return self._drop(self.users(user)), self._drop(self.candidates(candidates))

    def batch_fields(self, batch: Batch) -> tuple[FieldVectors, FieldVectors]:
        """The fields of users and items of the rows of a step."""
        return self._drop(self.users(batch.user)), self._drop(self.items(batch.item))

    def training_terms(self, batch: Batch) -> TrainingTerms:
        """The logits [n] of rows, and the mean squared length of the embeddings (and linear weights) a row uses."""
        user, item = self.batch_fields(batch)
        logits = self.interact(user, item)
        return TrainingTerms(logits, mean_norm(user, item, len(logits)), logits.new_zeros(()))

    def user_features(self, users: Tensor) -> Tensor:
        """The vectors of the fields user and profile, float32 [n, 2 dim]."""
        check_ids(users, self.features.n_users, "user")
        with self._scoring():
            vectors = self.users(users.to(self.device, torch.int64)).vectors
        return vectors.flatten(1).to(users.device, torch.float32)

    def candidate_features(self, candidates: Candidates) -> Tensor:
        """The vectors of the fields item and words, float32 [n, 2 dim]."""
        with self._scoring():
            return self.candidates(candidates).vectors.flatten(1).to(torch.float32)

    def _drop(self, rows: IdAndBag) -> FieldVectors:
        return FieldVectors(dropout(rows.vectors, self.options.dropout, self.training), rows.linear, rows.norm)

    def _score_items(self, user: Tensor, item: Tensor) -> Tensor:
        if item.dim() == 1:
            return self._score_shared(user, Candidates.of_items(item, self.item_words))
        scores = self.user_known.new_zeros(item.shape)
        for part in slices(len(user), max(1, _OWN // max(1, item.shape[1]))):
            distinct, column = torch.unique(item[part], return_inverse=True)
            row = torch.arange(len(column), device=user.device).repeat_interleave(item.shape[1])
            users, items = self.pair_fields(user[part], Candidates.of_items(distinct, self.item_words))
            logits = scores[part].view(-1)
            for pairs in slices(column.numel(), self._pairs):
                left, right = users.rows(row[pairs]), items.rows(column.view(-1)[pairs])
                logits[pairs] = self.interact(left, right)
        return scores

    def _score_shared(self, user: Tensor, candidates: Candidates) -> Tensor:
        scores = self.user_known.new_zeros(len(user), len(candidates))
        height = max(1, self._pairs // _CANDIDATES)
        for rows in slices(len(user), _EMBEDDED):
            users = self._drop(self.users(user[rows]))
            for columns in slices(len(candidates), _EMBEDDED):
                items, part = self._drop(self.candidates(candidates.select(columns))), scores[rows, columns]
                for some in slices(len(part), height):
                    block = users.rows(some, axis=1)
                    for those in slices(part.shape[1], _CANDIDATES):
                        part[some, those] = self.interact(block, items.rows(those, axis=0))
        return scores

    @property
    def _pairs(self) -> int:
        return max(1, _FLOATS // self.width)


def mean_norm(user: FieldVectors, item: FieldVectors, n: int) -> Tensor:
    """The mean over n rows of the squared length of the embeddings in use."""
    return (user.norm + item.norm) / max(1, n)
