"""What every fit is given: a spy notes the rows and sessions that each function that learns receives."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from fit_cases import LEARNING, fitted_setting, short_config, tiny_data
from torch import Tensor

from magus_pyg.agents import judging, normalised_fitting, variant_fitting
from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.methods import METHODS
from magus_pyg.agents.rivals import max_entropy, rival_fitting
from magus_pyg.data import Sessions
from magus_pyg.errors import DataError
from magus_pyg.experiment import agent_plays, pipeline
from magus_pyg.experiment.agent_plays import PlaySetting, fit_agents
from magus_pyg.models import Interactions, TrainingData
from magus_pyg.runs.data_loading import load_data
from magus_pyg.runs.run_inputs import playable_sessions
from magus_pyg.simulation import PreparedSessions
from magus_pyg.simulation.prepare import prepare_sessions
from magus_pyg.training import training_data
from magus_pyg.training.folds import FoldedSessions, fold_data, out_of_fold_scores

CONFIG = short_config()
Call = tuple[tuple[Any, ...], dict[str, Any], Any]


class Spy:
    """Notes the arguments and the result of each call of some functions."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.calls: dict[str, list[Call]] = {}

    def watch(self, owner: Any, name: str) -> None:
        """Note the calls of `owner.name` from now on."""
        real: Callable[..., Any] = getattr(owner, name)
        noted = self.calls.setdefault(name, [])

        def spied(*args: Any, **named: Any) -> Any:
            result = real(*args, **named)
            noted.append((args, named, result))
            return result

        self.patch.setattr(owner, name, spied)

    def given(self, name: str, place: int) -> list[Any]:
        """The argument at a place of each call."""
        return [args[place] for args, _, _ in self.calls[name]]


@pytest.fixture(scope="module")
def setting() -> PlaySetting:
    return fitted_setting(tiny_data(), CONFIG)


@pytest.fixture(scope="module")
def spied(setting: PlaySetting) -> Any:
    """The calls of one fit of all agents."""
    with pytest.MonkeyPatch.context() as patch:
        spy = Spy(patch)
        for owner, names in (
            (variant_fitting, ("train_node_features", "choose_weight_form", "fit_bayes", "Judge")),
            (
                rival_fitting,
                ("fit_belief_calibration", "fit_max_entropy", "fit_recurrent", "fit_crm", "fit_ear",
                 "out_of_fold_scores"),
            ),
            (max_entropy, ("fit_temperature",)),
        ):  # fmt: skip
            for name in names:
                spy.watch(owner, name)
        rival_judges: list[PreparedSessions] = []
        real = rival_fitting.Judge

        def judge(sessions: PreparedSessions, *others: Any, **named: Any) -> judging.Judge:
            rival_judges.append(sessions)
            return real(sessions, *others, **named)

        patch.setattr(rival_fitting, "Judge", judge)
        states, _ = fit_agents(setting)
        assert set(states) == set(LEARNING)
        yield spy, rival_judges


def targets_of(prepared: PreparedSessions) -> dict[int, tuple[list[int], list[int]]]:
    """Session -> its candidates and its targets, as they were given."""
    found = {}
    for batch in prepared.batches:
        found.update(pairs_of(batch.sessions))
    return found


def pairs_of(sessions: Sessions) -> dict[int, tuple[list[int], list[int]]]:
    assert sessions.id is not None
    return {
        number: (row.tolist(), row[is_target].tolist())
        for number, row, is_target in zip(sessions.id.tolist(), sessions.candidates, sessions.targets, strict=True)
    }


def validation(setting: PlaySetting) -> dict[int, tuple[list[int], list[int]]]:
    """The validation sessions, made here once more from the rows of that part."""
    data, options = setting.data, CONFIG.session_options
    sessions = playable_sessions(data, setting.graph, "validation", options, CONFIG.seed, CONFIG.simulation.searches)
    part = data.part == 1
    liked = set(zip(data.user[part].tolist(), data.item[part].tolist(), strict=True))
    targets = sessions.targets.nonzero()
    pairs = zip(sessions.user[targets[:, 0]].tolist(), sessions.candidates[sessions.targets].tolist(), strict=True)
    assert set(pairs) <= liked
    return pairs_of(sessions)


def scores_of(prepared: PreparedSessions) -> Tensor:
    """In the order of the sessions' ids."""
    ids = torch.cat([batch.sessions.id for batch in prepared.batches])  # type: ignore[misc]
    return torch.cat([batch.scores for batch in prepared.batches])[ids.argsort()].flatten()


def columns(rows: Interactions) -> tuple[Tensor, Tensor, Tensor]:
    return rows.user, rows.item, rows.label


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_weights_of_magus_plus_are_trained_on_training_rows_and_stopped_by_validation_rows(
    setting: PlaySetting, spied: Any
) -> None:
    spy, _ = spied
    ((args, _, features),) = spy.calls["train_node_features"]
    rows = training_data(setting.data, CONFIG.train)
    assert same(args[2], columns(rows.train))
    assert same(args[3], columns(rows.validation))
    ((chosen, _, _),) = spy.calls["choose_weight_form"]
    assert chosen[2] is features
    assert targets_of(chosen[4].sessions) == validation(setting)


