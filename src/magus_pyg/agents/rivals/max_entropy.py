"""`max_entropy`: ask what is least certain under the belief over the candidates."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import log
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.bayes.belief import LEAST_ERROR, BeliefCalibration
from magus_pyg.agents.bayes.belief_fitting import fit_temperature, target_log_likelihood
from magus_pyg.agents.fitted_states import Rules
from magus_pyg.agents.judging import Judge
from magus_pyg.agents.ranking import rank_top, scale_to_unit
from magus_pyg.agents.rivals.belief_lists import (
    BeliefTracker,
    ListInMaking,
    binary_entropy,
    make_lists,
)
from magus_pyg.agents.rivals.nodes import steady
from magus_pyg.options import at_least
from magus_pyg.simulation.prepare import PreparedSessions
from magus_pyg.simulation.protocol import Feedback, Play, Scorer, SessionView
from magus_pyg.training.progress import Progress, unseen

__all__ = ["EntropyRule", "MaxEntropyAgent", "MaxEntropyState", "RulePlay", "fit_belief_calibration", "fit_max_entropy"]

_SEARCHED_ERRORS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
_SHARES_OF_OTHERS = (0.5, 1.0)
_ERROR_RATES = (0.01, 0.03, 0.1, 0.2, 0.3)
_ORDER = 1e-3
"""Of base scores in [0, 1] beside the log-likelihood of answers: they order what the answers leave equal."""


@dataclass
class MaxEntropyState(BeliefCalibration):
    """What `max_entropy` fits on validation sessions.

    Attributes:
        items: places of a list kept for the best items; the others go to the nodes of the highest entropy.
        ending: whether the last round lists the best items alone, since its answers are of no use.
    """

    called: ClassVar[str] = "what max_entropy fitted in the run"
    rules: ClassVar[Rules] = {**BeliefCalibration.rules, "items": at_least(0)}
    items: int = 0
    ending: bool = True


class EntropyRule:
    """Chooses the node whose answer is least certain, given that those chosen before it are refused.

    Args:
        items: places of a list that go to the best items first.
        ending: whether the last round's all do.
        among_equals: float64 [B, D], decides between nodes that split alike and are as likely; the lower one if None.
    """

    def __init__(self, items: int = 0, ending: bool = True, among_equals: Tensor | None = None) -> None:
        self.items, self.ending, self.among_equals = items, ending, among_equals

    def __call__(self, making: ListInMaking) -> Tensor:
        """The place of the next node of each list, int64 [B], -1 where none is left."""
        only_items = making.step < self.items or (self.ending and making.rounds_left == 0)
        value = making.mass if only_items else binary_entropy(steady(making.rest_share))
        allowed = making.free & making.nodes.is_item if only_items else making.free
        # Of two nodes that split alike, the likelier is asked; without belief left, the best item by base score.
        tie = steady(making.rest_mass)
        if self.among_equals is not None:
            tie = tie + self.among_equals
        return rank_top(steady(value), tie, allowed, 1).squeeze(1)


class CandidateCount(BeliefTracker):
    """Counts the candidates that fit all answers, each as likely as any other: ME without a belief.

    Where none fits, as with users who err, those that contradict the fewest answers count. The base scores order equal
    nodes (reading 10) and do no more.

    Attributes:
        order: float64 [B, D], the order of equal nodes: base scores of items, 0 of queries, all below the share of one
            candidate.
    """

    def __init__(self, view: SessionView) -> None:
        super().__init__(view, BeliefCalibration())
        score = scale_to_unit(view.scores, self.present)
        self.logit = torch.where(self.present, _ORDER * score, -torch.inf)
        queries = score.new_zeros((len(score), self.nodes.valid.shape[1] - self.nodes.n_items))
        self.order = torch.cat([score, queries], 1) / (2 * max(self.nodes.n_items, 1))

    def belief(self) -> Tensor:
        """float64 [B, C]: equal shares of the counted candidates; zeros where none is left."""
        logit = torch.where(self.left[:, : self.nodes.n_items], self.logit, -torch.inf)
        if not logit.shape[1]:
            return logit
        least = (
            logit.max(1, keepdim=True).values + log(LEAST_ERROR) / 2
        )  # an answer contradicted costs log(LEAST_ERROR)
        counted = (torch.isfinite(logit) & (logit > least)).to(logit.dtype)
        return counted / counted.sum(1, keepdim=True).clamp(min=1)


class MaxEntropyAgent:
    """ME: ask the node with the highest entropy in terms of the candidate items (Sec. 4.1).

    From the rule-based policy of conversational recommenders (Sun and Zhang 2018, "Conversational Recommender System";
    Lei et al. 2020, "Estimation-Action-Reflection"): ask what splits the candidates most evenly, recommend once they
    are few. What the shared action space changed:

    * the entropy is that of the answer to a node under a belief over the session's candidates, the softmax of the base
      scores over a temperature, so that two halves are halves of probability and not of counts;
    * items are nodes like queries and compete with them by entropy; a number of places can be kept for the best items
      (fitted), and the last round can list items alone (fitted), since its answers are of no use;
    * a list of N nodes is chosen one after the other, each on what is left if those before it are refused;
    * refusals rule out as clicks do, softened by an error rate (fitted) where users err.

    With `literal` it is what the paper says and no more: the entropy over the candidates that are still possible,
    counted and not weighed by a belief; no place is kept for items, and the last round is as any other.

    Args:
        graph: the relational graph.
        scorer: a base recommender, or a matrix of scores [U, I].
        state: what was fitted; the defaults if None. Not looked at with `literal`.
        name: how tables call it.
        literal: see above.

    Raises:
        ConfigError: a value of the state out of range.
    """

    def __init__(
        self,
        graph: HeteroData,
        scorer: Scorer | Tensor,
        state: MaxEntropyState | None = None,
        name: str = "max_entropy",
        literal: bool = False,
    ) -> None:
        self.graph = graph
        self.scorer = scorer
        self.state = (state or MaxEntropyState()).check()
        self.name = name
        self.literal = literal

    def __repr__(self) -> str:
        return f"MaxEntropyAgent({'literal' if self.literal else self.state})"

    def start(self, view: SessionView) -> Play:
        """Begin B sessions."""
        if self.literal:
            counted = CandidateCount(view)
            return RulePlay(counted, EntropyRule(0, ending=False, among_equals=counted.order))
        return RulePlay(BeliefTracker(view, self.state), EntropyRule(self.state.items, self.state.ending))


class RulePlay:
    """B running sessions whose lists a rule makes from a belief."""

    def __init__(self, tracker: BeliefTracker, rule: EntropyRule) -> None:
        self.tracker, self.rule = tracker, rule

    def recommend(self) -> Tensor:
        """The next lists, int64 [B, N] slots, best first, -1 where no node is left."""
        return make_lists(self.tracker, self.rule)

    def update(self, feedback: Feedback) -> None:
        """Take in the answers to the last lists."""
        self.tracker.update(feedback)

    def node_scores(self) -> Tensor:
        """The entropy of the answer to each node alone, in bits."""
        nodes = self.tracker.nodes
        return nodes.by_slot(binary_entropy(steady(nodes.mass(self.tracker.belief())).clamp(0.0, 1.0)))


def fit_belief_calibration(sessions: PreparedSessions) -> BeliefCalibration:
    """Temperature and error of searched queries by the likelihood of the targets; the defaults without sessions."""
    if not len(sessions):
        return BeliefCalibration()
    temperature, error = fit_temperature(sessions), 0.5
    if sessions.have_searched:
        likelihood = [target_log_likelihood(sessions, temperature, value) for value in _SEARCHED_ERRORS]
        error = _SEARCHED_ERRORS[int(np.argmax(likelihood))]
    return BeliefCalibration(temperature, 0.0, error)


def fit_max_entropy(
    graph: HeteroData,
    scorer: Scorer | Tensor,
    judge: Judge,
    error_rates: Sequence[float] = _ERROR_RATES,
    progress: Progress = unseen,
) -> tuple[MaxEntropyState, pd.DataFrame]:
    """Fit the state of a `MaxEntropyAgent` on validation sessions.

    Temperature and searched error by likelihood; by play the places for items together with the ending, then the
    number of other targets (where sessions have several), then the error rate.

    Args:
        graph, scorer: as for the agent.
        judge: on validation sessions; it should play a run of its own for every K, since the agent knows its last
            round.
        error_rates: values tried beside 0.
        progress: shows how many states are tried.

    Returns:
        The state, and a table with a row for each state tried, best first; the defaults and an empty table without
        sessions.
    """
    found = fit_belief_calibration(judge.sessions)
    best = MaxEntropyState(**asdict(found))
    if not len(judge.sessions):
        return best, pd.DataFrame(columns=[*(entry.name for entry in fields(best)), "objective"])
    tried: dict[str, dict[str, object]] = {}
    more = judge.sessions.mean_targets - 1.0
    total = 2 * judge.list_length + (len(_SHARES_OF_OTHERS) if more > 0.0 else 0) + len(error_rates)
    progress(0, total, "")

    def value(trial: MaxEntropyState) -> float:
        if repr(trial) not in tried:
            tried[repr(trial)] = {**asdict(trial), **judge(MaxEntropyAgent(graph, scorer, trial))}
            progress(len(tried), total, "")
        return float(str(tried[repr(trial)]["objective"]))

    def choose(trials: Sequence[MaxEntropyState]) -> MaxEntropyState:
        return trials[int(np.argmax([value(trial) for trial in trials]))]

    best = choose(
        [replace(best, items=items, ending=end) for items in range(judge.list_length) for end in (True, False)]
    )
    if more > 0.0:
        best = choose([best, *(replace(best, others=share * more) for share in _SHARES_OF_OTHERS)])
    best = choose([best, *(replace(best, error_rate=rate) for rate in error_rates)])
    table = pd.DataFrame(tried.values()).sort_values("objective", ascending=False, kind="stable", ignore_index=True)
    return best, table
