"""What every agent must do: an agent's test class inherits `AgentContract` and says how the agent is made."""

from typing import Any, ClassVar

import pandas as pd
import pytest
import torch
from contracts.spy import Spy
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.data import Sessions
from magus_pyg.graph import SessionGraphBuilder, build_relational_graph, n_items, node_words
from magus_pyg.models import FM, FeatureSpace, FMOptions
from magus_pyg.ragged import Ragged
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

# Items 0 and 1 have the same words, item 9 has none.
ITEMS = [
    ("a", "milk", "sale"), ("a", "milk", "sale"), ("a", "milk", ""), ("a", "cheese", ""), ("b", "milk", "new"),
    ("b", "cheese", "sale"), ("b", "bread", ""), ("c", "bread", "new"), ("c", "cheese", "new"), ("", "", ""),
]  # fmt: skip
# Full lists, padded ones, one candidate, the wordless item alone, no candidate, no target, all of them targets.
CANDIDATES = [
    [0, 1, 2, 4, 7, 9], [8, -1, 3, 5, -1, 6], [2, -1, -1, -1, -1, -1], [-1, -1, 9, -1, -1, -1], [-1] * 6,
    [7, 6, 5, 4, 3, 2], [0, 1, 8, -1, -1, -1], [9, 8, 7, 6, 1, 0], [5, 4, 0, 3, 8, 6],
]  # fmt: skip
TARGETS = [{4, 7}, {3}, {2}, {9}, set(), set(), {0, 1, 8}, {6, 1}, {8}]
N_USERS = 7


def small_graph() -> HeteroData:
    """Ten items, queries of up to two words."""
    rows = [(f"i{number}", *words) for number, words in enumerate(ITEMS)]
    return build_relational_graph(pd.DataFrame(rows, columns=["item_id", "brand", "kind", "offer"]),
                                  ["brand", "kind", "offer"], max_words=2)  # fmt: skip


def small_scores(ties: bool = False) -> Tensor:
    """Base scores [7, 10]; with `ties`, of four different values."""
    scores = torch.rand((N_USERS, len(ITEMS)), generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return torch.round(scores * 3) if ties else scores


def small_model(graph: HeteroData, seed: int = 0) -> FM:
    """An untrained base recommender over the small items, for agents that read embeddings."""
    count = n_items(graph)
    words = node_words(graph).select(torch.arange(count))
    profiles = Ragged.from_lists([[] for _ in range(N_USERS)])
    space = FeatureSpace(N_USERS, count, len(graph.vocabulary.words), 0, words, profiles)
    return FM(FMOptions(dim=4, dropout=0.0, init_std=0.5), space, seed).eval()


def small_sessions(targets: bool = True, searched: bool = True) -> Sessions:
    """Nine sessions; some of their users searched something."""
    candidates = torch.tensor(CANDIDATES)
    wanted = [[item in own and targets for item in row] for row, own in zip(CANDIDATES, TARGETS, strict=True)]
    query = torch.where(candidates[:, :2] > 4, candidates[:, :2] + len(ITEMS), -1)
    return Sessions(
        torch.arange(len(CANDIDATES)) % N_USERS, candidates, torch.tensor(wanted), query if searched else None,
        torch.arange(len(CANDIDATES)) * 5 + 1,
    )  # fmt: skip


class AsksOnly(User):
    """Clicks some shown query or none, whatever the targets are: what is shown then says nothing of them."""

    def answer(self, shown: ShownList) -> Answer:
        chosen = integers(shown.present.shape[1] + 1, shown.key, shown.round) - 1
        row = torch.arange(chosen.numel())
        query = (shown.present & ~shown.is_item)[row, chosen.clamp(min=0)] & (chosen >= 0)
        return Answer(torch.where(query, chosen, -1), torch.zeros_like(shown.present))


# ---------------------------------------------------------------- the contract


def rows_of(log: pd.DataFrame) -> list[dict[str, Any]]:
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
        graph = small_graph()
        return cls.make(graph, cls.scorer(graph))

    def test_it_is_an_agent(self, agent: Agent) -> None:
        assert isinstance(agent, Agent)
        assert isinstance(agent.name, str)
        assert agent.name
        assert agent.graph["node"].num_nodes > len(ITEMS)

    @pytest.mark.parametrize("list_length", [1, 3, 50])
    def test_lists_are_full_until_no_node_is_left_and_none_returns(self, agent: Agent, list_length: int) -> None:
        """50 is longer than any session: the first list holds all that can be shown."""
        rounds = 40 if list_length < 50 else 3
        view = view_of(agent, small_sessions(), rounds, list_length)
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
            left[row, shown[present]] = False
            is_item = graphs.is_item[shown.clamp(min=0)] & present
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
        assert set(item) <= set(log["shown"].sum())
        assert bool(log["target_clicked"].any()) == bool(item)

    def test_a_session_goes_on_in_another_process(self, agent: Agent) -> None:
        sessions = small_sessions()
        first, second = (agent.start(view_of(agent, sessions, 4, 2)) for _ in range(2))
        for _ in range(2):
            shown = first.recommend()
            first.update(_clicks(shown, 0))
        second.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
        for _ in range(2):
            shown = first.recommend()
            assert torch.equal(second.recommend(), shown)
            torch.testing.assert_close(first.node_scores(), second.node_scores(), rtol=0, atol=0)
            feedback = _clicks(shown, 1)
            first.update(feedback)
            second.update(feedback)

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
        spy = Spy()
        with spy.watch(monkeypatch):
            watched = simulate(spy.agent(agent), spy.sessions(small_sessions()), rounds=4, list_length=2)
        assert rows_of(watched) == rows_of(simulate(agent, small_sessions(), rounds=4, list_length=2))
