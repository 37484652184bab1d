"""Choosing the queries of a list one after the other: each is asked once those above it are refused."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from magus_pyg.agents.bayes.belief import share_of_others
from magus_pyg.agents.bayes.branches import AnswerOdds, BranchOrder, branch_values_dense, branch_values_sparse
from magus_pyg.agents.bayes.choices import QueryChoices
from magus_pyg.agents.bayes.horizon import ClickRates, Horizon, weighted

__all__ = ["Asking", "PlanSettings", "falling"]

_SLOTS = 1 << 12
"""So many slots have numbers that fit into a key beside `UNIT`."""


@dataclass(frozen=True)
class PlanSettings:
    """What a plan goes by.

    Attributes:
        n: N, the length of a list.
        rounds: r, the rounds after this one.
        error_rate: e, the share of wrong answers to queries.
        others: expected number of other targets, for which a query can be clicked too (`share_of_others`).
        discount: γ of `Horizon`.
        clicks: what clicks add to the value.
        targets: t, the mean number of targets: an item stands in a list by min(1, t·u).
        exact: value choices by `branch_values_dense` (B·G·C), not by `branch_values_sparse`; the values are the same.
        beam: how many first queries of a list are tried with the best that can follow them.
        min_items: only lists with at least so many places for items are planned.
    """

    n: int
    rounds: int
    error_rate: float = 0.0
    others: float = 0.0
    discount: float = 1.0
    clicks: ClickRates = field(default_factory=ClickRates)
    targets: float = 1.0
    exact: bool = False
    beam: int = 1
    min_items: int = 0

    @cached_property
    def horizon(self) -> Horizon:
        """The rounds after the list."""
        return Horizon(self.n, self.rounds, self.discount)


class Asking:
    """Lists of R sessions while their queries are chosen: what is left once those above are refused.

    Attributes:
        units: int64 [R, C], the masses of the item slots now.
        items: int64 [R, C], the item slots by falling mass.
        root, root_items: the same before any query.
        places: the numbers of items in lists for which values will be asked for, beside 0.
    """

    def __init__(
        self,
        choices: QueryChoices,
        settings: PlanSettings,
        rows: Tensor,
        units: Tensor,
        items: Tensor,
        places: Sequence[int],
    ) -> None:
        self.choices, self.settings, self.rows, self.units, self.items = choices, settings, rows, units, items
        self.places = tuple(places)
        self.width, self.n_items = choices.slot.shape[1], units.shape[1]
        self.root, self.root_items = units, items
        self.choice, self.item = choices.pairs(rows, self.n_items)
        self._sums: dict[int, tuple[Tensor, Tensor]] = {}
        self._answers: AnswerOdds | None = None
        self._held_mass: Tensor | None = None
        self._best: Tensor | None = None

    def take(self, index: Tensor, places: Sequence[int]) -> "Asking":
        """The chosen sessions, repeats allowed; their values are not kept."""
        taken = Asking(self.choices, self.settings, self.rows[index], self.units[index], self.items[index], places)
        taken.root, taken.root_items = self.root[index], self.root_items[index]
        taken._answers, taken._held_mass = self.answers, None if self._held_mass is None else self._held_mass[index]
        if taken._answers.outside is not None:
            taken._answers = AnswerOdds(taken._answers.error_rate, taken._answers.outside[index])
        return taken

    def after(self, units: Tensor, last: bool, places: Sequence[int]) -> "Asking":
        """The same sessions with other masses; `last`: nothing more will be asked."""
        following = copy(self)
        following.units, following.places = units, tuple(places)
        following.items = self.items if last else _reorder(units, self.items, self.answers.outside is None)
        following._sums, following._answers, following._held_mass, following._best = {}, None, None, None
        return following

    @property
    def held_mass(self) -> Tensor:
        """int64 [R, G]: the mass of every choice."""
        if self._held_mass is None:
            shape = (self.units.shape[0], self.width)
            count = torch.bincount(self.choice, minlength=shape[0] * shape[1])
            running = torch.zeros(self.choice.numel() + 1, dtype=torch.int64, device=self.units.device)
            torch.cumsum(self.units.view(-1).index_select(0, self.item), 0, out=running[1:])
            end = count.cumsum(0)
            self._held_mass = (running[end] - running[end - count]).view(shape)
        return self._held_mass

    @property
    def answers(self) -> AnswerOdds:
        """The probabilities of the answers to every choice."""
        if self._answers is None:
            e, others = self.settings.error_rate, self.settings.others
            outside = None
            if others > 0.0:
                share = self.held_mass.to(torch.float64) / self.units.sum(1, keepdim=True).clamp(min=1)
                outside = share_of_others(share, others).clamp(min=e, max=1.0 - e)
            elif e > 0.0:
                outside = torch.full(
                    (self.units.shape[0], self.width), e, dtype=torch.float64, device=self.units.device
                )
            self._answers = AnswerOdds(e, outside)
        return self._answers

    def click_mass(self) -> Tensor:
        """float64 [R, G]: the mass of a click on every choice."""
        inside, outside = self.held_mass.to(torch.float64), self.answers.outside
        if outside is None:
            return inside
        rest = self.units.sum(1, keepdim=True) - self.held_mass
        return (1.0 - self.answers.error_rate) * inside + outside * rest

    def value(self, places: int) -> Tensor:
        """V^(k) of what is left, [R]; k as of `values`."""
        horizon = self.settings.horizon
        if self._best is None:
            likely = self.items[:, : horizon.reach + max(self.places)]
            self._best = pad(self.units.gather(1, likely).cumsum(1), (1, 0))
        return horizon.value(self._best, places)

    def values(self, places: int) -> tuple[Tensor, Tensor]:
        """V^(k) after a click and after a refusal of every choice, [R, G] each; k is 0 or one of `places`."""
        if not self._sums:
            self._sums = self._make_sums()
        sums = self.settings.horizon.sums(places)
        if not sums:
            nothing = torch.zeros((self.units.shape[0], self.width), dtype=torch.int64, device=self.units.device)
            return nothing, nothing
        clicked, refused = (weighted([(self._sums[m][answer], factor) for m, factor in sums]) for answer in (0, 1))
        return clicked, refused

    def _make_sums(self) -> dict[int, tuple[Tensor, Tensor]]:
        """V_m after a click and after a refusal of every choice, for every m that some V^(k) takes."""
        horizon = self.settings.horizon
        sizes = sorted({m for places in (0, *self.places) for m, _ in horizon.sums(places)})
        if not sizes:
            return {}
        if self.settings.exact:
            shape = (self.units.shape[0], self.width, self.n_items)
            inside = torch.zeros(shape[0] * shape[1], shape[2], dtype=torch.bool, device=self.units.device)
            inside[self.choice, self.item % self.n_items] = True
            return {m: branch_values_dense(self.units, inside.view(shape), m, self.answers) for m in sizes}
        e, units = self.settings.error_rate, self.units
        if e > 0.0:
            # An item with less than e / (1 - e) of the m-th best mass is beaten by m others after every answer.
            reach = min(sizes[-1], self.n_items) - 1
            least = units.gather(1, self.items[:, reach : reach + 1]).to(torch.float64)
            units = torch.where(units < least * (e / (1.0 - e)), 0, units)
        order = BranchOrder.of(units, self.items, self.choice, self.item, self.width, sizes[-1])
        return dict(zip(sizes, branch_values_sparse(order, sizes, self.answers), strict=True))

    def split(self, column: Tensor, asks: Tensor) -> tuple[Tensor, Tensor]:
        """Masses after a click and after a refusal of one choice of each session, by its column [R]."""
        held = self._held(column)
        e, outside = self.answers.error_rate, self.answers.outside
        if outside is None:
            clicked = torch.where(held, self.units, 0)
        else:
            fails = outside.gather(1, column.unsqueeze(1))
            clicked = (self.units * torch.where(held, 1.0 - e, fails)).round().to(torch.int64)
        clicked = torch.where(asks.unsqueeze(1), clicked, 0)
        return clicked, self.units - clicked

    def _held(self, column: Tensor) -> Tensor:
        """bool [R, C]: the items of one choice of each session."""
        size, width = self.n_items, self.width
        flat = torch.arange(column.numel(), device=column.device) * width + column
        first, end = (torch.searchsorted(self.choice, flat, right=right) for right in (False, True))
        length = end - first
        shift = (first - (length.cumsum(0) - length)).repeat_interleave(length)
        held = torch.zeros(column.numel() * size, dtype=torch.bool, device=column.device)
        held[self.item[shift + torch.arange(shift.numel(), device=column.device)]] = True
        return held.view(column.numel(), size)


def falling(units: Tensor) -> Tensor:
    """Item slots by falling units, int64 [R, C] of at most `UNIT` each; of equals the lower first."""
    size = units.shape[1]
    if units.device.type != "cpu" or size > _SLOTS:
        return units.argsort(dim=1, descending=True, stable=True)
    # No two keys are equal, so they can be sorted by vector instructions, which keep no order.
    key = torch.arange(size) - units * _SLOTS
    return torch.from_numpy(np.sort(key.numpy(), axis=1)) & (_SLOTS - 1)


def _reorder(units: Tensor, items: Tensor, only_taken_out: bool) -> Tensor:
    """Item slots by falling units, after some units changed."""
    if not only_taken_out:
        return falling(units)
    # What is left keeps its order and moves to the front.
    live = units.gather(1, items) > 0
    count = live.cumsum(1)
    dead = torch.arange(items.shape[1], device=items.device) - count  # taken out before each place
    place = torch.where(live, count - 1, count[:, -1:] + dead)
    return torch.empty_like(items).scatter_(1, place, items)
