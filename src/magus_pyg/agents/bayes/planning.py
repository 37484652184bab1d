"""Choosing a list for success within the rounds left.

After this round `m` more items can be shown. The value of a list is the probability that it holds the item in mind,
plus, over the answers, the probability of the answer times the mass of the best m items after it:

    value(L) = P(item in L) + sum over answers a of V_m(belief · likelihood(a)),   V_m(u) = sum of the m largest of u.

An item slot therefore adds only the (m + 1)-th largest probability: the items it displaces could have been shown
later. Items of a list are clicked before its queries, so a list is planned as its k best items, then N - k queries one
after the other, each given that those above are refused; k is the best of 0..N.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.agents.bayes.choices import QueryChoices

__all__ = ["Plan", "best_mass", "branch_values_dense", "branch_values_sparse", "plan_lists"]

_NOTHING = -torch.inf


@dataclass(frozen=True)
class Plan:
    """Lists for B sessions.

    Attributes:
        items: int64 [B, N] item slots, best first, -1 where the list holds a query instead.
        queries: int64 [B, N] choices (columns of `QueryChoices.slot`), in their order, -1 pads.
        value: [B], the value of each list by the formula above.
        click: [B, N], the probability that each query is clicked, where `queries` holds one.
    """

    items: Tensor
    queries: Tensor
    value: Tensor
    click: Tensor


def best_mass(mass: Tensor, m: int) -> Tensor:
    """V_m: the sum of the m largest entries of each row [..., C] to [...]."""
    if m <= 0:
        return mass.new_zeros(mass.shape[:-1])
    if m >= mass.shape[-1]:
        return mass.sum(-1)
    return mass.topk(m, dim=-1, sorted=False).values.sum(-1)


def branch_values_dense(mass: Tensor, inside: Tensor, m: int, error_rate: float) -> tuple[Tensor, Tensor]:
    """V_m after a click and after a refusal of every choice, exactly.

    After a click the mass is (1 - e)·u within the choice and e·u outside, so its m best are the j best within and the
    m - j best outside for the best j; likewise after a refusal.

    Args:
        mass: [B, C], not negative; not normalised.
        inside: bool [B, G, C].
        m: number of items that can be shown afterwards, at least 1.
        error_rate: e.

    Returns:
        `(clicked, refused)`, [B, G] each; their sum never exceeds the mass.
    """
    ordered, order = mass.sort(dim=1, descending=True)
    member = inside.gather(2, order.unsqueeze(1).expand_as(inside))
    m = min(m, mass.shape[1])
    value = ordered.unsqueeze(1)
    rank_in = member.cumsum(2, dtype=torch.int16)
    rank_out = torch.arange(1, mass.shape[1] + 1, device=mass.device, dtype=torch.int16) - rank_in
    if error_rate == 0.0:
        clicked = torch.where(member & (rank_in <= m), value, 0.0).sum(2)
        refused = torch.where(~member & (rank_out <= m), value, 0.0).sum(2)
        return clicked, refused
    best_in = _prefix_sums(value, member, rank_in, m)  # [B, G, m + 1]: mass of the j best within, j = 0..m
    best_out = _prefix_sums(value, ~member, rank_out, m).flip(2)  # [..., j]: of the m - j best outside
    e = error_rate
    clicked = ((1.0 - e) * best_in + e * best_out).amax(2)
    refused = (e * best_in + (1.0 - e) * best_out).amax(2)
    return clicked, refused


def _prefix_sums(value: Tensor, member: Tensor, rank: Tensor, m: int) -> Tensor:
    """[B, G, m + 1]: the sum of the j best members, for j = 0..m."""
    place = torch.where(member & (rank <= m), rank.to(torch.int64), m + 1)
    table = value.new_zeros((*member.shape[:2], m + 2))
    table.scatter_add_(2, place, value.expand(member.shape))
    return table[..., : m + 1].cumsum(2)


def branch_values_sparse(
    mass: Tensor, choices: QueryChoices, m: int, error_rate: float, order: "SparseOrder"
) -> tuple[Tensor, Tensor]:
    """V_m after a click and after a refusal of every choice, in time linear in the pairs (choice, item).

    The items are taken in one order for the whole list (`order`). Exact without error and while that order holds;
    with an error rate the side that fits the answer is filled first, which can only lower the value (never by more
    than e times the mass).

    Args:
        mass: [B, C]; entries not positive count as taken out.
        choices: the choices.
        m: at least 1.
        error_rate: e.
        order: made by `SparseOrder.of` from the belief of this round.

    Returns:
        `(clicked, refused)`, [B, G] each.
    """
    n_sessions, n_choices = choices.slot.shape
    ordered = mass.gather(1, order.items)
    alive = ordered > 0
    rank = alive.cumsum(1)  # rank of each item among those left, from 1
    total = torch.cat([ordered.new_zeros((n_sessions, 1)), ordered.cumsum(1)], 1)  # by position in the order
    left = rank[:, -1]
    # Mass of the r best items left, for any r: position of the r-th one left.
    value = ordered.view(-1)[order.flat]
    here = alive.view(-1)[order.flat]
    above = rank.view(-1)[order.flat]  # items left up to and including the pair's own
    inside = _segment_rank(here, order)  # how many of the choice's items left come up to this pair
    flat = n_sessions * n_choices
    size = torch.zeros(flat, dtype=torch.int64, device=mass.device).index_add_(0, order.choice, here.to(torch.int64))
    size = size.view(n_sessions, n_choices)
    within = value * here

    def best_inside(count: Tensor) -> Tensor:
        """Mass of the `count` best items of each choice, [B, G]."""
        take = inside <= count.view(-1)[order.choice]
        return _segment_sum(torch.where(take, within, 0.0), order.choice, flat).view(n_sessions, n_choices)

    def best_outside(count: Tensor) -> Tensor:
        """Mass of the `count` best items outside each choice: the first L items less those of the choice."""
        wanted = count.view(-1)[order.choice]
        take = here & (above - inside < wanted)  # items outside before the pair: too few yet, so L lies beyond it
        taken = _segment_sum(take.to(torch.int64), order.choice, flat).view(n_sessions, n_choices)
        length = torch.minimum(count + taken, left.unsqueeze(1))
        position = torch.searchsorted(rank, length, right=False)  # of the length-th item left
        reach = torch.where(length > 0, total.gather(1, (position + 1).clamp(max=total.shape[1] - 1)), 0.0)
        return reach - _segment_sum(torch.where(take, within, 0.0), order.choice, flat).view(n_sessions, n_choices)

    full = torch.full_like(size, m)
    outside = left.unsqueeze(1) - size
    if error_rate == 0.0:
        return best_inside(full), best_outside(full)
    e = error_rate
    inside_first = torch.minimum(full, size)
    outside_first = torch.minimum(full, outside)
    clicked = (1.0 - e) * best_inside(full) + e * best_outside(full - inside_first)
    refused = (1.0 - e) * best_outside(full) + e * best_inside(full - outside_first)
    return clicked, refused


def _segment_sum(value: Tensor, segment: Tensor, n_segments: int) -> Tensor:
    return value.new_zeros(n_segments).index_add_(0, segment, value)


def _segment_rank(here: Tensor, order: "SparseOrder") -> Tensor:
    """For each pair how many pairs of its choice, itself included, are `here` so far."""
    running = here.cumsum(0)
    before = torch.where(order.start > 0, running[(order.start - 1).clamp(min=0)], 0) if running.numel() else running
    return running - before


@dataclass(frozen=True)
class SparseOrder:
    """The pairs of all choices, by choice, then by falling belief of the item.

    Attributes:
        items: int64 [B, C], the item slots by falling belief.
        choice: int64 [E] flat choices, ascending.
        flat: int64 [E], where the pair's item stands in the flattened order (b * C + position).
        start: int64 [E], the first pair of the same choice.
    """

    items: Tensor
    choice: Tensor
    flat: Tensor
    start: Tensor

    @classmethod
    def of(cls, belief: Tensor, choices: QueryChoices) -> "SparseOrder":
        """Order the pairs of `choices` by `belief` [B, C]."""
        n_sessions, n_items = belief.shape
        items = belief.argsort(dim=1, descending=True, stable=True)
        position = torch.empty_like(items)
        position.scatter_(1, items, torch.arange(n_items, device=items.device).expand_as(items))
        width = max(choices.slot.shape[1], 1)
        session = choices.query // width
        key, _ = torch.sort(choices.query * n_items + position[session, choices.item])
        choice = key // max(n_items, 1)
        flat = choice // width * n_items + key % max(n_items, 1)
        size = torch.bincount(choice, minlength=n_sessions * width)
        start = torch.repeat_interleave(size.cumsum(0) - size, size)
        return cls(items, choice, flat, start)


def plan_lists(
    belief: Tensor,
    choices: QueryChoices,
    allowed: Tensor,
    n: int,
    m: int,
    error_rate: float = 0.0,
    exact: bool = True,
) -> Plan:
    """Plan a list of each session.

    Args:
        belief: floating [B, C]; 0 for items that cannot be shown any more.
        choices: the distinct queries.
        allowed: bool [B, G], the choices not asked yet.
        n: N, the length of a list.
        m: how many items can be shown in the rounds after this one.
        error_rate: e, the share of wrong answers to queries.
        exact: True for `branch_values_dense` (memory B·G·C), False for `branch_values_sparse`.
    """
    n_sessions, n_items = belief.shape
    top = belief.topk(min(n, n_items), dim=1)
    ranked = torch.full((n_sessions, n), -1, dtype=torch.int64, device=belief.device)
    ranked[:, : top.indices.shape[1]] = torch.where(top.values > 0, top.indices, -1)
    inside = choices.dense(n_items) if exact and choices.slot.shape[1] else None
    order = None if exact else SparseOrder.of(belief, choices)
    can_ask = m > 0 and choices.slot.shape[1] > 0
    plans = [
        _with_items(belief, ranked, choices, inside, order, allowed, k, n, m, error_rate)
        for k in range(n, -1 if can_ask else n - 1, -1)
    ]
    value = torch.stack([plan.value for plan in plans])
    # The first of equals has the most items: a query must be worth something. Rounding is not worth a question.
    best = (value > value.amax(0) - 1e-7).to(torch.int64).argmax(0)
    pick = torch.arange(n_sessions, device=belief.device)
    return Plan(
        torch.stack([plan.items for plan in plans])[best, pick],
        torch.stack([plan.queries for plan in plans])[best, pick],
        value[best, pick],
        torch.stack([plan.click for plan in plans])[best, pick],
    )


def _with_items(
    belief: Tensor,
    ranked: Tensor,
    choices: QueryChoices,
    inside: Tensor | None,
    order: SparseOrder | None,
    allowed: Tensor,
    k: int,
    n: int,
    m: int,
    error_rate: float,
) -> Plan:
    """The list of the k best items and n - k queries, chosen one after the other."""
    n_sessions = belief.shape[0]
    items = torch.where(torch.arange(n, device=belief.device) < k, ranked, -1)
    mass = belief.clone()
    row, column = torch.nonzero(items >= 0, as_tuple=True)
    mass[row, items[row, column]] = 0.0  # a target among the items is clicked, whatever else is in the list
    value = belief.sum(1) - mass.sum(1)
    queries = torch.full((n_sessions, n), -1, dtype=torch.int64, device=belief.device)
    click = belief.new_zeros((n_sessions, n))
    free = allowed & (choices.slot >= 0)
    rows = torch.arange(n_sessions, device=belief.device)
    for place in range(n - k):
        clicked, refused = (
            branch_values_dense(mass, inside, m, error_rate)
            if inside is not None
            else branch_values_sparse(mass, choices, m, error_rate, _ordered(order))
        )
        gain = torch.where(free, clicked + refused, _NOTHING)
        best = gain.argmax(1)
        asks = gain[rows, best] > best_mass(mass, m) + 1e-9
        value = value + torch.where(asks, clicked[rows, best], 0.0)
        queries[:, place] = torch.where(asks, best, -1)
        free[rows, best] &= ~asks
        held = _holds(choices, inside, best, belief.shape[1])
        likely = torch.where(held, 1.0 - error_rate, error_rate)
        click[:, place] = torch.where(asks, (mass * likely).sum(1), 0.0)
        mass = torch.where(asks.unsqueeze(1), mass * (1.0 - likely), mass)
    return Plan(items, queries, value + best_mass(mass, m), click)


def _ordered(order: SparseOrder | None) -> SparseOrder:
    assert order is not None, "the sparse form needs its order"
    return order


def _holds(choices: QueryChoices, inside: Tensor | None, best: Tensor, n_items: int) -> Tensor:
    """bool [B, C]: the items of one choice of each session."""
    rows = torch.arange(best.numel(), device=best.device)
    if inside is not None:
        return inside[rows, best]
    width = choices.slot.shape[1]
    held = torch.zeros((best.numel(), n_items), dtype=torch.bool, device=best.device)
    chosen = best[choices.query // width] == choices.query % width
    held[choices.query[chosen] // width, choices.item[chosen]] = True
    return held
