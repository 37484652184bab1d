"""The relational graph attention network as a base recommender."""

from dataclasses import dataclass

from torch import Tensor, nn

from magus_pyg.errors import ConfigError
from magus_pyg.models.graph_inputs import RELATIONS
from magus_pyg.models.graph_model import GraphModelOptions, GraphRecommender, Nodes
from magus_pyg.nn import RGATConv
from magus_pyg.options import at_least, at_most, check_options

__all__ = ["RGAT", "RGATOptions"]


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
        check_options(self, heads=at_least(1))
        check_options(self, heads=at_most(1024))
        if self.dim % self.heads:
            raise ConfigError(f"RGATOptions.heads must divide dim={self.dim} (got {self.heads})")


class RGAT(GraphRecommender):
    """Relational graph attention (Busbridge et al. 2019) over users, items and queries.

    Attention weights are not linear, so R- cannot go through its complement: each node attends to a seeded sample of
    `options.inhibits` of the items that it is R- to.
    """

    options: RGATOptions

    def make_layers(self) -> nn.ModuleList:
        """One attention layer with all heads, concatenated."""
        options = self.options
        return nn.ModuleList(
            RGATConv(
                options.dim,
                options.dim // options.heads,
                len(RELATIONS),
                heads=options.heads,
                dropout=options.dropout,
            )
            for _ in range(options.layers)
        )

    def run_layer(self, layer: nn.Module, x: Nodes, edge_index: Tensor, edge_type: Tensor) -> Tensor:
        """One attention layer."""
        return layer(x, edge_index, edge_type)  # type: ignore[no-any-return]
