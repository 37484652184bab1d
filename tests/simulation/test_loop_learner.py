"""Agents that learn between a user's sessions: the order of play, and what they are told."""

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from magus_pyg.agents import ItemsAgent
from magus_pyg.data import Sessions
from magus_pyg.simulation import (
    ANSWER_COLUMNS,
    RECORD_COLUMNS,
    Learner,
    Play,
    SessionView,
    prepare_sessions,
    session_numbers,
    simulate,
)
from magus_pyg.testing import small_graph, small_scores, small_sessions
from magus_pyg.testing.agent_contract import rows_of
from magus_pyg.testing.target_spy import TargetSpy


class Remembers:
    """Lists what its user clicked in earlier sessions first, and what the user passed over last."""

    name = "remembers"

    def __init__(self) -> None:
        self.graph = small_graph()
        self.told: list[pd.DataFrame] = []
        self.restart()

    def restart(self) -> None:
        self.scorer: Tensor = small_scores().clone()
        self.restarts = getattr(self, "restarts", 0) + 1

    def learn(self, answers: pd.DataFrame) -> None:
        self.told.append(answers)
        for row in answers.itertuples():
            for node in row.shown:  # type: ignore[attr-defined]
                if node < 10:
                    self.scorer[row.user, node] += 1.0 if node == row.clicked else -1.0  # type: ignore[index]

    def start(self, view: SessionView) -> Play:
        return ItemsAgent(self.graph, self.scorer).start(view)


def successive(times: int = 3) -> Sessions:
    """The first three small sessions, several times, with an id of its own each."""
    sessions = small_sessions().take(torch.tensor([0, 1, 2] * times))
    return Sessions(sessions.user, sessions.candidates, sessions.targets, None, torch.arange(3 * times) * 2)


@given(st.lists(st.integers(0, 4), max_size=12))
def test_numbers_count_the_sessions_of_a_user(users: list[int]) -> None:
    expected = [users[:place].count(user) for place, user in enumerate(users)]
    assert session_numbers(torch.tensor(users, dtype=torch.int64)).tolist() == expected


def test_sessions_are_played_in_turn_and_learned_from() -> None:
    agent = Remembers()
    assert isinstance(agent, Learner)
    assert not isinstance(ItemsAgent(agent.graph, agent.scorer), Learner)
    log = simulate(agent, successive(), rounds=3, list_length=1)
    assert tuple(log.columns) == RECORD_COLUMNS
    assert list(dict.fromkeys(log["session"])) == list(range(0, 18, 2))  # in the order given
    assert len(agent.told) == 2  # nothing comes after the third
    assert [sorted(set(told["session"])) for told in agent.told] == [[0, 2, 4], [6, 8, 10]]
    expected = small_scores()
    shown = []
    for turn in range(3):
        one = Sessions(*(getattr(successive(), name)[3 * turn : 3 * turn + 3] for name in ("user", "candidates",
                       "targets")), None, torch.arange(3 * turn, 3 * turn + 3) * 2)  # fmt: skip
        table = simulate(ItemsAgent(agent.graph, expected), one, rounds=3, list_length=1)
        shown += table["shown"].tolist()
        for row in table.itertuples():
            for node in row.shown:  # type: ignore[attr-defined]
                expected[row.user, node] += 1.0 if node == row.clicked else -1.0  # type: ignore[index]
    assert log["shown"].tolist() == shown
    success = log.groupby("session")["target_clicked"].max()
    first = log.groupby("session")["round"].max()
    assert success.tolist() == [True] * 9
    assert (first.to_numpy()[3:6] <= first.to_numpy()[:3]).all()  # what was clicked before comes first


def test_learners_are_told_answers_and_no_targets() -> None:
    agent = Remembers()
    simulate(agent, successive(), rounds=3, list_length=1)
    for told in agent.told:
        assert tuple(told.columns) == ANSWER_COLUMNS
        assert not any("target" in column or column == "done" for column in told.columns)


def test_the_spy_watches_learners_too(monkeypatch: pytest.MonkeyPatch) -> None:
    spy, agent = TargetSpy(), Remembers()
    with spy.watch(monkeypatch):
        watched = simulate(spy.agent(agent), spy.sessions(successive()), rounds=3, list_length=1)
    assert rows_of(watched) == rows_of(simulate(agent, successive(), rounds=3, list_length=1))
    assert len(agent.told) == 4
    sessions = spy.sessions(successive())
    monkeypatch.setattr(agent, "learn", lambda answers: sessions.targets.any())
    with spy.watch(monkeypatch), pytest.raises(AssertionError, match="the agent reads the sessions' targets"):
        simulate(spy.agent(agent), sessions, rounds=3, list_length=1)


def test_every_play_begins_anew_and_prepared_sessions_are_the_same() -> None:
    agent, sessions = Remembers(), successive()
    first = rows_of(simulate(agent, sessions, rounds=3, list_length=1))
    assert rows_of(simulate(agent, sessions, rounds=3, list_length=1)) == first
    assert rows_of(simulate(agent, sessions, rounds=3, list_length=1, batch_size=2)) == first
    prepared = prepare_sessions(agent.graph, sessions, small_scores(), batch_size=4)
    assert rows_of(simulate(agent, prepared, rounds=3, list_length=1)) == first
    assert agent.restarts == 5


def test_no_sessions() -> None:
    agent = Remembers()
    none = successive().take(torch.zeros(0, dtype=torch.int64))
    assert len(simulate(agent, none)) == 0
    assert len(simulate(agent, prepare_sessions(agent.graph, none, small_scores()))) == 0
    assert agent.told == []


def test_no_graph_is_made_to_join_prepared_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Remembers()
    monkeypatch.setattr("magus_pyg.simulation.prepare._KEPT", 0)
    prepared = prepare_sessions(agent.graph, successive(), small_scores(), 3)
    expected = simulate(Remembers(), successive(), rounds=2, list_length=2)
    monkeypatch.setattr("magus_pyg.simulation.prepare.prepare_batch", None)
    assert simulate(agent, prepared, rounds=2, list_length=2).equals(expected)
