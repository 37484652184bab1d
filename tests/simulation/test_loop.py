"""The loop and its record table, rows by hand; lists, answers and scores that break the rules."""

import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS, apple_table
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import BayesAgent, BayesState, ItemsAgent, MagusAgent
from magus_pyg.data import Sessions
from magus_pyg.errors import ModelError, SessionError
from magus_pyg.graph import build_relational_graph, n_items
from magus_pyg.random import uniform
from magus_pyg.simulation import (
    RECORD_COLUMNS,
    Answer,
    Feedback,
    SessionView,
    ShownList,
    TruthfulUser,
    User,
    prepare_sessions,
    simulate,
    summarize,
)

# One word a query: items A 0 (macbook, pro, grey), B 1 (airpods), C 2 (iphone, pro); airpods 3, iphone 4, macbook 5,
# pro 6, grey 7.
SCORES = torch.tensor([[7.0, 4.0, 8.0]])


@pytest.fixture
def graph() -> HeteroData:
    return build_relational_graph(apple_table(), APPLE_FIELDS, max_words=1)


def one_session(target: int | None, candidates: list[int] | None = None, user: int = 0) -> Sessions:
    items = [0, 1, 2] if candidates is None else candidates
    return Sessions(torch.tensor([user]), torch.tensor([items]), torch.tensor([[item == target for item in items]]))


class Script:
    """An agent that shows what it is told to, round by round: slots [B, N]."""

    name = "script"

    def __init__(self, graph: HeteroData, *lists: list[list[int]]) -> None:
        self.graph, self.scorer = graph, SCORES
        self.lists = [torch.tensor(shown) for shown in lists]
        self.view: SessionView | None = None
        self.feedback: list[Feedback] = []

    def start(self, view: SessionView) -> "Script":
        self.view, self.round = view, 0
        return self

    def recommend(self) -> Tensor:
        self.round += 1
        return self.lists[self.round - 1]

    def update(self, feedback: Feedback) -> None:
        self.feedback.append(feedback)

    def node_scores(self) -> Tensor:
        raise NotImplementedError


# ---------------------------------------------------------------- the record table


def test_every_column_by_hand(graph: HeteroData) -> None:
    # The scores of both rounds stand in tests/agents/test_magus_by_hand.py.
    sessions = Sessions(
        torch.tensor([3, 1]),
        torch.tensor([[0, 1, 2], [2, -1, 0]]),
        torch.tensor([[True, False, False], [False, False, True]]),
        id=torch.tensor([40, 20]),
    )
    log = simulate(MagusAgent(graph, SCORES.expand(4, 3)), sessions, rounds=3, list_length=2)
    assert tuple(log.columns) == RECORD_COLUMNS
    # Second session: C 1, A 0 after Eq. (2), T = 1: iphone 1, macbook and grey -1, pro 1. C and iphone, then pro.
    rows = [
        (40, 3, "magus", 3, 1, [6, 2], ["query", "item"], 6, 1, 3, 1, 1, False, False),
        (40, 3, "magus", 3, 2, [0, 4], ["item", "query"], 0, 1, 3, 1, 1, True, True),
        (20, 1, "magus", 3, 1, [2, 4], ["item", "query"], -1, 0, 2, 1, 1, False, False),
        (20, 1, "magus", 3, 2, [6, 0], ["query", "item"], 0, 2, 2, 1, 1, True, True),
    ]
    assert list(log.itertuples(index=False, name=None)) == rows


def test_a_session_ends_with_its_target_or_its_rounds(graph: HeteroData) -> None:
    agent = ItemsAgent(graph, SCORES)
    found = simulate(agent, one_session(1), rounds=5, list_length=1)
    assert found["shown"].tolist() == [[2], [0], [1]]
    assert found["done"].tolist() == [False, False, True]
    assert found["target_clicked"].tolist() == [False, False, True]
    ended = simulate(agent, one_session(1), rounds=2, list_length=1)
    assert ended["done"].tolist() == [False, True]
    assert not ended["target_clicked"].any()


