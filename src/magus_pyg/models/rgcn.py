"""The relational graph convolution as a base recommender."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from magus_pyg.models.graph_inputs import INHIBITS_TYPE, RELATIONS
from magus_pyg.models.graph_model import GraphModelOptions, GraphRecommender, Nodes
from magus_pyg.nn import RGCNConv
from magus_pyg.options import at_least, at_most, check_options

__all__ = ["RGCN", "RGCNOptions"]


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
        check_options(self, num_bases=at_least(0))
        check_options(self, num_bases=at_most(1024))


class RGCN(GraphRecommender):
    """Relational graph convolutions (Schlichtkrull et al. 2018) over users, items and queries.

    Over the whole graph, R- is used whole: a node's mean over all items that it is R- to, without their edges, exact
    from R+ alone, since an item and another node are never R⊥. A step over sampled neighbours takes the mean over
    the sample of R- instead, an estimate of the same mean.
    """

    options: RGCNOptions

    def make_layers(self) -> nn.ModuleList:
        """One convolution a layer; R- is the complement of R+ in both directions."""
        dim, bases = self.options.dim, self.options.num_bases or None
        return nn.ModuleList(
            RGCNConv(dim, dim, len(RELATIONS), bases, complement_of=None if self.sampled else {INHIBITS_TYPE: (0, 1)})
            for _ in range(self.options.layers)
        )

    def run_layer(self, layer: nn.Module, x: Nodes, edge_index: Tensor, edge_type: Tensor) -> Tensor:
        """One convolution."""
        if self.sampled or isinstance(x, tuple):
            return layer(x, edge_index, edge_type)  # type: ignore[no-any-return]
        explicit = edge_type != INHIBITS_TYPE
        node = torch.arange(len(x), device=x.device)
        masks = (node < self.features.n_items, node < self.n_nodes)
        return layer(x, edge_index[:, explicit], edge_type[explicit], complement_nodes=masks)  # type: ignore[no-any-return]
