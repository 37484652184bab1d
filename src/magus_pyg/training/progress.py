"""One line of progress on the terminal for a whole training."""

import lightning
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from magus_pyg.training.epochs import RecommenderModule

__all__ = ["TrainProgress"]


class TrainProgress(lightning.Callback):
    """A bar over the steps of all epochs, with the last epoch's numbers beside it.

    Args:
        epochs: the last epoch to come, counted over all resumed runs.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self.progress = Progress(TextColumn("{task.description}"), *columns, TextColumn("{task.fields[numbers]}"))

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the bar, at the epoch that is resumed."""
        if trainer.is_global_zero:
            steps = len(trainer.train_dataloader.loader)  # type: ignore[union-attr]
            done = trainer_epoch(pl_module) * steps
            self.task = self.progress.add_task("training", total=self.epochs * steps, completed=done, numbers="")
            self.progress.start()

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Count a step."""
        if trainer.is_global_zero:
            self.progress.update(self.task, advance=1, description=f"epoch {trainer_epoch(pl_module) + 1}")

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the epoch's numbers."""
        if trainer.is_global_zero and isinstance(pl_module, RecommenderModule) and pl_module.history:
            row = pl_module.history[-1]
            numbers = f"loss {row['train_loss']:.4f}  validation {row['val_loss']:.4f}, AUC {row['val_auc']:.4f}"
            self.progress.update(self.task, numbers=numbers)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Leave the bar as it stands."""
        self.progress.stop()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Leave the bar as it stands, so that the error is readable."""
        self.progress.stop()


def trainer_epoch(module: lightning.LightningModule) -> int:
    """The epoch under way, counted over all resumed runs."""
    return module.epoch if isinstance(module, RecommenderModule) else module.current_epoch