def test_fewer_nodes_than_the_list_is_long(graph: HeteroData) -> None:
    log = simulate(MagusAgent(graph, SCORES), one_session(None), rounds=3, list_length=5)
    assert log["shown"].map(len).tolist() == [5, 3, 0]  # eight nodes in all
    assert log["kinds"].map(len).tolist() == [5, 3, 0]
    assert sorted(log["shown"].sum()) == list(range(8))
    assert log["position"].tolist() == [0, 0, 0]
    assert log["done"].tolist() == [False, False, True]


def test_one_item(graph: HeteroData) -> None:
    log = simulate(MagusAgent(graph, SCORES), one_session(1, [1]), rounds=3, list_length=3)
    assert log[["shown", "clicked", "done"]].to_numpy().tolist() == [[[1, 3], 1, True]]  # item B and airpods


def test_an_item_without_words() -> None:
    items = pd.DataFrame({"item_id": ["a", "b"], "w": ["x", None]})
    graph = build_relational_graph(items, ["w"])
    log = simulate(MagusAgent(graph, torch.tensor([[0.0, 1.0]])), one_session(1, [1]), rounds=2)
    assert log["shown"].tolist() == [[1]]


@pytest.mark.parametrize("width", [0, 3])
def test_no_sessions(graph: HeteroData, width: int) -> None:
    none = Sessions(
        torch.zeros(0, dtype=torch.int64),
        torch.zeros((0, width), dtype=torch.int64),
        torch.zeros((0, width), dtype=torch.bool),
    )
    log = simulate(MagusAgent(graph, SCORES), none)
    assert tuple(log.columns) == RECORD_COLUMNS
    assert len(log) == 0
    assert log["session"].dtype == "int64"
    assert log["done"].dtype == bool
    assert summarize(log)["sessions"].tolist() == [0]


def test_a_session_without_candidates(graph: HeteroData) -> None:
    log = simulate(MagusAgent(graph, SCORES), one_session(None, [-1, -1]), rounds=2)
    assert log["shown"].tolist() == [[], []]
    assert log["n_candidates"].tolist() == [0, 0]


# ---------------------------------------------------------------- what agents and users see


def test_agents_never_see_targets(graph: HeteroData) -> None:
    agent = Script(graph, [[6, 2]], [[0, 1]])
    simulate(agent, one_session(0, [2, -1, 0, 1]), rounds=2, list_length=2)
    view = agent.view
    assert view is not None
    assert not any("target" in name for name in vars(view))
    assert view.graphs.node.tolist() == [[0, 1, 2, -1, 3, 4, 5, 6, 7]]
    assert view.scores.tolist() == [[7.0, 4.0, 8.0, 0.0]]
    assert view.scores.dtype == torch.float64
    assert (view.rounds, view.list_length) == (2, 2)


def test_feedback_is_the_answer_and_nothing_more(graph: HeteroData) -> None:
    agent = Script(graph, [[6, 1]], [[0, -1]])  # slots are nodes here
    simulate(agent, one_session(0), rounds=3, list_length=2)  # after the last round there is none
    first, second = agent.feedback
    assert vars(first).keys() == {"shown", "clicked", "not_care", "active"}
    assert first.clicked.tolist() == [0]
    assert not first.not_care.any()
    assert first.active.tolist() == [True]
    assert second.shown.tolist() == [[0, -1]]
    assert second.clicked.tolist() == [0]


class Recorded(TruthfulUser):
    def __init__(self) -> None:
        self.seen: list[ShownList] = []

    def answer(self, shown: ShownList) -> Answer:
        self.seen.append(shown)
        return super().answer(shown)


def test_what_a_user_knows(graph: HeteroData) -> None:
    user = Recorded()
    sessions = Sessions(torch.tensor([0]), torch.tensor([[0, 1, 2]]), torch.tensor([[True, False, True]]))
    simulate(Script(graph, [[7, 6, 1]], [[3, 0, 4]]), sessions, user, rounds=2)
    first, second = user.seen
    assert first.matches.tolist() == [[1, 2, 0]]  # grey: A; pro: A and C; B is no target
    assert first.is_item.tolist() == [[False, False, True]]
    assert first.n_targets.tolist() == [2]
    assert (first.round, second.round) == (1, 2)
    assert torch.equal(first.key, second.key)
    assert second.matches.tolist() == [[0, 1, 1]]


