"""The one check of base scores, whoever gives them: real, finite, and no further apart than numbers go."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from magus_pyg.errors import ModelError

__all__ = ["checked_scores"]


def checked_scores(scores: Tensor, called: Callable[..., str], present: Tensor | None = None) -> Tensor:
    """Scores in double precision.

    Args:
        scores: real [...], those of one session along the last dimension.
        called: what messages call a score, from its place: one number a dimension.
        present: bool [...], which of them count, the others become 0; None for all.

    Returns:
        float64 [...].

    Raises:
        ModelError: complex numbers, a score that is NaN or infinite, or two of a session that are further apart than
            float64 can say.
    """
    if scores.is_complex():
        raise ModelError(f"scores must be real numbers, got {scores.dtype}")
    scores = scores.detach().to(torch.float64)
    if present is not None:
        scores = torch.where(present, scores, 0.0)
    if not scores.numel():
        return scores
    low, high = (float(end) for end in torch.aminmax(scores))
    if math.isfinite(high - low):
        return scores
    bad = torch.nonzero(~torch.isfinite(scores)).tolist()
    if bad:
        raise ModelError(f"{called(*bad[0])} is {float(scores[tuple(bad[0])])}: scores must be finite")
    lows, highs = torch.aminmax(scores, dim=-1)
    wide = torch.nonzero((~torch.isfinite(highs - lows)).view(-1)).flatten()
    if wide.numel():
        ends = [float(end.view(-1)[wide[0]]) for end in (lows, highs)]
        raise ModelError(f"scores from {ends[0]} to {ends[1]} are further apart than numbers go: scale them down")
    return scores
