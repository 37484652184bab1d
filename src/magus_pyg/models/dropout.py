"""Dropout whose random bits cost little on a CPU."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["drop"]

_LEVELS = 1 << 16


def drop(x: Tensor, share: float, training: bool, spare: int = 0) -> Tensor:
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
    cut = round(share * _LEVELS)
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
    bits = words.view(torch.int16)[: x.numel()].view(x.shape)
    mask = (bits >= cut - _LEVELS // 2).to(x.dtype).mul_(_LEVELS / (_LEVELS - cut))
    if spare:
        mask[..., -spare:] = 1
    return x * mask
