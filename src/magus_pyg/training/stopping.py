"""Which epoch is the best, and when to stop: state of plain values, so that it is saved and resumed exactly."""

import math
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["EarlyStopping"]


@dataclass
class EarlyStopping:
    """Keeps the best epoch of a training.

    Attributes:
        patience: epochs in a row without a better value that end the training.
        maximise: True where a larger value is better.
        min_delta: a value that is better by no more than this does not renew the patience; at least 0.
        best: the best value yet.
        best_epoch: its epoch, -1 before the first.
        mark: the value that last renewed the patience.
        waited: epochs since.
    """

    patience: int
    maximise: bool
    min_delta: float = 0.0
    best: float = math.nan
    best_epoch: int = -1
    mark: float = math.nan
    waited: int = 0

    def update(self, epoch: int, value: float) -> bool:
        """Take in an epoch's value; True where it is the best yet, which NaN never is."""
        better = self._beats(value, self.best)
        if better:
            self.best, self.best_epoch = value, epoch
        if self._beats(value, self.mark, self.min_delta):
            self.mark, self.waited = value, 0
        else:
            self.waited += 1
        return better

    def _beats(self, value: float, other: float, by: float = 0.0) -> bool:
        if math.isnan(value) or math.isnan(other):
            return not math.isnan(value)
        return (value - other if self.maximise else other - value) > by

    def renew(self) -> None:
        """Begin another phase with the whole patience; it has the best of all phases to beat."""
        self.mark, self.waited = math.nan, 0

    @property
    def stopped(self) -> bool:
        """True once the patience is used up."""
        return self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """All as plain values."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        for key, value in state.items():
            setattr(self, key, value)
