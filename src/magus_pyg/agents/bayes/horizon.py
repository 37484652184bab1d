"""What an item is worth by its rank in the belief, with some rounds to come.

With k places of this list and r more rounds of N items each, rank j counts 1 up to k, and discount ** ceil((j - k) / N)
up to k + r·N: an item that is shown a round later counts less, since the person may have left or come to want another.
As such weights fall in steps of N, the value of a belief is a sum of V_m, the sums of its m largest masses:

    V^(k) = (1 - γ) V_k + sum over j = 1..r-1 of (γ^j - γ^(j+1)) V_(k + jN) + γ^r V_(k + rN),

without the first term for k = 0, and V_k alone for r = 0. With γ = 1 it is V_(k + rN).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Horizon", "weighted"]


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
