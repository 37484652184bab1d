"""What can still be shown after an answer: V_m, the sum of the m largest masses, after a click and after a refusal.

Masses are counted in whole units of 2**-50. Sums of integers are exact in any order, so differences of running sums
over the pairs of a whole batch are exact too, and no value depends on what else is in the batch.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

__all__ = [
    "UNIT",
    "Answers",
    "BranchOrder",
    "best_mass",
    "branch_values_dense",
    "branch_values_sparse",
    "to_units",
]

UNIT = 2.0**50
"""Units in a mass of 1."""


def to_units(mass: Tensor) -> Tensor:
    """Masses in [0, 1] as int64 numbers of units."""
    return (mass * UNIT).round().to(torch.int64)


def best_mass(mass: Tensor, m: int) -> Tensor:
    """V_m: the sum of the m largest entries of each row [..., C] to [...]."""
    if m <= 0:
        return mass.new_zeros(mass.shape[:-1])
    if m >= mass.shape[-1]:
        return mass.sum(-1)
    return mass.topk(m, dim=-1, sorted=False).values.sum(-1)


@dataclass(frozen=True)
class Answers:
    """How likely the two answers to every choice are: a click with probability 1 - e where the item in mind is inside
    the choice and `outside` elsewhere, a refusal with e and 1 - `outside`.

    Attributes:
        error_rate: e.
        outside: float64 [B, G]; None if it is 0 and e too, so that masses stay whole numbers.
    """

    error_rate: float = 0.0
    outside: Tensor | None = None


def branch_values_dense(mass: Tensor, inside: Tensor, m: int, answers: Answers) -> tuple[Tensor, Tensor]:
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

    Attributes:
        items: int64 [R, C], the item slots by falling mass; items without mass come last.
        n_choices: G.
        choice: int64 [E], the flat choice (r * G + g) of each pair, ascending.
        position: int64 [E], where the pair's item stands in `items`, ascending within a choice.
        start: int64 [R * G + 1], where the pairs of each choice begin.
        before: int64 [E + 1], units of the pairs before each.
        above: int64 [R, C + 1], units of the items before each position.
        n_live: int64 [R], items with mass.
    """

    items: Tensor
    n_choices: int
    choice: Tensor
    position: Tensor
    start: Tensor
    before: Tensor
    above: Tensor
    n_live: Tensor

    @classmethod
    def of(cls, units: Tensor, items: Tensor, choice: Tensor, item: Tensor, n_choices: int) -> "BranchOrder":
        """Order pairs.

        Args:
            units: int64 [R, C], mass of each item slot; pairs of items with 0 are left out.
            items: int64 [R, C], the item slots by falling mass.
            choice, item: int64 [E'], the pairs: flat choices, ascending, and flat item slots (r * C + item).
            n_choices: G.
        """
        n_rows, size = units.shape
        flat_units = units.view(-1)
        kept = torch.nonzero(flat_units.index_select(0, item)).flatten()
        if kept.numel() < item.numel():
            choice, item = choice.index_select(0, kept), item.index_select(0, kept)
        place = torch.empty_like(items)
        place.scatter_(1, items, torch.arange(size, device=items.device).expand_as(items))
        key = choice * size + place.view(-1).index_select(0, item)
        if n_rows * n_choices * size < 2**31:
            key = key.to(torch.int32)  # sorted twice as fast
        position = torch.sort(key).values - choice * size
        start = torch.zeros(n_rows * n_choices + 1, dtype=torch.int64, device=items.device)
        torch.cumsum(torch.bincount(choice, minlength=n_rows * n_choices), 0, out=start[1:])
        ordered = units.gather(1, items)
        above = torch.cat([ordered.new_zeros((n_rows, 1)), ordered.cumsum(1)], 1)
        before = torch.zeros(choice.numel() + 1, dtype=torch.int64, device=items.device)
        row = torch.div(choice, max(n_choices, 1), rounding_mode="floor")
        torch.cumsum(ordered.view(-1).index_select(0, row * size + position), 0, out=before[1:])
        return cls(items, n_choices, choice, position, start, before, above, (ordered > 0).sum(1))

    @cached_property
    def outside(self) -> Tensor:
        """int64 [E]: how many items that the choice does not hold stand before the pair's item."""
        index = torch.arange(self.choice.numel(), device=self.choice.device)
        return self.position - index + self.start.index_select(0, self.choice)

    @cached_property
    def offset(self) -> Tensor:
        """int64 [R * G]: where the session of each choice begins in the flattened `above`."""
        n_rows, size = self.above.shape
        return (torch.arange(n_rows, device=self.items.device) * size).repeat_interleave(self.n_choices)

    @cached_property
    def live_of_choice(self) -> Tensor:
        """int64 [R * G]: `n_live` of the session of each choice."""
        return self.n_live.repeat_interleave(self.n_choices)

    def best_inside(self, count: Tensor) -> tuple[Tensor, Tensor]:
        """The `count` best items of every choice, int64 [R * G].

        Returns:
            Their units, and the units of the next one (0 if there is none), int64 [R * G] each.
        """
        last = torch.minimum(self.start[:-1] + count, self.start[1:])
        reached = self.before.index_select(0, last)
        following = self.before.index_select(0, torch.minimum(last + 1, self.start[1:])) - reached
        return reached - self.before.index_select(0, self.start[:-1]), following

    def best_outside(self, count: Tensor) -> tuple[Tensor, Tensor]:
        """The `count` best items outside every choice, int64 [R * G].

        They are the first items of the order up to the `count`-th outside, less those of the choice among them: the
        items of the choice before which fewer than `count` outside stand.

        Returns:
            Their units, and the units of the last of them (0 if there are fewer), int64 [R * G] each.
        """
        reached = self.outside < count.index_select(0, self.choice)
        running = torch.zeros_like(self.before)
        torch.cumsum(reached, 0, out=running[1:])
        taken = running[self.start[1:]] - running[self.start[:-1]]
        end = count + taken
        reach = torch.minimum(end, self.live_of_choice) + self.offset
        above = self.above.view(-1)
        whole = above.index_select(0, reach)
        first = self.start[:-1]
        inside = self.before.index_select(0, first + taken) - self.before.index_select(0, first)
        last = whole - above.index_select(0, (reach - 1).clamp(min=0))
        return whole - inside, torch.where((count > 0) & (end <= self.live_of_choice), last, 0)


