"""The ranking loss of base recommenders: which item of the catalogue a user likes next."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from magus_pyg.ragged import ragged_arange
from magus_pyg.random import integers

__all__ = ["drawn_items", "softmax_loss"]

_ITEM = 4  # what a random number is for


def drawn_items(n_items: int, count: int, *keys: int) -> Tensor:
    """`count` items drawn one by one, each of `n_items` as likely; all of them where they are no more: int64 [S].

    Args:
        n_items: number of items I.
        count: of the items to draw.
        *keys: what the draw is a function of, such as a seed, an epoch and a step.
    """
    if count >= n_items:
        return torch.arange(n_items)
    return integers(n_items, *keys, _ITEM, torch.arange(count))


def softmax_loss(liked: Tensor, beside: Tensor, item: Tensor, items: Tensor, n_items: int) -> Tensor:
    r"""Sum over p positive rows of the cross-entropy of the softmax over the catalogue, from a sample of it.

    After Bengio and Senécal 2008, "Adaptive importance sampling to accelerate training of a neural probabilistic
    language model":

    .. math::
        -\sum_i \log \frac{e^{y_i}}{e^{y_i} + \frac{I}{S} \sum_{s : v_s \ne v_i} e^{y_{is}}}

    The sum over the S items stands for that over all others; with all items, S = I, it is that sum. Its optimum is, up
    to a constant a user, that of the cross-entropy with negatives drawn uniformly, so both losses shape one score.

    Args:
        liked: [p], logits y_i of positive rows.
        beside: [p, S], logits y_is of their users with the sample.
        item: int64 [p], v_i.
        items: int64 [S], v_s, as from `drawn_items`.
        n_items: number of items I.

    Returns:
        A scalar.
    """
    other: Tensor = _LogSumOfOthers.apply(beside, item, items)  # type: ignore[no-untyped-call]
    return F.softplus(other + math.log(n_items / len(items)) - liked).sum()


class _LogSumOfOthers(torch.autograd.Function):
    """log Σ exp(y_is) over v_s ≠ v_i, [p]; -inf over none. Its gradient is written out, in two passes over [p, S]."""

    @staticmethod
    def forward(ctx: Any, beside: Tensor, item: Tensor, items: Tensor) -> Tensor:
        row, column = _where_equal(item, items)
        terms = beside.to(torch.promote_types(beside.dtype, torch.float32), copy=True)
        terms[row, column] = float("-inf")
        highest = terms.amax(1).clamp_(min=torch.finfo(terms.dtype).min)  # where all are left out, not -inf - -inf
        total = terms.sub_(highest.unsqueeze(1)).exp_().sum(1)
        ctx.save_for_backward(terms, total)
        ctx.dtype = beside.dtype
        return highest + total.log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        terms, total = ctx.saved_tensors
        share = gradient / total.clamp(min=torch.finfo(total.dtype).tiny)
        return (terms * share.unsqueeze(1)).to(ctx.dtype), None, None


def _where_equal(item: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """The pairs (i, s) with item[i] = items[s], by look-up: comparing all would cost as much as the loss."""
    ordered, order = torch.sort(items)
    start = torch.searchsorted(ordered, item)
    count = torch.searchsorted(ordered, item, right=True) - start
    row = torch.repeat_interleave(count)
    place = start.index_select(0, row) + ragged_arange(count)
    return row, order.index_select(0, place)
