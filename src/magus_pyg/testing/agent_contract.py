"""What every agent must do: an agent's test class inherits `AgentContract` and says how the agent is made."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any, ClassVar

import pandas as pd
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.data import Sessions
from magus_pyg.graph import SessionGraphBuilder
from magus_pyg.random import hash_keys, integers
from magus_pyg.simulation import (
    Agent,
    Answer,
    Feedback,
    NoisyUser,
    Scorer,
    SessionView,
    ShownList,
    User,
    prepare_sessions,
    score_candidates,
    simulate,
)
from magus_pyg.simulation.prepare import find_slots
from magus_pyg.testing.small_sessions import CANDIDATES, ITEMS, small_graph, small_scores, small_sessions
from magus_pyg.testing.target_spy import TargetSpy


class AsksOnly(User):
    """Clicks some shown query or none, whatever the targets are: what is shown then says nothing of them."""

    def answer(self, shown: ShownList) -> Answer:
        """A click drawn from the session's key and the round, on a query or nowhere."""
        chosen = integers(shown.present.shape[1] + 1, shown.key, shown.round) - 1
        row = torch.arange(chosen.numel())
        query = (shown.present & ~shown.is_item)[row, chosen.clamp(min=0)] & (chosen >= 0)
        return Answer(torch.where(query, chosen, -1), torch.zeros_like(shown.present))


