"""How a base recommender is trained: a plain dataclass, every field with a default.

`TrainOptions()` is the default recipe; `conf/train/paper.yaml` holds what the paper says of training in C.5 and
Sec. 4.1 (what it leaves open is filled with the defaults).
"""

from dataclasses import dataclass

from magus_pyg.errors import ConfigError
from magus_pyg.options import above, at_least, at_most, between, check_options, one_of
from magus_pyg.training.epoch_log import LOGGERS

__all__ = ["TrainOptions"]


ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps", "tpu")
PRECISIONS = ("32-true", "64-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "32", "64", "16", "bf16")
_SPARSE_ROWS = 100_000


@dataclass
class TrainOptions:
    """How a base recommender is trained.

    Attributes:
        epochs: passes over the training rows, at most.
        epoch_steps: steps after which an epoch ends and is validated, where its rows would take more; None: when all
            rows were seen. Each epoch draws its rows from all anew, so that several of such epochs go on with others.
        batch_size: rows of the log in a step, on each device; sampled negatives come on top.
        lr: learning rate of Adam at the start.
        min_lr: the learning rate is not lowered below this.
        lr_factor: the learning rate is multiplied by this when the validation loss stops falling.
        lr_patience: epochs without a lower validation loss that are borne before the learning rate drops.
        patience: training stops after this many epochs in a row without a better `stop_on`.
        min_delta: an epoch must be better by more than this to renew the patience; the best epoch's weights are kept
            all the same.
        stop_on: "auc" or "loss" of the validation part: decides the best epoch and early stopping.
        weight_decay: weight of the L2 penalty on the embeddings in use (the mean over the rows of a step of their
            squared length).
        negatives: items the user has no training row with, drawn anew each epoch for every positive row and taken as
            negative; "auto": 1 where the training part has positives only, else 0. The validation part gets as many,
            drawn once. Also where the log has negatives of its own, a model that never saw an untouched item ranks
            the untouched items of a session badly.
        dropout: where a number, the `dropout` of every model whose own is not set by name: read by `conf/model/` alone,
            since a model has its dropout before it is trained.
        softmax: weight of the ranking loss that a positive row has beside its cross-entropy: that of its item in the
            softmax over the catalogue (`softmax_loss`), for models that score many items at the cost of a product with
            their vectors (`ranks_beside`: fm, lstm, gru); others leave it out.
        softmax_items: items of that softmax, drawn anew for each step, all where the catalogue has no more.
        softmax_decay: the L2 penalty that the ranking loss brings along, on top of `weight_decay` and weighted by
            `softmax` as the loss is. A softmax over thousands of items is a much larger loss than a cross-entropy of
            one row, and with the penalty of that alone it learns rows by heart.
        filter: "all": every user trains; "paper": users with fewer than `min_interactions` rows in the whole log, or
            without a positive one in the training part, are left out (Sec. 4.1).
        min_interactions: see `filter`.
        accelerator: "auto", "cpu", "gpu" or another of Lightning's accelerators.
        devices: number of devices.
        strategy: Lightning's strategy, for example "ddp" for several devices.
        precision: Lightning's precision, for example "32-true" or "bf16-mixed".
        sparse: which embedding tables are updated row by row, so that a step does not touch the rows that it does not
            use: "auto", those with more than 100,000 rows; "always", all; "never", none. See `RowAdam`.
        logger: where `magus-train` writes the rows of the history beside the run's table: "none", "csv", "tensorboard",
            "mlflow" or "wandb". See `epoch_log`.
    """

    epochs: int = 50
    epoch_steps: int | None = None
    batch_size: int = 2048
    lr: float = 1e-2
    min_lr: float = 1e-5
    lr_factor: float = 0.3
    lr_patience: int = 1
    patience: int = 5
    min_delta: float = 2e-4
    stop_on: str = "auc"
    weight_decay: float = 2e-2
    negatives: int | str = 1
    dropout: float | None = None
    softmax: float = 1.0
    softmax_items: int = 512
    softmax_decay: float = 4e-2
    filter: str = "all"
    min_interactions: int = 30
    accelerator: str = "auto"
    devices: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    sparse: str = "auto"
    logger: str = "none"

    def __post_init__(self) -> None:
        check_options(
            self,
            **dict.fromkeys(
                ("epochs", "epoch_steps", "batch_size", "patience", "devices", "softmax_items"), at_least(1)
            ),
            **dict.fromkeys(("min_lr", "lr_patience", "weight_decay", "softmax", "softmax_decay"), at_least(0)),
            **dict.fromkeys(("min_interactions", "min_delta"), at_least(0)),
            lr=above(0),
            **dict.fromkeys(("lr_factor", "dropout"), between(0, 1, "[)")),
            sparse=one_of(("auto", "always", "never")),
            logger=one_of(LOGGERS),
            stop_on=one_of(("auc", "loss")),
            filter=one_of(("all", "paper")),
            negatives=at_least(0, "auto"),
            accelerator=one_of(ACCELERATORS),
            precision=one_of(PRECISIONS),
        )
        check_options(self, devices=at_most(4096), negatives=at_most(1000, "auto"), epochs=at_most(1_000_000))
        check_options(self, softmax_items=at_most(1 << 20))
        if self.min_lr > self.lr:
            raise ConfigError(f"TrainOptions.lr must be at least min_lr={self.min_lr} (got {self.lr})")

    @property
    def sparse_over(self) -> float:
        """The tables with more rows than this are updated row by row."""
        return {"auto": _SPARSE_ROWS, "always": -1, "never": float("inf")}[self.sparse]
