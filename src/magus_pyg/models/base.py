"""The interface of all base recommenders: what agents, MAGUS and the training loop may rely on."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from magus_pyg.errors import ModelError
from magus_pyg.models.batches import Batch
from magus_pyg.models.calibration import Calibration
from magus_pyg.models.feature_space import Candidates, FeatureSpace, check_ids
from magus_pyg.models.interactions import Interactions
from magus_pyg.models.model_options import ModelOptions
from magus_pyg.models.scoring_blocks import slices
from magus_pyg.ragged import Ragged

__all__ = ["BaseRecommender", "TrainingTerms"]

# Pairs (user, candidate) scored at once.
_PAIRS = 1 << 18


class TrainingTerms(NamedTuple):
    """What a model gives a training step.

    Attributes:
        logits: [n], differentiable; their binary cross-entropy is the loss.
        penalty: a scalar, the mean over the rows of the squared length of the embeddings the row uses; weighted by
            `TrainOptions.weight_decay`.
        further: a scalar added to the loss as it is, such as the losses of further tasks.
    """

    logits: Tensor
    penalty: Tensor
    further: Tensor


class BaseRecommender(nn.Module, ABC):
    """Scores users against items and word combinations.

    A model implements `logits`; every public method follows from it. A model whose score is a dot product derives
    from `dot_product.DotProductRecommender` instead and is scored by matrix products. Scores are logits: a sigmoid
    makes them probabilities.

    Cold start: ids without a training row (`observe`) must not score as the random numbers they started from, so
    `user_known` and `item_known` are buffers that models multiply their id embeddings with; such a user or item is
    scored by its features alone.

    Args:
        options: the model's own options.
        features: what the model knows of users, items and words.
        seed: of all that is random in building the model; saved with it.
    """

    #: True where the model reads a user's earlier interactions.
    needs_history: ClassVar[bool] = False
    #: True where `user_embedding`, `item_embedding` and `query_embedding` exist.
    has_embeddings: ClassVar[bool] = True
    #: True where `user_features` and `candidate_features` exist.
    has_features: ClassVar[bool] = True
    #: True where `terms_beside` scores further items, so that a training can rank (`TrainOptions.softmax`).
    ranks_beside: ClassVar[bool] = False
    #: False where there is no weight to learn: `fit` lets the model `observe` the rows, validates it, and is done.
    trainable: ClassVar[bool] = True

    user_known: Tensor
    item_known: Tensor
    #: float32 [2], scale and shift that turn a score into the logit of a probability; see `calibrate`.
    calibration: Tensor
    _words_ptr: Tensor
    _words_index: Tensor
    _profiles_ptr: Tensor
    _profiles_index: Tensor

    def __init_subclass__(cls, **given: object) -> None:
        # Steps of its own are not passed over for the inherited ones of the ranking loss.
        super().__init_subclass__(**given)
        if "training_terms" in vars(cls) and "terms_beside" not in vars(cls):
            cls.ranks_beside = False

    def __init__(self, options: ModelOptions, features: FeatureSpace, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.options = options
        self.features = features
        # Saved with the weights. The extra entry of items is "no item", which is never known.
        self.register_buffer("user_known", torch.ones(features.n_users))
        self.register_buffer("item_known", torch.ones(features.n_items + 1).index_fill_(0, torch.tensor([-1]), 0))
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))
        # The features follow the model from device to device, but belong to the data and are not saved.
        self.register_buffer("_words_ptr", features.item_words.ptr, persistent=False)
        self.register_buffer("_words_index", features.item_words.index, persistent=False)
        self.register_buffer("_profiles_ptr", features.user_profiles.ptr, persistent=False)
        self.register_buffer("_profiles_index", features.user_profiles.index, persistent=False)

    @property
    def item_words(self) -> Ragged:
        """[I] rows of word ids, on the model's device."""
        return Ragged(self._words_ptr, self._words_index)

    @property
    def user_profiles(self) -> Ragged:
        """[U] rows of profile-value ids, on the model's device."""
        return Ragged(self._profiles_ptr, self._profiles_index)

    @property
    def device(self) -> torch.device:
        """Where the model lives."""
        return self.user_known.device

    def observe(self, train: Interactions) -> None:
        """Note which users and items have a training row; `fit` calls this before the first step.

        Args:
            train: the rows the model is trained on.
        """
        device = self.device
        self.user_known.zero_().index_fill_(0, torch.unique(train.user).to(device), 1)
        self.item_known.zero_().index_fill_(0, torch.unique(train.item).to(device), 1)

    @abstractmethod
    def logits(self, user: Tensor, candidates: Candidates) -> Tensor:
        """The logit of each pair (user[i], candidates[i]), float [n], differentiable; ids are known to be good.

        Args:
            user: int64 [n].
            candidates: n of them, on the same device.
        """

    def with_history(self, rows: Interactions) -> "BaseRecommender":
        """The model as it scores users who have these rows of the log: the same weights, other histories.

        A model that reads no history gives itself.

        Args:
            rows: those of a user in the order of time, as of `TrainingData.before`.
        """
        return self

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """Logits of rows of a log.

        Args:
            user: int64 [n].
            item: int64 [n].

        Returns:
            float [n], differentiable.
        """
        return self.logits(user, Candidates.of_items(item, self.item_words))

    def training_terms(self, batch: Batch) -> TrainingTerms:
        """What a training step needs of some rows; a model with a penalty, a history or further tasks overrides it."""
        zero = self.user_known.new_zeros(())
        return TrainingTerms(self(batch.user, batch.item), zero, zero)

    def terms_beside(self, batch: Batch, items: Tensor) -> tuple[TrainingTerms, Tensor]:
        """As `training_terms`, and the logits [p, S] of the users of the p positive rows with other items.

        Args:
            batch: the rows.
            items: int64 [S].
        """
        raise ModelError(f"the model {self.options.name!r} scores no items beside the rows of a step")

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        """Score users against items, in evaluation mode and without gradients.

        Args:
            users: int64 [B].
            items: int64 [C], the same items for all users, or [B, C], each user's own; -1 pads.

        Returns:
            float32 logits [B, C] on the device of `users`; -inf at pads.

        Raises:
            ModelError: an index out of range, a wrong shape, or a score that is not finite.
        """
        check_ids(users, self.features.n_users, "user")
        check_ids(items, self.features.n_items, "item", low=-1)
        if users.dim() != 1 or items.dim() not in (1, 2) or (items.dim() == 2 and len(items) != len(users)):
            raise ModelError(
                f"score takes users [B] and items [C] or [B, C] (got {list(users.shape)} and {list(items.shape)})"
            )
        user, item = users.to(self.device, torch.int64), items.to(self.device, torch.int64)
        with self._scoring():
            scores = self._score_items(user, item.clamp(min=0)).to(torch.float32)
        self._check_scores(scores, user, item)
        return scores.masked_fill_((item < 0).expand_as(scores), float("-inf")).to(users.device)

    def score_words(self, users: Tensor, words: Ragged) -> Tensor:
        """Score users against word combinations that are no items, in evaluation mode and without gradients.

        Args:
            users: int64 [B].
            words: [Q] rows of word ids; a row may be empty.

        Returns:
            float32 logits [B, Q] on the device of `users`.

        Raises:
            ModelError: an index out of range, or a score that is not finite.
        """
        check_ids(users, self.features.n_users, "user")
        check_ids(words.index, self.features.n_words, "word")
        user, combination = users.to(self.device, torch.int64), self._combinations(words)
        with self._scoring():
            scores = self._score_shared(user, combination).to(torch.float32)
        self._check_scores(scores, user, torch.arange(len(words), device=self.device))
        return scores.to(users.device)

    def calibrate(self, logits: Tensor, labels: Tensor) -> Calibration:
        """Fit the model's probabilities to rows it was not trained on; `fit` does so on the validation rows.

        Scores stay as they are. What is kept is two numbers, `calibration`, saved with the weights.

        Args:
            logits: [n], the scores of the rows.
            labels: [n], 1 positive, 0 negative.

        Returns:
            The two numbers, with the log-loss and the expected calibration error of the rows before and after.

        Raises:
            ModelError: no row, columns of different lengths, or a logit that is not finite.
        """
        found = Calibration.fit(logits, labels)
        with torch.no_grad():
            self.calibration.copy_(torch.tensor([found.scale, found.shift]))
        return found

    def probability(self, users: Tensor, items: Tensor) -> Tensor:
        """The probability that users like items: of a positive row, among rows such as those of `calibrate`.

        Args:
            users, items: as for `score`.

        Returns:
            float32 [B, C] on the device of `users`, in the order of `score`; 0 at pads.

        Raises:
            ModelError: as `score`.
        """
        scale, shift = self.calibration.to(users.device)
        scores = self.score(users, items)
        return torch.where(scores == float("-inf"), 0, torch.sigmoid(scale * scores + shift))

    def user_embedding(self, users: Tensor) -> Tensor:
        """float32 [n, d] for `users` int64 [n]; with `item_embedding` e_v, sigmoid(e_u · e_v) is the model's score."""
        raise ModelError(f"the model {self.options.name!r} has no embeddings; choose a model that has")

    def item_embedding(self, items: Tensor) -> Tensor:
        """float32 [n, d] for `items` int64 [n]."""
        raise ModelError(f"the model {self.options.name!r} has no embeddings; choose a model that has")

    def query_embedding(self, words: Ragged) -> Tensor:
        """float32 [n, d] for `words`, n rows of word ids."""
        raise ModelError(f"the model {self.options.name!r} has no embeddings; choose a model that has")

    def user_features(self, users: Tensor) -> Tensor:
        """float32 [n, k]: what the model knows of `users` int64 [n], without gradients, for learners on top of it."""
        raise ModelError(f"the model {self.options.name!r} has no user features; choose a model that has")

    def candidate_features(self, candidates: Candidates) -> Tensor:
        """float32 [n, k]: what the model knows of n items or word combinations, without gradients.

        k may differ from that of `user_features`. Candidates are on the model's device.
        """
        raise ModelError(f"the model {self.options.name!r} has no candidate features; choose a model that has")

    def _forget(self) -> None:
        """Drop what is kept between scorings: called where something is computed that gradients may flow through."""

    def _combinations(self, words: Ragged) -> Candidates:
        words = Ragged(words.ptr.to(self.device), words.index.to(self.device, torch.int64))
        return Candidates.of_words(words, self.features.n_items)

    def _score_items(self, user: Tensor, item: Tensor) -> Tensor:
        """[B, C] for item [C] or [B, C], all good."""
        if item.dim() == 1:
            return self._score_shared(user, Candidates.of_items(item, self.item_words))
        size = item.shape[1]
        scores = [torch.zeros(0, device=user.device)]
        for rows in slices(len(user), max(1, _PAIRS // max(1, size))):
            scores.append(self(user[rows].repeat_interleave(size), item[rows].reshape(-1)))
        return torch.cat(scores).view(item.shape)

    def _score_shared(self, user: Tensor, candidates: Candidates) -> Tensor:
        """[B, C] for candidates that all users share: pairs in blocks of candidates."""
        columns = [torch.zeros(len(user), 0, device=user.device)]
        for part in slices(len(candidates), max(1, _PAIRS // max(1, len(user)))):
            size = part.stop - part.start
            pairs = torch.arange(part.start, part.stop, device=user.device).repeat(len(user))
            columns.append(self.logits(user.repeat_interleave(size), candidates.select(pairs)).view(len(user), size))
        return torch.cat(columns, 1)

    def _check_scores(self, scores: Tensor, user: Tensor, candidate: Tensor) -> None:
        bad = (~torch.isfinite(scores)) & (candidate >= 0)
        if bool(bad.any()):
            row, column = (int(place) for place in bad.nonzero()[0])
            index = int(candidate[column] if candidate.dim() == 1 else candidate[row, column])
            raise ModelError(
                f"the model {self.options.name!r} scores user {int(user[row])} against candidate {index} as "
                f"{float(scores[row, column])}; its weights are broken, so train it again with a lower learning rate"
            )

    @contextmanager
    def _scoring(self) -> Iterator[None]:
        """Evaluation mode without gradients; every submodule gets its own mode back."""
        modes = [(module, module.training) for module in self.modules()]
        for module, _ in modes:
            module.training = False
        try:
            with torch.no_grad():
                yield
        finally:
            for module, mode in modes:
                module.training = mode
