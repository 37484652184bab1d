"""Temperature, error rates and depth of `magus=bayes`, fitted on validation sessions."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import fsum

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.bayes.agent import BayesAgent
from magus_pyg.agents.bayes.belief import BayesState, initial_logit, normalised, searched_evidence
from magus_pyg.agents.judging import Judge
from magus_pyg.simulation import PreparedSessions, Scorer
from magus_pyg.training.progress import Progress, unseen

__all__ = ["fit_bayes", "fit_temperature", "target_log_likelihood"]

logger = logging.getLogger(__name__)

_SEARCHED_ERRORS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


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
    error_rates: Sequence[float] = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3),
    depths: Sequence[int] = (0, 1),
    shares_of_others: Sequence[float] = (0.5, 1.0),
    progress: Progress = unseen,
) -> BayesState:
    """Fit the state of a `BayesAgent`.

    The temperature (and, where sessions have searched queries, their error) by likelihood of the targets; by play, one
    after the other, the number of other targets (where sessions have several), the error rate and the depth.

    Args:
        graph, scorer: as for the agent.
        sessions: validation sessions, prepared.
        judge: plays validation sessions; its user is the one the run is for.
        error_rates: values tried.
        depths: values tried.
        shares_of_others: what is tried for `others` beside 0, as shares of the mean number of targets of these sessions
            beyond the first.
        progress: shows how many states are tried.

    Returns:
        The state; without sessions the defaults, which is logged.
    """
    if not len(sessions):
        state = BayesState()
        logger.warning("there are no validation sessions to fit magus=bayes on; it plays with %s", state)
        return state
    state = BayesState(temperature=fit_temperature(sessions))
    if any(batch.searched is not None and bool((batch.searched >= 0).any()) for batch in sessions.batches):
        likelihood = [target_log_likelihood(sessions, state.temperature, error) for error in _SEARCHED_ERRORS]
        state = replace(state, searched_error=_SEARCHED_ERRORS[int(np.argmax(likelihood))])
    more = _mean_targets(sessions) - 1.0
    others = (0.0, *shares_of_others) if more > 0.0 else ()
    total, done = len(others) + len(error_rates) + len(depths), 0
    progress(0, total, "")

    def objective(trial: BayesState) -> float:
        nonlocal done
        value = judge(BayesAgent(graph, scorer, trial))["objective"]
        done += 1
        progress(done, total, "")
        return value

    if others:
        state = _best([replace(state, others=share * more) for share in others], objective)
    state = _best([replace(state, error_rate=value) for value in error_rates], objective)
    return _best([replace(state, depth=value) for value in depths], objective)


def _mean_targets(sessions: PreparedSessions) -> float:
    """Mean number of targets of the sessions that have one."""
    counts = torch.cat([batch.sessions.targets.sum(1) for batch in sessions.batches])
    counts = counts[counts > 0].to(torch.float64)
    return float(counts.mean()) if counts.numel() else 1.0


def _best(trials: Sequence[BayesState], objective: Callable[[BayesState], float]) -> BayesState:
    """The trial with the highest objective; of equals the first."""
    return trials[int(np.argmax([objective(trial) for trial in trials]))]
