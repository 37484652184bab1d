"""MAGUS over a whole catalogue with learned weights (Eq. 14): low-rank R-, one pass over the factors an answer."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from magus_pyg.agents import EdgeFactors
from magus_pyg.errors import GraphError
from magus_pyg.online.catalogue.containment import CatalogueIndex, Containment
from magus_pyg.online.catalogue.first_guess import (
    Guess,
    active_nodes,
    best_nodes,
    keep_items,
    lift,
    order_nodes,
    read_scores,
    unit_scores,
)
from magus_pyg.online.catalogue.sparse_play import Switches
from magus_pyg.online.node_play import NodePlay
from magus_pyg.simulation.answers import AnsweredList

__all__ = ["CatalogueWeights", "DensePlay", "weighted_guess"]

_EDGES_AT_ONCE = 2**20
_ROWS_AT_ONCE = 2**14


@dataclass(frozen=True)
class CatalogueWeights:
    """Learned weights of a catalogue's edges as factors.

    Attributes:
        index: the catalogue.
        positive, negative: floating [N, r]; the weight of a pair is the dot product of its rows.
        minus_scale: β, the factor on the R- weights of Eq. (4).
    """

    index: CatalogueIndex
    positive: Tensor
    negative: Tensor
    minus_scale: float = 1.0

    @classmethod
    def of(
        cls, index: CatalogueIndex, factors: EdgeFactors, minus_scale: float = 1.0, dtype: torch.dtype = torch.float32
    ) -> "CatalogueWeights":
        """The weights that MAGUS+ learned, in a floating type of choice (half of the memory and time in float32).

        Raises:
            GraphError: factors of another graph.
        """
        for side in (factors.positive, factors.negative):
            if side.shape[0] != index.n_nodes:
                raise GraphError(f"the weights are of a graph with {side.shape[0]} nodes, this has {index.n_nodes}")
        positive, negative = (side.to(index.device, dtype) for side in (factors.positive, factors.negative))
        if factors.negative is factors.positive:
            negative = positive
        return cls(index, positive, negative, minus_scale * factors.minus_scale)

    @cached_property
    def edge(self) -> Tensor:
        """[E]: what an item gives a query that it contains in Eq. (4) beyond what all items give it: w+ + βw-, in the
        type of the factors, in the order of `index.places`."""
        order, place, row = self.index.trees.grouped, self.index.places.index, self.index.places.row
        weight = self.positive.new_empty(place.numel())
        for first in range(0, place.numel(), _EDGES_AT_ONCE):
            some = slice(first, first + _EDGES_AT_ONCE)
            item, query = order[place[some]], row[some] + self.index.n_items
            positive = self._products(self.positive, item, query)
            same = self.negative is self.positive
            negative = positive if same else self._products(self.negative, item, query)
            weight[some] = positive + self.minus_scale * negative
        return weight

    @staticmethod
    def _products(side: Tensor, item: Tensor, query: Tensor) -> Tensor:
        return (side[item] * side[query]).sum(1, dtype=torch.float64)

    @cached_property
    def containment(self) -> Containment:
        """The rows of R+ with `edge` as weights."""
        return self.index.weighted_containment(self.edge)

    def sent(self, values: Tensor) -> Tensor:
        """[r]: the sum of the rows of `negative` of all items, each times its value [I]."""
        values, rows = values.to(self.negative.dtype), self.negative[: values.numel()]
        chunks = values.numel() // _ROWS_AT_ONCE
        end = chunks * _ROWS_AT_ONCE
        # Sums of sums lose less to rounding than one long sum, and are faster.
        total = values[end:] @ rows[end:]
        if chunks:
            many = values[:end].view(chunks, 1, -1), rows[:end].view(chunks, _ROWS_AT_ONCE, -1)
            total = total + torch.bmm(*many).view(chunks, -1).sum(0)
        return total

    def common(self, sent: Tensor) -> Tensor:
        """float64 [N]: the dot products of all rows of `negative` with [r], one pass over them."""
        return (self.negative @ sent.to(self.negative.dtype)).to(torch.float64)


def weighted_guess(
    weights: CatalogueWeights,
    scores: Tensor,
    excluded: Tensor | None = None,
    searched: Tensor | None = None,
    literal: bool = False,
) -> Guess:
    """Eqs. (2), (4) with learned weights (Eq. 14), and (5); arguments and errors as of `first_guess`."""
    index = weights.index
    scores = read_scores(index, scores)
    active = active_nodes(index, excluded)
    y = scores.new_empty(index.n_nodes)
    base = unit_scores(scores, None if active is None else active[: index.n_items], y[: index.n_items])
    of_queries = y[index.n_items :]
    of_queries.copy_(weights.containment.total(base.to(weights.negative.dtype)))
    inhibited = weights.negative[index.n_items :] @ weights.sent(base)
    of_queries.sub_(inhibited, alpha=weights.minus_scale)  # Eq. (4)
    return Guess(index, base, lift(index, y, active, searched, literal), active)


class DensePlay(NodePlay):
    """A person's session with a value for each node: learned weights, or Eq. (9) with its bounds.

    Args:
        guess: the first guess; not changed.
        switches: how answers move scores.
        weights: learned weights; unit weights if None.
    """

    def __init__(self, guess: Guess, switches: Switches, weights: CatalogueWeights | None = None) -> None:
        self.guess, self.index, self.switches, self.weights = guess, guess.index, switches, weights
        self.y = guess.y.clone()
        self.shown = torch.zeros(0, dtype=torch.int64, device=self.index.device)
        self.low, self.span, self.scaled = 0.0, 1.0, False

    @property
    def listens(self) -> bool:
        """Words are taken in."""
        return True

    def copy(self) -> Self:
        """The session as it is now."""
        other = copy(self)
        other.y = self.y.clone()
        return other

    def scale(self) -> None:
        """Eq. (6); see `NodePlay`."""
        if self.scaled:
            return
        low, high = (
            float(end) for end in torch.aminmax(self.y if self.guess.active is None else self.y[self.guess.active])
        )
        self.low, self.span, self.scaled = low, (high - low) if high > low else 1.0, True

    def recommend(self) -> Tensor:
        """The next list; see `NodePlay`."""
        self.scale()
        active = self.guess.active
        kept = self.y[self.shown]
        self.y[self.shown] = -torch.inf
        values = self.y if active is None else torch.where(active, self.y, -torch.inf)
        some = best_nodes(values, self.switches.list_length)
        best = order_nodes(self.guess, some, values[some])[: self.switches.list_length]
        self.y[self.shown] = kept
        items = self.y[: self.index.n_items]
        return keep_items(
            self.guess,
            best,
            self.switches.min_items,
            lambda lack: self.guess.next_items(lack, torch.cat([self.shown, best]), items),
        )

    def update(self, answer: AnsweredList) -> None:
        """Take in an answer; see `NodePlay`."""
        self.scale()
        refusals = self.switches.refusals
        yes, no = answer.split(self.index.n_items, refusals.all_refused)
        new = torch.tensor([*yes, *no], dtype=torch.int64, device=self.y.device)
        for node in yes:
            self._send(node, self.span, inhibits=True)
        if refusals.weight:
            for node in no:
                self._send(node, -refusals.weight * self.span, refusals.inhibits)
        self.y[new] = self.low  # Eq. (8); what it sets receives nothing in this round
        self.y[new[: len(yes)]] = self.low + self.span
        self._end(answer.shown)

    def tell(self, node: int, liked: bool) -> None:
        """Eq. (9) with a smaller step; see `NodePlay` and `MagusAgent`."""
        self.scale()
        weight, inhibits = self.switches.refusals.told(liked)
        self._send(node, weight * self.span, inhibits)
        self._end((node,))

    def _end(self, shown: Sequence[int]) -> None:
        if self.switches.clamp:  # the bounds of Eq. (9) as printed; scores outside [0, 1] there are shown ones alone
            self.y = ((self.y - self.low) / self.span).clamp_(0.0, 1.0)
            self.low, self.span = 0.0, 1.0
        self.shown = torch.cat([self.shown, torch.tensor(shown, dtype=torch.int64, device=self.y.device)])
        self.scaled = False

    def _send(self, node: int, size: float, inhibits: bool) -> None:
        """Eq. (9) for one answered node: + to what contains it, - to what it inhibits, in place."""
        touch = self.index.touch(node, self.guess.active)
        wholes = touch.node[touch.is_whole]
        if inhibits:
            own = self.y[node].clone()
            kept = self.y[touch.node]
            if self.weights is None:
                self.y -= size
            else:
                self.y.sub_(self.weights.common(self.weights.negative[node]), alpha=size)
            self.y[touch.node] = kept  # R+ from it to them comes below; R⊥ and R+ towards it send nothing
            self.y[node] = own
        if self.weights is None:
            self.y[wholes] += size
        else:
            rows = self.weights.positive[wholes]
            self.y[wholes] += size * (rows @ self.weights.positive[node]).to(torch.float64)

    def explained(self, node: int) -> float:
        """The value of a node; see `NodePlay`."""
        return float(self.values(torch.tensor([node])))

    def values(self, nodes: Tensor) -> Tensor:
        """The values by which nodes were ranked last; see `NodePlay`."""
        return (self.y[nodes.to(self.y.device)] - self.low) / self.span
