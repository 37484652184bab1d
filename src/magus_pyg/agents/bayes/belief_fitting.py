"""What `magus=bayes` takes from validation sessions: the temperature by likelihood, all else by play."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import fsum
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.bayes.agent import BayesAgent
from magus_pyg.agents.bayes.belief import BayesState, initial_logit, normalised, searched_evidence
from magus_pyg.agents.judging import Judge
from magus_pyg.simulation import PreparedSessions, Scorer, prepare_sessions
from magus_pyg.simulation.prepare import join_sessions
from magus_pyg.training.progress import Progress, unseen

__all__ = ["fit_bayes", "fit_temperature", "target_log_likelihood"]

logger = logging.getLogger(__name__)

SEARCHED_ERRORS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
DISCOUNTS = (1.0, 0.9, 0.8, 0.5)
FORGETTINGS = (0.0, 0.4)
ERROR_RATES = (0.01, 0.03, 0.1, 0.2)
OTHERS = (0.0, 0.25, 0.5)
"""The values that are tried; other targets as their expected number."""

_FIRST_ERROR = 0.03
_FADING = 0.6  # the highest discount beside which a forgetting is tried


def target_log_likelihood(sessions: PreparedSessions, temperature: float, searched_error: float = 0.5) -> float:
    """Mean log-probability that the belief before the first round gives to a target.

    A session with several targets counts as one: the mean over its targets. NaN without sessions. The sum is exact, so
    that batches do not matter.
    """
    found: list[float] = []
    for batch in sessions.batches:
        graphs = batch.graphs
        present = graphs.valid[:, : graphs.n_candidates]
        logit = initial_logit(batch.scores, present, temperature)
        logit = logit + searched_evidence(graphs, batch.searched, searched_error).sum(1)
        belief = normalised(logit)
        targets = graphs.sort_candidates(batch.sessions.targets)
        logs = torch.where(targets, belief.clamp(min=1e-300).log(), 0.0).sum(1) / targets.sum(1).clamp(min=1)
        found += logs[targets.any(1)].tolist()
    return fsum(found) / len(found) if found else float("nan")


def fit_temperature(sessions: PreparedSessions) -> float:
    """The temperature that makes the targets of sessions most likely, within [1e-3, 1e3] of the scores' spread.

    It has six digits: how sessions are batched moves the last ones of what it is made from.
    """
    scores = [batch.scores[batch.graphs.valid[:, : batch.graphs.n_candidates]] for batch in sessions.batches]
    joined = torch.cat(scores) if scores else torch.zeros(0)
    scale = max(_rounded(float(joined.std())), 1e-6) if joined.numel() > 1 else 1.0
    found = minimize_scalar(
        lambda log_t: -target_log_likelihood(sessions, scale * float(np.exp(log_t))),
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
    play, by the judge's objective: discount and forgetting, then error rate and other targets together, then discount
    and forgetting again. Which is best depends on the others, and error rates tried before other targets, or with
    users that leave planned for as if they stayed, go astray. States are tried in a race: all on a quarter of the
    sessions, the better half on another quarter, the better half of these on the rest; what was played stays played.

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
    # Some noise, so that no answer is believed blindly while discounts are compared.
    start: dict[str, Any] = {
        "error_rate": _FIRST_ERROR,
        "targets": _mean_targets(sessions),
        "rounds": judge.rounds,
        "user": user,
    }
    state = replace(BayesState(), **{**start, **fixed})
    if "temperature" not in fixed:
        state = replace(state, temperature=fit_temperature(sessions))
    searched = any(batch.searched is not None and bool((batch.searched >= 0).any()) for batch in sessions.batches)
    if searched and "searched_error" not in fixed:
        likelihood = [target_log_likelihood(sessions, state.temperature, error) for error in SEARCHED_ERRORS]
        state = replace(state, searched_error=SEARCHED_ERRORS[int(np.argmax(likelihood))])
    several = state.targets > 1.0
    fading = _grid(fixed, discount=DISCOUNTS, forgetting=FORGETTINGS)
    noise = _grid(fixed, error_rate=ERROR_RATES, others=OTHERS if several else (0.0,))
    race = _Race(graph, scorer, sessions, judge, progress, len(fading) * 2 + len(noise))
    state = race.best([replace(state, **values) for values in fading if _fits(values)])
    before = state
    state = race.best([replace(state, **values) for values in noise])
    if state != before:
        state = race.best([replace(state, **values) for values in fading if _fits(values)])
    race.finish()
    return state


def _grid(fixed: Mapping[str, Any], **tried: Sequence[float]) -> list[dict[str, Any]]:
    """All combinations of what is tried; of fixed fields their value alone."""
    names = list(tried)
    return [
        dict(zip(names, values, strict=True))
        for values in product(*((fixed[name],) if name in fixed else tried[name] for name in names))
    ]


def _fits(values: Mapping[str, Any]) -> bool:
    """Whether a forgetting is tried beside a discount: what people forget slowly is worth much later, and the other way
    round."""
    return bool(values["forgetting"] == 0.0 or values["discount"] <= _FADING)


class _Race:
    """Plays states against each other on parts of the sessions.

    Args:
        graph, scorer, sessions, judge, progress: as of `fit_bayes`.
        total: how many states will be tried, about.
    """

    def __init__(
        self,
        graph: HeteroData,
        scorer: Scorer | Tensor,
        sessions: PreparedSessions,
        judge: Judge,
        progress: Progress,
        total: int,
    ) -> None:
        self.graph, self.scorer, self.progress, self.total, self.done = graph, scorer, progress, total, 0
        joined = join_sessions([batch.sessions for batch in sessions.batches])
        quarter = torch.arange(len(joined)) % 4
        parts = [torch.nonzero(chosen).flatten() for chosen in (quarter == 0, quarter == 1, quarter > 1)]
        self.judges = [judge.on(prepare_sessions(graph, joined.take(part), scorer)) for part in parts if part.numel()]
        progress(0, total, "")

    def best(self, trials: Sequence[BayesState]) -> BayesState:
        """The winner; of equals the one that stands first."""
        left = list(range(len(trials)))
        sums = [0.0] * len(trials)
        for stage, judge in enumerate(self.judges):
            for place in left:
                # One first query a list is enough to tell states apart, at half the time.
                agent = BayesAgent(self.graph, self.scorer, trials[place], beam=1)
                sums[place] += judge(agent)["objective"] * len(judge.sessions)
                if not stage:
                    self.done += 1
                    self.progress(min(self.done, self.total), self.total, "")
            left = sorted(left, key=lambda place: (-sums[place], place))[: max(1, (len(left) + 1) // 2)]
            if len(left) == 1:
                break
        return trials[min(left, key=lambda place: (-sums[place], place))]

    def finish(self) -> None:
        """Say that all is done: where nothing has changed fewer states are tried."""
        self.progress(self.total, self.total, "")


def _mean_targets(sessions: PreparedSessions) -> float:
    """Mean number of targets of the sessions that have one."""
    counts = torch.cat([batch.sessions.targets.sum(1) for batch in sessions.batches])
    counts = counts[counts > 0].to(torch.float64)
    return float(counts.mean()) if counts.numel() else 1.0
