"""Training a base recommender, stopped and resumed at will."""

import math
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from magus_pyg.errors import RunError
from magus_pyg.models.base import BaseRecommender
from magus_pyg.models.calibration import Calibration
from magus_pyg.models.interactions import TrainingData
from magus_pyg.models.kernels.embedding_tables import choose_sparse
from magus_pyg.terminal import Terminal
from magus_pyg.training.checkpoint import (
    CHECKPOINT,
    check_matches,
    has_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from magus_pyg.training.epochs import RecommenderTraining
from magus_pyg.training.loader import Loaders
from magus_pyg.training.train_options import TrainOptions

__all__ = ["TrainResult", "fit"]

_COLUMNS = ["epoch", "train_loss", "val_loss", "val_auc", "lr", "seconds"]
# Options that may change between a stop and the resumption.
_FREE = ("epochs", "accelerator", "logger")


@dataclass(frozen=True)
class TrainResult:
    """What a training gave.

    Attributes:
        history: a row an epoch (from 0), resumed ones included: epoch, train_loss, val_loss (mean cross-entropies),
            val_auc, lr (during the epoch), seconds.
        best_epoch: the epoch whose weights the model now has.
        stopped_early: True where the patience was used up.
        seconds: wall time of this call.
        peak_memory: bytes: of the CUDA device where one was used, else of the process so far.
        calibration: of the best epoch on the validation rows, which `BaseRecommender.probability` uses; its figures
            are those of the rows that its two numbers were fitted to.
    """

    history: pd.DataFrame
    best_epoch: int
    stopped_early: bool
    seconds: float
    peak_memory: int
    calibration: Calibration | None = None


def fit(
    model: BaseRecommender,
    data: TrainingData,
    options: TrainOptions | None = None,
    seed: int = 0,
    folder: Path | str | None = None,
    resume: bool = False,
    progress: bool | Terminal = True,
    log: Callable[[Mapping[str, float]], object] | None = None,
) -> TrainResult:
    """Train `model` in place; at the end it has the weights of the best epoch, and is in evaluation mode.

    On a CPU all is a function of (model, data, options, seed): two trainings give equal weights, and so does one that
    was stopped, or killed, and resumed any number of times. The folder's checkpoint is always that of the last whole
    epoch. A training that early stopping has ended stays ended, also when resumed with more epochs. A model without
    weights to learn only observes the rows; its history is one row, as of one epoch, with a learning rate of 0.

    Args:
        model: an untrained model; when resuming, one built with the same options and seed.
        data: training and validation rows.
        options: how to train; `TrainOptions()` where None.
        seed: of the order of the rows, the negatives and the dropout.
        folder: where the checkpoint is kept; None keeps none.
        resume: go on from the folder's checkpoint. Where there is none yet, start anew.
        progress: where it is shown how far the training is; True for standard output, if that is a terminal.
        log: takes each row of the history when its epoch is over, first those of a training that is gone on with; see
            `epoch_log`.

    Raises:
        ModelError: rows that cannot be trained on, or a loss that is not finite (the checkpoint is kept).
        RunError: a checkpoint that is damaged or belongs to another model, data set, seed or options, or a folder that
            already holds one while `resume` is False.
    """
    options = options or TrainOptions()
    began = time.perf_counter()
    identity = _identity(model, data, options, seed)
    state: dict[str, Any] | None = None
    place = Path(folder) if folder is not None else None
    if resume:
        if place is None:
            raise RunError("resume=True needs the folder of the checkpoint (got folder=None)")
        if has_checkpoint(place):
            state = read_checkpoint(place)
            check_matches(place, state, identity)
    elif place is not None and has_checkpoint(place):
        raise RunError(f"{place} already holds a training ({CHECKPOINT}); pass resume=True or another folder")
    loaders = Loaders(data, model, options, seed)
    model.observe(data.train)

    def finish(training: RecommenderTraining) -> None:
        if place is not None:
            write_checkpoint(place, {"identity": identity, **training.state()})
        if log is not None:
            log(training.history[-1])

    training = RecommenderTraining(model, loaders, options, seed, state, finish)
    if log is not None:
        for row in training.history:
            log(row)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    training.run(_shown_on(progress))
    choose_sparse(model, math.inf)  # whoever trains it further may have another optimiser
    if training.best_weights:
        model.load_state_dict(training.best_weights)
    model.eval()
    history = pd.DataFrame(training.history, columns=_COLUMNS).astype({"epoch": "int64"})
    seconds = time.perf_counter() - began
    stopping = training.stopping
    return TrainResult(history, stopping.best_epoch, stopping.stopped, seconds, _peak_memory(), training.calibration)


def _shown_on(progress: bool | Terminal) -> Terminal | None:
    if isinstance(progress, Terminal):
        return progress
    terminal = Terminal()
    return terminal if progress and terminal.is_terminal else None


def _identity(model: BaseRecommender, data: TrainingData, options: TrainOptions, seed: int) -> dict[str, Any]:
    """What must be equal for a checkpoint to be resumed, as plain values."""
    features = model.features
    return {
        "model": model.options.name,
        "model.seed": model.seed,
        **{f"model.{key}": value for key, value in asdict(model.options).items()},
        **{f"train.{key}": value for key, value in asdict(options).items() if key not in _FREE},
        "seed": seed,
        "data": data.fingerprint,
        "training rows": len(data.train),
        "validation rows": len(data.validation),
        "users": features.n_users,
        "items": features.n_items,
        "features": features.fingerprint,
    }


def _peak_memory() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB, macOS in bytes
