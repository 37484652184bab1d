"""What the Bayesian agent fits on validation dialogues: the prior by likelihood, the plan by play."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from magus_pyg.dialogues.bayes_dialogues import DialogueBayesAgent
from magus_pyg.dialogues.dialogue_belief import PRIOR_WEIGHTS, DialogueBayesState, PriorTerms
from magus_pyg.dialogues.dialogue_loop import dialogue_views, play_dialogues
from magus_pyg.dialogues.dialogue_metrics import dialogue_metrics
from magus_pyg.dialogues.dialogue_protocol import DialogueAgent
from magus_pyg.dialogues.dialogue_set import Dialogues
from magus_pyg.dialogues.magus_dialogues import DialogueMagusAgent
from magus_pyg.simulation import Scorer
from magus_pyg.training.progress import Progress, unseen

__all__ = ["choose_minus_scale", "dialogue_log_likelihood", "fit_dialogue_bayes", "fit_prior"]

logger = logging.getLogger(__name__)

# Of the log temperature and `PRIOR_WEIGHTS`, in the search.
_BOUNDS = ((-9.0, 9.0), (-3.0, 3.0), (-5.0, 5.0), (-9.0, 9.0), (-5.0, 5.0), (-5.0, 5.0), (-9.0, 9.0))


def dialogue_log_likelihood(dialogues: Dialogues, scorer: Scorer | Tensor, state: DialogueBayesState) -> float:
    """Mean log-probability that the belief before the first turn gives to the target; NaN without dialogues."""
    fit = _PriorFit(dialogues, scorer)
    return -fit.loss(fit.point(state, np.log(state.temperature)))[0]


def fit_prior(
    dialogues: Dialogues, scorer: Scorer | Tensor, state: DialogueBayesState | None = None, given_power: bool = False
) -> DialogueBayesState:
    """Fit temperature and the weights of popularity, taste and habit by the likelihood of the targets.

    Args:
        dialogues: of validation.
        scorer: as for `play_dialogues`.
        state: the other values, and where the search starts; the defaults if None.
        given_power: fit this one too; otherwise it stays as it is (1 is exact for dialogues of `build_dialogues`).

    Returns:
        A state; without dialogues `state` itself, which is logged.
    """
    state = (state or DialogueBayesState()).check()
    if not len(dialogues):
        logger.warning("bayes: there are no validation dialogues to fit the belief on; it stays as %s", state)
        return state
    fit = _PriorFit(dialogues, scorer)
    start = fit.point(state, np.log(fit.spread))
    free = np.array([True, *(given_power or name != "given_power" for name in PRIOR_WEIGHTS)])

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        point = start.copy()
        point[free] = x
        loss, gradient = fit.loss(point)
        return loss, gradient[free]

    bounds = [bound for bound, use in zip(_BOUNDS, free, strict=True) if use]
    found = minimize(objective, start[free], jac=True, method="L-BFGS-B", bounds=bounds)
    point = start.copy()
    point[free] = found.x
    weights = dict(zip(PRIOR_WEIGHTS, point[1:].tolist(), strict=True))
    return replace(state, temperature=float(np.exp(point[0])), **weights)


class _PriorFit:
    """The negative mean log-likelihood of the targets, with its gradient, in (log temperature, `PRIOR_WEIGHTS`)."""

    def __init__(self, dialogues: Dialogues, scorer: Scorer | Tensor) -> None:
        self.batches: list[tuple[PriorTerms, Tensor]] = []
        spread = []
        for index, view in dialogue_views(dialogues, scorer, batch_size=1024):
            target = torch.searchsorted(view.items, dialogues.target[index])
            self.batches.append((PriorTerms.of(view), target))
            spread.append(float(view.scores[view.allowed].std()) if int(view.allowed.sum()) > 1 else 1.0)
        self.spread = max(float(np.mean(spread)), 1e-6) if spread else 1.0
        self.count = len(dialogues)

    @staticmethod
    def point(state: DialogueBayesState, log_temperature: float) -> np.ndarray:
        """Where a state lies: float64 [7]."""
        return np.array([log_temperature, *(getattr(state, name) for name in PRIOR_WEIGHTS)])

    def loss(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and its gradient, float64 [7]."""
        x = torch.tensor(point, dtype=torch.float64, requires_grad=True)
        total = 0.0
        gradient = torch.zeros_like(x)
        for terms, target in self.batches:
            logit = terms.logits(torch.cat([torch.exp(-x[:1]), x[1:]]))
            loss = -torch.log_softmax(logit, 1).gather(1, target.unsqueeze(1)).sum() / self.count
            (part,) = torch.autograd.grad(loss, x)
            gradient += part
            total += float(loss.detach())
        return (total if self.count else float("nan")), gradient.numpy()


