"""From scores to probabilities that can be taken at their word: Platt scaling on the validation rows."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from magus_pyg.errors import ModelError
from magus_pyg.models.binary_metrics import log_loss

__all__ = ["Calibration", "calibration_error", "fit_platt"]

_BINS = 15
_STEPS = 100
_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Calibration:
    """What a calibration found, and what it changed on the rows it was fitted to.

    Attributes:
        scale, shift: the probability of a logit z is sigmoid(scale · z + shift).
        rows: how many rows it was fitted to.
        loss_before, loss_after: their log-loss without and with it.
        error_before, error_after: their expected calibration error, likewise; see `calibration_error`.
    """

    scale: float
    shift: float
    rows: int
    loss_before: float
    loss_after: float
    error_before: float
    error_after: float

    @classmethod
    def fit(cls, logits: Tensor, labels: Tensor) -> "Calibration":
        """Platt scaling of logits [n] against labels [n] (1 or 0), and its figures.

        Raises:
            ModelError: no row, columns of different lengths, or a logit that is not finite.
        """
        scale, shift = fit_platt(logits, labels)
        logits = logits.to(torch.float64)
        scaled = scale * logits + shift
        return cls(
            scale,
            shift,
            len(logits),
            log_loss(logits, labels),
            log_loss(scaled, labels),
            calibration_error(logits.sigmoid(), labels),
            calibration_error(scaled.sigmoid(), labels),
        )


def fit_platt(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    r"""Scale a and shift b for which sigmoid(a z + b) fits the labels best (Platt 1999, Sec. 2).

    .. math::
        \min_{a \ge 0, b} \; -\sum_i t_i \log p_i + (1 - t_i) \log(1 - p_i), \qquad p_i = \sigma(a z_i + b)

    with Platt's targets t = (n₊ + 1) / (n₊ + 2) of positive and 1 / (n₋ + 2) of negative rows, for which a and b are
    finite even where the logits part the classes. By Newton's method with halved steps, in float64, after Lin, Lin
    and Weng (2007). A scale below 0 would turn the order of the scores round; then the scale is 0, and every
    probability the share of positives.

    Args:
        logits: [n], finite.
        labels: [n], 1 or 0.

    Raises:
        ModelError: no row, columns of different lengths, or a logit that is not finite.
    """
    if logits.dim() != 1 or logits.shape != labels.shape or not len(logits):
        raise ModelError(
            f"calibration takes logits and labels of as many rows, at least one (got {list(logits.shape)} and "
            f"{list(labels.shape)})"
        )
    z, positive = logits.detach().to(torch.float64), labels.to(logits.device) == 1
    if not bool(torch.isfinite(z).all()):
        raise ModelError(f"calibration takes finite logits (got {float(z[~torch.isfinite(z)][0])})")
    n_positive = int(positive.sum())
    high, low = (n_positive + 1) / (n_positive + 2), 1 / (len(z) - n_positive + 2)
    target = torch.where(positive, high, low).to(torch.float64)
    mean = float(target.mean())
    constant = float(torch.tensor(mean / (1 - mean), dtype=torch.float64).log())
    # In the units of the logits' own spread, so that one ridge suits all.
    centre, spread = float(z.mean()), float(z.std(unbiased=False))
    if spread <= _TOLERANCE * max(1.0, abs(centre)):
        return 0.0, constant
    x = torch.stack([(z - centre) / spread, torch.ones_like(z)], 1)
    weights = torch.tensor([0.0, constant], dtype=torch.float64, device=z.device)
    loss = F.binary_cross_entropy_with_logits(x @ weights, target)
    for _ in range(_STEPS):
        p = (x @ weights).sigmoid()
        gradient = x.T @ (p - target) / len(z)
        if float(gradient.abs().max()) < _TOLERANCE:
            break
        curvature = (x.T * (p * (1 - p))) @ x / len(z) + 1e-12 * torch.eye(2, dtype=torch.float64, device=z.device)
        step = torch.linalg.solve(curvature, gradient)
        size = 1.0
        while size > _TOLERANCE:
            tried = weights - size * step
            found = F.binary_cross_entropy_with_logits(x @ tried, target)
            if found < loss:
                break
            size /= 2
        else:
            break  # as low as rounding lets it be
        weights, loss = tried, found
    scale = float(weights[0]) / spread
    return (scale, float(weights[1]) - scale * centre) if scale >= 0 else (0.0, constant)


def calibration_error(probability: Tensor, labels: Tensor, bins: int = _BINS) -> float:
    """Expected calibration error (Guo et al. 2017, Eq. 3): how far probabilities are from what they promise.

    Rows are put into bins of equal width by their probability; the error is the mean over the rows of the distance
    between the mean probability and the share of positives in the row's bin.

    Args:
        probability: [n], in [0, 1].
        labels: [n], 1 or 0.
        bins: number of bins.

    Returns:
        In [0, 1]; 0 without rows.
    """
    if not len(probability):
        return 0.0
    probability = probability.to(torch.float64)
    place = (probability * bins).to(torch.int64).clamp(max=bins - 1)
    gap = torch.zeros(bins, dtype=torch.float64, device=probability.device)
    gap = gap.index_add(0, place, probability - labels.to(probability))
    return float(gap.abs().sum()) / len(probability)