def rows_of(log: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """The rows of a record table, sorted by session."""
    return log.sort_values(["session", "round"]).to_dict("records")


def view_of(agent: Agent, sessions: Sessions, rounds: int, list_length: int) -> SessionView:
    """What the loop gives an agent, without the loop."""
    builder = SessionGraphBuilder(agent.graph)
    graphs = builder.build(sessions.candidates)
    scores = score_candidates(agent.scorer, sessions.user, graphs.node[:, : graphs.n_candidates])
    assert sessions.id is not None
    key = hash_keys(0, sessions.id)
    searched = find_slots(graphs, sessions.searched)
    return SessionView(agent.graph, builder, graphs, sessions.user, scores, searched, rounds, list_length, key)


def _clicks(shown: Tensor, position: int) -> Feedback:
    """A click at a position wherever there is a node."""
    clicked = torch.where(shown[:, position] >= 0, position, -1)
    return Feedback(
        shown, clicked, torch.zeros_like(shown, dtype=torch.bool), torch.ones_like(clicked, dtype=torch.bool)
    )


class AgentContract:
    """Inherit, and say how the agent is made; set `shows_queries` to False for one that shows items alone."""

    shows_queries: ClassVar[bool] = True

    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        """The agent, ready to play on `small_graph()`; what it learns it has learned."""
        raise NotImplementedError

    @classmethod
    def scorer(cls, graph: HeteroData) -> Scorer | Tensor:
        """The base scores; override with `small_model(graph)` for agents that read embeddings."""
        return small_scores()

    @pytest.fixture(scope="class")
    @classmethod
    def agent(cls) -> Agent:
        """One agent for all tests of the class."""
        graph = small_graph()
        return cls.make(graph, cls.scorer(graph))

    def test_it_is_an_agent(self, agent: Agent) -> None:
        assert isinstance(agent, Agent)
        assert isinstance(agent.name, str)
        assert agent.name
        assert agent.graph["node"].num_nodes > len(ITEMS)

    @pytest.mark.parametrize(("list_length", "min_items"), [(1, 0), (3, 0), (50, 0), (1, 1), (3, 1), (3, 2), (3, 3)])
    def test_lists_are_full_until_no_node_is_left_and_none_returns(
        self, agent: Agent, list_length: int, min_items: int
    ) -> None:
        """50 is longer than any session: the first list holds all that can be shown."""
        rounds = 40 if list_length < 50 else 3
        view = replace(view_of(agent, small_sessions(), rounds, list_length), min_items=min_items)
        play, graphs, user = agent.start(view), view.graphs, AsksOnly()
        left = graphs.valid.clone() if self.shows_queries else graphs.valid & graphs.is_item
        for number in range(rounds):
            shown = play.recommend()
            assert shown.dtype == torch.int64
            assert shown.shape == (len(CANDIDATES), list_length)
            present = shown >= 0
            row = torch.nonzero(present)[:, 0]
            assert bool(left[row, shown[present]].all()), "a node returns, or is none of the session"
            assert torch.equal(present.sum(1), left.sum(1).clamp(max=list_length))
            assert torch.equal(present, torch.arange(list_length) < present.sum(1, keepdim=True))  # gaps at the end
            is_item = graphs.is_item[shown.clamp(min=0)] & present
            items_left = (left & graphs.is_item).sum(1)
            assert bool((is_item.sum(1) >= items_left.clamp(max=min_items)).all()), "fewer items than `min_items`"
            left[row, shown[present]] = False
            nothing = torch.zeros_like(shown)
            answer = user.answer(ShownList(present, is_item, nothing, nothing[:, 0], number, view.key))
            active = torch.ones(len(shown), dtype=torch.bool)
            play.update(Feedback(shown, answer.clicked, answer.not_care, active))

    def test_scores_of_all_nodes(self, agent: Agent) -> None:
        view = view_of(agent, small_sessions(), 3, 2)
        play = agent.start(view)
        play.recommend()
        scores = play.node_scores()
        assert scores.shape == view.graphs.node.shape
        assert scores.dtype == torch.float64
        assert not bool(torch.isnan(scores[view.graphs.valid]).any())

    def test_playing_changes_neither_the_sessions_nor_the_answers(self, agent: Agent) -> None:
        view = view_of(agent, small_sessions(), 3, 2)
        before = [value.clone() for value in (view.scores, view.graphs.node, view.user, view.key)]
        play = agent.start(view)
        shown = play.recommend()
        kept = shown.clone()
        feedback = _clicks(shown, 0)
        play.update(feedback)
        play.recommend()
        assert torch.equal(feedback.shown, kept)
        assert bool(feedback.active.all())
        after = (view.scores, view.graphs.node, view.user, view.key)
        assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))

    @pytest.mark.parametrize("user", [None, NoisyUser(0.3, 0.2), AsksOnly()], ids=["truthful", "noisy", "asks only"])
    def test_together_one_by_one_in_any_order_and_in_shards(self, agent: Agent, user: User | None) -> None:
        sessions = small_sessions()
        expected = rows_of(simulate(agent, sessions, user, rounds=4, list_length=2, seed=5))
        assert rows_of(simulate(agent, sessions, user, rounds=4, list_length=2, seed=5)) == expected
        for size in (1, 2, 5):
            assert rows_of(simulate(agent, sessions, user, 4, 2, seed=5, batch_size=size)) == expected
        order = torch.tensor([3, 8, 0, 6, 2, 7, 4, 1, 5])
        assert rows_of(simulate(agent, sessions.take(order), user, 4, 2, seed=5, batch_size=4)) == expected
        shards = [simulate(agent, sessions.take(part), user, 4, 2, seed=5) for part in (order[:2], order[2:])]
        assert rows_of(pd.concat(shards, ignore_index=True)) == expected
        prepared = prepare_sessions(agent.graph, sessions, agent.scorer, batch_size=4)
        assert rows_of(simulate(agent, prepared, user, 4, 2, seed=5)) == expected

    def test_the_order_of_candidates_does_not_matter(self, agent: Agent) -> None:
        sessions = small_sessions()
        order = torch.tensor([5, 2, 0, 4, 1, 3])
        moved = Sessions(sessions.user, sessions.candidates[:, order], sessions.targets[:, order], sessions.searched,
                         sessions.id)  # fmt: skip
        assert rows_of(simulate(agent, moved, rounds=4)) == rows_of(simulate(agent, sessions, rounds=4))

    def test_no_sessions(self, agent: Agent) -> None:
        none = small_sessions().take(torch.zeros(0, dtype=torch.int64))
        assert len(simulate(agent, none)) == 0
        view = view_of(agent, none, 2, 3)
        play = agent.start(view)
        assert play.recommend().shape == (0, 3)
        nobody = torch.zeros(0, dtype=torch.int64)
        play.update(Feedback(nobody.view(0, 3), nobody, nobody.view(0, 3).bool(), nobody.bool()))
        assert play.recommend().shape == (0, 3)

    @pytest.mark.parametrize("place", [2, 3, 4], ids=["one item", "one node", "no node"])
    def test_one_session_with_hardly_a_node(self, agent: Agent, place: int) -> None:
        log = simulate(agent, small_sessions().take(torch.tensor([place])), rounds=3, list_length=3)
        item = [[2], [9], []][place - 2]
        assert set(item) <= {node for shown in log["shown"] for node in shown}
        assert bool(log["target_clicked"].any()) == bool(item)

    def test_what_it_shows_does_not_depend_on_the_targets(self, agent: Agent) -> None:
        """The answers are the same and no session ends early, so all lists have to be the same."""
        sessions = small_sessions()
        none = torch.zeros_like(sessions.targets)
        columns = ["session", "round", "shown", "clicked"]
        logs = []
        for targets in (sessions.targets, none, sessions.candidates >= 0):
            other = Sessions(sessions.user, sessions.candidates, targets, sessions.searched, sessions.id)
            logs.append(simulate(agent, other, AsksOnly(), rounds=4, list_length=2)[columns].to_dict("records"))
        assert logs[0] == logs[1] == logs[2]

    def test_it_reads_no_target(self, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
        spy = TargetSpy()
        with spy.watch(monkeypatch):
            watched = simulate(spy.agent(agent), spy.sessions(small_sessions()), rounds=4, list_length=2)
        assert rows_of(watched) == rows_of(simulate(agent, small_sessions(), rounds=4, list_length=2))
