"""How well a recommender ranks a catalogue: recall, NDCG and reciprocal rank, exact also where scores are equal."""

from typing import NamedTuple

import torch
from torch import Tensor

from magus_pyg.errors import ModelError

__all__ = ["RankingMetrics", "ranking_metrics"]

# Comparisons of a relevant item with a candidate made at once.
_COMPARISONS = 1 << 24


class RankingMetrics(NamedTuple):
    """Of B rankings with at least one relevant item each.

    Attributes:
        recall: float64 [B], the share of the relevant items among the first k.
        ndcg: float64 [B], normalised discounted cumulative gain of the first k (Järvelin and Kekäläinen 2002), gain 1,
            discount 1/log2(1 + rank).
        reciprocal_rank: float64 [B], 1 / the rank of the first relevant item, however far down; its mean is MRR.
    """

    recall: Tensor
    ndcg: Tensor
    reciprocal_rank: Tensor


def ranking_metrics(scores: Tensor, row: Tensor, item: Tensor, k: int = 20) -> RankingMetrics:
    r"""Judge rankings by falling score.

    Items of equal score stand in no order, so each metric is its expectation over all orders of them (McSherry and
    Najork 2008, "Computing information retrieval performance measures efficiently in the presence of tied scores").
    With a items above a relevant one and t of its score, itself included, its rank is uniform on a + 1, ..., a + t.
    The first relevant item stands among the t items of the best relevant score, r of them relevant; at place x of
    these with probability

    .. math::
        P(X = x) = \binom{t - x}{r - 1} \Big/ \binom{t}{r}

    Args:
        scores: [B, I]; -inf where an item is no candidate.
        row: int64 [n], the ranking of each relevant item; every one of 0, ..., B - 1 is there.
        item: int64 [n], the relevant items, distinct within a ranking.
        k: length of the head of a ranking, at least 1.

    Raises:
        ModelError: a ranking without a relevant item, or a relevant item that is no candidate.
    """
    n, size = scores.shape
    relevant = torch.bincount(row, minlength=n).to(torch.float64)
    own = scores[row, item]
    if not bool((relevant > 0).all()) or not bool((own > float("-inf")).all()):
        raise ModelError("each ranking needs a relevant item, and each relevant item a score above -inf")
    above, tied = _places(scores, row, own)
    last = above + tied
    discount = 1 / torch.log2(torch.arange(2, size + 2, dtype=torch.float64, device=scores.device))
    gain = torch.cat([discount.new_zeros(1), discount[:k].cumsum(0)])  # of all ranks up to one
    head = len(gain) - 1

    def summed(value: Tensor) -> Tensor:
        return value.new_zeros(n).index_add_(0, row, value)

    recall = summed((last.clamp(max=head) - above.clamp(max=head)) / tied) / relevant
    found = summed((gain[last.clamp(max=head)] - gain[above.clamp(max=head)]) / tied)
    ideal = gain[relevant.to(torch.int64).clamp(max=head)]
    return RankingMetrics(recall, found / ideal, _reciprocal_rank(above, tied, row, n))


def _places(scores: Tensor, row: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """How many candidates of its ranking score above each relevant item, and how many the same: int64 [n]."""
    above, tied = [torch.zeros_like(row[:0])], [torch.zeros_like(row[:0])]
    step = max(1, _COMPARISONS // max(1, scores.shape[1]))
    for part, value in zip(torch.split(row, step), torch.split(own.unsqueeze(1), step), strict=True):
        beside = scores[part]
        above.append((beside > value).sum(1))
        tied.append((beside == value).sum(1))
    return torch.cat(above), torch.cat(tied)


def _reciprocal_rank(above: Tensor, tied: Tensor, row: Tensor, n: int) -> Tensor:
    """E[1 / (a + X)] for the best relevant score of each of n rankings, see `ranking_metrics`."""
    first = torch.full((n,), torch.iinfo(torch.int64).max, device=row.device).scatter_reduce(0, row, above, "amin")
    best = above == first[row]
    r = torch.bincount(row[best], minlength=n)
    t = torch.zeros_like(r).index_copy_(0, row[best], tied[best])
    x = torch.arange(1, int((t - r).max()) + 2 if n else 1, device=row.device)
    left = (t.unsqueeze(1) - x + 1).to(torch.float64)  # places from x on
    hit = (r.unsqueeze(1) / left.clamp(min=1)).clamp(max=1)  # P(X = x | X >= x): all r are among those left
    stay = torch.cat([hit.new_ones(n, 1), (1 - hit)[:, :-1].cumprod(1)], 1)  # P(X >= x)
    return (stay * hit / (first.unsqueeze(1) + x)).sum(1)
