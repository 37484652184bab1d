"""What an item is worth by its rank in the belief, and a click by its place, with some rounds to come.

With k places of this list and r more rounds of N items each, rank j counts 1 up to k, and discount ** ceil((j - k) / N)
up to k + r·N: an item that is shown a round later counts less, since the person may have left or come to want another.
As such weights fall in steps of N, the value of a belief is a sum of V_m, the sums of its m largest masses:

    V^(k) = (1 - γ) V_k + sum over j = 1..r-1 of (γ^j - γ^(j+1)) V_(k + jN) + γ^r V_(k + rN),

without the first term for k = 0, and V_k alone for r = 0. With γ = 1 it is V_(k + rN).

RA is the mean of 1 / log2(b + 1) over the rounds that were played. See `ClickRates` for what is paid for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

__all__ = ["ClickRates", "Horizon", "weighted"]


@dataclass(frozen=True)
class Horizon:
    """The rounds after a list.

    Attributes:
        length: N, the length of a list.
        rounds: r, at least 0.
        discount: γ in (0, 1].
    """

    length: int
    rounds: int
    discount: float = 1.0

    @property
    def reach(self) -> int:
        """How many items can be shown in those rounds."""
        return self.length * self.rounds

    def sums(self, places: int) -> list[tuple[int, float]]:
        """V^(k) as a sum of factor · V_m: pairs `(m, factor)` with m ascending and above 0; none where it is 0."""
        if not self.rounds:
            return [(places, 1.0)] if places else []
        if self.discount == 1.0:
            return [(places + self.reach, 1.0)]
        power = [self.discount**j for j in range(self.rounds + 1)]
        now = [(places, 1.0 - self.discount)] if places else []
        later = [(places + j * self.length, power[j] - power[j + 1]) for j in range(1, self.rounds)]
        return [*now, *later, (places + self.reach, power[self.rounds])]

    def value(self, best: Tensor, places: int) -> Tensor:
        """V^(k) of sums of the best masses.

        Args:
            best: [..., S], V_0 to V_(S - 1); the last holds for more items too.
            places: k.

        Returns:
            [...]: as `best` where V^(k) is one V_m, else float64.
        """
        last = best.shape[-1] - 1
        sums = [(best[..., min(m, last)], factor) for m, factor in self.sums(places)]
        return weighted(sums) if sums else torch.zeros_like(best[..., 0])


@dataclass(frozen=True)
class ClickRates:
    """What the click on a list adds to its value: ρ·P(click at b)/log2(b + 1) for a query, P(click at b)·(ρ - σ·(1 -
    1/log2(b + 1))) for an item.

    A click on a query is one of K rounds. That on a target item ends the session: what it lacks of the top of the list
    then counts for one of the rounds played so far. Both are paid in full where all rounds are left, less and less
    later: the value takes it that only items are shown after this list, and so makes the success that an early list
    gives away for clicks larger than it is.

    Attributes:
        place: ρ.
        ending: σ.
    """

    place: float = 0.0
    ending: float = 0.0

    @classmethod
    def of(cls, weight: float, before: int, after: int) -> Self:
        """Of one list.

        Args:
            weight: α, what RA counts beside success.
            before, after: the rounds before and after it; K is both and its own.
        """
        rounds = before + 1 + after
        paid = weight * (after + 1) / rounds
        return cls(paid / rounds, paid / (before + 1))

    def item(self, depth: Tensor) -> Tensor:
        """What the certain click on an item adds, by log2(b + 1)."""
        return self.place - self.ending + self.ending / depth


def weighted(terms: Sequence[tuple[Tensor, float]]) -> Tensor:
    """The sum of factor · tensor as float64, in the order of the terms, so that it depends on no batch.

    A term of factor 1 counts as it is.
    """
    total: Tensor | None = None
    for tensor, factor in terms:
        term = tensor if factor == 1.0 else tensor.to(torch.float64) * factor
        total = term if total is None else total + term
    assert total is not None, "a sum of no terms has no shape"
    return total
