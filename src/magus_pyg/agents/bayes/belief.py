"""Belief: a probability for each candidate to be the item that ends the session, and what answers do to it.

The guess of Eq. (4) becomes a sum of probabilities along R+: the mass of a query is the belief of the items that
contain it. The update of Eq. (9) becomes Bayes' rule: an answer multiplies the belief of each item by its likelihood,
which in log-odds is Eq. (9)'s constant step up for the items that contain the query and down for those that do not.
"""

from dataclasses import dataclass
from math import log, log1p
from typing import ClassVar, Self

import torch
from torch import Tensor

from magus_pyg.agents.fitted_states import FittedValues, Rules
from magus_pyg.errors import ConfigError
from magus_pyg.graph import SessionGraphs
from magus_pyg.nn import SignedLabelPropagation
from magus_pyg.options import above, at_least, between
from magus_pyg.simulation.answers import Said, said
from magus_pyg.simulation.protocol import TOLD_ERROR, Feedback, Play
from magus_pyg.simulation.score_checks import checked_scores

__all__ = [
    "LEAST_ERROR",
    "BayesState",
    "BeliefCalibration",
    "ItemMass",
    "answer_evidence",
    "drifted",
    "initial_logit",
    "log_odds",
    "membership",
    "normalised",
    "over_temperature",
    "place_text",
    "searched_evidence",
    "share_of_others",
    "told_evidence",
]

# An answer never rules an item out altogether: answers that contradict each other then leave the items that
# contradict least, instead of 0/0. Small enough not to change any order otherwise.
LEAST_ERROR = 1e-9


@dataclass
class BeliefCalibration(FittedValues):
    """How base scores and answers become a belief; fitted on validation sessions.

    Attributes:
        temperature: base scores are divided by it before they become probabilities (softmax).
        error_rate: the share of answers to queries that the planner and the belief take to be wrong, in [0, 0.5).
        searched_error: the share of searched queries that the item in mind does not contain, in (0, 0.5]; 0.5 ignores
            them.
        others: how many targets a session has beside the one in mind, on average; at least 0. A click then says less
            about the items outside the clicked query.
    """

    rules: ClassVar[Rules] = {
        "temperature": above(0),
        "error_rate": between(0, 0.5, "[)", ": at 0.5 an answer says nothing"),
        "searched_error": between(0, 0.5, "(]"),
        "others": at_least(0),
    }
    temperature: float = 1.0
    error_rate: float = 0.0
    searched_error: float = 0.5
    others: float = 0.0


@dataclass
class BayesState(BeliefCalibration):
    """What `magus=bayes` fits on validation sessions: the calibration of the belief, and what its lists are for.

    Attributes:
        targets: t, the mean number of targets of a session, at least 1: an item stands in its list by min(1, t·u).
        click_weight: α, what clicks count beside success, by the places that they have (`ClickRates`); at least 0.
        discount: γ in (0, 1]: what an item that is shown a round later is worth, for people who leave or change.
        forgetting: δ in [0, 1): the share of the belief that falls back to all candidates alike after every round, for
            people who come to want another item; needs a discount below 1.
        told_error: the share of words told outside a list that the item in mind does not fit, in (0, 0.5]; measured
            where the user writes.
        rounds: the rounds of the sessions it was fitted on; empty if it was fitted on none.
        user: who answered there, as `user_text` writes it.
    """

    called: ClassVar[str] = "what bayes fitted in the run"
    group: ClassVar[str | None] = "bayes"
    rules: ClassVar[Rules] = {
        **BeliefCalibration.rules,
        "targets": at_least(1),
        "click_weight": at_least(0),
        "discount": between(0, 1, "(]"),
        "forgetting": between(0, 1, "[)"),
        "told_error": between(0, 0.5, "(]"),
        "rounds": at_least(1),
    }
    later: ClassVar[frozenset[str]] = frozenset(
        {"targets", "click_weight", "discount", "forgetting", "told_error", "rounds", "user"}
    )
    targets: float = 1.0
    click_weight: float = 0.0
    discount: float = 1.0
    forgetting: float = 0.0
    told_error: float = TOLD_ERROR
    rounds: tuple[int, ...] = ()
    user: str = ""

    def check(self) -> Self:
        """The state itself, if all values are in range and go together.

        Raises:
            ConfigError: naming the value.
        """
        super().check()
        if self.forgetting > 0.0 and self.discount == 1.0:
            raise ConfigError(
                f"bayes.forgetting={self.forgetting:g} needs a discount below 1: a belief that fades is worth less "
                "later, and with discount=1 plans would not know it"
            )
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


