"""Learning from sessions: what is appended to the log, fine-tuning of every kind of base recommender, and no leak."""

from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from magus_pyg.agents import ItemsAgent, MagusAgent
from magus_pyg.agents.variants import BaseVariant
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError, ModelError
from magus_pyg.experiment.agents_by_name import agent_context, build_agent
from magus_pyg.experiment.learning import LearningAgent, answered_items, append_answers, fine_tune
from magus_pyg.models import MODELS, BaseRecommender, Interactions, TrainingData, build_model
from magus_pyg.runs.config import Config
from magus_pyg.simulation import ANSWER_COLUMNS, Learner, simulate
from magus_pyg.testing import small_graph, small_model, small_sessions
from magus_pyg.testing.agent_contract import AsksOnly, rows_of
from magus_pyg.testing.small_sessions import N_USERS
from magus_pyg.testing.target_spy import TargetSpy
from magus_pyg.training import TrainOptions
from magus_pyg.training.learn_options import LearnOptions

TRAIN = TrainOptions(weight_decay=1e-3)


def old_log(actions: bool = False) -> Interactions:
    """Two rows a user: item u is liked, item u + 1 is not."""
    user = torch.arange(N_USERS).repeat_interleave(2)
    item = (user + torch.tensor([0, 1]).repeat(N_USERS)) % 10
    label = torch.tensor([1, 0]).repeat(N_USERS)
    action = torch.where(label == 1, 2, 0) if actions else None
    return Interactions(user, item, label, True, action, ("view", "cart", "buy") if actions else ())


def answers_of(*rows: tuple[int, list[int], list[str], int]) -> pd.DataFrame:
    """Rows (user, shown, kinds, clicked)."""
    return pd.DataFrame(rows, columns=["user", "shown", "kinds", "clicked"])


ANSWERS = answers_of(
    (3, [12, 4, 7], ["query", "item", "item"], 12),  # a query was clicked: both items were passed over
    (3, [2, 15, 9], ["item", "query", "item"], 2),
    (0, [], [], -1),
    (5, [11, 13], ["query", "query"], -1),
    (5, [8], ["item"], -1),
)


# ---------------------------------------------------------------- the log


def test_answered_items_by_hand() -> None:
    user, item, label = answered_items(ANSWERS)
    assert list(zip(user.tolist(), item.tolist(), label.tolist(), strict=True)) == [
        (3, 4, 0), (3, 7, 0), (3, 2, 1), (3, 9, 0), (5, 8, 0),
    ]  # fmt: skip
    for none in (ANSWERS.iloc[:0], ANSWERS.iloc[2:3], ANSWERS.iloc[3:4]):
        assert [column.tolist() for column in answered_items(none)] == [[], [], []]


def test_answers_are_the_last_rows_of_the_log() -> None:
    log = old_log()
    joined = append_answers(log, ANSWERS)
    assert len(joined) == len(log) + 5
    assert torch.equal(joined.user[: len(log)], log.user)
    assert joined.item[len(log) :].tolist() == [4, 7, 2, 9, 8]
    assert joined.label[len(log) :].tolist() == [0, 0, 1, 0, 0]
    assert joined.ordered
    assert joined.action is None


def test_new_rows_get_the_usual_action_of_their_label() -> None:
    joined = append_answers(old_log(actions=True), ANSWERS)
    assert joined.action is not None
    assert joined.action[-5:].tolist() == [0, 0, 2, 0, 0]
    only = old_log(actions=True).take(torch.arange(0, 2 * N_USERS, 2))  # positive rows alone
    joined = append_answers(only, ANSWERS)
    assert joined.action is not None
    assert set(joined.action.tolist()) == {2}
    assert len(append_answers(only.take(torch.zeros(0, dtype=torch.int64)), ANSWERS)) == 5


def test_only_answers_are_read() -> None:
    log = simulate(ItemsAgent(small_graph(), torch.rand(N_USERS, 10)), small_sessions(), rounds=3)
    expected = [column.tolist() for column in answered_items(log)]
    told = log[list(ANSWER_COLUMNS)]
    assert [column.tolist() for column in answered_items(told)] == expected
    other = log.assign(n_targets=9, target_clicked=True, done=True, n_candidates=0)
    assert [column.tolist() for column in answered_items(other)] == expected


# ---------------------------------------------------------------- fine-tuning


def model_of(name: str, log: Interactions, seed: int = 0) -> BaseRecommender:
    options = MODELS[name].options()
    return build_model(options, small_model(small_graph()).features, small_graph(), log, seed).eval()


def loss_on(model: BaseRecommender, rows: tuple[Tensor, Tensor, Tensor]) -> float:
    with torch.no_grad():
        logits = model(rows[0], rows[1])
    return float(torch.nn.functional.binary_cross_entropy_with_logits(logits, rows[2].float()))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_base_recommender_learns(name: str) -> None:
    log = old_log()
    model = model_of(name, log)
    model.observe(log)
    everyone, items = torch.arange(N_USERS), torch.arange(10)
    before = model.score(everyone, items)
    joined, new = append_answers(log, ANSWERS), answered_items(ANSWERS)
    options = LearnOptions(epochs=30, lr=1e-2, replay=0.5)
    learned = fine_tune(model, small_graph(), joined, 5, TRAIN, options, seed=1)
    assert torch.equal(model.score(everyone, items), before), "the given model changes"
    assert not learned.training
    again = fine_tune(model, small_graph(), joined, 5, TRAIN, options, seed=1)
    assert torch.equal(again.score(everyone, items), learned.score(everyone, items))
    if model.trainable:
        assert loss_on(learned, new) < loss_on(model, new)
    if learned.needs_history:  # the clicked item is now the last one of the user's past
        untrained = fine_tune(model, small_graph(), joined, 5, TRAIN, LearnOptions(epochs=0), seed=1)
        assert not torch.equal(untrained.score(torch.tensor([3]), items), model.score(torch.tensor([3]), items))
        # Another user's past is the same, and so are the scores of items that were known before.
        known = [each.score(torch.tensor([6]), items[:8]) for each in (model, untrained)]
        torch.testing.assert_close(*known)


