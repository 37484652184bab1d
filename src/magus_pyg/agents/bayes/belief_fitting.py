"""What `magus=bayes` takes from validation sessions: the temperature by likelihood, all else by play."""

import logging
import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import fsum, inf
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.bayes.agent import BayesAgent
from magus_pyg.agents.bayes.belief import BayesState, initial_logit, normalised, searched_evidence
from magus_pyg.agents.judging import Judge, behind
from magus_pyg.simulation import PreparedSessions, Scorer
from magus_pyg.training.progress import Progress, unseen

__all__ = ["fit_bayes", "fit_temperature", "target_log_likelihood"]

logger = logging.getLogger(__name__)

SEARCHED_ERRORS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
DISCOUNTS = (1.0, 0.9, 0.8, 0.5)
FORGETTINGS = (0.0, 0.4)
ERROR_RATES = (0.0, 0.01, 0.03, 0.1, 0.2)
OTHERS = (0.0, 0.25, 0.5)
"""The values that are tried; other targets as their expected number. Discounts and forgettings begin with those that
say nothing."""

FEW_OTHERS = 0.1
"""Tried beside `OTHERS` where clicks count: more make smaller queries worth asking for, which are clicked less."""

_FIRST_ERROR = 0.03
_FADING = 0.6  # the highest discount beside which a forgetting is tried
_CLEARLY = 2.0  # standard errors of a difference that is no chance


def target_log_likelihood(sessions: PreparedSessions, temperature: float, searched_error: float = 0.5) -> float:
    """Mean log-probability that the belief before the first round gives to a target.

    A session with several targets counts as one: the mean over its targets. NaN without sessions. The sum is exact, so
    that batches do not matter.
    """
    return _log_likelihood(_beginnings(sessions, searched_error), temperature)


class _Beginning(NamedTuple):
    """What B sessions begin with: scores and evidence float64 [B, C]; candidates and targets bool [B, C]."""

    scores: Tensor
    evidence: Tensor
    present: Tensor
    targets: Tensor


def _beginnings(sessions: PreparedSessions, searched_error: float = 0.5) -> list[_Beginning]:
    """Of each batch; the graphs are looked at once."""
    found = []
    for batch in sessions.batches:
        graphs = batch.graphs
        evidence = searched_evidence(graphs, batch.searched, searched_error).sum(1)
        present = graphs.valid[:, : graphs.n_candidates]
        found.append(_Beginning(batch.scores, evidence, present, graphs.sort_candidates(batch.sessions.targets)))
    return found


def _log_likelihood(beginnings: Sequence[_Beginning], temperature: float) -> float:
    found: list[float] = []
    for scores, evidence, present, targets in beginnings:
        belief = normalised(initial_logit(scores, present, temperature) + evidence)
        logs = torch.where(targets, belief.clamp(min=1e-300).log(), 0.0).sum(1) / targets.sum(1).clamp(min=1)
        found += logs[targets.any(1)].tolist()
    return fsum(found) / len(found) if found else float("nan")


def fit_temperature(sessions: PreparedSessions) -> float:
    """The temperature that makes the targets of sessions most likely, within [1e-3, 1e3] of the scores' spread.

    It has six digits: how sessions are batched moves the last ones of what it is made from.
    """
    beginnings = _beginnings(sessions)
    scores = [scores[present] for scores, _, present, _ in beginnings]
    joined = torch.cat(scores) if scores else torch.zeros(0)
    scale = max(_rounded(float(joined.std())), 1e-6) if joined.numel() > 1 else 1.0
    found = minimize_scalar(
        lambda log_t: -_log_likelihood(beginnings, scale * float(np.exp(log_t))),
        bounds=(-7.0, 7.0),
        method="bounded",
    )
    return _rounded(scale * float(np.exp(found.x)))


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def fit_bayes(
    graph: HeteroData,
    scorer: Scorer | Tensor,
    sessions: PreparedSessions,
    judge: Judge,
    fixed: Mapping[str, Any] = MappingProxyType({}),
    user: str = "",
    progress: Progress = unseen,
) -> BayesState:
    """Fit the state of a `BayesAgent` for the user and the rounds of a judge.

    The temperature (and, where sessions have searched queries, their error) by likelihood of the targets; the rest by
    play, by the judge's objective: discount and forgetting, then the error rate, then other targets (along a line from
    none on; where clicks count every number, on all sessions). Discount and forgetting are for people who
    leave or change, and cost success with all others: they leave 1 and 0 only for a gain that is no chance, two
    standard errors of the difference session by session. Where they did, or might have done, and the other two moved,
    they are tried once more, as which is best depends on these; they then move again only if that is no chance.

    States are tried along lines, while each does at least as well as the one before on the first third of the sessions
    (on all where these are few); those that are not behind there by two standard errors, or one where the best of a
    line is taken, are played on the rest too.

    Args:
        graph, scorer: as for the agent.
        sessions: validation sessions, prepared.
        judge: plays validation sessions; its user is the one the run is for.
        fixed: fields of the state that are not to be fitted, with their values.
        user: how the judge's user is called, to be kept with the state.
        progress: shows how many states are tried.

    Returns:
        The state; without sessions the defaults, which is logged.
    """
    if not len(sessions):
        state = replace(BayesState(), **fixed)
        logger.warning("there are no validation sessions to fit magus=bayes on; it plays with %s", state)
        return state
    targets = sessions.mean_targets
    several = targets > 1.0
    # Some noise, so that no answer is believed blindly while discounts are compared.
    start: dict[str, Any] = {
        "error_rate": _FIRST_ERROR,
        "targets": targets,
        "rounds": judge.rounds,
        "user": user,
    }
    state = replace(BayesState(), **{**start, **fixed})
    if "temperature" not in fixed:
        state = replace(state, temperature=fit_temperature(sessions))
    if "searched_error" not in fixed and sessions.have_searched:
        likelihood = [target_log_likelihood(sessions, state.temperature, error) for error in SEARCHED_ERRORS]
        state = replace(state, searched_error=SEARCHED_ERRORS[int(np.argmax(likelihood))])
    fading = _fading(fixed)
    error_rates = _tried(fixed, "error_rate", ERROR_RATES)
    others = _tried(fixed, "others", OTHERS if several else (0.0,))
    if several and state.click_weight and "others" not in fixed:
        state = replace(state, others=FEW_OTHERS)
        others = (*others, FEW_OTHERS)
    most = 2 * sum(map(len, fading)) + len(error_rates) + len(others) + bool(state.click_weight)
    race = _Race(graph, scorer, sessions, judge, progress, most)
    lines = [[replace(state, discount=first, forgetting=second) for first, second in line] for line in fading]
    neutral = lines[0][0]
    left = race.run(lines)
    state = first = left[0]
    state = race.best(race.run(_from(state, "error_rate", error_rates), 1.0))
    led = race.best(left)
    lines = _from(state, "others", others)
    if state.click_weight:
        # Lists often begin with another query than the best first one then, and more so with few other targets.
        race.beam, lines = None, [[one] for line in lines for one in line]
    state = race.best(race.run(lines, inf if state.click_weight else 1.0))
    if state != first and led != neutral:
        again = [first, *(one for one in (neutral, *left) if one != first)]
        state = race.run([[replace(state, discount=one.discount, forgetting=one.forgetting)] for one in again])[0]
    race.finish()
    return state