def initial_logit(scores: Tensor, present: Tensor, temperature: float) -> Tensor:
    """The log of the belief before any answer, up to a constant: the base scores over the temperature.

    Args:
        scores: float64 [B, C].
        present: bool [B, C], False in empty slots.
        temperature: see `BayesState`.

    Returns:
        float64 [B, C], -inf in empty slots.

    Raises:
        ModelError: a temperature so low that numbers do not reach.
    """
    return torch.where(present, over_temperature(scores, temperature, present), -torch.inf)


def over_temperature(scores: Tensor, temperature: float, present: Tensor | None = None) -> Tensor:
    """Base scores over the temperature: the log of a belief up to a constant.

    Args:
        scores: float64 [..., C].
        temperature: see `BayesState`.
        present: bool [..., C], which scores count, the others become 0; None for all.

    Raises:
        ModelError: one that is no finite number, or two that are further apart than float64 can say.
    """
    what = f"over temperature={temperature:g}"
    return checked_scores(scores / temperature, lambda *place: f"the score of candidate {place[-1]} {what}", present)


def normalised(logit: Tensor) -> Tensor:
    """The belief [B, C]: softmax of its log; zeros in a row without any entry above -inf."""
    return torch.nan_to_num(torch.softmax(logit, dim=1), nan=0.0)


def drifted(logit: Tensor, forgetting: float) -> Tensor:
    """The log of the belief a round later: (1 - δ) u + δ / C, as the item in mind may have become any of the C
    candidates, those shown before too.

    Args:
        logit: float64 [B, C], -inf in empty slots.
        forgetting: δ above 0.

    Returns:
        float64 [B, C], normalised.
    """
    present = torch.isfinite(logit)
    fresh = (forgetting / present.sum(1, keepdim=True).clamp(min=1).to(torch.float64)).log()
    kept = torch.log_softmax(logit, 1) + log1p(-forgetting)
    return torch.where(present, torch.logaddexp(kept, fresh), -torch.inf)


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


def share_of_others(mass: Tensor, others: float) -> Tensor:
    """The probability that one of the other targets contains a query: 1 - (1 - mass) ** others.

    Args:
        mass: the belief of the items that contain the query.
        others: the expected number of other targets; each is taken to be drawn from the belief.
    """
    if others == 0.0:
        return torch.zeros_like(mass)
    return -torch.expm1(others * torch.log1p(-mass.clamp(0.0, 1.0 - 1e-12)))


def answer_evidence(
    graphs: SessionGraphs, feedback: Feedback, error_rate: float, others: float = 0.0, logit: Tensor | None = None
) -> Tensor:
    """The log-probability of each answer to a list, for each item being the one in mind.

    What is said of each node is read by `simulation.answers`: items that were not clicked are not the one in mind, and
    queries that were not read say nothing. A Not Care says that several targets contain the query, hence the same as a
    click.

    An answer has probability 1 - e where it fits the item, e where it does not. With other targets a query that the
    item does not contain is clicked for one of them with the probability f of `share_of_others`: a click then has
    probability max(e, f) for the items outside, a refusal 1 - max(e, f). No probability is below `LEAST_ERROR`.

    Args:
        graphs: the session graphs.
        feedback: the answers.
        error_rate: e.
        others: the expected number of other targets.
        logit: float64 [B, C], the log of the belief before the answers; needed where `others` is not 0. Items of the
            list count first, then its queries from the top, each with the belief that those before left.

    Returns:
        float64 [B, N, C]; 0 for nodes that were not answered.
    """
    shown, answers = feedback.shown, said(feedback, graphs.n_candidates)
    wrong = max(error_rate, LEAST_ERROR)
    inside, is_item = membership(graphs, shown), shown < graphs.n_candidates
    yes, no = answers >= Said.NOT_CARE, answers == Said.REFUSED
    # An item is clicked if it is the one in mind, and only then.
    same, other = log1p(-LEAST_ERROR), log(LEAST_ERROR)
    of_item = torch.where(inside == yes.unsqueeze(2), same, other).to(torch.float64)
    evidence = torch.where((is_item & (yes | no)).unsqueeze(2), of_item, 0.0)
    asked = ~is_item & (yes | no)
    fails = torch.full(inside.shape[:1], wrong, dtype=torch.float64, device=shown.device)
    for position in range(shown.shape[1]):
        held, fits = inside[:, position], yes[:, position]
        if others > 0.0:
            assert logit is not None, "other targets are drawn from the belief"
            mass = torch.where(held, normalised(logit + evidence.sum(1)), 0.0).sum(1)
            fails = share_of_others(mass, others).clamp(min=wrong, max=1.0 - wrong)
        click = torch.where(held, 1.0 - wrong, fails.unsqueeze(1))
        answer = torch.where(fits.unsqueeze(1), click, torch.where(held, wrong, 1.0 - fails.unsqueeze(1))).log()
        evidence[:, position] += torch.where(asked[:, position].unsqueeze(1), answer, 0.0)
    return evidence


