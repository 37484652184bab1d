"""The ranking loss of base recommenders: which item of the catalogue a user likes next."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

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
    other = torch.logsumexp(beside.masked_fill(items == item.unsqueeze(1), float("-inf")), 1)
    return F.softplus(other + math.log(n_items / len(items)) - liked).sum()
