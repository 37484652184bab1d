"""Choosing the best slots of many sessions with a fixed order among equals."""

import torch
from torch import Tensor

__all__ = ["rank_list", "rank_top", "scale_to_unit", "scale_to_wholes"]


def rank_top(value: Tensor, tie: Tensor, allowed: Tensor, n: int) -> Tensor:
    """The `n` best slots of each session (Eq. 7, F.2).

    Equal values are ordered by `tie` (higher first), then by slot, that is by node, so a run is the same everywhere.

    Args:
        value: floating [B, M], without NaN.
        tie: floating [B, M], finite.
        allowed: bool [B, M], the slots that may be chosen.
        n: length of the list.

    Returns:
        int64 [B, n], best first, -1 where fewer slots are allowed.
    """
    left = torch.where(allowed, value, -torch.inf)
    chosen = []
    for _ in range(n):
        if not left.shape[1]:
            chosen.append(torch.full((left.shape[0],), -1, dtype=torch.int64, device=left.device))
            continue
        best = left.max(dim=1, keepdim=True).values
        # argmax gives the first of equal values, hence the lowest slot.
        slot = torch.where(left == best, tie, -torch.inf).argmax(dim=1, keepdim=True)
        chosen.append(torch.where(best > -torch.inf, slot, -1).squeeze(1))
        left.scatter_(1, slot, -torch.inf)
    return torch.stack(chosen, dim=1)


def rank_list(value: Tensor, tie: Tensor, allowed: Tensor, n: int, is_item: Tensor, min_items: int) -> Tensor:
    """The lists of `rank_top` with at least `min_items` items: the lowest queries give way to the best items beyond.

    Args:
        value, tie, allowed, n: as of `rank_top`.
        is_item: bool [M], the slots of items.
        min_items: at most n; fewer items only where no more are allowed.

    Returns:
        int64 [B, n], best first, -1 where fewer slots are allowed.
    """
    chosen = rank_top(value, tie, allowed, n)
    if not min_items or not value.shape[1]:
        return chosen
    query = (chosen >= 0) & ~is_item[chosen.clamp(min=0)]
    lack = min_items - ((chosen >= 0) & ~query).sum(1, keepdim=True)
    if not bool((lack > 0).any()):
        return chosen
    beyond = (allowed & is_item).scatter(1, chosen.clamp(min=0), False)  # a list with gaps holds all there are
    items = rank_top(value, tie, beyond, min_items)
    place = torch.arange(min_items, device=items.device)
    items = torch.where(place < lack, items, -1)
    # From the bottom, as many queries go as items come; these are valued below all that were chosen.
    gone = query.flip(1).cumsum(1).flip(1) <= (items >= 0).sum(1, keepdim=True)
    both = torch.cat([torch.where(query & gone, -1, chosen), items], 1)
    order = torch.argsort((both < 0).to(torch.int64), dim=1, stable=True)[:, :n]
    return both.gather(1, order)


def scale_to_unit(value: Tensor, valid: Tensor) -> Tensor:
    """Min-max scaling of each row over its valid entries (Eqs. 2 and 6); a constant row becomes zeros.

    Args:
        value: floating [B, M].
        valid: bool [B, M].

    Returns:
        [B, M] in [0, 1], 0 where not valid.
    """
    if not value.shape[1]:
        return value.clone()
    low = torch.where(valid, value, torch.inf).min(dim=1, keepdim=True).values
    high = torch.where(valid, value, -torch.inf).max(dim=1, keepdim=True).values
    span = high - low
    scaled = (value - low) / torch.where(span > 0, span, 1.0)
    return torch.where(valid & (span > 0), scaled, 0.0)


def scale_to_wholes(value: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Eq. (2) in whole numbers, whose sums are exact in any order: values less the lowest, in units of a power of two.

    So what is equal by Eq. (4) is equal in the end, and reading 10 orders it. Nothing is lost of whole scores, and of
    others that a few bits hold; the others keep 40 bits, fewer where sums of more than 4,096 would not fit float64.

    Args:
        value: float64 [B, M].
        valid: bool [B, M]; None for all.

    Returns:
        float64 [B, M], 0 where not valid; and float64 [B, 1], what 1 of Eq. (2) is in them.
    """
    if not value.shape[1]:
        return value.clone(), value.new_ones((value.shape[0], 1))
    if valid is None:
        low, high = value.amin(dim=1, keepdim=True), value.amax(dim=1, keepdim=True)
        count = torch.full_like(low, value.shape[1])
    else:
        low = torch.where(valid, value, torch.inf).amin(dim=1, keepdim=True)
        high = torch.where(valid, value, -torch.inf).amax(dim=1, keepdim=True)
        count = valid.sum(1, keepdim=True).to(torch.float64)
    span = torch.where(high > low, high - low, 0.0)
    power = torch.frexp(torch.where(span > 0.0, span, 1.0)).exponent
    bits = (52 - torch.frexp((count - 1.0).clamp(min=0.0)).exponent).clamp(max=40)
    # In two steps, each within float64.
    inner, outer = _power_of_two((-power).clamp(max=1000)), _power_of_two(bits)
    wholes = value - low
    if valid is not None:
        wholes.masked_fill_(~valid, 0.0)
    wholes.mul_(inner).mul_(outer).round_()
    one = (span * inner * outer).round_()
    return wholes, torch.where(one > 0.0, one, 1.0)


def _power_of_two(exponent: Tensor) -> Tensor:
    """2 ** exponent to the last bit, float64, for whole exponents from -1022 to 1023."""
    return ((exponent.to(torch.int64) + 1023) << 52).view(torch.float64)
