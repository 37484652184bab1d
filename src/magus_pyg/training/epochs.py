"""A base recommender under training: its steps, its validation, and all that a later process needs to go on.

Lightning's Fabric chooses the device, starts one process a device, and deals with precision; all else is our own, so
that it survives a stop: the order of rows, the scheduler, early stopping, the best weights and the checkpoint.
"""

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from magus_pyg.errors import ConfigError, ModelError
from magus_pyg.models.activation_unit import Dice
from magus_pyg.models.base import BaseRecommender, TrainingTerms
from magus_pyg.models.batches import Batch
from magus_pyg.models.binary_metrics import auc, log_loss
from magus_pyg.models.calibration import Calibration
from magus_pyg.models.kernels.embedding_tables import choose_sparse
from magus_pyg.random import hash_keys
from magus_pyg.terminal import Stage, Terminal
from magus_pyg.training.descent import Descent, train_epochs
from magus_pyg.training.loader import Loaders
from magus_pyg.training.optimizer import RowAdam, mean_over_devices
from magus_pyg.training.ranking_loss import drawn_items, softmax_loss
from magus_pyg.training.stopping import EarlyStopping
from magus_pyg.training.train_options import TrainOptions

if TYPE_CHECKING:
    from lightning.fabric import Fabric

__all__ = ["RecommenderTraining", "check_devices", "training_loss"]

_LOGGER = logging.getLogger(__name__)

_PROCESSES_A_CORE = 4
_DROPOUT = 3  # what a random number is for
# Where an epoch takes longer, in seconds, it is said after so many steps how it can be bounded.
_LONG, _PACED = 1800, 100
_KEPT = "the checkpoint of the last whole epoch is kept; lower the learning rate"


def training_loss(terms: TrainingTerms, label: Tensor, weight_decay: float) -> tuple[Tensor, Tensor]:
    """What a step lowers.

    Args:
        terms: what the model says of the step's rows.
        label: [n] of the rows, 1 or 0.
        weight_decay: weight of the L2 penalty.

    Returns:
        The loss, a scalar: binary cross-entropy, the model's own further terms, and L2; and the first of the three.
    """
    logits, penalty, further = terms
    entropy = F.binary_cross_entropy_with_logits(logits, label.to(logits.dtype))
    return entropy + further + weight_decay * penalty, entropy.detach()