def fit_dialogue_bayes(
    dialogues: Dialogues,
    scorer: Scorer | Tensor,
    noise: float = 0.0,
    refusals: bool = True,
    bits: Sequence[float] = (0.5, 0.6, 0.7, 0.8, 0.9),
    speeds: Sequence[float] = (1.0,),
    error_rates: Sequence[float] | None = None,
    turns: int = 15,
    list_length: int = 10,
    seed: int = 0,
    progress: Progress = unseen,
) -> DialogueBayesState:
    """Fit the whole state: the prior by likelihood, then error rate, and bits with speed, by play.

    Args:
        dialogues: of validation.
        scorer: as for `play_dialogues`.
        noise: of the user that the agent is for.
        refusals: as for the agent.
        bits, speeds: values tried, all pairs.
        error_rates: values tried; only 0 for a user without noise, else several, if None.
        turns, list_length, seed: as for `play_dialogues`.
        progress: shows how many agents are tried, of each choice.
    """
    state = fit_prior(dialogues, scorer)
    if not len(dialogues):
        return state
    if error_rates is None:
        error_rates = (0.0,) if noise == 0.0 else (0.05, 0.1, 0.15, 0.2)

    def best(trials: list[DialogueBayesState]) -> DialogueBayesState:
        agents = [DialogueBayesAgent(trial, refusals) for trial in trials]
        return trials[_best_agent(agents, dialogues, scorer, turns, list_length, noise, seed, progress)]

    state = best([replace(state, error_rate=value) for value in error_rates])
    return best([replace(state, bits=b, speed=s) for b, s in product(bits, speeds)])


def choose_minus_scale(
    dialogues: Dialogues,
    scorer: Scorer | Tensor,
    noise: float = 0.0,
    refusals: bool = True,
    scales: Sequence[float] = (1.0, 0.7, 0.5, 0.3, 0.1),
    turns: int = 15,
    list_length: int = 10,
    seed: int = 0,
    progress: Progress = unseen,
) -> float:
    """The factor of the R- weights of MAGUS's first guess that plays best on validation dialogues."""
    agents = [DialogueMagusAgent(refusals, scale) for scale in scales]
    return (
        scales[_best_agent(agents, dialogues, scorer, turns, list_length, noise, seed, progress)]
        if len(dialogues)
        else 1.0
    )


def _best_agent(
    agents: Sequence[DialogueAgent],
    dialogues: Dialogues,
    scorer: Scorer | Tensor,
    turns: int,
    list_length: int,
    noise: float,
    seed: int,
    progress: Progress,
) -> int:
    """The place of the agent with the highest SR at the last turn minus AT / turns; of equals the first.

    A success is worth as much as all turns saved.
    """
    if len(agents) == 1:
        return 0
    values = []
    for done, agent in enumerate(agents):
        progress(done, len(agents), "")
        log = play_dialogues(agent, dialogues, scorer, turns, list_length, noise, seed)
        means = dialogue_metrics(log, (turns,)).mean()
        values.append(float(means[f"SR@{turns}"] - means["AT"] / turns))
    return int(np.argmax(values))
