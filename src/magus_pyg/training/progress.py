"""One line of progress on the terminal for a whole training."""

from collections.abc import Mapping

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from magus_pyg.terminal import Terminal

__all__ = ["TrainProgress"]


class TrainProgress:
    """A bar over the steps of all epochs, with the last epoch's numbers beside it.

    Args:
        epochs: the last epoch to come, counted over all resumed runs.
        steps: of an epoch.
        done: epochs that are resumed.
    """

    def __init__(self, epochs: int, steps: int, done: int) -> None:
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Terminal().bar(TextColumn("{task.description}"), *columns, TextColumn("{task.fields[numbers]}"))
        self._epoch = done
        self._task = self._bar.add_task("training", total=epochs * steps, completed=done * steps, numbers="")

    def __enter__(self) -> "TrainProgress":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def step(self) -> None:
        """Count a step."""
        self._bar.update(self._task, advance=1, description=f"epoch {self._epoch + 1}")

    def show(self, row: Mapping[str, float]) -> None:
        """Show the numbers of an epoch that is over."""
        numbers = f"loss {row['train_loss']:.4f}  validation {row['val_loss']:.4f}, AUC {row['val_auc']:.4f}"
        self._bar.update(self._task, numbers=numbers)
        self._epoch += 1
