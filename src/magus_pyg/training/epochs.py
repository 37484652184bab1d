"""The Lightning side of training: a step, a validation pass, and all that happens at the end of an epoch.

Lightning drives devices, precision and the loops. What must survive a stop is kept out of its hands: the scheduler,
early stopping, the best weights and the checkpoint are dealt with here, in one place and one order.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import ReduceLROnPlateau

from magus_pyg.data import ItemSets
from magus_pyg.errors import ModelError
from magus_pyg.models.activation_unit import Dice
from magus_pyg.models.base import BaseRecommender
from magus_pyg.models.batches import Batch
from magus_pyg.models.binary_metrics import auc, log_loss
from magus_pyg.models.calibration import Calibration
from magus_pyg.models.interactions import Interactions, TrainingData
from magus_pyg.models.kernels.embedding_tables import choose_sparse
from magus_pyg.random import hash_keys
from magus_pyg.training.loader import Block, TrainBlocks, TrainLoader, ValidationLoader, resolve_negatives
from magus_pyg.training.optimizer import RowAdam, mean_over_devices
from magus_pyg.training.stopping import EarlyStopping
from magus_pyg.training.train_options import TrainOptions

__all__ = ["RecommenderData", "RecommenderModule"]

_DROPOUT = 3  # what a random number is for


class RecommenderData(lightning.LightningDataModule):
    """The loaders of a training, one pair on each device.

    Raises:
        ModelError: an id out of range, no training rows, or a validation part without both classes.
    """

    def __init__(self, data: TrainingData, model: BaseRecommender, options: TrainOptions, seed: int) -> None:
        super().__init__()
        features = model.features
        self._n_users, self._n_items = features.n_users, features.n_items
        for part in (data.train, data.validation):
            part.check(features)
        if model.needs_history and not data.train.ordered:
            raise ModelError(
                f"the model {model.options.name!r} reads the order of a user's interactions, and this log has none; "
                "choose a model without a history, or give the log a column of times"
            )
        if len(data.train) == 0:
            raise ModelError("the training part holds no rows; check the split and its filters")
        self.data, self.options, self.seed = data, options, seed
        self.negatives = resolve_negatives(options.negatives, data.train)
        self._train_items = self._items_of_users(data.train)
        self._known_items = self._items_of_users(data.train, data.validation)
        label = self.validation_loader(0, 1).label
        positives = int((label == 1).sum())
        if positives in (0, len(label)):
            raise ModelError(
                f"the validation part has {positives} positive and {len(label) - positives} negative rows (sampled "
                f"ones included, {self.negatives} a positive row); it needs both: check the split, or set negatives"
            )

    def _items_of_users(self, *parts: Interactions) -> ItemSets:
        user, item = (torch.cat([getattr(part, name) for part in parts]) for name in ("user", "item"))
        return ItemSets.from_pairs(user, item, self._n_users, self._n_items)

    def validation_loader(self, rank: int, world: int) -> ValidationLoader:
        """The loader of one device of `world`."""
        return ValidationLoader(self.data.validation, self._known_items, self.negatives, self.seed, rank, world)

    def train_loader(self, rank: int, world: int) -> TrainLoader:
        """The batches of one device of `world`, from the first epoch on."""
        size = self.options.batch_size
        return TrainLoader(self.data.train, self._train_items, size, self.negatives, self.seed, rank, world)

    def train_dataloader(self) -> TrainBlocks:
        """Batches of this device, block by block; the module sets the epoch."""
        assert self.trainer is not None
        return TrainBlocks(self.train_loader(self.trainer.global_rank, self.trainer.world_size))

    def val_dataloader(self) -> ValidationLoader:
        """The validation rows of this device."""
        assert self.trainer is not None
        return self.validation_loader(self.trainer.global_rank, self.trainer.world_size)


class RecommenderModule(lightning.LightningModule):
    """Trains a base recommender with binary cross-entropy on its logits, L2 on the embeddings in use, and Adam.

    What Lightning does around a batch takes as long as a step of a small model, so its batch is a block of ours, and
    the steps are taken here.

    Args:
        model: to train.
        options: see `TrainOptions`.
        seed: of the dropout; masks depend on (seed, epoch, step, device) alone.
        state: what `state()` gave at the end of an epoch, to go on after it.
        write: called with `state()` at the end of each epoch, on the first device.
    """

    def __init__(
        self,
        model: BaseRecommender,
        options: TrainOptions,
        seed: int,
        state: dict[str, Any] | None = None,
        write: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.train_options = options
        self.seed = seed
        self.stopping = EarlyStopping(options.patience, options.stop_on == "auc", options.min_delta)
        self.history: list[dict[str, float]] = []
        self.best_weights: dict[str, Tensor] = {}
        self.calibration: Calibration | None = None
        # What DistributedDataParallel leaves to `on_after_backward`: it takes dense gradients alone.
        self._ddp_params_and_buffers_to_ignore = [f"model.{name}" for name in choose_sparse(model, options.sparse_over)]
        self._write = write
        self._resumed = state
        self._losses: list[Tensor] = []
        self._step_seeds: list[int] = []
        self._logits: list[Tensor] = []
        self._validation: tuple[float, float] = (float("nan"), float("nan"))
        self._started = 0.0
        if state is not None:
            model.load_state_dict(state["weights"])
            self.history = list(state["history"])
            self.best_weights = state["best_weights"]
            self.stopping.load_state_dict(state["stopping"])
            self.calibration = Calibration(**state["calibration"])

    @property
    def epoch(self) -> int:
        """The epoch under way, counted over all resumed runs."""
        return len(self.history)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, row by row where gradients are sparse.

        The scheduler is stepped here at the end of an epoch, before the checkpoint is written.
        """
        options = self.train_options
        fused = self.device.type in ("cpu", "cuda")
        optimizer = RowAdam(self.model.parameters(), lr=options.lr, fused=fused)
        self._scheduler = ReduceLROnPlateau(
            optimizer, factor=options.lr_factor, patience=options.lr_patience, min_lr=options.min_lr
        )
        if self._resumed is not None:
            optimizer.load_state_dict(self._resumed["optimizer"])
            self._scheduler.load_state_dict(self._resumed["scheduler"])
            self._resumed = None
        return optimizer

    def on_fit_start(self) -> None:
        """Tell layers whose batch lies on several devices."""
        for module in self.model.modules():
            if isinstance(module, Dice):
                module.across_devices = self.trainer.world_size > 1

    def on_train_epoch_start(self) -> None:
        """Choose the epoch's order before its first batch is made."""
        loader = self.trainer.train_dataloader.loader  # type: ignore[union-attr]
        loader.epoch = self.epoch
        steps = torch.arange(len(loader))
        self._step_seeds = hash_keys(self.seed, _DROPOUT, self.epoch, steps, self.global_rank).tolist()
        self._losses.clear()
        self._started = time.perf_counter()

    def training_step(self, block: Block, batch_idx: int) -> None:
        """The steps of a block; the dropout's random numbers are those of (seed, epoch, step, device)."""
        optimizer = self.optimizers()
        assert not isinstance(optimizer, list)
        with self._own_generator() as generator:
            for batch in block.batches():
                generator.manual_seed(self._step_seeds[len(self._losses)])
                loss = self.loss(batch)
                optimizer.zero_grad()
                self.manual_backward(loss)
                optimizer.step()
        self._check_losses(len(block.sizes))

    def loss(self, batch: Batch) -> Tensor:
        """What a step lowers, a scalar."""
        logits, penalty, further = self.model.training_terms(batch)
        loss = F.binary_cross_entropy_with_logits(logits, batch.label.to(logits.dtype))
        self._losses.append(loss.detach())
        return loss + further + self.train_options.weight_decay * penalty

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """A block or a batch, column by column."""
        if isinstance(batch, Block):
            return Block(Batch(*(column.to(device) for column in batch.rows)), batch.sizes)
        return Batch(*(column.to(device) for column in batch))

    def on_after_backward(self) -> None:
        """Join the sparse gradients of all devices."""
        if self.trainer.world_size > 1:
            for parameter in self.model.parameters():
                if parameter.grad is not None and parameter.grad.is_sparse:
                    parameter.grad = mean_over_devices(parameter.grad)

    @contextmanager
    def _own_generator(self) -> Iterator[torch.Generator]:
        """The device's generator, put back as it was at the end."""
        if self.device.type == "cuda":
            generator = torch.cuda.default_generators[self.device.index or 0]
        else:
            generator = torch.default_generator
        # torch.manual_seed would seed every device's, and where CUDA is not started queue that call, step by step.
        before = generator.get_state()
        try:
            yield generator
        finally:
            generator.set_state(before)

    def _check_losses(self, last: int) -> None:
        """Raise ModelError where one of the last losses is not finite."""
        recent = torch.stack(self._losses[-last:])
        bad = (~torch.isfinite(recent)).nonzero()
        if len(bad):
            batch = len(self._losses) - len(recent) + int(bad[0])
            raise ModelError(
                f"the training loss became {float(recent[bad[0]])} in epoch {self.epoch}, batch {batch}; lower the "
                f"learning rate (now {self._lr()}); the checkpoint of the last whole epoch is kept"
            )

    def on_validation_epoch_start(self) -> None:
        """Forget the last pass."""
        self._logits.clear()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Logits of a slice of the validation rows."""
        self._logits.append(self.model(batch.user, batch.item).to(torch.float32))

    def on_validation_epoch_end(self) -> None:
        """Loss and AUC over the rows of all devices."""
        logits = torch.cat(self._logits)
        label = self.trainer.val_dataloaders.label  # type: ignore[union-attr]
        if self.trainer.world_size > 1:
            gathered = self.all_gather(logits)  # [world, n]; row r of the part lies on device r % world
            assert isinstance(gathered, Tensor)
            logits = gathered.T.reshape(-1)
        logits = logits[: len(label)].cpu()
        if not bool(torch.isfinite(logits).all()):
            raise ModelError(
                f"a validation score became {float(logits[~torch.isfinite(logits)][0])} in epoch {self.epoch}; lower "
                f"the learning rate (now {self._lr()}); the checkpoint of the last whole epoch is kept"
            )
        self._validation = (log_loss(logits, label), auc(logits, label))
        self._logits = [logits]

    def on_train_epoch_end(self) -> None:
        """Scheduler, early stopping, best weights, history, and last the checkpoint, which holds them all."""
        train_loss = torch.stack(self._losses).mean(dtype=torch.float64)
        if self.trainer.world_size > 1:
            train_loss = self.trainer.strategy.reduce(train_loss, reduce_op="mean")
        val_loss, val_auc = self._validation
        row = {"epoch": self.epoch, "train_loss": float(train_loss), "val_loss": val_loss, "val_auc": val_auc}
        row["lr"] = self._lr()
        self._scheduler.step(val_loss)
        if self.stopping.update(self.epoch, val_auc if self.train_options.stop_on == "auc" else val_loss):
            self._keep(self._logits[0], self.trainer.val_dataloaders.label)  # type: ignore[union-attr]
        row["seconds"] = time.perf_counter() - self._started
        self.history.append(row)
        if self._write is not None and self.trainer.is_global_zero:
            self._write(self.state())
        if self.stopping.stopped:
            self.trainer.should_stop = True

    def _keep(self, logits: Tensor, labels: Tensor) -> None:
        """Take this epoch's weights as the best, calibrated on the validation rows."""
        self.calibration = self.model.calibrate(logits, labels)
        self.best_weights = _to_cpu(self.model.state_dict())

    def look(self, data: RecommenderData) -> None:
        """For a model without weights to learn, instead of epochs: one row of history, as of an epoch."""
        self._started = time.perf_counter()
        self.model.eval()
        loader = data.validation_loader(0, 1)
        with torch.no_grad():
            losses = [
                F.binary_cross_entropy_with_logits(self.model(batch.user, batch.item), batch.label)
                for batch in data.train_loader(0, 1)
            ]
            logits = torch.cat([self.model(batch.user, batch.item).to(torch.float32) for batch in loader])
        val_loss, val_auc = log_loss(logits, loader.label), auc(logits, loader.label)
        train_loss = float(torch.stack(losses).mean(dtype=torch.float64))
        self.stopping.update(0, val_auc if self.train_options.stop_on == "auc" else val_loss)
        self._keep(logits, loader.label)
        row = {"epoch": 0, "train_loss": train_loss, "val_loss": val_loss, "val_auc": val_auc, "lr": 0.0}
        self.history.append({**row, "seconds": time.perf_counter() - self._started})
        if self._write is not None:
            self._write(self.state())

    def state(self) -> dict[str, Any]:
        """All that a later run needs to go on after this epoch, as tensors on the CPU and plain values."""
        assert self.calibration is not None, "an epoch has ended"
        moments: dict[str, Any] = {"optimizer": {}, "scheduler": {}}
        if self.model.trainable:
            optimizer = self.optimizers()
            assert not isinstance(optimizer, list)
            moments = {"optimizer": _to_cpu(optimizer.state_dict()), "scheduler": self._scheduler.state_dict()}
        return {
            "weights": _to_cpu(self.model.state_dict()),
            "best_weights": self.best_weights,
            **moments,
            "stopping": self.stopping.state_dict(),
            "calibration": asdict(self.calibration),
            "history": self.history,
        }

    def _lr(self) -> float:
        return float(self._scheduler.optimizer.param_groups[0]["lr"])


def _to_cpu(state: Any) -> Any:
    """A copy of nested dicts, lists and tensors that later steps do not change."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: _to_cpu(value) for key, value in state.items()}
    return [_to_cpu(value) for value in state] if isinstance(state, list) else state