def _tried(fixed: Mapping[str, Any], name: str, values: Sequence[float]) -> Sequence[float]:
    """The values that are tried of a field: the one that is fixed, if it is."""
    return (fixed[name],) if name in fixed else values


def _fading(fixed: Mapping[str, Any]) -> list[list[tuple[float, float]]]:
    """The pairs (discount, forgetting) that are tried, in lines: those without forgetting, then one by one.

    What people forget slowly is worth much later, and the other way round: of those not fixed, a forgetting goes beside
    a low discount alone.
    """
    pairs = list(product(_tried(fixed, "discount", DISCOUNTS), _tried(fixed, "forgetting", FORGETTINGS)))
    pairs = [pair for pair in pairs if not pair[1] or pair[0] <= _FADING] or pairs
    first = [pair for pair in pairs if not pair[1]]
    return [line for line in (first, *([pair] for pair in pairs if pair[1])) if line]


def _from(state: BayesState, name: str, values: Sequence[float]) -> list[list[BayesState]]:
    """Two lines of states from the one at hand: with falling, and with rising values of a field."""
    here = getattr(state, name)
    falling, rising = (sorted({one for one in values if side(one, here)}) for side in (operator.lt, operator.gt))
    made: list[dict[str, Any]] = [{name: value} for value in (*falling[::-1], *rising)]
    others = [replace(state, **one) for one in made]
    return [[state, *others[: len(falling)]], [state, *others[len(falling) :]]]


class _Race:
    """Plays states against each other; what was played stays played.

    Args:
        graph, scorer, sessions, judge, progress: as of `fit_bayes`.
        most: no more states than so many will be played.
    """

    def __init__(
        self,
        graph: HeteroData,
        scorer: Scorer | Tensor,
        sessions: PreparedSessions,
        judge: Judge,
        progress: Progress,
        most: int,
    ) -> None:
        self.graph, self.scorer, self.progress, self.total = graph, scorer, progress, most + 1
        self.judges = judge.on(sessions).parts()
        self.played: dict[tuple[int | None, str], list[np.ndarray]] = {}
        self.beam: int | None = 1
        """As of `BayesAgent`. One first query a list is enough to tell most states apart, at half the time."""
        progress(0, self.total, "")

    def run(self, lines: Sequence[Sequence[BayesState]], errors: float = _CLEARLY) -> list[BayesState]:
        """The states that are not behind the best by more than so many standard errors, in their order.

        Args:
            lines: a line is followed while each state does at least as well as the one before.
            errors: how many, on the first third and on all.
        """
        left: list[BayesState] = []
        for line in lines:
            for place, state in enumerate(line):
                if state not in left:
                    left.append(state)
                self._play(state, 0)
                if place and self._mean(state, 1) < self._mean(line[place - 1], 1):
                    break
        for part in range(len(self.judges)):
            for state in left:
                self._play(state, part)
            top = self.best(left, part + 1)
            best = self._values(top, part + 1)
            left = [state for state in left if behind(self._values(state, part + 1), best) <= errors]
        return left

    def best(self, trials: Sequence[BayesState], parts: int = 2) -> BayesState:
        """The one that did best on the first parts; of equals the one that stands first."""
        return max(trials, key=lambda state: self._mean(state, parts))

    def finish(self) -> None:
        """Say that all is done."""
        self.progress(self.total, self.total, "")

    def _mean(self, state: BayesState, parts: int) -> float:
        return float(self._values(state, parts).mean())

    def _values(self, state: BayesState, parts: int) -> np.ndarray:
        return np.concatenate(self.played[self._name(state)][:parts])

    def _name(self, state: BayesState) -> tuple[int | None, str]:
        return self.beam, repr(state)

    def _play(self, state: BayesState, part: int) -> None:
        name = self._name(state)
        new = name not in self.played
        values = self.played.setdefault(name, [])
        if len(values) > part:
            return
        values.append(self.judges[part].by_session(BayesAgent(self.graph, self.scorer, state, beam=self.beam)))
        if new:
            self.progress(len(self.played), self.total, "")
