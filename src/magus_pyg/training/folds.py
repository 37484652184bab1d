"""Base scores for training sessions from models that never saw their rows (reading 27).

What learns from sessions (which queries to ask, how far to trust a score) must see base scores as good, and no better,
than those of the sessions it will play. A base model knows its own training rows by heart, so the training rows are
split into folds: the sessions of a fold are made from its rows alone, and scored by a model trained on the other folds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from magus_pyg.data import RecDataset, Sessions
from magus_pyg.errors import ConfigError, ModelError
from magus_pyg.models.base import BaseRecommender
from magus_pyg.models.interactions import Interactions, TrainingData
from magus_pyg.random import derive_seed, integers
from magus_pyg.training.fitting import fit
from magus_pyg.training.progress import Progress, unseen
from magus_pyg.training.train_options import TrainOptions

__all__ = ["FoldedSessions", "fold_data", "fold_of", "out_of_fold_scores"]

_NOTE = "models trained for out-of-fold scores"
_FOLD, _TRAINING = 0xF01D, 0xF01E  # what a random number is for


@dataclass(frozen=True)
class FoldedSessions:
    """Training sessions of all folds with their base scores.

    Attributes:
        sessions: B sessions; `id` is that of the fold's session times the number of folds, plus the fold.
        scores: float64 [B, C], in the order of the candidates, 0 at pads.
        fold: int64 [B], the fold of each session.
    """

    sessions: Sessions
    scores: Tensor
    fold: Tensor

    def __len__(self) -> int:
        return len(self.sessions)

    def take(self, index: Tensor) -> "FoldedSessions":
        """The chosen sessions, int64 [K] or bool [B]."""
        return FoldedSessions(self.sessions.take(index), self.scores[index], self.fold[index])


def fold_of(user: Tensor, item: Tensor, folds: int, seed: int = 0) -> Tensor:
    """The fold of each pair of user and item, int64 [n] in [0, folds): a function of the pair and the seed alone.

    Args:
        user, item: int64 [n].
        folds: number of folds, at least 2.
        seed: of the split.

    Raises:
        ConfigError: fewer than 2 folds.
    """
    if folds < 2:
        raise ConfigError(f"folds must be at least 2, or no model would be trained without a fold (got {folds})")
    return integers(folds, seed, _FOLD, user, item)


def fold_data(data: RecDataset, fold: int, folds: int, seed: int = 0) -> RecDataset:
    """The data set as the model without a fold sees it: the fold is its validation, the other folds its training part.

    Rows that were no training rows are its test. So sessions of its validation part have their targets and disliked
    items in the fold, and their untouched items outside all training rows of the user (reading 32), and
    `out_of_fold_scores` takes them as the sessions of this fold.

    Args:
        data: the data set.
        fold: in [0, folds).
        folds, seed: as for `fold_of`.
    """
    of_row = fold_of(torch.from_numpy(data.user), torch.from_numpy(data.item), folds, seed).numpy()
    of_model = np.where(of_row == fold, 1, 0)
    return replace(data, part=np.where(data.part == 0, of_model, 2).astype(np.int8))


def out_of_fold_scores(
    build: Callable[[Interactions], BaseRecommender],
    data: TrainingData,
    options: TrainOptions,
    sessions: Sequence[Sessions],
    seed: int = 0,
    progress: Progress = unseen,
) -> FoldedSessions:
    """Train a model without each fold and score the fold's sessions with it.

    Args:
        build: makes an untrained model; gets the rows it will be trained on, which graph models and histories need.
        data: training rows, apart into folds by `fold_of(user, item, len(sessions), seed)`; validation rows, by which
            every model stops.
        options: how the models are trained.
        sessions: one for each fold: those whose candidates have training rows of their user in this fold alone. A fold
            without sessions costs no training.
        seed: of the split, and of the training.
        progress: shows how many models are trained.

    Returns:
        The sessions of all folds, fold after fold.

    Raises:
        ConfigError: fewer than 2 folds.
        ModelError: a candidate that the fold's model was trained on with this user, or what `fit` raises.
    """
    folds = len(sessions)
    fold = fold_of(data.train.user, data.train.item, folds, seed)
    parts, scores = [], []
    progress(0, folds, _NOTE)
    for number, own in enumerate(sessions):
        rows = data.train.take(fold != number)
        _check_unseen(own, rows, number)
        if len(own):
            model = build(rows)
            held_out = TrainingData(rows, data.validation, f"{data.fingerprint} without fold {number} of {folds}")
            fit(model, held_out, options, derive_seed(seed, _TRAINING, number), progress=False)
            model.to("cpu")
            found = model.score(own.user, own.candidates).to(torch.float64)
            scores.append(torch.where(own.candidates >= 0, found, 0.0))
            parts.append(own)
        progress(number + 1, folds, _NOTE)
    kept = [number for number, own in enumerate(sessions) if len(own)]
    return _join(parts, scores, kept, folds)


def _check_unseen(sessions: Sessions, rows: Interactions, fold: int) -> None:
    """Raise ModelError if a row joins a session's user to one of its candidates."""
    base = 1 + max(int(part.max()) if part.numel() else 0 for part in (rows.item, sessions.candidates))
    key = sessions.user.unsqueeze(1) * base + sessions.candidates
    seen = torch.isin(key, rows.user * base + rows.item) & (sessions.candidates >= 0)
    if bool(seen.any()):
        row, column = torch.nonzero(seen)[0].tolist()
        raise ModelError(
            f"the model without fold {fold} is trained on user {int(sessions.user[row])} with item "
            f"{int(sessions.candidates[row, column])}, a candidate of a session it is to score: make the sessions of a "
            "fold from the rows of the fold alone"
        )


def _join(parts: Sequence[Sessions], scores: Sequence[Tensor], kept: Sequence[int], folds: int) -> FoldedSessions:
    """The sessions of all folds in one, padded to the same widths."""
    if not parts:
        none = torch.zeros((0, 1), dtype=torch.int64)
        return FoldedSessions(Sessions(none[:, 0], none, none.bool()), none.to(torch.float64), none[:, 0])
    width = max(part.candidates.shape[1] for part in parts)
    deep = max(0 if part.searched is None else part.searched.shape[1] for part in parts)
    searched = None
    if deep:
        searched = torch.cat([_widened(_searched(part), deep, -1) for part in parts])
    fold = torch.cat([torch.full((len(part),), number) for part, number in zip(parts, kept, strict=True)])
    joined = Sessions(
        torch.cat([part.user for part in parts]),
        torch.cat([_widened(part.candidates, width, -1) for part in parts]),
        torch.cat([_widened(part.targets, width, False) for part in parts]),
        searched,
        torch.cat([_ids(part) for part in parts]) * folds + fold,
    )
    return FoldedSessions(joined, torch.cat([_widened(part, width, 0.0) for part in scores]), fold)


def _widened(table: Tensor, width: int, value: float | bool) -> Tensor:
    more = table.new_full((len(table), width - table.shape[1]), value)
    return torch.cat([table, more], 1)


def _searched(sessions: Sessions) -> Tensor:
    return sessions.user.new_zeros((len(sessions), 0)) if sessions.searched is None else sessions.searched


def _ids(sessions: Sessions) -> Tensor:
    assert sessions.id is not None, "Sessions numbers itself"
    return sessions.id