def test_nothing_new_is_nothing_learned() -> None:
    log = old_log()
    model = model_of("fm", log)
    model.observe(log)
    same = fine_tune(model, small_graph(), log, 0, TRAIN, LearnOptions(), seed=1)
    users, items = torch.arange(N_USERS), torch.arange(10)
    assert torch.equal(same.score(users, items), model.score(users, items))


def test_a_loss_that_is_not_finite_is_named() -> None:
    log = append_answers(old_log(), ANSWERS)
    model = model_of("fm", log)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1e30)
    with pytest.raises(ModelError, match=r"learning from sessions became .* epoch 0, batch 0; lower learning.lr"):
        fine_tune(model, small_graph(), log, 5, TRAIN, LearnOptions(), seed=1)


@pytest.mark.parametrize(
    "values", [{"epochs": -1}, {"batch_size": 0}, {"lr": 0.0}, {"lr": float("nan")}, {"replay": -1.0}]
)
def test_options_out_of_range(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"LearnOptions\.{next(iter(values))} must be "):
        LearnOptions(**values)


# ---------------------------------------------------------------- the agent


def successive() -> Sessions:
    """The nine small sessions twice, the second time with other candidates' order, with ids of their own."""
    first = small_sessions(searched=False)
    index = torch.tensor(list(range(9)) * 2)
    return Sessions(first.user[index], first.candidates[index], first.targets[index], None, torch.arange(18))


def learning(kind: str = "items", seed: int = 0) -> LearningAgent:
    graph, log = small_graph(), old_log()
    model = model_of("fm", log)
    model.observe(log)
    make = {"items": lambda m: ItemsAgent(graph, m), "magus": lambda m: MagusAgent(graph, m)}[kind]
    return LearningAgent(make, model, graph, log, TRAIN, LearnOptions(epochs=5, lr=0.02), seed)


def test_it_plays_as_the_agent_does_and_learns_between() -> None:
    agent = learning()
    assert isinstance(agent, Learner)
    sessions = successive()
    log = simulate(agent, sessions, rounds=3, list_length=2)
    number = log.groupby("user")["session"].rank("dense")
    frozen = simulate(ItemsAgent(agent.graph, agent.model), sessions, rounds=3, list_length=2)
    assert set(log["agent"]) == {"items"}
    assert rows_of(log[number == 1]) == rows_of(frozen[frozen.groupby("user")["session"].rank("dense") == 1])
    assert not log["shown"].equals(frozen["shown"])
    # Every user has two to four sessions: the log holds all answers but those of the last ones.
    last = int(number.max())
    expected = answered_items(pd.concat([log[number == turn] for turn in range(1, last)]))
    learned = [column[len(old_log()) :] for column in (agent.log.user, agent.log.item, agent.log.label.long())]
    assert [column.tolist() for column in learned] == [column.tolist() for column in expected]


@pytest.mark.parametrize("kind", ["items", "magus"])
def test_every_play_begins_with_the_model_as_it_was(kind: str) -> None:
    agent, sessions = learning(kind), successive()
    first = rows_of(simulate(agent, sessions, rounds=3, list_length=2))
    assert rows_of(simulate(agent, sessions, rounds=3, list_length=2)) == first
    assert rows_of(simulate(agent, sessions, rounds=3, list_length=2, batch_size=2)) == first
    assert rows_of(simulate(learning(kind), sessions, rounds=3, list_length=2)) == first


def test_what_is_learned_does_not_depend_on_targets() -> None:
    """The same answers under other targets: the log and all weights are the same."""
    sessions = successive()
    weights, logs = [], []
    for targets in (sessions.targets, torch.zeros_like(sessions.targets), sessions.candidates >= 0):
        agent = learning("magus")
        other = Sessions(sessions.user, sessions.candidates, targets, None, sessions.id)
        log = simulate(agent, other, AsksOnly(), rounds=3, list_length=2)
        logs.append(log[list(ANSWER_COLUMNS)].to_dict("records"))
        assert isinstance(agent.scorer, torch.nn.Module)
        weights.append(torch.cat([value.flatten() for value in agent.scorer.state_dict().values()]))
    assert logs[0] == logs[1] == logs[2]
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])


def test_the_spy_sees_no_target_read(monkeypatch: pytest.MonkeyPatch) -> None:
    spy, agent = TargetSpy(), learning()
    with spy.watch(monkeypatch):
        watched = simulate(spy.agent(agent), spy.sessions(successive()), rounds=3, list_length=2)
    assert rows_of(watched) == rows_of(simulate(agent, successive(), rounds=3, list_length=2))


@pytest.mark.parametrize("name", ["items", "magus"])
def test_agents_by_name_heed_the_switch(name: str) -> None:
    log = old_log()
    model = model_of("fm", log)
    model.observe(log)
    rows = TrainingData(log, log)
    for learn in ("none", "per_session"):
        config = Config(magus=BaseVariant(learn=learn), learning=LearnOptions(epochs=2, replay=0.5), seed=4)
        agent = build_agent(name, agent_context(config, small_graph(), model, rows=lambda: rows), {}, config)
        assert isinstance(agent, Learner) == (learn == "per_session")
        assert agent.name == name
        if isinstance(agent, LearningAgent):
            assert agent.options == config.learning