def searched_evidence(graphs: SessionGraphs, searched: Tensor | None, error: float) -> Tensor:
    """The log-probability of each searched query, for each item being the one in mind.

    Args:
        graphs: the session graphs.
        searched: int64 [B, S] slots, -1 pads; or None.
        error: the share of searched queries that the item in mind does not contain; at 0.5 they say nothing.

    Returns:
        float64 [B, S, C].
    """
    if searched is None or error == 0.5:
        return torch.zeros((graphs.n_sessions, 0, graphs.n_candidates), dtype=torch.float64, device=graphs.node.device)
    factor = torch.where(membership(graphs, searched), log1p(-error), log(error))
    return torch.where((searched >= 0).unsqueeze(2), factor, 0.0).to(torch.float64)


def told_evidence(
    share: Tensor, liked: bool, told_error: float = TOLD_ERROR, error_rate: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The log-probability of a word told outside a list, for the items that have it and for all others.

    Nobody was asked for it: whoever tells a word picks it among all there are. So it says the more, the fewer items it
    fits. It fits the item in mind with probability 1 - e. Else, with probability e, it is a word of any item, which
    says that it fits a share s of the items by chance: P(told | fits) : P(told | differs) = (1 - e) : e·s. Without
    base scores the item in mind then fits with a probability of at least 1 - e, however many items there are; with
    them, items that fit come before items that do not, unless these have more than (1 - e) / (e·s) times the belief.
    Whoever tells a word errs as often as who answers, or more often: e is at least the error rate of answers.

    Args:
        share: floating [...], of the items on offer that have the word.
        liked: whether the person wants the word; else it fits the items that do not have it.
        told_error: e, of words told outside a list.
        error_rate: of answers to queries.

    Returns:
        float64 [...] each.
    """
    fitting, error = share if liked else 1.0 - share, max(told_error, error_rate)
    differs = (error * fitting.to(torch.float64)).clamp(min=LEAST_ERROR).log()
    fits = torch.full_like(differs, log1p(-error))
    return (fits, differs) if liked else (differs, fits)


def log_odds(play: Play, slot: int, session: int = 0) -> float:
    """The score that is explained: the log-odds of the node under a belief, else the variant's own score.

    Where the node is all of the candidates, or holds none, its log-odds do not move: they count as 0.
    """
    logit = getattr(play, "logit", None)
    if logit is None:
        return float(play.node_scores()[session, slot])
    graphs = play.graphs  # type: ignore[attr-defined]
    slots = torch.full((graphs.n_sessions, 1), -1, dtype=torch.int64, device=logit.device)
    slots[session, 0] = slot
    inside = membership(graphs, slots)[session, 0]
    row = logit[session]
    within, without = row[inside], row[~inside]
    odds = torch.logsumexp(within, 0) - torch.logsumexp(without, 0)
    return float(odds) if bool(torch.isfinite(odds)) else 0.0


def place_text(is_item: bool, belief: float, targets: float) -> str:
    """By what an entry stands where it does in a list (`planning.list_order`), in words.

    Args:
        is_item: whether it is an item, else a query.
        belief: of the item.
        targets: t, the mean number of targets of a session.
    """
    if not is_item:
        return "placed by its chance of a click, not above the query before it"
    return f"placed by min(1, {targets:.2f} x {belief:.3f}), its chance to be one of the targets"
