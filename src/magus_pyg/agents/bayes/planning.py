"""Choosing a list for success within the rounds left, and for clicks.

The value of a list is the probability that it holds the item in mind, plus, over the answers, the probability of the
answer times what the belief after it is worth in the rounds to come (`Horizon`), plus what clicks add:

    value(L) = P(item in L) + sum over answers a of V(belief · likelihood(a)) + sum over places b of P(click at b) ·
               (ρ / log2(b + 1) for a query, ρ - σ·(1 - 1 / log2(b + 1)) for an item: `ClickRates`).

With γ = 1 and ρ = 0 an item slot therefore adds only the (m + 1)-th largest probability, m the items that can still be
shown: the items it displaces could have been shown later. Items of a list are clicked before its queries. For every k
from N - 4 (or `min_items`) to N a list is planned as N - k queries, chosen one after the other, each given that those
above are refused, and the k items that are then worth most; the best k counts.
"""

from dataclasses import dataclass
from math import log2

import torch
from torch import Tensor
from torch.nn.functional import pad

from magus_pyg.agents.bayes.asking import Asking, PlanSettings
from magus_pyg.agents.bayes.branches import UNIT, to_units
from magus_pyg.agents.bayes.choices import QueryChoices
from magus_pyg.agents.bayes.horizon import weighted
from magus_pyg.agents.ranking import rank_top

__all__ = ["Plan", "list_order", "plan_lists"]

_NOTHING = -torch.inf
# Beliefs below it are left out of plans: they are what is left of items that answers ruled out.
_LEAST_BELIEF = 1e-8
# Values of lists that differ by less are equal, so that rounding decides nothing: of equals the list with the most
# items, then the query that comes first.
_TOLERANCE = 1e-9
# Sessions are planned together while their pairs (choice, item) stay below it: about 100 MB of working memory.
_PAIRS_AT_ONCE = 2**19
_DENSE_AT_ONCE = 2**23
_TABLE_SHARE = 8  # entries of the tables of a choice that count as a pair
# More queries than that in one list are not weighed: the later ones are hardly ever reached.
_MOST_QUERIES = 4


@dataclass(frozen=True)
class Plan:
    """Lists for B sessions.

    Attributes:
        items: int64 [B, N] item slots, best first, -1 where the list holds a query instead.
        queries: int64 [B, N] choices (columns of `QueryChoices.slot`), in their order, -1 pads.
        value: float64 [B], the value of each list by the formula above.
        click: float64 [B, N], the probability that each query is clicked, where `queries` holds one.
    """

    items: Tensor
    queries: Tensor
    value: Tensor
    click: Tensor


def plan_lists(
    belief: Tensor, choices: QueryChoices, allowed: Tensor, settings: PlanSettings, order: Tensor | None = None
) -> Plan:
    """Plan a list of each session.

    Args:
        belief: floating [B, C], each row summing to at most 1; 0 for items that cannot be shown any more.
        choices: the distinct queries.
        allowed: bool [B, G], the choices not asked yet.
        settings: what the plan goes by.
        order: int64 [B, C], the item slots by falling belief; made where not given.
    """
    n_sessions, n = belief.shape[0], settings.n
    if order is None:
        order = belief.argsort(dim=1, descending=True, stable=True)
    ranked = torch.full((n_sessions, n), -1, dtype=torch.int64, device=belief.device)
    best = order[:, :n]
    ranked[:, : best.shape[1]] = torch.where(belief.gather(1, best) > 0, best, -1)
    units = to_units(torch.where(belief < _LEAST_BELIEF, 0.0, belief))
    planner = _Planner(units, order, choices, allowed, settings)
    plan = planner.items_only(ranked)
    live, reach = (units > 0).sum(1), settings.horizon.reach
    if settings.clicks.place > 0.0:
        asks = live > 0
    elif settings.discount < 1.0:
        asks = (live > n) & (reach > 0)
    else:  # where all items left can be shown anyway, no question is worth a place
        asks = (live > n + reach) & (reach > 0)
    rows = torch.nonzero(asks & (allowed & (choices.slot >= 0)).any(1)).flatten()
    if not rows.numel():
        return plan
    for part in planner.parts(rows):
        _write(plan, part, planner.plan(part, ranked[part]))
    return plan


