"""The relational graph convolution as a base recommender."""

import torch
from torch import Tensor, nn

from magus_pyg.models.graph_inputs import INHIBITS, RELATIONS
from magus_pyg.models.graph_model import GraphRecommender, Nodes
from magus_pyg.models.model_options import RGCNOptions
from magus_pyg.nn import RGCNConv

__all__ = ["RGCN"]


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
            RGCNConv(dim, dim, len(RELATIONS), bases, None if self.sampled else {INHIBITS: (0, 1)})
            for _ in range(self.options.layers)
        )

    def run_layer(self, layer: nn.Module, x: Nodes, edge_index: Tensor, edge_type: Tensor) -> Tensor:
        """One convolution."""
        if self.sampled or isinstance(x, tuple):
            return layer(x, edge_index, edge_type)  # type: ignore[no-any-return]
        explicit = edge_type != INHIBITS
        node = torch.arange(len(x), device=x.device)
        masks = (node < self.features.n_items, node < self.n_nodes)
        return layer(x, edge_index[:, explicit], edge_type[explicit], complement_nodes=masks)  # type: ignore[no-any-return]
