"""The options of the base recommenders and of their training: plain dataclasses, every field with a default.

Two recipes of training matter. `TrainOptions()` is the default; `TrainOptions.paper()` with `FMOptions.paper()` holds
the values the paper gives in C.5 (what C.5 leaves open is filled with the defaults).
"""

from dataclasses import dataclass, field

from magus_pyg.errors import ConfigError

__all__ = [
    "FMOptions",
    "GIPAOptions",
    "GraphModelOptions",
    "ModelOptions",
    "RGATOptions",
    "RGCNOptions",
    "TrainOptions",
    "check_range",
]

_SPARSE_ROWS = 100_000


def check_range(owner: object, name: str, low: float, high: float = float("inf"), below: bool = False) -> None:
    """Raise ConfigError unless `low <= owner.name <= high` (`< high` with `below`)."""
    value = getattr(owner, name)
    if not (low <= value < high if below else low <= value <= high):
        end = "" if high == float("inf") else f" and {'below' if below else 'at most'} {high:g}"
        raise ConfigError(f"{type(owner).__name__}.{name} must be at least {low:g}{end} (got {value!r})")


@dataclass
class ModelOptions:
    """What every base recommender has.

    Attributes:
        name: key of the model in `MODELS`.
    """

    name: str = "fm"


@dataclass
class FMOptions(ModelOptions):
    """Options of the factorization machine.

    Attributes:
        name: "fm".
        dim: length of the embedding vectors.
        dropout: share of the embedding entries set to 0 in a training step, in [0, 1).
        init_std: standard deviation of the embeddings before training; the linear weights start at 0.
    """

    name: str = "fm"
    dim: int = 64
    dropout: float = 0.2
    init_std: float = 0.01

    def __post_init__(self) -> None:
        check_range(self, "dim", 1)
        check_range(self, "dropout", 0, 1, below=True)
        check_range(self, "init_std", 0)

    @classmethod
    def paper(cls) -> "FMOptions":
        """The values of C.5."""
        return cls(dim=64, dropout=0.5)


@dataclass
class GraphModelOptions(ModelOptions):
    """What the graph recommenders have in common.

    Attributes:
        name: key of the model in `MODELS`.
        dim: length of the node vectors.
        layers: number of layers.
        dropout: share of the entries of node vectors set to 0 in a training step, in [0, 1).
        init_std: standard deviation of the embeddings before training; the linear weights start at 0.
        inhibits: items drawn for each node out of those it is R- to.
        sampling: "full" propagates the whole graph in each training step, "neighbours" a sample around the step's
            rows, "auto" the whole graph up to `full_edges` edges.
        full_edges: the limit of "auto".
        fanouts: neighbours sampled for a node, one number a layer, the nearest hop first.
    """

    name: str = "rgcn"
    dim: int = 64
    layers: int = 2
    dropout: float = 0.2
    init_std: float = 0.1
    inhibits: int = 10
    sampling: str = "auto"
    full_edges: int = 500_000
    fanouts: list[int] = field(default_factory=lambda: [15, 10])

    def __post_init__(self) -> None:
        for name in ("dim", "layers"):
            check_range(self, name, 1)
        for name in ("init_std", "inhibits", "full_edges"):
            check_range(self, name, 0)
        check_range(self, "dropout", 0, 1, below=True)
        if self.sampling not in ("auto", "full", "neighbours"):
            raise ConfigError(
                f'{type(self).__name__}.sampling must be "auto", "full" or "neighbours" (got {self.sampling!r})'
            )
        if len(self.fanouts) != self.layers or any(fanout < 1 for fanout in self.fanouts):
            raise ConfigError(
                f"{type(self).__name__}.fanouts must be {self.layers} numbers of at least 1, one a layer "
                f"(got {list(self.fanouts)})"
            )


