"""What can still be shown after an answer: V_m, the sum of the m largest masses, after a click and after a refusal.

Masses are counted in whole units of 2**-50. Sums of integers are exact in any order, so differences of running sums
over the pairs of a whole batch are exact too, and no value depends on what else is in the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = [
    "UNIT",
    "AnswerOdds",
    "BranchOrder",
    "branch_values_dense",
    "branch_values_sparse",
    "to_units",
]

UNIT = 2.0**50
"""Units in a mass of 1."""


def to_units(mass: Tensor) -> Tensor:
    """Masses in [0, 1] as int64 numbers of units."""
    return (mass * UNIT).round().to(torch.int64)


@dataclass(frozen=True)
class AnswerOdds:
    """How likely the two answers to every choice are: a click with probability 1 - e where the item in mind is inside
    the choice and `outside` elsewhere, a refusal with e and 1 - `outside`.

    Attributes:
        error_rate: e.
        outside: float64 [B, G]; None if it is 0 and e too, so that masses stay whole numbers.
    """

    error_rate: float = 0.0
    outside: Tensor | None = None


def branch_values_dense(mass: Tensor, inside: Tensor, m: int, answers: AnswerOdds) -> tuple[Tensor, Tensor]:
    """V_m after a click and after a refusal of every choice, from all B·G·C pairs.

    An answer leaves some share of the mass within the choice and another outside, so its m best are the j best within
    and the m - j best outside for the best j.

    Args:
        mass: [B, C], not negative; not normalised.
        inside: bool [B, G, C].
        m: number of items that can be shown afterwards, at least 1.
        answers: their probabilities.

    Returns:
        `(clicked, refused)`, [B, G] each; their sum never exceeds the mass.
    """
    ordered, order = mass.sort(dim=1, descending=True, stable=True)
    member = inside.gather(2, order.unsqueeze(1).expand_as(inside))
    m = min(m, mass.shape[1])
    value = ordered.unsqueeze(1)
    rank_in = member.cumsum(2)
    rank_out = torch.arange(1, mass.shape[1] + 1, device=mass.device) - rank_in
    if answers.outside is None:
        clicked = torch.where(member & (rank_in <= m), value, 0).sum(2)
        refused = torch.where(~member & (rank_out <= m), value, 0).sum(2)
        return clicked, refused
    value = value.to(torch.float64)
    best_in = _sums_of_best(value, member, rank_in, m)
    best_out = _sums_of_best(value, ~member, rank_out, m).flip(2)  # [..., j]: of the m - j best outside
    e, f = answers.error_rate, answers.outside.unsqueeze(2)
    clicked = ((1.0 - e) * best_in + f * best_out).amax(2)
    refused = (e * best_in + (1.0 - f) * best_out).amax(2)
    return clicked, refused


def _sums_of_best(value: Tensor, member: Tensor, rank: Tensor, m: int) -> Tensor:
    """[B, G, m + 1]: the sum of the j best members, for j = 0..m."""
    place = torch.where(member & (rank <= m), rank, m + 1)
    table = value.new_zeros((*member.shape[:2], m + 2))
    table.scatter_add_(2, place, value.expand(member.shape))
    return table[..., : m + 1].cumsum(2)


@dataclass(frozen=True)
class BranchOrder:
    """The pairs (choice, item) of R sessions by choice, then by falling mass of the item.

    Only the F choices that hold an item with mass are there.

    Attributes:
        n_choices: G.
        most: no more than so many of the best items are ever asked for; at least 1, at most C.
        choice: int64 [F], the flat choices (r * G + g), ascending.
        owner: int64 [E], which of the F choices each pair is of, ascending.
        position: int64 [E], where the pair's item stands among those of its session, ascending within a choice.
        start: int64 [F + 1], where the pairs of each choice begin.
        mass: float64 [E + most], units of each pair's item, and 0.
        before: int64 [E + 1], units of the pairs before each.
        ordered: float64 [R, C + most], units of the items of each session, falling, and 0.
        above: int64 [R, C + 1], units of the items before each position.
    """

    n_choices: int
    most: int
    choice: Tensor
    owner: Tensor
    position: Tensor
    start: Tensor
    mass: Tensor
    before: Tensor
    ordered: Tensor
    above: Tensor

    @classmethod
    def of(cls, units: Tensor, items: Tensor, choice: Tensor, item: Tensor, n_choices: int, most: int) -> "BranchOrder":
        """Order pairs.

        Args:
            units: int64 [R, C], mass of each item slot; pairs of items with 0 are left out.
            items: int64 [R, C], the item slots by falling mass.
            choice, item: int64 [E'], the pairs: flat choices, ascending, and flat item slots (r * C + item).
            n_choices: G.
            most: see the attributes.
        """
        n_rows, size = units.shape
        kept = torch.nonzero(units.view(-1).index_select(0, item)).flatten()
        if kept.numel() < item.numel():
            choice, item = choice.index_select(0, kept), item.index_select(0, kept)
        place = torch.empty_like(items)
        place.scatter_(1, items, torch.arange(size, device=items.device).expand_as(items))
        key = choice * size + place.view(-1).index_select(0, item)
        if n_rows * n_choices * size < 2**31:
            key = key.to(torch.int32)  # sorted twice as fast
        position = torch.sort(key).values - choice * size
        counts = torch.bincount(choice, minlength=n_rows * n_choices)
        present = torch.nonzero(counts).flatten()
        counts = counts.index_select(0, present)
        start = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        owner = torch.repeat_interleave(counts, output_size=choice.numel())
        ordered = units.gather(1, items)
        above = pad(ordered.cumsum(1), (1, 0))
        before = torch.zeros(choice.numel() + 1, dtype=torch.int64, device=items.device)
        shift = torch.div(present, max(n_choices, 1), rounding_mode="floor") * size
        mass = ordered.view(-1).index_select(0, shift.index_select(0, owner) + position)
        torch.cumsum(mass, 0, out=before[1:])
        most = max(1, min(most, size))
        mass, ordered = (pad(part.to(torch.float64), (0, most)) for part in (mass, ordered))
        return cls(n_choices, most, present, owner, position, start, mass, before, ordered, above)

    @cached_property
    def row(self) -> Tensor:
        """int64 [F]: the session of each choice."""
        return torch.div(self.choice, max(self.n_choices, 1), rounding_mode="floor")

    @cached_property
    def first(self) -> Tensor:
        """int64 [F]: units of the pairs before each choice."""
        return self.before.index_select(0, self.start[:-1])

    @cached_property
    def taken(self) -> Tensor:
        """int64 [F, most + 1]: the items of every choice before which at most c items outside stand, c = 0..most."""
        index = torch.arange(self.owner.numel(), device=self.owner.device)
        outside = self.position - index + self.start.index_select(0, self.owner)  # items outside before the pair's
        width = self.most + 1
        key = self.owner * width + outside.clamp(max=self.most)
        counts = torch.bincount(key, minlength=self.choice.numel() * width)
        return counts.view(-1, width).cumsum(1)

    @cached_property
    def masses(self) -> tuple[Tensor, Tensor]:
        """float64 [F, most] each: units of the best items within and outside every choice, falling; 0 where none is."""
        count = torch.arange(self.most, device=self.owner.device)
        last = count < (self.start[1:] - self.start[:-1]).unsqueeze(1)
        place = (self.start[:-1].unsqueeze(1) + count).view(-1)
        inside = torch.where(last, self.mass.index_select(0, place).view(last.shape), 0.0)
        place = (self.taken[:, :-1] + (count + (self.row * self.ordered.shape[1]).unsqueeze(1))).view(-1)
        return inside, self.ordered.view(-1).index_select(0, place).view(last.shape)

    @cached_property
    def sums(self) -> tuple[Tensor, Tensor]:
        """float64 [F, most + 1] each: of the first 0..most of `masses`; whole numbers, and so exact."""
        first, second = (torch.zeros((len(table), self.most + 1), dtype=table.dtype, device=table.device)
                         for table in self.masses)  # fmt: skip
        for table, out in zip(self.masses, (first, second), strict=True):
            torch.cumsum(table, 1, out=out[:, 1:])
        return first, second

    def best_inside(self, count: int) -> Tensor:
        """int64 [F]: units of the `count` best items of every choice."""
        last = torch.minimum(self.start[:-1] + count, self.start[1:])
        return self.before.index_select(0, last) - self.first

    def best_outside(self, count: int) -> Tensor:
        """int64 [F]: units of the `count` best items outside every choice, `count` from 1 to `most`.

        They are the items up to the `count`-th outside, less those of the choice among them.
        """
        taken = self.taken[:, count - 1]
        inside = self.before.index_select(0, self.start[:-1] + taken) - self.first
        size = self.above.shape[1]
        end = (taken + count).clamp(max=size - 1)
        return self.above.view(-1).index_select(0, self.row * size + end) - inside


def branch_values_sparse(order: BranchOrder, sizes: Sequence[int], answers: AnswerOdds) -> list[tuple[Tensor, Tensor]]:
    """V_m after a click and after a refusal of every choice, exactly, for several m, from the pairs (choice, item).

    Where an answer leaves mass on both sides, its best items are merged from the best within and the best outside: one
    walk of max(m) steps over the choices serves every m.

    Args:
        order: the pairs.
        sizes: m, ascending, at least 1 each, at most `order.most` or the number of items.
        answers: their probabilities.

    Returns:
        `(clicked, refused)` for every m, [R, G] units each: int64 where answers are certain, else float64.
    """
    sizes = [min(m, order.most) for m in sizes]
    if answers.outside is None:
        found = [(order.best_inside(m), order.best_outside(m)) for m in sizes]
    else:
        e, f = answers.error_rate, answers.outside.reshape(-1).index_select(0, order.choice)
        clicked = _merged(order, sizes, 1.0 - e, f)
        certain = [(1.0 - f) * order.best_outside(m) for m in sizes] if e == 0.0 else None
        refused = certain or _merged(order, sizes, e, 1.0 - f)
        found = list(zip(clicked, refused, strict=True))
    return [_spread(order, m, answers, *values) for m, values in zip(sizes, found, strict=True)]


def _spread(order: BranchOrder, m: int, answers: AnswerOdds, clicked: Tensor, refused: Tensor) -> tuple[Tensor, Tensor]:
    """Values [F] of the choices that hold an item with mass as those of all, [R, G]: the others hold nothing within."""
    shape = (order.above.shape[0], order.n_choices)
    everything = order.above[:, m].unsqueeze(1).expand(shape)
    if answers.outside is None:
        all_clicked, all_refused = torch.zeros_like(everything), everything.contiguous()
    else:
        all_clicked, all_refused = answers.outside * everything, (1.0 - answers.outside) * everything
    all_clicked.view(-1)[order.choice] = clicked
    all_refused.view(-1)[order.choice] = refused
    return all_clicked, all_refused


def _merged(order: BranchOrder, sizes: Sequence[int], within: float, without: Tensor) -> list[Tensor]:
    """V_m for every m where the mass is within·u within each choice and without·u outside, float64 [F] units each."""
    gains = (within * order.masses[0]).view(-1)
    rivals = pad((without.unsqueeze(1) * order.masses[1]).view(-1), (order.most, 0))
    base = torch.arange(0, gains.numel(), order.most, device=gains.device)
    # `at` is where the next item within stands in the table; that of the next outside follows from the step.
    at, mirror = base.clone(), 2 * base + order.most
    inside, outside = (sums.view(-1) for sums in order.sums)
    first = torch.arange(0, inside.numel(), order.most + 1, device=gains.device)
    found, step = [], 0
    for m in sizes:
        while step < m:
            at += gains.index_select(0, at) > rivals[step:].index_select(0, mirror - at)
            step += 1
        taken = at - base
        value = within * inside.index_select(0, first + taken)
        found.append(value + without * outside.index_select(0, first + m - taken))
    return found
