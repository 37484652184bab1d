"""No fit looks at later parts (reading 32): all later rows are replaced at random, and nothing changes but what may."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from fit_cases import LEARNING, fitted_setting, short_config, tiny_data, with_other_rows
from torch_geometric.data import HeteroData

from magus_pyg.data import RecDataset, SessionOptions, Sessions, items_of_users
from magus_pyg.experiment import agent_plays
from magus_pyg.experiment.agent_plays import PlaySetting, fit_agents, play_agents
from magus_pyg.experiment.preparing import _population
from magus_pyg.models import BaseRecommender, Interactions
from magus_pyg.runs.run_inputs import build_graph, playable_sessions
from magus_pyg.training import TrainOptions, training_data
from magus_pyg.training.folds import fold_data
from magus_pyg.training.loader import TrainLoader
from magus_pyg.training.training_rows import users_that_train

CONFIG = short_config()


@pytest.fixture(scope="module")
def data() -> RecDataset:
    return tiny_data()


def same_rows(one: Interactions, other: Interactions) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("user", "item", "label"))


def same_sessions(one: Sessions, other: Sessions) -> bool:
    columns = [(getattr(one, entry.name), getattr(other, entry.name)) for entry in fields(Sessions)]
    return all((a is None and b is None) or (a is not None and b is not None and torch.equal(a, b)) for a, b in columns)


def sessions_of(data: RecDataset, graph: HeteroData, part: str, kind: str = "standard") -> Sessions:
    options = SessionOptions(kind=kind, candidates=8, min_interactions=10)
    return playable_sessions(data, graph, part, options, CONFIG.seed, 5)


def batches(rows: Interactions, data: RecDataset) -> list[torch.Tensor]:
    """The columns of two epochs of training, with their negatives."""
    loader = TrainLoader(rows, items_of_users(data, ("train",)), 64, 2, 5)
    columns = []
    for loader.epoch in (0, 1):
        columns += [column for batch in loader for column in batch]
    return columns


def test_the_replaced_rows_are_others(data: RecDataset) -> None:
    """Else the tests below would show nothing."""
    other = with_other_rows(data, "test")
    test = data.part == 2
    assert np.array_equal(data.item[~test], other.item[~test])
    assert (data.item[test] != other.item[test]).mean() > 0.9
    assert (data.label[test] != other.label[test]).mean() > 0.3
    assert (data.time[test] != other.time[test]).mean() > 0.3
    graph = build_graph(data)
    assert not same_sessions(sessions_of(data, graph, "test"), sessions_of(other, graph, "test"))
    assert not data.searched.equals(other.searched)
    # Items of the later rows are among those that a session before them may not avoid.
    known = items_of_users(data, ("train", "validation"))
    user, item = (torch.from_numpy(column[test]) for column in (other.user, other.item))
    assert not bool(known.contains(user, item).all())


@pytest.mark.parametrize("kind", ["standard", "paper"])
@pytest.mark.parametrize("first", ["validation", "test"])
def test_rows_sessions_negatives_and_graph(data: RecDataset, first: str, kind: str) -> None:
    other = with_other_rows(data, first)
    parts = ["train"] if first == "validation" else ["train", "validation"]
    rows, others = (training_data(each) for each in (data, other))
    graph = build_graph(data)  # one for both: what was searched in the validation part may become nodes
    for part in parts:
        assert same_rows(getattr(rows, part), getattr(others, part))
        assert same_sessions(sessions_of(data, graph, part, kind), sessions_of(other, graph, part, kind))
    pairs = zip(batches(rows.train, data), batches(others.train, other), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)
    options = TrainOptions(filter="paper", min_interactions=14)
    kept = [users_that_train(each.user, each.label, each.part, each.n_users, options) for each in (data, other)]
    assert np.array_equal(*kept)
    for fold in range(2):
        held_out = [sessions_of(fold_data(each, fold, 2, 3), graph, "validation", kind) for each in (data, other)]
        assert same_sessions(*held_out)
    if first == "validation":
        return
    graphs = [build_graph(each) for each in (data, other)]
    assert all(torch.equal(graphs[0][name], graphs[1][name]) for name in ("word_ptr", "word_index"))
    edges = [graph["node", "improves", "node"].edge_index for graph in graphs]
    assert torch.equal(*edges)
    searched = [_population(each, graph, CONFIG).searched for each, graph in zip((data, other), graphs, strict=True)]
    assert torch.equal(searched[0].index, searched[1].index)


def test_trained_weights_and_all_fitted_states(data: RecDataset) -> None:
    """Of the base recommender and of every variant and rival that learns."""
    settings: list[PlaySetting] = [fitted_setting(each, CONFIG) for each in (data, with_other_rows(data, "test"))]
    weights = [setting.model.state_dict() for setting in settings]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    (states, tables), (others, other_tables) = (fit_agents(setting) for setting in settings)
    assert set(states) == set(LEARNING)
    for name in LEARNING:
        assert states[name].keys() == others[name].keys()
        assert all(torch.equal(states[name][key], others[name][key]) for key in states[name]), name
        if name in tables:
            assert tables[name].equals(other_tables[name]), name


def test_histories_of_what_is_played(data: RecDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that reads a history reads no row of the part that is played, nor later ones, but all rows before."""

    def scores(each: RecDataset, part: str) -> torch.Tensor:
        setting = replace(fitted, data=each)
        return setting.model_at(part).score(torch.arange(each.n_users), torch.arange(each.n_items))

    fitted = fitted_setting(data, short_config("model=gru", "model.init_std=0.5"))
    later = {part: with_other_rows(data, part) for part in ("validation", "test")}
    held_out, test = scores(data, "validation"), scores(data, "test")
    assert torch.equal(held_out, scores(later["validation"], "validation"))
    assert torch.equal(test, scores(later["test"], "test"))
    assert not torch.equal(test, scores(later["validation"], "test"))
    assert not torch.equal(test, held_out)
    # What is played is scored with them.
    groups, models = agent_plays._groups, []

    def seen(setting: PlaySetting, model: BaseRecommender, *others: Any) -> Any:
        models.append(model)
        return groups(setting, model, *others)

    monkeypatch.setattr(agent_plays, "_groups", seen)
    config = replace(fitted.config, agents=["items"])
    for part, expected in (("validation", held_out), ("test", test)):
        play_agents(replace(fitted, config=replace(config, simulation=replace(config.simulation, part=part))), {})
        model = models.pop()
        assert torch.equal(model.score(torch.arange(data.n_users), torch.arange(data.n_items)), expected)
