"""The loop over epochs of everything that is trained by gradient steps, whatever its losses are made of."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from magus_pyg.errors import ModelError
from magus_pyg.random import derive_seed
from magus_pyg.training.stopping import EarlyStopping

__all__ = ["Descent", "seeded_generator", "train_epochs"]

_Kept = TypeVar("_Kept")


@dataclass(frozen=True)
class Descent:
    """How an epoch's steps are taken.

    Attributes:
        what: goes down, for errors: "the loss of recurrent".
        optimizer: of the weights.
        remedy: what helps against a loss that is not finite, for errors: "lower its lr".
        clip: the gradient is shortened to this length, unless None.
        after: called after each step, in order.
        backward: finds the gradients of a loss.
        check_every: steps after which the losses are looked at; more than 1 where a look holds up a device.
    """

    what: str
    optimizer: Optimizer
    remedy: str
    clip: float | None = None
    after: Sequence[Callable[[], object]] = ()
    backward: Callable[[Tensor], object] = Tensor.backward
    check_every: int = 1

    def epoch(self, epoch: int, losses: Iterable[Tensor]) -> float:
        """A step down each loss.

        Args:
            epoch: its number, for errors.
            losses: scalars, each computed when it is asked for, with the weights as they then are.

        Returns:
            Their mean.

        Raises:
            ModelError: a loss that is not finite.
        """
        taken: list[Tensor] = []
        checked = 0
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        for loss in losses:
            taken.append(loss.detach())
            if len(taken) - checked == self.check_every:
                checked = self._check(epoch, taken, checked)
            self.optimizer.zero_grad()
            self.backward(loss)
            if self.clip is not None:
                torch.nn.utils.clip_grad_norm_(weights, self.clip)
            self.optimizer.step()
            for follow in self.after:
                follow()
        self._check(epoch, taken, checked)
        self.optimizer.zero_grad()  # while a weight has a gradient, a model keeps nothing between scorings
        return float(torch.stack(taken).mean(dtype=torch.float64))

    def _check(self, epoch: int, losses: list[Tensor], checked: int) -> int:
        """Raise ModelError where a loss from the number `checked` on is not finite; how many are checked now."""
        for batch, loss in enumerate(torch.stack(losses[checked:]).tolist() if len(losses) > checked else ()):
            if not math.isfinite(loss):
                raise ModelError(
                    f"{self.what} became {loss} in epoch {epoch}, batch {checked + batch}; {self.remedy} (now "
                    f"{self.optimizer.param_groups[0]['lr']})"
                )
        return len(losses)


def train_epochs(
    descent: Descent,
    losses: Callable[[int], Iterable[Tensor]],
    epochs: Iterable[int],
    judge: Callable[[int, float], float],
    stopping: EarlyStopping,
    keep: Callable[[], _Kept],
    best: _Kept,
    finish: Callable[[int], object] | None = None,
) -> _Kept:
    """Play epochs until they are over or the patience is.

    Args:
        descent: takes the steps.
        losses: of an epoch: a function of its number, so that a training can be gone on with; see `Descent.epoch`.
        epochs: their numbers.
        judge: the value of an epoch by its number and mean loss, found on rows that are not trained on.
        stopping: which value is the best, and how long to wait for a better one.
        keep: what is kept of an epoch that is the best yet.
        best: what is kept before the first.
        finish: called at the end of an epoch, when it is known whether it is the best.

    Returns:
        What was kept of the best epoch.

    Raises:
        ModelError: a loss that is not finite.
    """
    for epoch in epochs:
        if stopping.update(epoch, judge(epoch, descent.epoch(epoch, losses(epoch)))):
            best = keep()
        if finish is not None:
            finish(epoch)
        if stopping.stopped:
            break
    return best


def seeded_generator(*keys: int) -> torch.Generator:
    """A random generator of its own for each list of keys, such as a seed, a purpose and an epoch."""
    return torch.Generator().manual_seed(derive_seed(*keys))
