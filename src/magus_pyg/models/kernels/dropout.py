"""Dropout whose random bits cost little on a CPU."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["dropout", "dropout_mask_"]

_LEVELS = 1 << 16


def dropout(x: Tensor, share: float, training: bool, spare: int = 0) -> Tensor:
    """Inverted dropout: entries become 0 with probability `share`, the others are scaled so that the mean stays.

    On a CPU, torch draws a random number of its own for each entry, which takes longer than the arithmetic of a small
    model. Here each entry takes 16 of 64 random bits, so the probability is rounded to a multiple of 1/65536, and the
    scale is that of the rounded one. On other devices and in compiled code this is torch's dropout.

    Args:
        x: any shape.
        share: in [0, 1).
        training: False returns `x` itself.
        spare: so many of the last entries of every row are never dropped, nor scaled.

    Returns:
        As `x`, from torch's default generator.
    """
    if not training or share <= 0 or not x.numel():
        return x
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        dropped = F.dropout(x, share, True)
        return dropped if not spare else torch.cat([dropped[..., :-spare], x[..., -spare:]], -1)
    return x * dropout_mask_(torch.empty_like(x), share, spare)


def dropout_mask_(mask: Tensor, share: float, spare: int = 0) -> Tensor:
    """Make `mask` what `dropout` multiplies a tensor of its shape with, in training: 0, or the scale.

    Args:
        mask: any shape, overwritten.
        share: in (0, 1).
        spare: as for `dropout`.

    Returns:
        `mask`.
    """
    if mask.device.type != "cpu":
        F.dropout(mask.fill_(1), share, True, inplace=True)
    else:
        cut, size = round(share * _LEVELS), mask.numel()
        words = torch.empty((size + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
        # In place and as integers, since a comparison that makes a tensor of booleans takes ten times as long.
        kept = words.view(torch.int16)[:size].ge_(cut - _LEVELS // 2)
        mask.copy_(kept.view(mask.shape)).mul_(_LEVELS / (_LEVELS - cut))
    if spare:
        mask[..., -spare:] = 1
    return mask
