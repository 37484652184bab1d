"""What a user's known items say of a candidate: how like its attributes are, and how popular they tend to be."""

from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.data import ItemSets

__all__ = ["KnownItems", "known_items", "log_likeness"]

_SHARPNESS = 4  # power of the likeness of two items
_FLOOR = 1e-3  # of the mean likeness, so that its logarithm is finite
_CELLS = 1 << 24  # pairs of items compared at once


@dataclass(frozen=True)
class KnownItems:
    """The K items that the users of B dialogues know, one after the other.

    Attributes:
        row: int64 [K], whose they are, ascending in [0, B).
        has: bool [K, W], their attributes.
        habit: float64 [B], the mean of log(1 + users who know it) over a user's known items, less that mean over the
            known items of all users; 0 for a user who knows none.
    """

    row: Tensor
    has: Tensor
    habit: Tensor


def known_items(user: Tensor, known: ItemSets, has: Tensor, popularity: Tensor) -> KnownItems:
    """The known items of `user` int64 [B], with attributes `has` bool [I, W] and `popularity` int64 [I]."""
    size = known.sizes[user]
    row = torch.repeat_interleave(torch.arange(len(user), device=user.device), size)
    first = torch.cumsum(size, 0) - size
    item = known.item[known.ptr[user][row] + torch.arange(len(row), device=row.device) - first[row]]
    log = torch.log1p(popularity.to(torch.float64))
    of_all = log[known.item].mean() if known.item.numel() else log.new_zeros(())
    mean = log.new_zeros(len(user)).index_add(0, row, log[item]) / size.clamp(min=1)
    return KnownItems(row, has[item], torch.where(size > 0, mean - of_all, 0.0))


def log_likeness(known: KnownItems, has: Tensor) -> Tensor:
    r"""float64 [B, C]: how dense a user's known items lie around each of C items, `has` bool [C, W].

    .. math::
        \log\Bigl(10^{-3} + \frac{1}{|V_u|} \sum_{v \in V_u} J(x, v)^4\Bigr)

    J is the share of the attributes of either item that both have (Jaccard). A kernel estimate of the density of
    attribute sets, as Aitchison and Aitken 1976, "Multivariate binary discrimination by the kernel method", use it.
    """
    sets, place = torch.unique(has, dim=0, return_inverse=True)
    sets = sets.to(torch.float64)
    size = sets.sum(1)
    total = size.new_zeros((len(known.habit), len(sets)))
    # float64 holds the counts exactly, and each row is summed in its own order: no result depends on the batch.
    for part in torch.split(torch.arange(len(known.row), device=has.device), max(1, _CELLS // max(1, len(sets)))):
        own = known.has[part].to(torch.float64)
        both = own @ sets.T
        likeness = both / (own.sum(1, keepdim=True) + size - both).clamp(min=1.0)
        total.index_add_(0, known.row[part], likeness**_SHARPNESS)
    count = torch.bincount(known.row, minlength=len(total)).clamp(min=1).unsqueeze(1)
    return torch.log(total / count + _FLOOR)[:, place]