def test_every_variant_is_judged_on_validation_sessions_scored_by_the_runs_model(
    setting: PlaySetting, spied: Any
) -> None:
    spy, _ = spied
    judged = spy.given("Judge", 0)
    assert len(judged) == 3  # magus+, normalised, bayes
    (fitted_on,) = spy.given("fit_bayes", 2)
    for prepared in [*judged, fitted_on]:
        assert targets_of(prepared) == validation(setting)
        again = prepare_sessions(
            setting.graph, setting.sessions("validation"), setting.model, CONFIG.simulation.batch_size
        )
        assert torch.equal(scores_of(prepared), scores_of(again))


def test_every_rival_is_judged_on_validation_sessions(setting: PlaySetting, spied: Any) -> None:
    spy, judged = spied
    assert len(judged) == 4  # max_entropy, recurrent, crm, ear
    for prepared in judged:
        assert targets_of(prepared) == validation(setting)
        again = prepare_sessions(
            setting.graph, setting.sessions("validation", 1), setting.model, CONFIG.simulation.batch_size
        )
        assert torch.equal(scores_of(prepared), scores_of(again))
    judges = [*spy.given("fit_max_entropy", 2), spy.given("fit_recurrent", 4)[0]]
    judges += [spy.given("fit_crm", 3)[0], spy.given("fit_ear", 4)[0]]
    assert all(targets_of(judge.sessions) == validation(setting) for judge in judges)


def test_rivals_train_on_sessions_of_folds_with_scores_out_of_fold(setting: PlaySetting, spied: Any) -> None:
    spy, _ = spied
    ((args, _, folded),) = spy.calls["out_of_fold_scores"]
    build, rows, options, sessions, seed = args[:5]
    assert isinstance(rows, TrainingData)
    expected = training_data(setting.data, CONFIG.train)
    assert same(columns(rows.train), columns(expected.train))
    assert same(columns(rows.validation), columns(expected.validation))
    assert options == CONFIG.train
    for fold, own in enumerate(sessions):
        made = playable_sessions(
            fold_data(setting.data, fold, 2, CONFIG.seed), setting.graph, "validation", CONFIG.session_options,
            CONFIG.seed, CONFIG.simulation.searches,
        )  # fmt: skip
        assert pairs_of(own) == pairs_of(made)
    again = out_of_fold_scores(build, rows, options, sessions, seed)
    assert isinstance(folded, FoldedSessions)
    assert torch.equal(folded.scores, again.scores)
    for name, place in (("fit_recurrent", 3), ("fit_crm", 2), ("fit_ear", 3)):
        (lessons,) = spy.given(name, place)
        assert targets_of(lessons.prepared) == pairs_of(folded.sessions)
        assert torch.equal(scores_of(lessons.prepared).sort().values, folded.scores.flatten().sort().values)
        own = setting.model.score(folded.sessions.user, folded.sessions.candidates).double()
        assert not torch.equal(scores_of(lessons.prepared).sort().values, own.flatten().sort().values)


def test_temperatures_are_those_of_the_scores_that_they_are_used_with(setting: PlaySetting, spied: Any) -> None:
    spy, _ = spied
    fits = [(targets_of(args[0]), found.temperature) for args, _, found in spy.calls["fit_belief_calibration"]]
    of_validation = [temperature for targets, temperature in fits if targets == validation(setting)]
    of_folds = [temperature for targets, temperature in fits if targets != validation(setting)]
    assert len(of_folds) == 3  # recurrent, crm, ear
    assert len(of_validation) == 1  # recurrent's own for play
    assert len(set(of_folds)) == 1
    ((args, _, _),) = spy.calls["fit_recurrent"]
    assert args[5] == (of_folds[0], of_validation[0])
    assert of_folds[0] != of_validation[0]
    assert spy.given("fit_crm", 5) == of_folds[:1]
    assert spy.given("fit_ear", 6) == of_folds[:1]
    assert targets_of(spy.given("fit_temperature", 0)[0]) == validation(setting)  # that of max_entropy


@pytest.mark.parametrize("part", ["test", "dev"])
def test_no_fit_gets_another_part(setting: PlaySetting, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    asked: list[str] = []

    def curious(context: AgentContext) -> AgentState:
        assert context.sessions is not None
        asked.append(part)
        context.sessions(part)
        return {}

    monkeypatch.setitem(METHODS, "bayes", replace(METHODS["bayes"], fit=curious))
    only = replace(setting, config=short_config("agents=[bayes]"))
    with pytest.raises(DataError, match=rf"fitted on the part train or validation \(got '{part}'\)"):
        fit_agents(only)
    assert asked == [part]


def test_what_a_run_trains_on_and_plays(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base recommender gets the rows of the two first parts, each at its place; the test sessions are played."""
    from run_fixtures import train

    spy = Spy(monkeypatch)
    spy.watch(pipeline, "fit")
    spy.watch(agent_plays, "split_sessions")
    monkeypatch.setattr(normalised_fitting, "validation_judge", None)  # the agents of this run fit nothing
    train(tmp_path, "simulation.resamples=10")
    ((args, _, _),) = spy.calls["fit"]
    data = load_data(short_config("dataset.users=60", "dataset.items=160", "dataset.brands=8"))
    for part, rows in (("train", args[1].train), ("validation", args[1].validation)):
        chosen = data.rows(part)
        assert rows.user.tolist() == data.user[chosen].tolist()
        assert rows.item.tolist() == data.item[chosen].tolist()
    (played,) = spy.given("split_sessions", 1)
    test = data.part == 2
    pairs = set(zip(data.user[test].tolist(), data.item[test].tolist(), strict=True))
    user = played.user.unsqueeze(1).expand_as(played.candidates)[played.targets].tolist()
    assert set(zip(user, played.candidates[played.targets].tolist(), strict=True)) <= pairs
