"""The options of the base recommenders and of their training: plain dataclasses, every field with a default.

Two recipes of training matter. `TrainOptions()` is the default; `TrainOptions.paper()` with `FMOptions.paper()` holds
the values the paper gives in C.5 (what C.5 leaves open is filled with the defaults).
"""

from dataclasses import dataclass, field

from magus_pyg.errors import ConfigError
from magus_pyg.options import check_range

__all__ = [
    "FMOptions",
    "GIPAOptions",
    "GraphModelOptions",
    "ModelOptions",
    "RGATOptions",
    "RGCNOptions",
]


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
