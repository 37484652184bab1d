"""Choosing a list for success within the rounds left.

After this round `m` more items can be shown. The value of a list is the probability that it holds the item in mind,
plus, over the answers, the probability of the answer times the mass of the best m items after it:

    value(L) = P(item in L) + sum over answers a of V_m(belief · likelihood(a)),   V_m(u) = sum of the m largest of u.

An item slot therefore adds only the (m + 1)-th largest probability: the items it displaces could have been shown
later. Items of a list are clicked before its queries. For every k of 0..N a list is planned as N - k queries, chosen
one after the other, each given that those above are refused, and the k items that are then worth most; the best k
counts.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.agents.bayes.asking import Asking, PlanSettings
from magus_pyg.agents.bayes.branches import UNIT, best_mass, to_units
from magus_pyg.agents.bayes.choices import QueryChoices

__all__ = ["Plan", "plan_lists"]

_NOTHING = -torch.inf
# Beliefs below it are left out of plans: they are what is left of items that answers ruled out.
_LEAST_BELIEF = 1e-8
# Values of lists that differ by less are equal, so that rounding decides nothing: of equals the list with the most
# items, then the query that comes first.
_TOLERANCE = 1e-9
# Sessions are planned together while their pairs (choice, item) stay below it: about 100 MB of working memory.
_PAIRS_AT_ONCE = 2**19
_DENSE_AT_ONCE = 2**23
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
    belief: Tensor,
    choices: QueryChoices,
    allowed: Tensor,
    n: int,
    m: int,
    error_rate: float = 0.0,
    others: float = 0.0,
    exact: bool = False,
    order: Tensor | None = None,
    beam: int = 1,
    min_items: int = 0,
) -> Plan:
    """Plan a list of each session.

    Args:
        belief: floating [B, C], each row summing to at most 1; 0 for items that cannot be shown any more.
        choices: the distinct queries.
        allowed: bool [B, G], the choices not asked yet.
        n: N, the length of a list.
        m: how many items can be shown in the rounds after this one.
        error_rate: e, the share of wrong answers to queries.
        others: expected number of other targets, for which a query can be clicked too (`share_of_others`).
        exact: value choices by `branch_values_dense` (B·G·C), not by `branch_values_sparse`; the values are the same.
        order: int64 [B, C], the item slots by falling belief; made where not given.
        beam: how many first queries of a list are tried with the best that can follow them.
        min_items: only lists with at least so many places for items are planned.
    """
    n_sessions = belief.shape[0]
    if order is None:
        order = belief.argsort(dim=1, descending=True, stable=True)
    ranked = torch.full((n_sessions, n), -1, dtype=torch.int64, device=belief.device)
    best = order[:, :n]
    ranked[:, : best.shape[1]] = torch.where(belief.gather(1, best) > 0, best, -1)
    units = to_units(torch.where(belief < _LEAST_BELIEF, 0.0, belief))
    queries = torch.full_like(ranked, -1)
    value = best_mass(units, n + max(m, 0)).to(torch.float64) / UNIT
    plan = Plan(ranked, queries, value, value.new_zeros(ranked.shape))
    # Where all items left can be shown anyway, no question is worth a place.
    asks = ((units > 0).sum(1) > n + m) & (allowed & (choices.slot >= 0)).any(1) & (m > 0)
    rows = torch.nonzero(asks).flatten()
    if not rows.numel():
        return plan
    settings = PlanSettings(n, m, error_rate, others, exact, beam, min_items)
    planner = _Planner(units, order, choices, allowed, settings)
    for part in planner.parts(rows):
        _write(plan, part, planner.plan(part))
    return plan


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
        self.n, self.m, self.beam = settings.n, settings.m, min(settings.beam, self.width)

    def parts(self, rows: Tensor) -> list[Tensor]:
        """Rows planned together, so that memory is bounded."""
        if self.settings.exact:
            size = max(1, _DENSE_AT_ONCE // (self.beam * self.width * self.n_items))
            return list(torch.split(rows, size))
        group = (self.choices.lengths[rows] * self.beam).cumsum(0) // _PAIRS_AT_ONCE
        return list(torch.split(rows, torch.unique(group, return_counts=True)[1].tolist()))

    def plan(self, rows: Tensor) -> Plan:
        """The best list of chosen sessions."""
        asking = Asking(self.choices, self.settings, rows, self.units[rows], self.order[rows])
        plans = [self._items_only(asking)]
        fewest = max(self.settings.min_items, self.n - _MOST_QUERIES)
        plans += [self._with_items(asking, self.allowed[rows], k) for k in range(self.n - 1, fewest - 1, -1)]
        value = torch.stack([plan.value for plan in plans])
        # The first of equals has the most items: a query must be worth something.
        best = (value > value.amax(0) - _TOLERANCE).to(torch.int64).argmax(0)
        pick = torch.arange(rows.numel(), device=rows.device)
        return Plan(*(torch.stack([getattr(plan, name) for plan in plans])[best, pick] for name in _FIELDS))

    def _items_only(self, asking: Asking) -> Plan:
        shown = asking.items[:, : self.n]
        value = best_mass(asking.units, self.n + self.m).to(torch.float64) / UNIT
        return Plan(shown, torch.full_like(shown, -1), value, value.new_zeros(shown.shape))

    def _with_items(self, asking: Asking, free: Tensor, k: int) -> Plan:
        """The list of n - k queries, chosen one after the other, and the k items that are then worth most.

        While the queries are chosen the k items are places that one of the answers gets beside its m.
        """
        n_rows, beam = free.shape[0], 1
        earlier = free.new_zeros((2, n_rows), dtype=torch.float64)  # of the clicks so far, with 0 and with k places
        queries: list[Tensor] = []
        clicks: list[Tensor] = []
        for place in range(self.n - k):
            values = [asking.values(self.m), asking.values(self.m + k)]
            clicked, refused = [value[0] for value in values], [value[1] for value in values]
            total = torch.maximum(
                earlier[1].unsqueeze(1) + clicked[0] + refused[0],
                earlier[0].unsqueeze(1) + torch.maximum(clicked[1] + refused[0], clicked[0] + refused[1]),
            )
            total = torch.where(free, total, _NOTHING)
            if place == 0 and self.n - k > 1 and self.beam > 1:
                beam = self.beam
                owner = torch.arange(n_rows, device=free.device).repeat_interleave(beam)
                best = _first_few(total, beam).view(-1)
                asking, free, earlier = asking.take(owner), free[owner], earlier[:, owner]
                clicked, refused = [part[owner] for part in clicked], [part[owner] for part in refused]
                total = total[owner]
            else:
                best = _first_few(total, 1).view(-1)
            column = best.unsqueeze(1)
            none = torch.maximum(
                earlier[1] + best_mass(asking.units, self.m), earlier[0] + best_mass(asking.units, self.m + k)
            )
            asks = total.gather(1, column).squeeze(1) > none + _TOLERANCE * UNIT
            yes, no = asking.split(best, asks)
            gained = [torch.where(asks, part.gather(1, column).squeeze(1), 0).to(torch.float64) for part in clicked]
            earlier = torch.stack(
                [earlier[0] + gained[0], torch.maximum(earlier[1] + gained[0], earlier[0] + gained[1])]
            )
            queries.append(torch.where(asks, best, -1))
            clicks.append(yes)
            free = free & ~(column == torch.arange(self.width, device=free.device))
            asking = asking.after(no, last=place == self.n - k - 1)
        plan = self._place_items(asking, queries, clicks, k)
        if beam == 1:
            return plan
        best = _first_few(plan.value.view(n_rows, beam) * UNIT, 1).view(-1)
        best = best + torch.arange(n_rows, device=free.device) * beam
        return Plan(*(getattr(plan, name)[best] for name in _FIELDS))

    def _place_items(self, asking: Asking, queries: list[Tensor], clicks: list[Tensor], k: int) -> Plan:
        """Choose k items one after the other, each worth most beside the m best after every answer."""
        n_rows = asking.units.shape[0]
        device = asking.units.device
        rows = torch.arange(n_rows, device=device)
        items = torch.full((n_rows, self.n), -1, dtype=torch.int64, device=device)
        left = torch.stack([*clicks, asking.units])  # [answers, R, C]
        whole = asking.root.clone()
        value = best_mass(left, self.m).sum(0)
        for place in range(k):
            # An item taken out of the m best of an answer makes room for the next one.
            following = left.topk(self.m + 1, dim=2).values[:, :, self.m :]
            gain = torch.where(whole > 0, whole - (left - following).clamp(min=0).sum(0), -1)
            ordered = gain.gather(1, asking.root_items).to(torch.float64)
            best = asking.root_items[rows, _first_few(ordered, 1).view(-1)]
            shows = whole[rows, best] > 0
            value = value + torch.where(shows, gain[rows, best], 0)
            items[:, place] = torch.where(shows, best, -1)
            whole[rows, best] = 0
            left[:, rows, best] = 0
        padding = [queries[0].new_full((n_rows,), -1)] * (self.n - len(queries))
        click = torch.zeros((n_rows, self.n), dtype=torch.float64, device=device)
        click[:, : len(clicks)] = left[:-1].sum(2).T / UNIT
        return Plan(items, torch.stack([*queries, *padding], 1), value.to(torch.float64) / UNIT, click)


def _first_few(gain: Tensor, n: int) -> Tensor:
    """int64 [R, n]: the best columns of each row; of those within the tolerance of the best the first."""
    if n == 1:
        return (gain >= gain.amax(1, keepdim=True) - _TOLERANCE * UNIT).to(torch.int64).argmax(1, keepdim=True)
    column = torch.arange(gain.shape[1], device=gain.device)
    step = _TOLERANCE * UNIT
    return torch.where(gain > _NOTHING, (gain / step).round() * step - column, gain).topk(n, dim=1).indices
