"""MAGUS over a whole catalogue with unit weights: a shared order of all nodes and a few changes a person.

Eq. (6) is affine, so it changes no order; and with unit weights Eq. (9) moves all nodes by the same step, except those
that some item contains together with the answered node. So a session holds the answers alone: the scores of
untouched nodes stay those of the `Guess` but for one offset, and those of touched nodes are made from the answers when
they are needed. Values are kept unscaled: a step of 1 in Eq. (9) is one span of the scores at its time.
"""

from copy import copy
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from magus_pyg.agents.magus_options import Refusals
from magus_pyg.online.catalogue.first_guess import Guess, best_nodes, keep_items, order_nodes
from magus_pyg.online.node_play import NodePlay
from magus_pyg.simulation.answers import AnsweredList

__all__ = ["SparsePlay", "Switches"]


@dataclass(frozen=True)
class Switches:
    """How answers move scores; see `MagusOptions`.

    Attributes:
        list_length: N.
        refusals: what refused nodes do.
        clamp: Eq. (9) as printed, bounded to [0, 1].
        min_items: the fewest items of a list.
    """

    list_length: int
    refusals: Refusals
    clamp: bool = False
    min_items: int = 1


@dataclass(frozen=True)
class _Step:
    """An answer's part in Eq. (9).

    Attributes:
        node: the answered node u.
        size: what the wholes of u receive, in unscaled values.
        inhibits: whether all nodes that u inhibits receive -size.
    """

    node: int
    size: float
    inhibits: bool