class RecommenderTraining:
    """Trains a base recommender with binary cross-entropy on its logits, a ranking loss, L2 on the embeddings in use,
    and Adam.

    Args:
        model: to train.
        loaders: of its rows.
        options: see `TrainOptions`.
        seed: of the dropout; masks depend on (seed, epoch, step, device) alone.
        state: what `state()` gave at the end of an epoch, to go on after it.
        finish: called at the end of each epoch, on the first device.

    Attributes:
        history: a row an epoch, over all resumed runs.
        stopping: which epoch is the best, and whether training is over.
        best_weights: of the best epoch.
        calibration: of the best epoch, on the validation rows.
    """

    def __init__(
        self,
        model: BaseRecommender,
        loaders: Loaders,
        options: TrainOptions,
        seed: int,
        state: dict[str, Any] | None = None,
        finish: Callable[["RecommenderTraining"], object] | None = None,
    ) -> None:
        self.model, self.loaders, self.options, self.seed = model, loaders, options, seed
        self.history: list[dict[str, float]] = []
        self.stopping = EarlyStopping(options.patience, options.stop_on == "auc", options.min_delta)
        self.best_weights: dict[str, Tensor] = {}
        self.calibration: Calibration | None = None
        self._finish = finish
        self._resumed = state
        self._optimizer: RowAdam | None = None
        self._pace_told = False
        if state is not None:
            model.load_state_dict(state["weights"])
            self.history = list(state["history"])
            self.best_weights = state["best_weights"]
            self.stopping.load_state_dict(state["stopping"])
            self.calibration = Calibration(**state["calibration"])

    def state(self) -> dict[str, Any]:
        """All that a later run needs to go on after this epoch, as tensors on the CPU and plain values."""
        assert self.calibration is not None, "an epoch has ended"
        moments: dict[str, Any] = {"optimizer": {}, "scheduler": {}}
        if self._optimizer is not None:
            moments = {"optimizer": _to_cpu(self._optimizer.state_dict()), "scheduler": self._scheduler.state_dict()}
        return {
            "weights": _to_cpu(self.model.state_dict()),
            "best_weights": self.best_weights,
            **moments,
            "stopping": self.stopping.state_dict(),
            "calibration": asdict(self.calibration),
            "history": self.history,
        }

    def run(self, terminal: Terminal | None = None) -> None:
        """Play the epochs that are left; a model without weights to learn is looked at once, as after an epoch.

        Args:
            terminal: where it is shown how far they are; None for nowhere.

        Raises:
            ModelError: a loss or a validation score that is not finite.
        """
        if not self.model.trainable:
            if not self.history:
                self._look()
        elif len(self.history) < self.options.epochs and not self.stopping.stopped:
            self._set_up()
            with _own_generator(self._fabric.device) as self._generator, self._stage(terminal) as stage:
                self._train(stage)
            del self.model._ddp_params_and_buffers_to_ignore
            self.model.to("cpu")

    def _train(self, stage: Stage | None) -> None:
        descent = Descent(
            "the training loss",
            cast(Optimizer, self._fabric.setup_optimizers(self._scheduler.optimizer)),
            _KEPT,
            after=() if stage is None else (stage.step,),
            backward=self._backward,
            check_every=self._rows.batches_at_once,
        )

        def finish(epoch: int) -> None:
            self._end(self._fabric.is_global_zero)
            if stage is not None:
                stage.note = self._standing()

        epochs = range(len(self.history), self.options.epochs)
        train_epochs(descent, self._losses, epochs, self._judge, self.stopping, self._keep, None, finish)

    def _set_up(self) -> None:
        """Start the devices, and lay the model, its rows and the optimiser on this process' one."""
        model, options = self.model, self.options
        with _quiet():
            fabric = self._fabric = _fabric(options)
            fabric.launch()
        rank, world, device = fabric.global_rank, fabric.world_size, fabric.device
        for layer in model.modules():
            if isinstance(layer, Dice):
                layer.across_devices = world > 1
        # DistributedDataParallel takes dense gradients alone; `_backward` joins those of these tables.
        model._ddp_params_and_buffers_to_ignore = choose_sparse(model, options.sparse_over)  # type: ignore[assignment]
        module = fabric.setup_module(model)
        self._ranks = options.softmax > 0 and model.ranks_beside
        module.mark_forward_method("terms_beside" if self._ranks else "training_terms")
        self._module = module
        self._rows = self.loaders.train(rank, world, device)
        if len(self._rows) < self._rows.steps_of_all and fabric.is_global_zero:
            counts = f"{len(self._rows):,}", f"{self._rows.steps_of_all:,}"
            _LOGGER.info("an epoch ends after %s of the %s steps that all rows take (train.epoch_steps)", *counts)
        self._held_out = self.loaders.validation(rank, world, device)
        self._optimizer = RowAdam(model.parameters(), lr=options.lr, fused=device.type in ("cpu", "cuda"))
        self._scheduler = ReduceLROnPlateau(
            self._optimizer, factor=options.lr_factor, patience=options.lr_patience, min_lr=options.min_lr
        )
        if self._resumed is not None:
            self._optimizer.load_state_dict(self._resumed["optimizer"])
            self._scheduler.load_state_dict(self._resumed["scheduler"])

    def _stage(self, terminal: Terminal | None) -> AbstractContextManager[Stage | None]:
        if terminal is None or not self._fabric.is_global_zero:
            return nullcontext()
        steps = len(self._rows)
        stage = terminal.stage("training", self.options.epochs * steps, "epoch", steps, "at most")
        stage.step(len(self.history) * steps, self._standing() if self.history else "")
        return stage

    def _standing(self) -> str:
        """What decides whether an epoch is the best: of the one just done, and of the best yet."""
        column, told = ("val_auc", "AUC") if self.options.stop_on == "auc" else ("val_loss", "loss")
        stopping = self.stopping
        return f"validation {told} {self.history[-1][column]:.4f}, best {stopping.best:.4f} ({stopping.best_epoch + 1})"

    def _losses(self, epoch: int) -> Iterator[Tensor]:
        """The losses of an epoch; the dropout's random numbers are those of (seed, epoch, step, device)."""
        self._began, self._entropies = time.perf_counter(), []
        self.model.train()
        self._rows.epoch = epoch
        steps = torch.arange(len(self._rows))
        seeds = hash_keys(self.seed, _DROPOUT, epoch, steps, self._fabric.global_rank).tolist()
        for step, (batch, seed) in enumerate(zip(self._rows, seeds, strict=True)):
            self._generator.manual_seed(seed)
            with self._fabric.autocast():  # until the step is taken: hand-written gradients take the types of the loss
                loss, entropy = self._loss(batch, epoch, step)
                self._entropies.append(entropy)
                yield loss
            if step + 1 == _PACED:
                self._tell_pace(time.perf_counter() - self._began)

    def _tell_pace(self, seconds: float) -> None:
        """Say once how an epoch can be bounded where it takes long, by the seconds of its first steps."""
        whole = seconds / _PACED * len(self._rows)
        if whole > _LONG and not self._pace_told and self._fabric.is_global_zero:
            bound = int(float(f"{_PACED * _LONG / seconds:.1e}"))
            _LOGGER.info(
                "an epoch of %s steps takes about %.0f minutes at this pace; train.epoch_steps=%d ends each after half "
                "an hour", f"{len(self._rows):,}", whole / 60, max(1, bound),
            )  # fmt: skip
        self._pace_told = True

    def _loss(self, batch: Batch, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """As `training_loss`, with the ranking loss; its items are the same on all devices."""
        decay = self.options.weight_decay
        if not self._ranks:
            return training_loss(self._module.training_terms(batch), batch.label, decay)
        n_items = self.model.features.n_items
        items = drawn_items(n_items, self.options.softmax_items, self.seed, epoch, step).to(batch.item.device)
        terms, beside = self._module.terms_beside(batch, items)
        liked = torch.nonzero(batch.label == 1).squeeze(1)
        ranking = softmax_loss(
            terms.logits.index_select(0, liked), beside, batch.item.index_select(0, liked), items, n_items
        )
        loss, entropy = training_loss(terms, batch.label, decay)
        ranking = ranking / len(batch.label) + self.options.softmax_decay * terms.penalty
        return loss + self.options.softmax * ranking, entropy

    def _backward(self, loss: Tensor) -> None:
        self._fabric.backward(loss)
        if self._fabric.world_size > 1:
            for parameter in self.model.parameters():
                if parameter.grad is not None and parameter.grad.is_sparse:
                    parameter.grad = mean_over_devices(parameter.grad)

    def _judge(self, epoch: int, loss: float) -> float:
        """Validate on the rows of all devices, and let the learning rate follow."""
        fabric, lr = self._fabric, float(self._scheduler.optimizer.param_groups[0]["lr"])
        with fabric.autocast():
            logits = self._logits()
        entropy = torch.stack(self._entropies).mean(dtype=torch.float64)
        if fabric.world_size > 1:
            logits = cast(Tensor, fabric.all_gather(logits)).T.reshape(-1)  # row r lies on device r % world
            entropy = cast(Tensor, fabric.all_reduce(entropy, reduce_op="mean"))
        value = self._note(epoch, float(entropy), logits, lr)
        self._scheduler.step(self.history[-1]["val_loss"])
        return value

    def _look(self) -> None:
        self._began = time.perf_counter()
        self.model.eval()
        self._held_out = self.loaders.validation()
        with torch.no_grad():
            losses = [
                F.binary_cross_entropy_with_logits(self.model(batch.user, batch.item), batch.label)
                for batch in self.loaders.train()
            ]
        entropy = torch.stack(losses).mean(dtype=torch.float64)
        self.stopping.update(0, self._note(0, float(entropy), self._logits(), 0.0))
        self._keep()
        self._end()

    @torch.no_grad()
    def _logits(self) -> Tensor:
        """Float32 logits of this device's validation rows."""
        self.model.eval()
        return torch.cat([self.model(batch.user, batch.item).to(torch.float32) for batch in self._held_out])

    def _note(self, epoch: int, entropy: float, logits: Tensor, lr: float) -> float:
        """Add an epoch to the history; what decides whether it is the best."""
        label = self._held_out.label
        self._found = logits = logits[: len(label)].cpu()
        if not bool(torch.isfinite(logits).all()):
            raise ModelError(
                f"a validation score became {float(logits[~torch.isfinite(logits)][0])} in epoch {epoch}; {_KEPT} "
                f"(now {lr})"
            )
        row = {"train_loss": entropy, "val_loss": log_loss(logits, label), "val_auc": auc(logits, label), "lr": lr}
        self.history.append({"epoch": epoch, **row})
        return row["val_auc" if self.options.stop_on == "auc" else "val_loss"]

    def _keep(self) -> None:
        """Take this epoch's weights as the best, calibrated on the validation rows."""
        self.calibration = self.model.calibrate(self._found, self._held_out.label)
        self.best_weights = _to_cpu(self.model.state_dict())

    def _end(self, first_device: bool = True) -> None:
        """Last in an epoch, when all that is to be resumed is known."""
        self.history[-1]["seconds"] = time.perf_counter() - self._began
        if self._finish is not None and first_device:
            self._finish(self)


def check_devices(options: TrainOptions) -> None:
    """Raise ConfigError where this machine has no such devices, or Lightning no such strategy or precision on them."""
    with _quiet():
        device = _fabric(options).device
    most = _PROCESSES_A_CORE * (os.cpu_count() or 1)
    if device.type == "cpu" and options.devices > most:
        raise ConfigError(
            f"train.devices must be at most {most}, {_PROCESSES_A_CORE} a core of this machine (got {options.devices})"
        )


def _fabric(options: TrainOptions) -> "Fabric":
    from lightning.fabric import Fabric  # here, as it takes seconds, and whoever only scores has no need of it
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        return Fabric(
            accelerator=options.accelerator,
            devices=options.devices,
            strategy=options.strategy,
            precision=options.precision,  # type: ignore[arg-type]
        )
    except (ValueError, RuntimeError, ImportError, TypeError, MisconfigurationException) as error:
        keys = ("accelerator", "devices", "strategy", "precision")
        given = ", ".join(f"train.{key}={getattr(options, key)}" for key in keys)
        raise ConfigError(f"{given}: {str(error).splitlines()[0]}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's notes on devices and workers, which mean nothing here."""
    logger = logging.getLogger("lightning.fabric")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _own_generator(device: torch.device) -> Iterator[torch.Generator]:
    """The device's generator, put back as it was at the end."""
    # torch.manual_seed would seed every device's, and where CUDA is not started queue that call, step by step.
    cuda = device.type == "cuda"
    generator = torch.cuda.default_generators[device.index or 0] if cuda else torch.default_generator
    before = generator.get_state()
    try:
        yield generator
    finally:
        generator.set_state(before)


def _to_cpu(state: Any) -> Any:
    """A copy of nested dicts, lists and tensors that later steps do not change."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: _to_cpu(value) for key, value in state.items()}
    return [_to_cpu(value) for value in state] if isinstance(state, list) else state
