"""What variants choose on validation sessions: a judge of agents, and the forms of learned weights tried with it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.magus import MagusAgent
from magus_pyg.agents.magus_options import MagusOptions
from magus_pyg.agents.weights import FEATURE_FORMS, WeightFeatures, WeightForm
from magus_pyg.engines import Engine, OneProcess
from magus_pyg.simulation import Agent, PreparedSessions, Scorer, User, session_metrics, simulate
from magus_pyg.training.progress import Progress, unseen

_SHRINKAGES = ((0.0, 0.3), (0.0, 1.0), (0.02, 0.0), (0.02, 1.0), (0.1, 0.0), (0.1, 0.3), (0.5, 0.5), (1.0, 1.0))

RANKING = 0.25
"""What RA of the lowest K counts beside the mean of the SA@K when variants are chosen."""

_BEST = 2
"""Forms that go on to the next stage of the search."""

__all__ = ["Judge", "choose_weight_form", "weight_forms"]


class Judge:
    """Plays validation sessions and says how good an agent is.

    Args:
        sessions: the validation sessions, prepared.
        rounds: the K of SA@K that count, each the same.
        list_length: N.
        user: who answers.
        seed: of the user's answers.
        plans: whether agents plan for the rounds left, and so play a run of its own for every K.
        min_items: as of `simulate`.
    """

    def __init__(
        self,
        sessions: PreparedSessions,
        rounds: Sequence[int] = (3, 5),
        list_length: int = 3,
        user: User | None = None,
        seed: int = 0,
        plans: bool = False,
        min_items: int = 0,
    ) -> None:
        self.sessions, self.rounds, self.list_length = sessions, tuple(rounds), list_length
        self.user, self.seed, self.plans, self.min_items = user, seed, plans, min_items

    def __call__(self, agent: Agent) -> dict[str, float]:
        """RA@K and SA@K for every K, and `objective`: the mean of the SA@K and `RANKING` times RA of the lowest K."""
        metrics = self._played(agent).mean(numeric_only=True)
        values = {f"{name}@{k}": float(metrics[f"{name}@{k}"]) for k in self.rounds for name in ("RA", "SA")}
        return {**values, "objective": float(self._objective(metrics))}

    def by_session(self, agent: Agent) -> np.ndarray:
        """The objective of every session, float64 [S], in the order of their ids."""
        values: np.ndarray = self._objective(self._played(agent)).to_numpy(dtype=np.float64)
        return values

    def _played(self, agent: Agent) -> pd.DataFrame:
        runs = self.rounds if self.plans else (max(self.rounds),)
        log = pd.concat(
            [
                simulate(agent, self.sessions, self.user, k, self.list_length, self.seed, min_items=self.min_items)
                for k in runs
            ],
            ignore_index=True,
        )
        return session_metrics(log, self.rounds)

    def _objective(self, metrics: Any) -> Any:
        """Of the means of all sessions, or of every session."""
        success = sum(metrics[f"SA@{k}"] for k in self.rounds) / len(self.rounds)
        return success + RANKING * metrics[f"RA@{min(self.rounds)}"]

    def on(self, sessions: PreparedSessions) -> "Judge":
        """The same judge of other sessions."""
        return Judge(sessions, self.rounds, self.list_length, self.user, self.seed, self.plans, self.min_items)


def weight_forms() -> list[WeightForm]:
    """The forms that MAGUS+ tries first; unit weights are the first, the printed form is the second."""
    forms = [WeightForm(), WeightForm(raw=True)]
    for feature in FEATURE_FORMS:
        forms += [WeightForm(feature, shrink, shrink_minus) for shrink, shrink_minus in _SHRINKAGES]
    return forms


@dataclass(frozen=True)
class _FormTrial:
    """What all forms are tried with; see `choose_weight_form`."""

    graph: HeteroData
    scorer: Scorer | Tensor
    options: MagusOptions
    features: WeightFeatures
    judge: Judge


def _judged(trial: _FormTrial, form: WeightForm) -> dict[str, float]:
    return trial.judge(MagusAgent(trial.graph, trial.scorer, trial.options, trial.features.factors(form)))


def choose_weight_form(
    graph: HeteroData,
    scorer: Scorer | Tensor,
    features: Tensor,
    options: MagusOptions,
    judge: Judge,
    refusals: Sequence[float] = (0.1, 0.3, 1.0),
    scales: Sequence[float] = (0.5, 0.7, 0.85, 1.2, 1.5),
    progress: Progress = unseen,
    engine: Engine | None = None,
) -> tuple[WeightForm, pd.DataFrame]:
    """Try the forms of learned weights on validation sessions and choose the best.

    First every form of `weight_forms`, then the best two with every weight of a refusal, then the best two so far with
    every `minus_scale`. Unit weights take part, so a form is chosen only if it does better on validation.

    Args:
        graph, scorer: as for the agent.
        features: [N, d], from `train_node_features`.
        options: the switches of MAGUS.
        judge: on validation sessions.
        refusals: values of `refusal` beside 0; not tried where the options let refused nodes send anyway.
        scales: values of `minus_scale` beside 1.
        progress: shows how many forms are tried.
        engine: plays the forms; this process if None.

    Returns:
        The form, and a table with a row a form: its fields, RA@K, SA@K and the objective; best first.
    """
    trial = _FormTrial(graph, scorer, options, WeightFeatures(graph, features), judge)
    engine = OneProcess() if engine is None else engine
    refusals = refusals if options.negative == "zero" else ()
    forms = weight_forms()
    total = len(forms) + _BEST * (len(refusals) + len(scales))
    tried: list[tuple[float, int, WeightForm]] = []
    rows: list[dict[str, object]] = []

    progress(0, total, "")

    def judge_all(chosen: Sequence[WeightForm]) -> None:
        for form, values in zip(chosen, engine.map(_judged, trial, chosen), strict=True):
            tried.append((values["objective"], -len(tried), form))
            rows.append({**asdict(form), **values})
            progress(len(rows), total, f"best objective {max(tried, key=lambda entry: entry[0])[0]:.4f}")

    def best(count: int) -> list[WeightForm]:
        """The best so far; of equals those tried first."""
        return [form for _, _, form in sorted(tried, key=lambda entry: entry[:2], reverse=True)[:count]]

    judge_all(forms)
    judge_all([replace(form, refusal=value) for form in best(_BEST) for value in refusals])
    judge_all([replace(form, minus_scale=value) for form in best(_BEST) for value in scales])
    table = pd.DataFrame(rows).sort_values("objective", ascending=False, kind="stable", ignore_index=True)
    return best(1)[0], table
