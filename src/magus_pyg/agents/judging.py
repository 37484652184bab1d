"""What variants choose on validation sessions: a judge of agents, and the forms of learned weights tried with it."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
import torch
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

_FEWEST = 100
"""Sessions tell agents apart; where a third has fewer all are played at once."""

_FIRST = "cosine"
"""The feature with which all shrinkages are tried."""

_BEST, _FINAL = 2, 6
"""Shrinkages that are tried with the other features, and forms that are played on all sessions."""

__all__ = ["Judge", "behind", "choose_weight_form", "weight_forms"]


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
        ranking: what RA of the lowest K counts beside the mean of the SA@K.
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
        ranking: float = RANKING,
    ) -> None:
        self.ranking = ranking
        self.sessions, self.rounds, self.list_length = sessions, tuple(rounds), list_length
        self.user, self.seed, self.plans, self.min_items = user, seed, plans, min_items

    def __call__(self, agent: Agent) -> dict[str, float]:
        """RA@K and SA@K for every K, and `objective`: the mean of the SA@K and `ranking` times RA of the lowest K."""
        metrics = self.metrics(agent).mean(numeric_only=True)
        return {name: float(metrics[name]) for name in (*self._names, "objective")}

    def by_session(self, agent: Agent) -> np.ndarray:
        """The objective of every session, float64 [S], in the order of their ids."""
        values: np.ndarray = self.metrics(agent)["objective"].to_numpy(dtype=np.float64)
        return values

    def metrics(self, agent: Agent) -> pd.DataFrame:
        """RA@K and SA@K for every K and the objective, a row a session, in the order of their ids."""
        runs = self.rounds if self.plans else (max(self.rounds),)
        log = pd.concat(
            [
                simulate(agent, self.sessions, self.user, k, self.list_length, self.seed, min_items=self.min_items)
                for k in runs
            ],
            ignore_index=True,
        )
        metrics = session_metrics(log, self.rounds)
        success = sum(metrics[f"SA@{k}"] for k in self.rounds) / len(self.rounds)
        return metrics[list(self._names)].assign(objective=success + self.ranking * metrics[f"RA@{min(self.rounds)}"])

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(f"{name}@{k}" for k in self.rounds for name in ("RA", "SA"))

    def on(self, sessions: PreparedSessions) -> "Judge":
        """The same judge of other sessions."""
        options = (self.list_length, self.user, self.seed, self.plans, self.min_items, self.ranking)
        return Judge(sessions, self.rounds, *options)

    def parts(self) -> list["Judge"]:
        """Of the first third of the sessions, on which a race begins, and of the rest; of all where these are few."""
        size = len(self.sessions)
        third = -(-size // 3) if size >= 3 * _FEWEST else size
        split = torch.split(torch.arange(size), [third, size - third])
        return [self.on(self.sessions.take(part)) for part in split if part.numel()]


def behind(values: np.ndarray, top: np.ndarray) -> float:
    """How many standard errors of their difference, session by session, values [S] are behind others."""
    difference = top - values
    mean = float(difference.mean())
    if mean <= 0.0 or len(difference) < 2:
        return 0.0  # a single session says nothing
    error = float(difference.std(ddof=1)) / math.sqrt(len(difference))
    return mean / error if error > 0.0 else math.inf


def weight_forms(features: Sequence[str] = FEATURE_FORMS) -> list[WeightForm]:
    """The forms with nothing but shrinkage, in order: unit weights, the printed form, then those of each feature."""
    forms = [WeightForm(), WeightForm(raw=True)]
    for feature in features:
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


def _judged(trials: Sequence[_FormTrial], given: tuple[int, WeightForm]) -> pd.DataFrame:
    """A form played on a part of the sessions."""
    part, form = given
    trial = trials[part]
    return trial.judge.metrics(MagusAgent(trial.graph, trial.scorer, trial.options, trial.features.factors(form)))


_Playing = Callable[[Iterable[tuple[int, WeightForm]]], Iterator[pd.DataFrame]]


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

    On a third of the sessions: every shrinkage with one feature, then the best two with the others; from the best on
    along lines, as long as it does not get worse, a rising weight of a refusal, then a falling and a rising
    `minus_scale`. The best of these then play the rest too, of forms that did the same in every session the one tried
    first, and unit weights with them; last, those beside the best in `minus_scale`. Of equals on all sessions the one
    tried first is chosen, and unit weights are tried before all others: a form is chosen only if it does better on
    validation.

    Args:
        graph, scorer: as for the agent.
        features: [N, d], from `train_node_features`.
        options: the switches of MAGUS.
        judge: on validation sessions.
        refusals: values of `refusal` beside 0, rising; not tried where the options let refused nodes send anyway.
        scales: values of `minus_scale` beside 1.
        progress: shows how many forms are tried.
        engine: plays the forms; this process if None.

    Returns:
        The form, and a table with a row a form: its fields, the number of sessions that it was played on, and RA@K,
        SA@K and the objective there; those played on all sessions first, best first, of equals those tried first. The
        form chosen is that of the first row.
    """
    refusals = refusals if options.negative == "zero" else ()
    others = [feature for feature in FEATURE_FORMS if feature != _FIRST]
    most = len(weight_forms([_FIRST])) + _BEST * len(others) + len(refusals) + len(scales) + 2
    made_of = (graph, scorer, options, WeightFeatures(graph, features))
    trials = [_FormTrial(*made_of, part) for part in judge.parts()]
    with (engine or OneProcess()).handed(_judged, trials) as playing:
        race = _FormRace(playing, len(trials), most, progress)
        race.play(weight_forms([_FIRST]), 0)
        learned = [form for form in race.ranked() if form.shrink or form.shrink_minus][:_BEST]
        race.play([replace(form, feature=feature) for form in learned for feature in others], 0)
        race.follow([replace(race.ranked()[0], refusal=value) for value in refusals])
        best = race.ranked()[0]
        race.follow([replace(best, minus_scale=value) for value in sorted(scales, reverse=True) if value < 1.0])
        race.follow([replace(best, minus_scale=value) for value in sorted(scales) if value > 1.0])
        final = race.finalists()
        final += [] if WeightForm() in final else [WeightForm()]
        race.play(final, 1)
        best, values = race.best(), sorted({1.0, *scales})
        if best.minus_scale in values:
            place = values.index(best.minus_scale)
            beside = [replace(best, minus_scale=value) for value in values[max(place - 1, 0) : place + 2]]
            for part in (0, 1):
                race.play(beside, part)
        return race.finish()


