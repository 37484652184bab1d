"""Bags of values as flat indices, forwards (the values of a bag) and backwards (the bags of a value)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from magus_pyg.ragged import Ragged

__all__ = ["BagIndex", "ChosenBags", "bag_sums", "choose_bags", "index_bags", "scatter_distinct", "scatter_repeated"]

#: Everything there is is read where that is at most so many times what is asked for: it needs no sorting.
READ_ALL = 2


class ChosenBags(NamedTuple):
    """n bags of E values in all.

    Attributes:
        entries: int64 [E], the values of each bag in turn.
        bag: int64 [E], which bag they are in.
        start: int64 [n], where each bag starts.
        scale: float [n], what makes its sum a mean.
    """

    entries: Tensor
    bag: Tensor
    start: Tensor
    scale: Tensor


class BagIndex(NamedTuple):
    """m bags of E values in all, of v distinct ones, and for each value the bags that hold it.

    Attributes:
        entries: int64 [E], the values of each bag in turn, as positions in `values`.
        start: int64 [m], where each bag starts.
        scale: float [m], what makes its sum a mean.
        values: int64 [v], distinct values, ascending; None for all there are.
        holders: int64 [E], the bags that hold each value, value by value.
        first: int64 [v], where those of each value start.
    """

    entries: Tensor
    start: Tensor
    scale: Tensor
    values: Tensor | None
    holders: Tensor
    first: Tensor


def choose_bags(bags: Ragged, chosen: Tensor, dtype: torch.dtype) -> ChosenBags:
    """The bags `chosen`, int64 [n], with scales of a dtype."""
    at = bags.ptr.index_select(0, chosen)
    lengths = bags.ptr.index_select(0, chosen + 1) - at
    end = lengths.cumsum(0)
    total = int(end[-1]) if len(end) else 0
    start = end - lengths
    bag = torch.repeat_interleave(lengths, output_size=total)
    place = torch.arange(total, device=at.device).add_((at - start).index_select(0, bag))
    entries = bags.index.index_select(0, place).to(torch.int64)
    return ChosenBags(entries, bag, start, 1 / lengths.clamp(min=1).to(dtype))


def index_bags(bags: Ragged, chosen: Tensor, n_values: float, dtype: torch.dtype) -> BagIndex:
    """Chosen bags, forwards and backwards.

    Args:
        bags: [I] bags of values.
        chosen: int64 [m], which of them.
        n_values: number of values there are; all are read where there are at most twice as many as entries.
        dtype: of the scales.
    """
    entries, bag, start, scale = choose_bags(bags, chosen, dtype)
    ordered, order = torch.sort(entries)
    values = None
    if n_values <= READ_ALL * len(entries):
        counts = torch.bincount(ordered, minlength=int(n_values))
    else:
        values, which, counts = torch.unique_consecutive(ordered, return_inverse=True, return_counts=True)
        entries = torch.empty_like(entries).index_copy_(0, order, which)
    return BagIndex(entries, start, scale, values, bag.index_select(0, order), counts.cumsum(0) - counts)


def bag_sums(rows: Tensor, entries: Tensor, start: Tensor) -> Tensor:
    """The sums of rows[entries] over the bags of entries that begin at `start`, [n, width]."""
    if not len(entries):
        return rows.new_zeros(len(start), rows.shape[1])
    return F.embedding_bag(entries, rows, start, mode="sum")


def scatter_distinct(gradient: Tensor, used: Tensor | None, shape: torch.Size, sparse: bool) -> Tensor:
    """The gradient of a table of a shape from that of its rows `used`, int64 [m], ascending; of all if None."""
    if used is None:
        return gradient
    if sparse:
        index = used.unsqueeze(0)
        return torch.sparse_coo_tensor(index, gradient, shape, check_invariants=False, is_coalesced=True)
    return gradient.new_zeros(shape).index_copy_(0, used, gradient)


def scatter_repeated(gradient: Tensor, index: Tensor, shape: torch.Size, sparse: bool) -> Tensor:
    """The gradient of a table of a shape from those of E uses of its rows, [E, width]: of row `index`, int64 [E].

    A sparse one has each row once.
    """
    if not sparse:
        return gradient.new_zeros(shape).index_add_(0, index, gradient)
    used, place = torch.unique(index, return_inverse=True)
    total = gradient.new_zeros(len(used), gradient.shape[1]).index_add_(0, place, gradient)
    return scatter_distinct(total, used, shape, sparse)
