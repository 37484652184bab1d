"""The two numbers a base recommender is judged by while it trains."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["auc", "log_loss"]


def auc(score: Tensor, label: Tensor) -> float:
    """Area under the ROC curve over all rows: the share of (positive, negative) pairs in the right order, ties 1/2.

    Exact, from ranks (Mann and Whitney 1947): equal scores share the mean of their ranks.

    Args:
        score: [n], finite.
        label: [n], 1 or 0.

    Returns:
        In [0, 1]; NaN where there is no positive or no negative.
    """
    positive = label == 1
    n_positive = int(positive.sum())
    n_negative = len(label) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    _, place, count = torch.unique(score, return_inverse=True, return_counts=True)
    last = count.cumsum(0)
    # Twice the mean rank of a group is an integer, and so is all up to the last division.
    twice_rank = 2 * last - count + 1
    twice_sum = int(twice_rank[place[positive]].sum())
    return (twice_sum - n_positive * (n_positive + 1)) / (2 * n_positive * n_negative)


def log_loss(logit: Tensor, label: Tensor) -> float:
    """Mean binary cross-entropy of logits [n] against labels [n], summed in float64."""
    return float(F.binary_cross_entropy_with_logits(logit.to(torch.float64), label.to(torch.float64)))