class SparsePlay(NodePlay):
    """A person's session on a shared guess.

    Args:
        guess: the first guess; not changed.
        switches: how answers move scores; `clamp` is not affine, so it is not possible here.
    """

    def __init__(self, guess: Guess, switches: Switches) -> None:
        assert not switches.clamp, "bounds are not affine: see DensePlay"
        self.guess, self.index, self.switches = guess, guess.index, switches
        self.steps: list[_Step] = []
        self.offset = 0.0  # what all nodes received that no step treats apart
        nothing = torch.zeros(0, dtype=torch.int64, device=self.index.device)
        self.shown = nothing  # not shown again
        self.held, self.held_value = nothing, guess.y[nothing]  # the nodes that Eq. (8) set, and their values
        self.low, self.span = 0.0, 1.0  # of Eq. (6)
        self.scaled = False  # whether they are those of the present scores

    @property
    def listens(self) -> bool:
        """Words are taken in."""
        return True

    def copy(self) -> Self:
        """The session as it is now."""
        return copy(self)

    def recommend(self) -> Tensor:
        """The next list; see `NodePlay`."""
        n = self.switches.list_length
        # Nodes that were shown but not set are among the others still: as many more are looked at.
        best, touched, values = self._look(n + self.shown.numel() - self.held.numel())
        if self.shown.numel():
            best = best[~torch.isin(best, self.shown)]
            values = torch.where(torch.isin(touched, self.shown), -torch.inf, values)
        some = best_nodes(values, n)
        nodes = torch.cat([best, touched[some]])
        value = torch.cat([self.guess.y[best] + self.offset, values[some]])
        chosen = order_nodes(self.guess, nodes, value)[:n]
        return keep_items(
            self.guess, chosen, self.switches.min_items, lambda lack: self._next_items(lack, chosen, touched, values)
        )

    def _next_items(self, n: int, chosen: Tensor, touched: Tensor, values: Tensor) -> Tensor:
        """The n best items that are neither shown nor chosen, of the untouched and the touched ones."""
        untouched = self.guess.next_items(n, torch.cat([self.shown, self.held, touched, chosen]))
        inside = (touched < self.index.n_items) & ~torch.isin(touched, chosen)
        touched, values = touched[inside], values[inside]
        some = best_nodes(values, n)
        nodes = torch.cat([untouched, touched[some]])
        return order_nodes(self.guess, nodes, torch.cat([self.guess.y[untouched] + self.offset, values[some]]))[:n]

    def scale(self) -> None:
        """Eq. (6); see `NodePlay`."""
        if not self.scaled:
            self._look(1)

    def _look(self, n: int) -> tuple[Tensor, Tensor, Tensor]:
        """The n best nodes that no step treats apart, those that some does, and the values of these; scales."""
        apart = [self._apart(step) for step in self.steps]
        with self.index.scratch:
            touched, change = self._touched(apart)
            if self.held.numel():
                free = ~torch.isin(touched, self.held)
                touched, change = touched[free], change[free]
            values = self.guess.y[touched] + change
            marks = self.index.marks
            marks[touched] = True
            marks[self.held] = True
            best, ends = self._untouched(n)
            marks[touched] = False
            marks[self.held] = False
        inner = torch.stack(torch.aminmax(values)) if values.numel() else values
        self._scale(torch.cat([ends, self.held_value, inner]))
        return best, touched, values

    def _touched(self, apart: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """The nodes that some step treats apart (as of `_apart`), and the whole change of each since the guess."""
        sums, marks = self.index.sums, self.index.marks
        parts = []
        for node, change in apart:
            sums[node] += change
            parts.append(node[~marks[node]])
            marks[node] = True
        if not parts:
            return self.shown[:0], self.held_value[:0]
        nodes = torch.cat(parts)
        change = sums[nodes] + self.offset
        sums[nodes] = 0.0
        marks[nodes] = False
        return nodes, change

    def _apart(self, step: _Step) -> tuple[Tensor, Tensor]:
        """The nodes that a step treats apart, ascending, and what they receive beyond all others (Eq. 9).

        Where a step lowers what u inhibits, all receive -size: the nodes compatible with u get that back, and those
        that contain u get +size.
        """
        touch = self.index.touch(step.node, self.guess.active)
        if step.inhibits:
            return touch.node, step.size * (1.0 + touch.is_whole.to(torch.float64))
        node = touch.node[touch.is_whole]
        return node, torch.full(node.shape, step.size, dtype=torch.float64, device=node.device)

    def _untouched(self, n: int) -> tuple[Tensor, Tensor]:
        """The n best nodes that are not marked, and the highest and the lowest value of those that are not marked."""
        guess, marks = self.guess, self.index.marks
        best = guess.best[~marks[guess.best]][:n]
        if self.shown.numel():
            worst = guess.worst[~marks[guess.worst]][:1]
            ends, reaches = guess.y[torch.cat([best[:1], worst])] + self.offset, worst.numel() > 0
        else:  # nothing is marked and nothing has moved: the worst nodes need no order yet
            ends, reaches = guess.extremes, True
        if reaches and best.numel() >= n:
            return best, ends
        # The ends that the guess keeps in order do not reach far enough.
        rest = torch.nonzero(~marks if guess.active is None else guess.active & ~marks).flatten()
        values = guess.y[rest]
        some = best_nodes(values, n)
        ends = torch.stack(torch.aminmax(values)) + self.offset if rest.numel() else values
        return order_nodes(guess, rest[some], values[some])[:n], ends

    def _scale(self, ends: Tensor) -> None:
        """Eq. (6): it changes no order, but a step of Eq. (9) is one span of the scores."""
        low, high = float(ends.min()), float(ends.max())
        # Where all are equal they become zeros, and a step is 1.
        self.low, self.span, self.scaled = low, (high - low) if high > low else 1.0, True

    def update(self, answer: AnsweredList) -> None:
        """Take in an answer; see `NodePlay`."""
        self.scale()
        refusals = self.switches.refusals
        yes, no = answer.split(self.index.n_items, refusals.all_refused)
        steps = [_Step(node, self.span, inhibits=True) for node in yes]
        if refusals.weight:
            steps += [_Step(node, -refusals.weight * self.span, refusals.inhibits) for node in no]
        # Eq. (8); the nodes that it sets now receive nothing in this round.
        new = torch.tensor([*yes, *no], dtype=torch.int64, device=self.held.device)
        value = torch.full(new.shape, self.low, dtype=torch.float64, device=new.device)
        value[: len(yes)] += self.span
        self._send(steps, new, value, torch.tensor(answer.shown, dtype=torch.int64, device=self.held.device))

    def tell(self, node: int, liked: bool) -> None:
        """Eq. (9) with a smaller step; see `NodePlay` and `MagusAgent`."""
        self.scale()
        weight, inhibits = self.switches.refusals.told(liked)
        place = torch.tensor([node], device=self.held.device)
        own = self._unscaled(place)
        kept = self.held != node
        self.held, self.held_value = self.held[kept], self.held_value[kept]
        self._send([_Step(node, weight * self.span, inhibits)], place, own, place)

    def _send(self, steps: list[_Step], new: Tensor, value: Tensor, shown: Tensor) -> None:
        """Take in steps, then hold new nodes at values of their own; `shown` do not return."""
        for step in steps:
            self.held_value = self.held_value + self._received(step, self.held)
            if step.inhibits:
                self.offset -= step.size
        self.steps = [*self.steps, *steps]
        self.held, self.held_value = torch.cat([self.held, new]), torch.cat([self.held_value, value])
        self.shown, self.scaled = torch.cat([self.shown, shown]), False

    def _received(self, step: _Step, nodes: Tensor) -> Tensor:
        """float64: what a step gives to chosen nodes."""
        apart, change = self._apart(step)
        common = -step.size if step.inhibits else 0.0
        if not apart.numel():
            return torch.full(nodes.shape, common, dtype=torch.float64, device=nodes.device)
        place = torch.searchsorted(apart, nodes).clamp_(max=apart.numel() - 1)
        return torch.where(apart[place] == nodes, change[place], 0.0) + common

    def explained(self, node: int) -> float:
        """The value of a node; see `NodePlay`."""
        return float(self.values(torch.tensor([node])))

    def values(self, nodes: Tensor) -> Tensor:
        """The values by which nodes were ranked last; see `NodePlay`."""
        return (self._unscaled(nodes.to(self.held.device)) - self.low) / self.span

    def _unscaled(self, nodes: Tensor) -> Tensor:
        """float64: the values of nodes before Eq. (6)."""
        value = self.guess.y[nodes].clone()
        for step in self.steps:
            value += self._received(step, nodes)
        row, column = torch.nonzero(nodes.unsqueeze(1) == self.held, as_tuple=True)
        value[row] = self.held_value[column]
        return value