def branch_values_sparse(order: BranchOrder, m: int, answers: Answers) -> tuple[Tensor, Tensor]:
    """V_m after a click and after a refusal of every choice, exactly, in time linear in the pairs (choice, item).

    Where an answer leaves mass on both sides, j items within and m - j outside are best for some j. One more within
    pays as long as its mass is above that of the last one outside; both fall, so j is found by halving.

    Args:
        order: the pairs.
        m: at least 1.
        answers: their probabilities.

    Returns:
        `(clicked, refused)`, [R, G] units each: int64 where answers are certain, else float64.
    """
    shape = (order.items.shape[0], order.n_choices)
    full = torch.full_like(order.offset, m)
    if answers.outside is None:
        return order.best_inside(full)[0].view(shape), order.best_outside(full)[0].view(shape)
    e, f = answers.error_rate, answers.outside.reshape(-1)
    clicked = _best_split(order, m, 1.0 - e, f)
    if e == 0.0:
        refused = (1.0 - f) * order.best_outside(full)[0].to(torch.float64)
    else:
        refused = _best_split(order, m, e, 1.0 - f)
    return clicked.view(shape), refused.view(shape)


def _best_split(order: BranchOrder, m: int, within: float, without: Tensor) -> Tensor:
    """V_m where the mass is within·u within each choice and without·u outside, float64 [R * G] units."""
    high = (order.start[1:] - order.start[:-1]).clamp(max=m)
    low = torch.zeros_like(high)
    for _ in range(int(high.max() if high.numel() else 0).bit_length()):
        middle = (low + high) // 2
        _, gained = order.best_inside(middle)
        _, lost = order.best_outside(m - middle)
        rises = (within * gained.to(torch.float64) > without * lost.to(torch.float64)) & (low < high)
        low, high = torch.where(rises, middle + 1, low), torch.where(rises, high, middle)
    inside, _ = order.best_inside(low)
    outside, _ = order.best_outside(m - low)
    return within * inside.to(torch.float64) + without * outside.to(torch.float64)
