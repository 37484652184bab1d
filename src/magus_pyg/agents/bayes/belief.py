"""Belief: a probability for each candidate to be the item that ends the session, and what answers do to it.

The guess of Eq. (4) becomes a sum of probabilities along R+: the mass of a query is the belief of the items that
contain it. The update of Eq. (9) becomes Bayes' rule: an answer multiplies the belief of each item by its likelihood,
which in log-odds is Eq. (9)'s constant step up for the items that contain the query and down for those that do not.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.errors import ConfigError
from magus_pyg.graph import SessionGraphs
from magus_pyg.nn import SignedLabelPropagation
from magus_pyg.simulation.protocol import Feedback

__all__ = ["BayesState", "ItemMass", "answer_likelihood", "initial_belief", "membership"]

# An answer never rules an item out altogether: answers that contradict each other then leave the items that
# contradict least, instead of 0/0. Small enough not to change any order otherwise.
LEAST_ERROR = 1e-9


@dataclass
class BayesState:
    """What `magus=bayes` fits on validation sessions.

    Attributes:
        temperature: base scores are divided by it before they become probabilities (softmax).
        error_rate: the share of answers to queries that the planner and the belief take to be wrong, in [0, 0.5).
        searched_error: the share of searched queries that the item in mind does not contain, in (0, 0.5]; 0.5 ignores
            them.
        depth: how many answers the value of a list looks ahead of its own round, at least 0.
    """

    temperature: float = 1.0
    error_rate: float = 0.0
    searched_error: float = 0.5
    depth: int = 0

    def check(self) -> "BayesState":
        """The state itself, if all values are in range.

        Raises:
            ConfigError: naming the value.
        """
        if not 0.0 < self.temperature < float("inf"):
            raise ConfigError(f"bayes.temperature must be positive and finite, got {self.temperature}")
        if not 0.0 <= self.error_rate < 0.5:
            raise ConfigError(
                f"bayes.error_rate must be in [0, 0.5), got {self.error_rate}: at 0.5 an answer says nothing"
            )
        if not 0.0 < self.searched_error <= 0.5:
            raise ConfigError(f"bayes.searched_error must be in (0, 0.5], got {self.searched_error}")
        if self.depth < 0:
            raise ConfigError(f"bayes.depth must be at least 0, got {self.depth}")
        return self


class ItemMass:
    """Sums of belief from items to queries along R+: the guess of Eq. (4) without R-."""

    def __init__(self, graphs: SessionGraphs) -> None:
        self.graphs = graphs
        self.propagate = SignedLabelPropagation()
        self.edges = graphs.item_edges.flip(0)
        self.none = self.edges[:, :0]

    def __call__(self, belief: Tensor) -> Tensor:
        """Mass of every slot: belief [B, C] to [B, M]; an item's mass is its belief."""
        graphs = self.graphs
        y = belief.new_zeros(graphs.node.shape)
        y[:, : graphs.n_candidates] = belief
        mass: Tensor = self.propagate(y.view(-1), self.edges, self.none)
        return mass.view(graphs.node.shape)


def initial_belief(scores: Tensor, present: Tensor, temperature: float) -> Tensor:
    """Softmax of the base scores over the candidates.

    Args:
        scores: float64 [B, C].
        present: bool [B, C], False in empty slots.
        temperature: see `BayesState`.

    Returns:
        float64 [B, C], each row with a candidate sums to 1.
    """
    logit = torch.where(present, scores / temperature, -torch.inf)
    return torch.nan_to_num(torch.softmax(logit, dim=1), nan=0.0)  # a row without candidates is 0/0


def membership(graphs: SessionGraphs, slots: Tensor) -> Tensor:
    """Which items contain the nodes of chosen slots (an item contains itself).

    Args:
        graphs: the session graphs.
        slots: int64 [B, S], -1 for none.

    Returns:
        bool [B, S, C].
    """
    n_sessions, size = slots.shape
    inside = torch.zeros((n_sessions, size, graphs.n_candidates), dtype=torch.bool, device=slots.device)
    row, column = torch.nonzero(slots >= 0, as_tuple=True)
    slot = slots[row, column]
    place, whole = graphs.wholes.gather(row * graphs.n_slots + slot)
    item = whole % graphs.n_slots
    to_item = item < graphs.n_candidates
    place, item = place[to_item], item[to_item]
    inside[row[place], column[place], item] = True
    is_item = slot < graphs.n_candidates
    inside[row[is_item], column[is_item], slot[is_item]] = True
    return inside


def answer_likelihood(graphs: SessionGraphs, feedback: Feedback, error_rate: float) -> Tensor:
    """The probability of the answers to a list, for each item being the one in mind.

    A target item in the list is clicked before any query (Definition D.1), so items that were not clicked are not the
    one in mind. Queries above the clicked one are refused, those below say nothing; without a click all are refused.
    A Not Care says that several targets contain the query, hence the same as a click.

    Args:
        graphs: the session graphs.
        feedback: the answers.
        error_rate: e; an answer to a query has likelihood 1 - e where it fits the item, e where it does not.

    Returns:
        float64 [B, C], at least a power of `LEAST_ERROR`.
    """
    shown, clicked = feedback.shown, feedback.clicked.unsqueeze(1)
    wrong = max(error_rate, LEAST_ERROR)
    inside = membership(graphs, shown)
    is_item = graphs.is_item[shown.clamp(min=0)]
    place = torch.arange(shown.shape[1], device=shown.device)
    answered = (shown >= 0) & feedback.active.unsqueeze(1)
    yes = answered & ((place == clicked) | feedback.not_care)
    no = answered & ~yes & (is_item | (clicked < 0) | (place < clicked))
    fits_yes = torch.where(inside, 1.0 - wrong, wrong)
    fits_no = torch.where(inside, torch.where(is_item, LEAST_ERROR, wrong).unsqueeze(2), 1.0 - wrong)
    factor = torch.where(yes.unsqueeze(2), fits_yes, torch.where(no.unsqueeze(2), fits_no, 1.0))
    likelihood: Tensor = factor.to(torch.float64).prod(dim=1)
    return likelihood