def list_order(click: Tensor, asked: Tensor, mass: Tensor, shown: Tensor, targets: float) -> Tensor:
    """The order of a list: items by min(1, t·u), the chance that they are one of t targets; queries in their order, by
    the lowest chance of a click so far.

    Args:
        click: floating [B, N], the probability that each query is clicked.
        asked: bool [B, N], where there is a query.
        mass: floating [B, N], u of each item.
        shown: bool [B, N], where there is an item.
        targets: t.

    Returns:
        int64 [B, N] places in the queries and items one after the other, best first, queries before equal items; -1
        where there are fewer.
    """
    # The k-th query never ranks above the one before it.
    value = torch.cat([torch.cummin(click, dim=1).values, (targets * mass).clamp(max=1.0)], 1)
    return rank_top(value, torch.zeros_like(value), torch.cat([asked, shown], 1), click.shape[1])


def _write(plan: Plan, rows: Tensor, part: Plan) -> None:
    plan.items[rows] = part.items
    plan.queries[rows] = part.queries
    plan.value[rows] = part.value
    plan.click[rows] = part.click


_FIELDS = ("items", "queries", "value", "click")


class _Planner:
    """Lists that hold questions; see `plan_lists`. Masses are int64 numbers of units."""

    def __init__(
        self,
        units: Tensor,
        order: Tensor,
        choices: QueryChoices,
        allowed: Tensor,
        settings: PlanSettings,
    ) -> None:
        self.units, self.order, self.choices, self.settings = units, order, choices, settings
        self.n_items, self.width = units.shape[1], choices.slot.shape[1]
        self.allowed = allowed & (choices.slot >= 0)
        self.n, self.horizon, self.clicks = settings.n, settings.horizon, settings.clicks
        self.beam = min(settings.beam, self.width)

    def parts(self, rows: Tensor) -> list[Tensor]:
        """Rows planned together, so that memory is bounded."""
        if self.settings.exact:
            size = max(1, _DENSE_AT_ONCE // (self.beam * self.width * self.n_items))
            return list(torch.split(rows, size))
        # Beside the pairs stand the best items within and outside every choice, as many as a value takes.
        most = min(self.horizon.reach + self.n, self.n_items)
        tables = (self.choices.slot[rows] >= 0).sum(1) * most // _TABLE_SHARE
        group = ((self.choices.lengths[rows] + tables) * self.beam).cumsum(0) // _PAIRS_AT_ONCE
        return list(torch.split(rows, torch.unique(group, return_counts=True)[1].tolist()))

    def plan(self, rows: Tensor, ranked: Tensor) -> Plan:
        """The best list of chosen sessions; `ranked` [R, N] are their likeliest items."""
        counts = range(self.n - 1, max(self.settings.min_items, self.n - _MOST_QUERIES) - 1, -1)
        asking = Asking(self.choices, self.settings, rows, self.units[rows], self.order[rows], counts)
        plans = [self.items_only(ranked, rows)]
        plans += [self._with_items(asking, self.allowed[rows], k) for k in counts]
        value = torch.stack([plan.value for plan in plans])
        # The first of equals has the most items: a query must be worth something.
        best = (value > value.amax(0) - _TOLERANCE).to(torch.int64).argmax(0)
        pick = torch.arange(rows.numel(), device=rows.device)
        return Plan(*(torch.stack([getattr(plan, name) for plan in plans])[best, pick] for name in _FIELDS))

    def items_only(self, ranked: Tensor, rows: Tensor | None = None) -> Plan:
        """The likeliest items of all sessions, or of chosen ones."""
        units, order = (self.units, self.order) if rows is None else (self.units[rows], self.order[rows])
        best = pad(units.gather(1, order[:, : self.n + self.horizon.reach]).cumsum(1), (1, 0))
        value = self.horizon.value(best, self.n).to(torch.float64)
        queries = torch.full_like(ranked, -1)
        click = value.new_zeros(ranked.shape)
        value = (value + self._click_value(queries, click, ranked, units)) / UNIT
        return Plan(ranked, queries, value, click)

    def _click_value(self, queries: Tensor, click: Tensor, items: Tensor, units: Tensor) -> Tensor | float:
        """What clicks add to the value of finished lists, float64 [R] units; `click` in units."""
        if not self.clicks.place or not units.shape[1]:
            return 0.0
        mass = torch.where(items >= 0, units.gather(1, items.clamp(min=0)), 0).to(torch.float64)
        place = list_order(click / UNIT, queries >= 0, mass / UNIT, items >= 0, self.settings.targets)
        chance = torch.where(place >= 0, torch.cat([click, mass], 1).gather(1, place.clamp(min=0)), 0.0)
        depth = torch.log2(torch.arange(2, self.n + 2, dtype=torch.float64, device=units.device))
        chance = chance * torch.where(place < self.n, self.clicks.place / depth, self.clicks.item(depth))
        return weighted([(chance[:, b], 1.0) for b in range(self.n)])

    def _with_items(self, asking: Asking, free: Tensor, k: int) -> Plan:
        """The list of n - k queries, chosen one after the other, and the k items that are then worth most.

        While the queries are chosen the k items are places that one of the answers gets beside its rounds to come.
        """
        n_rows, beam = free.shape[0], 1
        going: Tensor | bool = True  # after a place without a query worth asking there is none
        begun = free.new_ones(n_rows)  # the lists that have a first query
        earlier = free.new_zeros((2, n_rows), dtype=torch.float64)  # of the clicks so far, with 0 and with k places
        queries: list[Tensor] = []
        clicks: list[Tensor] = []
        for place in range(self.n - k):
            values = [asking.values(0), asking.values(k)]
            clicked, refused = [value[0] for value in values], [value[1] for value in values]
            total = torch.maximum(
                earlier[1].unsqueeze(1) + clicked[0] + refused[0],
                earlier[0].unsqueeze(1) + torch.maximum(clicked[1] + refused[0], clicked[0] + refused[1]),
            )
            if self.clicks.place:
                total = total + asking.click_mass() * (self.clicks.place / log2(place + 2))
            total = torch.where(free, total, _NOTHING)
            if place == 0 and self.n - k > 1 and self.beam > 1:
                beam = self.beam
                owner = torch.arange(n_rows, device=free.device).repeat_interleave(beam)
                best = _first_few(total, beam).view(-1)
                asking, free, earlier = asking.take(owner, (k,)), free[owner], earlier[:, owner]
                clicked, refused = [part[owner] for part in clicked], [part[owner] for part in refused]
                total = total[owner]
                begun = total.gather(1, best.unsqueeze(1)).squeeze(1) > _NOTHING  # there may be fewer than the beam
            else:
                best = _first_few(total, 1).view(-1)
            column = best.unsqueeze(1)
            none = torch.maximum(earlier[1] + asking.value(0), earlier[0] + asking.value(k))
            asks = (total.gather(1, column).squeeze(1) > none + _TOLERANCE * UNIT) & going
            going = asks
            yes, no = asking.split(best, asks)
            gained = [torch.where(asks, part.gather(1, column).squeeze(1), 0).to(torch.float64) for part in clicked]
            earlier = torch.stack(
                [earlier[0] + gained[0], torch.maximum(earlier[1] + gained[0], earlier[0] + gained[1])]
            )
            queries.append(torch.where(asks, best, -1))
            clicks.append(yes)
            free = free & ~(column == torch.arange(self.width, device=free.device))
            asking = asking.after(no, place == self.n - k - 1, (k,))
        plan = self._place_items(asking, queries, clicks, k)
        if beam == 1:
            return plan
        value = torch.where(begun, plan.value, _NOTHING).view(n_rows, beam)
        best = _first_few(value * UNIT, 1).view(-1)
        best = best + torch.arange(n_rows, device=free.device) * beam
        return Plan(*(getattr(plan, name)[best] for name in _FIELDS))

    def _place_items(self, asking: Asking, queries: list[Tensor], clicks: list[Tensor], k: int) -> Plan:
        """Choose k items one after the other, each worth most beside what comes after every answer."""
        n_rows, device = asking.units.shape[0], asking.units.device
        rows = torch.arange(n_rows, device=device)
        items = torch.full((n_rows, self.n), -1, dtype=torch.int64, device=device)
        asked = torch.full((n_rows, self.n), -1, dtype=torch.int64, device=device)
        asked[:, : len(queries)] = torch.stack(queries, 1)
        left = torch.stack([*clicks, asking.units])  # [answers, R, C]
        whole = asking.root.clone()
        later = self.horizon.sums(0)
        # The masses that the sums take after each answer, and as many as the items that will be taken out.
        best = left.topk(min(self.horizon.reach + k, self.n_items), dim=2).values if later else left[:, :, :0]
        best = pad(best, (0, max(self.horizon.reach + k + 1 - best.shape[2], 0)))
        ranked = best.cumsum(2)
        value = weighted([(ranked[:, :, m - 1].sum(0), factor) for m, factor in later]) if later else rows * 0
        for place in range(k):
            gain = whole
            if later:
                # An item taken out of the m best of an answer makes room for the next one.
                lost = [((left - best[:, :, m : m + 1]).clamp(min=0).sum(0), factor) for m, factor in later]
                gain = whole - weighted(lost)
            worth = gain if not self.clicks.place else gain + self._item_clicks(asked, left, items, asking.root)
            # A click far down that ends the session may be worth less than none.
            worth = torch.where(whole > 0, worth, _NOTHING if self.clicks.place else -1)
            worth = worth.gather(1, asking.root_items).to(torch.float64)
            chosen = asking.root_items[rows, _first_few(worth, 1).view(-1)]
            shows = whole[rows, chosen] > 0
            value = value + torch.where(shows, gain[rows, chosen], 0)
            items[:, place] = torch.where(shows, chosen, -1)
            if later and place < k - 1:
                best = _without(best, left[:, rows, chosen])
            whole[rows, chosen] = 0
            left[:, rows, chosen] = 0
        click = torch.zeros((n_rows, self.n), dtype=torch.float64, device=device)
        click[:, : len(clicks)] = left[:-1].sum(2).T
        value = value.to(torch.float64) + self._click_value(asked, click, items, asking.root)
        return Plan(items, asked, value / UNIT, click / UNIT)

    def _item_clicks(self, asked: Tensor, left: Tensor, items: Tensor, units: Tensor) -> Tensor:
        """What the click on every item would add in its place of the list, beside what was chosen: float64 [R, C]."""

        def rank(mass: Tensor) -> Tensor:
            return (self.settings.targets * mass.to(torch.float64)).clamp(max=UNIT)

        own = rank(units)
        above = torch.zeros_like(own)
        clicks = torch.cummin(left[:-1].sum(2).to(torch.float64), dim=0).values
        for number, click in enumerate(clicks):
            above += (asked[:, number : number + 1] >= 0) & (click.unsqueeze(1) >= own)
        for place in range(self.n):
            item = items[:, place : place + 1]
            above += (item >= 0) & (rank(units.gather(1, item.clamp(min=0))) >= own)
        return units.to(torch.float64) * self.clicks.item(torch.log2(above + 2.0))


def _without(best: Tensor, mass: Tensor) -> Tensor:
    """Falling masses [A, R, S] without one of the given masses [A, R], where it is among them: [A, R, S - 1]."""
    gone = (best > mass.unsqueeze(2)).sum(2, keepdim=True)
    place = torch.arange(best.shape[2] - 1, device=best.device).expand(*best.shape[:2], -1)
    return best.gather(2, place + (place >= gone))


def _first_few(gain: Tensor, n: int) -> Tensor:
    """int64 [R, n]: the best columns of each row; of those within the tolerance of the best the first."""
    if n == 1:
        return (gain >= gain.amax(1, keepdim=True) - _TOLERANCE * UNIT).to(torch.int64).argmax(1, keepdim=True)
    column = torch.arange(gain.shape[1], device=gain.device)
    step = _TOLERANCE * UNIT
    return torch.where(gain > _NOTHING, (gain / step).round() * step - column, gain).topk(n, dim=1).indices