def test_keys_depend_on_the_seed_and_the_session_alone(graph: HeteroData) -> None:
    def keys(seed: int, sessions: Sessions, batch_size: int = 8) -> dict[int, int]:
        user = Recorded()
        simulate(ItemsAgent(graph, SCORES), sessions, user, 1, 1, seed, batch_size)
        numbers = torch.cat([shown.key for shown in user.seen]).tolist()
        assert sessions.id is not None
        return dict(zip(sessions.id.tolist(), numbers, strict=True))

    sessions = Sessions(
        torch.zeros(5, dtype=torch.int64), torch.arange(3).expand(5, 3), torch.zeros((5, 3), dtype=torch.bool)
    )
    expected = keys(1, sessions)
    assert len(set(expected.values())) == 5
    assert keys(1, sessions, batch_size=2) == expected
    assert keys(1, sessions.take(torch.tensor([4, 0]))) == {4: expected[4], 0: expected[0]}
    assert not set(keys(2, sessions).values()) & set(expected.values())


class Coin(User):
    """Clicks each first node with probability 1/2, drawn from the session's key."""

    def answer(self, shown: ShownList) -> Answer:
        heads = (uniform(shown.key, shown.round) < 0.5) & shown.present[:, 0]
        return Answer(torch.where(heads, 0, -1), torch.zeros_like(shown.present))


def test_a_random_user_is_reproducible(graph: HeteroData) -> None:
    sessions = Sessions(
        torch.zeros(40, dtype=torch.int64), torch.arange(3).expand(40, 3), torch.zeros((40, 3), dtype=torch.bool)
    )
    agent = MagusAgent(graph, SCORES)
    log = simulate(agent, sessions, Coin(), rounds=3, seed=5)
    pd.testing.assert_frame_equal(log, simulate(agent, sessions, Coin(), rounds=3, seed=5, batch_size=7))
    assert not log.equals(simulate(agent, sessions, Coin(), rounds=3, seed=6))
    assert 0.3 < (log["position"] > 0).mean() < 0.7
    # A clicked item that is no target does not end a session.
    assert (log.groupby("session")["round"].max() == 3).all()
    assert not log["target_clicked"].any()


# ---------------------------------------------------------------- breaking the rules


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ([[[6, 2, 1]]], r"shape \[1, 3\], expected \[1, 2\]"),
        ([[[6, 8]]], "slot 8: sessions have 8 slots"),
        ([[[6, -2]]], "slot"),
        ([[[6, 6]]], "twice in a session"),
        ([[[6, 2]], [[0, 6]]], "twice in a session"),
    ],
)
def test_lists_that_break_the_rules(graph: HeteroData, lists: list[list[list[int]]], message: str) -> None:
    with pytest.raises(SessionError, match=message):
        simulate(Script(graph, *lists), one_session(0), rounds=len(lists), list_length=2)


def test_a_slot_without_a_node(graph: HeteroData) -> None:
    with pytest.raises(SessionError, match="one that the session does not have"):
        simulate(Script(graph, [[3, 0]]), one_session(0, [0, 1, 2, -1]), rounds=1, list_length=2)


class Clicks(User):
    def __init__(self, position: int) -> None:
        self.position = position

    def answer(self, shown: ShownList) -> Answer:
        return Answer(torch.full_like(shown.n_targets, self.position), torch.zeros_like(shown.present))


@pytest.mark.parametrize("position", [2, -2, 1])
def test_a_click_where_nothing_was_shown(graph: HeteroData, position: int) -> None:
    with pytest.raises(SessionError, match=rf"clicked position {position}, where nothing was shown"):
        simulate(Script(graph, [[6, -1]]), one_session(0), Clicks(position), rounds=1, list_length=2)


def test_a_click_on_an_empty_list(graph: HeteroData) -> None:
    with pytest.raises(SessionError, match="clicked position 0, where nothing was shown"):
        simulate(Script(graph, [[-1, -1]]), one_session(0), Clicks(0), rounds=1, list_length=2)


