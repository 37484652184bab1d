"""The general information propagation algorithm as a base recommender."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from magus_pyg.errors import ConfigError
from magus_pyg.models.graph_model import GraphModelOptions, GraphRecommender, Nodes
from magus_pyg.models.model_options import WIDEST
from magus_pyg.nn import GIPAConv
from magus_pyg.options import at_least, at_most, check_options

__all__ = ["EDGE_FEATURES", "GIPA", "GIPAOptions"]

_KINDS = (0, 0, 1, 1, 2, 2, 3)  # part of, liked, disliked, inhibits
_DIRECTIONS = (1, -1, 1, -1, 1, -1, 0)  # R- is drawn one way only

#: [7, 5], the features of an edge of each of `RELATIONS`: its kind as one of four, and its direction.
EDGE_FEATURES = torch.cat([F.one_hot(torch.tensor(_KINDS)), torch.tensor(_DIRECTIONS).unsqueeze(1)], 1).float()


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
        check_options(self, heads=at_least(1), edge_dim=at_least(1), attention_dim=at_least(0))
        check_options(self, heads=at_most(1024), edge_dim=at_most(WIDEST), attention_dim=at_most(WIDEST))
        if self.dim % self.heads:
            raise ConfigError(f"GIPAOptions.heads must divide dim={self.dim} (got {self.heads})")


class GIPA(GraphRecommender):
    """GIPA (Zheng et al. 2021, first version) over users, items and queries.

    The features of an edge are its relation and direction (reading 25). As in the released code every layer embeds
    them for itself, h = ReLU(W f + b), and attends with MLPs of one hidden layer; layers end in a residual connection.
    Messages carry the edge's features (the paper), which the released code leaves out. Its batch normalisation between
    layers, and the sums of all edge features that it gives a node as input, are left out here.

    Attention weights are not linear, so R- cannot go through its complement: each node attends to a seeded sample of
    `options.inhibits` of the items that it is R- to.
    """

    options: GIPAOptions

    def make_layers(self) -> nn.ModuleList:
        """A layer with its own embedding of edges."""
        return nn.ModuleList(_Layer(self.options) for _ in range(self.options.layers))

    def run_layer(self, layer: nn.Module, x: Nodes, edge_index: Tensor, edge_type: Tensor) -> Tensor:
        """One layer."""
        return layer(x, edge_index, edge_type)  # type: ignore[no-any-return]


class _Layer(nn.Module):
    """Embeds the relations, then attends and propagates."""

    edge_features: Tensor

    def __init__(self, options: GIPAOptions) -> None:
        super().__init__()
        self.register_buffer("edge_features", EDGE_FEATURES.to(torch.get_default_dtype(), copy=True), persistent=False)
        self.embed = nn.Linear(EDGE_FEATURES.size(1), options.edge_dim)
        self.conv = GIPAConv(
            options.dim,
            options.dim,
            options.edge_dim,
            heads=options.heads,
            att_channels=options.attention_dim,
            dropout=options.dropout,
        )

    def forward(self, x: Nodes, edge_index: Tensor, edge_type: Tensor) -> Tensor:
        """[N, dim] to [N, dim]; `edge_type` int64 [E] in `RELATIONS`."""
        return self.conv(x, edge_index, F.relu(self.embed(self.edge_features)), edge_type)  # type: ignore[no-any-return]
