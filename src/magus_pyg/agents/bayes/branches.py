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
    "AnswerOdds",
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
        choice: int64 [F], the flat choices (r * G + g), ascending.
        owner: int64 [E], which of the F choices each pair is of, ascending.
        position: int64 [E], where the pair's item stands among those of its session, ascending within a choice.
        start: int64 [F + 1], where the pairs of each choice begin.
        before: int64 [E + 1], units of the pairs before each.
        above: int64 [R, C + 1], units of the items before each position.
        n_live: int64 [R], items with mass.
    """

    n_choices: int
    choice: Tensor
    owner: Tensor
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
        above = torch.cat([ordered.new_zeros((n_rows, 1)), ordered.cumsum(1)], 1)
        before = torch.zeros(choice.numel() + 1, dtype=torch.int64, device=items.device)
        shift = torch.div(present, max(n_choices, 1), rounding_mode="floor") * size
        at = shift.index_select(0, owner) + position
        torch.cumsum(ordered.view(-1).index_select(0, at), 0, out=before[1:])
        return cls(n_choices, present, owner, position, start, before, above, (ordered > 0).sum(1))

    @cached_property
    def outside(self) -> Tensor:
        """int64 [E]: how many items that the choice does not hold stand before the pair's item."""
        index = torch.arange(self.owner.numel(), device=self.owner.device)
        return self.position - index + self.start.index_select(0, self.owner)

    @cached_property
    def row(self) -> Tensor:
        """int64 [F]: the session of each choice."""
        return torch.div(self.choice, max(self.n_choices, 1), rounding_mode="floor")

    @cached_property
    def live_of_choice(self) -> Tensor:
        """int64 [F]: `n_live` of the session of each choice."""
        return self.n_live.index_select(0, self.row)

    @cached_property
    def first(self) -> Tensor:
        """int64 [F]: units of the pairs before each choice."""
        return self.before.index_select(0, self.start[:-1])

    def best_inside(self, count: Tensor) -> Tensor:
        """int64 [F]: units of the `count` best items of every choice, int64 [F]."""
        last = torch.minimum(self.start[:-1] + count, self.start[1:])
        return self.before.index_select(0, last) - self.first

    def next_inside(self, count: Tensor) -> Tensor:
        """int64 [F]: units of the item after the `count` best of every choice; 0 if there is none."""
        last = torch.minimum(self.start[:-1] + count, self.start[1:])
        after = torch.minimum(last + 1, self.start[1:])
        return self.before.index_select(0, after) - self.before.index_select(0, last)

    def best_outside(self, count: Tensor) -> Tensor:
        """int64 [F]: units of the `count` best items outside every choice, int64 [F].

        They are the items up to the `count`-th outside, less those of the choice among them.
        """
        taken = self._taken(count)
        inside = self.before.index_select(0, self.start[:-1] + taken) - self.first
        return self._reach(torch.minimum(count + taken, self.live_of_choice)) - inside

    def last_outside(self, count: Tensor) -> Tensor:
        """int64 [F]: units of the `count`-th best item outside every choice; 0 if there are fewer, or for 0."""
        end = count + self._taken(count)
        last = self._reach(end.minimum(self.live_of_choice)) - self._reach((end - 1).minimum(self.live_of_choice))
        return torch.where((count > 0) & (end <= self.live_of_choice), last, 0)

    def _taken(self, count: Tensor) -> Tensor:
        """int64 [F]: the items of every choice before which fewer than `count` outside stand."""
        reached = self.outside < count.index_select(0, self.owner)
        running = torch.zeros_like(self.before)
        torch.cumsum(reached, 0, out=running[1:])
        ends = running.index_select(0, self.start)
        return ends[1:] - ends[:-1]

    def _reach(self, end: Tensor) -> Tensor:
        """int64 [F]: units of the first `end` items of the session of every choice."""
        return self.above.view(-1).index_select(0, self.row * self.above.shape[1] + end.clamp(min=0))


def branch_values_sparse(order: BranchOrder, m: int, answers: AnswerOdds) -> tuple[Tensor, Tensor]:
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
    # A choice without an item with mass: nothing within.
    shape = (order.n_live.numel(), order.n_choices)
    everything = order.above[:, min(m, order.above.shape[1] - 1)].unsqueeze(1).expand(shape)
    full = torch.full_like(order.choice, m)
    if answers.outside is None:
        clicked, refused = torch.zeros_like(everything), everything.contiguous()
        clicked.view(-1)[order.choice] = order.best_inside(full)
        refused.view(-1)[order.choice] = order.best_outside(full)
        return clicked, refused
    e, f = answers.error_rate, answers.outside
    clicked, refused = f * everything, (1.0 - f) * everything
    f = f.reshape(-1).index_select(0, order.choice)
    clicked.view(-1)[order.choice] = _best_split(order, m, 1.0 - e, f)
    if e == 0.0:
        refused.view(-1)[order.choice] = (1.0 - f) * order.best_outside(full)
    else:
        refused.view(-1)[order.choice] = _best_split(order, m, e, 1.0 - f)
    return clicked, refused


def _best_split(order: BranchOrder, m: int, within: float, without: Tensor) -> Tensor:
    """V_m where the mass is within·u within each choice and without·u outside, float64 [F] units."""
    high = (order.start[1:] - order.start[:-1]).clamp(max=m)
    low = torch.zeros_like(high)
    for _ in range(int(high.max() if high.numel() else 0).bit_length()):
        middle = (low + high) // 2
        gained = within * order.next_inside(middle).to(torch.float64)
        rises = (gained > without * order.last_outside(m - middle)) & (low < high)
        low, high = torch.where(rises, middle + 1, low), torch.where(rises, high, middle)
    return within * order.best_inside(low).to(torch.float64) + without * order.best_outside(m - low)