@pytest.mark.parametrize("arguments", [{"rounds": 0}, {"rounds": -1}, {"list_length": 0}, {"batch_size": 0}])
def test_numbers_below_one(graph: HeteroData, arguments: dict[str, int]) -> None:
    (name, value), *_ = arguments.items()
    with pytest.raises(SessionError, match=rf"{name} must be at least 1, got {value}"):
        simulate(ItemsAgent(graph, SCORES), one_session(0), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("least", [-1, 3])
def test_more_items_than_a_list_holds(graph: HeteroData, least: int) -> None:
    with pytest.raises(SessionError, match=f"min_items must be from 0 to the list_length 2, got {least}"):
        simulate(ItemsAgent(graph, SCORES), one_session(0), list_length=2, min_items=least)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("make", [ItemsAgent, MagusAgent])
def test_scores_that_are_no_numbers(graph: HeteroData, bad: float, make: type) -> None:
    scores = torch.tensor([[1.0, bad, 2.0]])
    with pytest.raises(ModelError, match=rf"user 0 for item 1 is {bad}"):
        simulate(make(graph, scores), one_session(0))
    log = simulate(make(graph, scores), one_session(0, [0, 2]))  # of no concern where it is no candidate
    assert len(log)


def test_scores_of_the_wrong_shape(graph: HeteroData) -> None:
    class Flat:
        def score(self, users: Tensor, items: Tensor) -> Tensor:
            return torch.zeros(items.shape[1])

    with pytest.raises(ModelError, match=r"shape \[3\], expected \[1, 3\]"):
        simulate(ItemsAgent(graph, Flat()), one_session(0))
    with pytest.raises(ModelError, match="1 users; user 5 is outside"):
        simulate(ItemsAgent(graph, SCORES), one_session(0, user=5))


def test_candidates_outside_the_graph(graph: HeteroData) -> None:
    for run in (
        lambda sessions: simulate(ItemsAgent(graph, SCORES), sessions),
        lambda sessions: prepare_sessions(graph, sessions, SCORES),
    ):
        with pytest.raises(SessionError, match="candidate 3 is no item of the graph"):
            run(one_session(0, [0, 3]))


def test_sessions_prepared_for_another_graph(graph: HeteroData) -> None:
    other = build_relational_graph(apple_table(), APPLE_FIELDS)
    with pytest.raises(SessionError, match="another graph"):
        simulate(ItemsAgent(graph, SCORES), prepare_sessions(other, one_session(0), SCORES))


def test_a_query_searched_twice_counts_once(graph: HeteroData) -> None:
    """In the belief too, which every searched query moves."""
    first = n_items(graph)
    once, twice = (
        Sessions(
            torch.tensor([0]), torch.tensor([[0, 1, 2]]), torch.tensor([[True, False, False]]), torch.tensor([searched])
        )
        for searched in ([first, first + 1], [first, first + 1, first, -1])
    )
    scores = torch.tensor([[0.3, 0.2, 0.1]])
    shown = [
        prepare_sessions(graph, sessions, scores).batches[0].searched.tolist()  # type: ignore[union-attr]
        for sessions in (once, twice)
    ]
    assert shown[1] == [[*shown[0][0], -1, -1]]
    state = BayesState(searched_error=0.1)
    plays = [simulate(BayesAgent(graph, scores, state), sessions) for sessions in (once, twice)]
    assert plays[0]["shown"].tolist() == plays[1]["shown"].tolist()


def test_searched_queries_that_a_session_does_not_have(graph: HeteroData) -> None:
    sessions = Sessions(
        torch.tensor([0]), torch.tensor([[0, 1]]), torch.tensor([[True, False]]), torch.tensor([[4, -1, 7]])
    )
    batch = prepare_sessions(graph, sessions, SCORES).batches[0]
    assert batch.graphs.node.tolist() == [[0, 1, 3, 5, 6, 7]]
    assert batch.searched is not None
    assert batch.searched.tolist() == [[-1, -1, 5]]  # iphone is of item C alone; grey is slot 5
