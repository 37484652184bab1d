"""The value of a belief with some turns left: a table over its entropies, from a plan of asking first, then showing."""

import torch
from torch import Tensor

__all__ = ["PlanValue"]

_STEP = 0.1  # bits between two entries of the table


class PlanValue:
    """W(n, h_groups, h_within): what a belief of these entropies is worth with n turns left.

    The plan: ask a questions, each taking `bits` from the entropy over groups (items with different attributes) and
    nothing from the entropy within; then show list_length items a turn out of M = 2**(entropy left) equally likely
    ones. The best a counts. Success in turn t of K is worth 1 + speed (K - t)/K, so with n turns left (this one
    included) success in this turn is worth 1 + speed (n - 1)/K.

    Args:
        turns: K.
        list_length: items shown in a turn.
        bits: see above.
        speed: see above.
        largest: the largest entropy of the table, in bits; larger ones count as this.
    """

    def __init__(self, turns: int, list_length: int, bits: float, speed: float, largest: float) -> None:
        self.turns, self.speed = turns, speed
        size = int(largest / _STEP) + 2
        grid = torch.arange(size, dtype=torch.float64) * _STEP
        groups, within = grid.view(-1, 1), grid.view(1, -1)
        self.table = torch.zeros((turns + 1, size, size), dtype=torch.float64)
        for asks in range(turns):
            effective = 2.0 ** ((groups - bits * asks).clamp(min=0.0) + within)
            value = torch.zeros((size, size), dtype=torch.float64)
            # With `shows` turns of showing left, one of them more comes first: its items, then the rest shifted.
            found_before = [(list_length * shows / effective).clamp(max=1.0) for shows in range(turns - asks + 1)]
            for n in range(asks + 1, turns + 1):
                value = torch.zeros_like(value)
                for show in range(1, n - asks + 1):
                    gain = found_before[show] - found_before[show - 1]
                    value = value + gain * self.success(n - asks - show + 1)
                self.table[n] = torch.maximum(self.table[n], value)

    def success(self, left: int) -> float:
        """The value of success in a turn with `left` turns left, this one included."""
        return 1.0 + self.speed * (left - 1) / self.turns

    def __call__(self, left: int, groups: Tensor, within: Tensor) -> Tensor:
        """W(left, groups, within) by bilinear interpolation; the entropies in bits, of the same shape."""
        table = self.table[left].to(groups.device)
        limit = table.shape[0] - 1.000001
        x, y = (groups / _STEP).clamp(0.0, limit), (within / _STEP).clamp(0.0, limit)
        i, j = x.to(torch.int64), y.to(torch.int64)
        a, b = x - i, y - j
        low = (1.0 - b) * table[i, j] + b * table[i, j + 1]
        high = (1.0 - b) * table[i + 1, j] + b * table[i + 1, j + 1]
        return (1.0 - a) * low + a * high