@dataclass
class RGCNOptions(GraphModelOptions):
    """Options of the relational graph convolution, beside those of all graph models.

    Attributes:
        name: "rgcn".
        num_bases: bases that the relations' weights share; 0 gives each relation its own.
    """

    name: str = "rgcn"
    num_bases: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, "num_bases", 0)


@dataclass
class RGATOptions(GraphModelOptions):
    """Options of the relational graph attention, beside those of all graph models.

    Attributes:
        name: "rgat".
        heads: attention heads; must divide `dim`.
    """

    name: str = "rgat"
    heads: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, "heads", 1)
        if self.dim % self.heads:
            raise ConfigError(f"RGATOptions.heads must divide dim={self.dim} (got {self.heads})")


@dataclass
class GIPAOptions(GraphModelOptions):
    """Options of GIPA, beside those of all graph models.

    Attributes:
        name: "gipa".
        heads: attention heads; must divide `dim`. 1: a weight for each edge; `dim`: one for each edge and feature.
        attention_dim: hidden units of the MLPs of the attention; 0 makes them linear.
        edge_dim: length of the vectors of relation and direction.
    """

    name: str = "gipa"
    heads: int = 8
    attention_dim: int = 64
    edge_dim: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("heads", "edge_dim"):
            check_range(self, name, 1)
        check_range(self, "attention_dim", 0)
        if self.dim % self.heads:
            raise ConfigError(f"GIPAOptions.heads must divide dim={self.dim} (got {self.heads})")


@dataclass
class TrainOptions:
    """How a base recommender is trained.

    Attributes:
        epochs: passes over the training rows, at most.
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
        filter: "all": every user trains; "paper": users with fewer than `min_interactions` rows in the whole log, or
            without a positive one, are left out (Sec. 4.1).
        min_interactions: see `filter`.
        accelerator: "auto", "cpu", "gpu" or another of Lightning's accelerators.
        devices: number of devices.
        strategy: Lightning's strategy, for example "ddp" for several devices.
        precision: Lightning's precision, for example "32-true" or "bf16-mixed".
        sparse: which embedding tables are updated row by row, so that a step does not touch the rows that it does not
            use: "auto", those with more than 100,000 rows; "always", all; "never", none. See `RowAdam`.
    """

    epochs: int = 50
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
    filter: str = "all"
    min_interactions: int = 30
    accelerator: str = "auto"
    devices: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    sparse: str = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience", "devices"):
            check_range(self, name, 1)
        for name in ("min_lr", "lr_patience", "weight_decay", "min_interactions", "min_delta"):
            check_range(self, name, 0)
        check_range(self, "lr_factor", 0, 1, below=True)
        if not self.lr > 0 or self.min_lr > self.lr:
            raise ConfigError(f"TrainOptions.lr must be positive and at least min_lr (got {self.lr}, {self.min_lr})")
        if self.sparse not in ("auto", "always", "never"):
            raise ConfigError(f'TrainOptions.sparse must be "auto", "always" or "never" (got {self.sparse!r})')
        if self.stop_on not in ("auc", "loss"):
            raise ConfigError(f'TrainOptions.stop_on must be "auc" or "loss" (got {self.stop_on!r})')
        if self.filter not in ("all", "paper"):
            raise ConfigError(f'TrainOptions.filter must be "all" or "paper" (got {self.filter!r})')
        if self.negatives != "auto" and not (isinstance(self.negatives, int) and self.negatives >= 0):
            raise ConfigError(f'TrainOptions.negatives must be "auto" or at least 0 (got {self.negatives!r})')

    @property
    def sparse_over(self) -> float:
        """The tables with more rows than this are updated row by row."""
        return {"auto": _SPARSE_ROWS, "always": -1, "never": float("inf")}[self.sparse]

    @classmethod
    def paper(cls) -> "TrainOptions":
        """The values of C.5: learning rate 1e-2 falling to 1e-5, batches of 1000, L2 4e-4, the log's own negatives."""
        return cls(batch_size=1000, lr=1e-2, min_lr=1e-5, weight_decay=4e-4, negatives="auto")
