"""A weight matrix for each relation, free or spanned by shared bases."""

from numbers import Integral

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import glorot

from magus_pyg.errors import ModelError


def check_sizes(**sizes: object) -> None:
    """Raise a `ModelError` that names the first size that is no whole number of at least 1; None is no size."""
    for name, size in sizes.items():
        if size is None:
            continue
        if isinstance(size, bool) or not isinstance(size, Integral):
            raise ModelError(f"{name} must be a whole number, got {size!r}")
        if int(size) < 1:
            later = "; it cannot be left to the first call" if size == -1 else ""
            raise ModelError(f"{name} must be at least 1, got {size}{later}")


def channel_pair(in_channels: int | tuple[int, int]) -> tuple[int, int]:
    """The channels of sources and targets; one number is that of both."""
    if not isinstance(in_channels, tuple | list):
        return in_channels, in_channels
    if len(in_channels) != 2:
        raise ModelError(f"in_channels must be a number or a pair (source, target), got {in_channels!r}")
    return in_channels[0], in_channels[1]


class RelationWeight(nn.Module):
    r"""W_r for R relations, free or in one of the two forms of Schlichtkrull et al. 2018 (Section 2.2).

    With `num_bases` W_r = Σ_b comp[r, b] weight[b]; with `num_blocks` W_r holds B blocks on its diagonal.

    Attributes:
        weight: [R, in, out], or [num_bases, in, out], or [R, B, in / B, out / B].
        comp: [R, num_bases], or None.

    Raises:
        ModelError: for sizes below 1, bases and blocks at once, or blocks that do not divide the channels.
    """

    def __init__(
        self, num_relations: int, in_channels: int, out_channels: int, num_bases: int | None, num_blocks: int | None
    ) -> None:
        super().__init__()
        sizes = {"num_relations": num_relations, "in_channels": in_channels, "out_channels": out_channels}
        check_sizes(**sizes, num_bases=num_bases, num_blocks=num_blocks)
        self.num_blocks = num_blocks
        shape: tuple[int, ...] = (num_bases or num_relations, in_channels, out_channels)
        if num_blocks is not None:
            if num_bases is not None:
                raise ModelError(f"num_bases={num_bases} and num_blocks={num_blocks} exclude each other: leave one out")
            if in_channels % num_blocks or out_channels % num_blocks:
                raise ModelError(
                    f"num_blocks must divide the channels {in_channels} and {out_channels} of W_r, got {num_blocks}"
                )
            shape = (num_relations, num_blocks, in_channels // num_blocks, out_channels // num_blocks)
        self.weight = nn.Parameter(torch.empty(shape))
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
        if self.num_blocks is not None:
            size = (len(self.weight), self.num_blocks * self.weight.size(2), self.num_blocks * self.weight.size(3))
            diagonal = torch.eye(self.num_blocks, dtype=self.weight.dtype, device=self.weight.device)
            return torch.einsum("rbio,bc->rbico", self.weight, diagonal).reshape(size)
        if self.comp is None:
            return self.weight
        return torch.einsum("rb,bio->rio", self.comp, self.weight)
