"""Choosing the queries of a list one after the other: each is asked once those above it are refused."""

from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.agents.bayes.belief import share_of_others
from magus_pyg.agents.bayes.branches import AnswerOdds, BranchOrder, branch_values_dense, branch_values_sparse
from magus_pyg.agents.bayes.choices import QueryChoices

__all__ = ["Asking", "PlanSettings"]


@dataclass(frozen=True)
class PlanSettings:
    """What a plan goes by; see `plan_lists`."""

    n: int
    m: int
    error_rate: float = 0.0
    others: float = 0.0
    exact: bool = False
    beam: int = 1
    min_items: int = 0


class Asking:
    """Lists of R sessions while their queries are chosen: what is left once those above are refused.

    Attributes:
        units: int64 [R, C], the masses of the item slots now.
        items: int64 [R, C], the item slots by falling mass.
        root, root_items: the same before any query.
    """

    def __init__(
        self, choices: QueryChoices, settings: PlanSettings, rows: Tensor, units: Tensor, items: Tensor
    ) -> None:
        self.choices, self.settings, self.rows, self.units, self.items = choices, settings, rows, units, items
        self.width, self.n_items = choices.slot.shape[1], units.shape[1]
        self.root, self.root_items = units, items
        self.choice, self.item = choices.pairs(rows, self.n_items)
        self._values: dict[int, tuple[Tensor, Tensor]] = {}
        self._order: BranchOrder | None = None
        self._answers: AnswerOdds | None = None

    def take(self, index: Tensor) -> "Asking":
        """The chosen sessions, repeats allowed; their values are not kept."""
        taken = Asking(self.choices, self.settings, self.rows[index], self.units[index], self.items[index])
        taken.root, taken.root_items = self.root[index], self.root_items[index]
        taken._answers = self.answers
        if taken._answers.outside is not None:
            taken._answers = AnswerOdds(taken._answers.error_rate, taken._answers.outside[index])
        return taken

    def after(self, units: Tensor, last: bool) -> "Asking":
        """The same sessions with other masses; `last`: nothing more will be asked."""
        following = copy(self)
        following.units = units
        following.items = self.items if last else _reorder(units, self.items, self.answers.outside is None)
        following._values, following._order, following._answers = {}, None, None
        return following

    @property
    def answers(self) -> AnswerOdds:
        """The probabilities of the answers to every choice."""
        if self._answers is None:
            e, others = self.settings.error_rate, self.settings.others
            shape = (self.units.shape[0], self.width)
            outside = None
            if others > 0.0:
                count = torch.bincount(self.choice, minlength=shape[0] * shape[1])
                running = torch.zeros(self.choice.numel() + 1, dtype=torch.int64, device=self.units.device)
                torch.cumsum(self.units.view(-1).index_select(0, self.item), 0, out=running[1:])
                end = count.cumsum(0)
                inside = (running[end] - running[end - count]).view(shape).to(torch.float64)
                share = inside / self.units.sum(1, keepdim=True).clamp(min=1)
                outside = share_of_others(share, others).clamp(min=e, max=1.0 - e)
            elif e > 0.0:
                outside = torch.full(shape, e, dtype=torch.float64, device=self.units.device)
            self._answers = AnswerOdds(e, outside)
        return self._answers

    def values(self, m: int) -> tuple[Tensor, Tensor]:
        """V_m after a click and after a refusal of every choice, [R, G] each."""
        if m not in self._values:
            if self.settings.exact:
                shape = (self.units.shape[0], self.width, self.n_items)
                inside = torch.zeros(shape[0] * shape[1], shape[2], dtype=torch.bool, device=self.units.device)
                inside[self.choice, self.item % self.n_items] = True
                self._values[m] = branch_values_dense(self.units, inside.view(shape), m, self.answers)
            else:
                self._values[m] = branch_values_sparse(self._ordered(), m, self.answers)
        return self._values[m]

    def _ordered(self) -> BranchOrder:
        """The pairs of the items that can be among the best after some answer."""
        if self._order is None:
            e, units = self.settings.error_rate, self.units
            if e > 0.0:
                # An item with less than e / (1 - e) of the m-th best mass is beaten by m others after every answer.
                reach = min(self.settings.m + self.settings.n - 1, self.n_items) - 1
                least = units.gather(1, self.items[:, reach : reach + 1]).to(torch.float64)
                units = torch.where(units < least * (e / (1.0 - e)), 0, units)
            self._order = BranchOrder.of(units, self.items, self.choice, self.item, self.width)
        return self._order

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


def _reorder(units: Tensor, items: Tensor, only_taken_out: bool) -> Tensor:
    """Item slots by falling units, after some units changed."""
    if not only_taken_out:
        return units.argsort(dim=1, descending=True, stable=True)
    # What is left keeps its order and moves to the front.
    live = units.gather(1, items) > 0
    count = live.cumsum(1)
    dead = torch.arange(items.shape[1], device=items.device) - count  # taken out before each place
    place = torch.where(live, count - 1, count[:, -1:] + dead)
    return torch.empty_like(items).scatter_(1, place, items)