class _FormRace:
    """Plays forms against each other; what was played stays played.

    Args:
        playing: plays forms, each on the part of the sessions that is given with it.
        parts: how many there are.
        most: no more forms than so many will be played.
        progress: as of `choose_weight_form`.
    """

    def __init__(self, playing: _Playing, parts: int, most: int, progress: Progress) -> None:
        self.playing, self.parts, self.progress, self.total = playing, parts, progress, most + 1
        self.played: dict[str, tuple[WeightForm, list[pd.DataFrame]]] = {}
        progress(0, self.total, "")

    def play(self, forms: Sequence[WeightForm], part: int) -> None:
        """Play forms on a part of the sessions, where there is one."""
        new = [form for form in forms if len(self.played.get(repr(form), (form, []))[1]) == part]
        if part < self.parts:
            for form, metrics in zip(new, self.playing([(part, form) for form in new]), strict=True):
                self.played.setdefault(repr(form), (form, []))[1].append(metrics)
                if part == 0:
                    best = self._mean(self.ranked()[0])
                    self.progress(len(self.played), self.total, f"best objective {best:.4f}")

    def follow(self, line: Sequence[WeightForm]) -> None:
        """Play forms one after the other, while each does at least as well as the best before."""
        for form in line:
            level = self._mean(self.ranked()[0])
            self.play([form], 0)
            if self._mean(form) < level:
                return

    def ranked(self) -> list[WeightForm]:
        """The forms by what they did on the first part, best first; of equals those tried first."""
        return sorted((form for form, _ in self.played.values()), key=self._mean, reverse=True)

    def finalists(self) -> list[WeightForm]:
        """The best on the first part; forms that did the same in every session of it take one place."""
        final: list[WeightForm] = []
        for form in self.ranked():
            if len(final) < _FINAL and not any(self._first(form).equals(self._first(other)) for other in final):
                final.append(form)
        return final

    def best(self) -> WeightForm:
        """The best of those that were played on all sessions; of equals the one tried first."""
        best = int(self.table().index[0])
        return list(self.played.values())[best][0]

    def table(self) -> pd.DataFrame:
        """A row a form, those played on all sessions first, best first; the index says as which it was tried."""
        metrics = [pd.concat(parts, ignore_index=True) for _, parts in self.played.values()]
        forms = pd.DataFrame([asdict(form) for form, _ in self.played.values()]).assign(
            sessions=list(map(len, metrics))
        )
        means = pd.DataFrame([played.mean(numeric_only=True) for played in metrics])
        both = pd.concat([forms, means], axis=1)
        return both.sort_values(["sessions", "objective"], ascending=False, kind="stable")

    def finish(self) -> tuple[WeightForm, pd.DataFrame]:
        """The best form, and the table of all."""
        self.progress(self.total, self.total, "")
        return self.best(), self.table().reset_index(drop=True)

    def _first(self, form: WeightForm) -> pd.DataFrame:
        return self.played[repr(form)][1][0]

    def _mean(self, form: WeightForm) -> float:
        return float(self._first(form)["objective"].mean())
