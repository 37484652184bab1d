"""What the asking rivals share: a belief over the candidates, and lists built one node after the other."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.agents.bayes.belief import (
    BeliefCalibration,
    answer_evidence,
    initial_logit,
    normalised,
    searched_evidence,
)
from magus_pyg.agents.items import mark_shown
from magus_pyg.agents.rivals.nodes import SessionNodes, steady
from magus_pyg.simulation.answers import at_click
from magus_pyg.simulation.protocol import Feedback, SessionView

__all__ = ["BeliefTracker", "Choose", "ListInMaking", "binary_entropy", "make_lists"]


class BeliefTracker:
    """A probability for each candidate to be the item in mind, in B sessions, and what has been shown.

    The probabilities start from the base scores; an answer multiplies them by its likelihood, so a clicked query keeps
    the items that contain it, and a refused query or item takes its items out (less where `error_rate` says that
    answers can be wrong).

    Attributes:
        view: the sessions.
        nodes: their nodes.
        calibration: see there.
        logit: float64 [B, C], the log of the belief up to a constant, -inf in empty slots.
        left: bool [B, M], the slots not shown yet.
        listed: bool [B, D], the places whose node was shown.
        round: rounds played.
        clicks: int64 [B], queries clicked so far.
    """

    def __init__(self, view: SessionView, calibration: BeliefCalibration) -> None:
        self.view, self.calibration = view, calibration
        self.nodes = SessionNodes(view.graphs)
        self.present = view.graphs.valid[:, : self.nodes.n_items]
        self.logit = initial_logit(view.scores, self.present, calibration.temperature)
        self.logit = self.logit + searched_evidence(view.graphs, view.searched, calibration.searched_error).sum(1)
        self.left = view.graphs.valid.clone()
        self.listed = torch.zeros_like(self.nodes.valid)
        self.clicks = torch.zeros_like(view.user)
        self.round = 0

    @property
    def rounds_left(self) -> int:
        """Rounds to come after the present one."""
        return self.view.rounds - self.round - 1

    def belief(self) -> Tensor:
        """float64 [B, C]: the belief in the items not shown yet; zeros where none is left."""
        return normalised(torch.where(self.left[:, : self.nodes.n_items], self.logit, -torch.inf))

    def update(self, feedback: Feedback) -> None:
        """Take in the answers to a list."""
        graphs, state = self.view.graphs, self.calibration
        self.round += 1
        self.left = mark_shown(self.left, feedback.shown)
        self.listed = self.listed | self.nodes.holds(feedback.shown)
        self.clicks = self.clicks + self.clicked_query(feedback).to(torch.int64)
        self.logit = self.logit + answer_evidence(graphs, feedback, state.error_rate, state.others, self.logit).sum(1)

    def clicked_query(self, feedback: Feedback) -> Tensor:
        """bool [B]: whether a query was clicked."""
        return feedback.active & at_click(feedback.shown >= self.nodes.n_items, feedback.clicked)


@dataclass
class ListInMaking:
    """Lists of B sessions of which the first `step` nodes are chosen.

    Attributes:
        nodes: the nodes of the sessions.
        belief: float64 [B, C], before the list is shown.
        mass: float64 [B, D], the belief in the items that contain each node.
        rest: float64 [B, C], the belief in the items that no chosen node is part of; what is left if all are refused.
        rest_mass: float64 [B, D], likewise for nodes.
        free: bool [B, D], the nodes that can be chosen.
        step: nodes chosen so far.
        length: N.
        rounds_left: rounds after this one.
    """

    nodes: SessionNodes
    belief: Tensor
    mass: Tensor
    rest: Tensor
    rest_mass: Tensor
    free: Tensor
    step: int
    length: int
    rounds_left: int

    @property
    def rest_total(self) -> Tensor:
        """float64 [B, 1]: the probability that all chosen nodes are refused."""
        return self.rest.sum(1, keepdim=True)

    @property
    def rest_share(self) -> Tensor:
        """float64 [B, D]: the probability that a node is part of the item in mind, if the chosen ones are not."""
        total = self.rest_total
        return torch.where(total > 0, self.rest_mass / torch.where(total > 0, total, 1.0), 0.0).clamp(max=1.0)


Choose = Callable[[ListInMaking], Tensor]
"""The place of the next node of each list, int64 [B], -1 for none."""


def binary_entropy(p: Tensor) -> Tensor:
    """The entropy of a yes/no answer, in bits: 0 at p = 0 and 1, 1 at p = 1/2."""
    q = 1.0 - p
    return -(torch.xlogy(p, p) + torch.xlogy(q, q)) / torch.log(torch.tensor(2.0, dtype=p.dtype))


def make_lists(tracker: BeliefTracker, choose: Choose) -> Tensor:
    """Choose the nodes of the next lists one after the other.

    An answer to a list is its first node that fits (an item before any query), so the next node is weighed on what is
    left if those before it do not fit. Shown are items and queries by falling probability of a click; queries keep
    the order in which they were chosen. Once the places left are as many as the items that `min_items` still asks for,
    items alone can be chosen.

    Args:
        tracker: the sessions.
        choose: chooses one node of every list.

    Returns:
        int64 [B, N] slots, -1 where no node is left.
    """
    nodes, belief = tracker.nodes, tracker.belief()
    mass = nodes.mass(belief)
    free = nodes.valid & ~tracker.listed
    length = tracker.view.list_length
    making = ListInMaking(nodes, belief, mass, belief, mass, free, 0, length, tracker.rounds_left)
    chosen, clicks = [], []
    missing = (free & nodes.is_item).sum(1, keepdim=True).clamp(max=tracker.view.min_items)
    for step in range(length):
        making.step = step
        making.free = free & (nodes.is_item | (missing < length - step))
        place = choose(making)
        chosen.append(place)
        at = place.clamp(min=0).unsqueeze(1)
        if nodes.slot.shape[1]:
            # An item is clicked whatever stands above it, a query only if nothing above it fits.
            click = torch.where(place < nodes.n_items, _at(mass, at), _at(making.rest_mass, at))
        else:
            click = belief.new_zeros(len(belief))
        clicks.append(torch.where(place >= 0, click, -torch.inf))
        making.rest = making.rest.masked_fill(nodes.covers(place), 0.0)
        making.rest_mass = nodes.mass(making.rest)
        free = free & ~_one_hot(place, free.shape[1])
        missing = missing - ((place >= 0) & (place < nodes.n_items)).to(torch.int64).unsqueeze(1)
    if not chosen:
        return torch.zeros((len(belief), 0), dtype=torch.int64)
    places, value = torch.stack(chosen, 1), torch.stack(clicks, 1)
    places = places.gather(1, _order(places >= nodes.n_items, steady(value)))
    return nodes.fill(nodes.slots_of(places), tracker.left, steady(tracker.logit))


def _order(is_query: Tensor, click: Tensor) -> Tensor:
    """The order by falling probability of a click, in which queries stay in theirs: int64 [B, N]."""
    least = torch.cummin(torch.where(is_query, click, torch.inf), dim=1).values
    return torch.argsort(torch.where(is_query, least, click), dim=1, descending=True, stable=True)


def _at(value: Tensor, column: Tensor) -> Tensor:
    return value.gather(1, column).squeeze(1)


def _one_hot(place: Tensor, size: int) -> Tensor:
    """bool [B, D], nothing where the place is -1."""
    return torch.arange(size, device=place.device) == place.unsqueeze(1)
