"""A weight matrix for each relation, free or spanned by shared bases."""

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import glorot

from magus_pyg.errors import ModelError


class RelationWeight(nn.Module):
    r"""W_r for R relations; with `num_bases` (Schlichtkrull et al. 2018) W_r = Σ_b comp[r, b] weight[b].

    Attributes:
        weight: [R, in, out], or [num_bases, in, out].
        comp: [R, num_bases], or None.
    """

    def __init__(self, num_relations: int, in_channels: int, out_channels: int, num_bases: int | None) -> None:
        super().__init__()
        sizes = {"num_relations": num_relations, "in_channels": in_channels, "out_channels": out_channels}
        for name, size in (sizes | ({} if num_bases is None else {"num_bases": num_bases})).items():
            if size < 1:
                raise ModelError(f"{name} must be at least 1, got {size}")
        self.weight = nn.Parameter(torch.empty(num_bases or num_relations, in_channels, out_channels))
        self.comp: nn.Parameter | None
        if num_bases is None:
            self.register_parameter("comp", None)
        else:
            self.comp = nn.Parameter(torch.empty(num_relations, num_bases))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        glorot(self.weight)
        glorot(self.comp)

    def forward(self) -> Tensor:
        """All weights, [R, in, out]."""
        if self.comp is None:
            return self.weight
        return torch.einsum("rb,bio->rio", self.comp, self.weight)
