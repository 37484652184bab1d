"""Users who read texts and write sentences, by hand on the blue shirts of App. D.2, and what told words are worth."""

from typing import Any

import pytest
import torch
from language_cases import ROWS, clothes_graph, query

import magus_pyg as mp
from magus_pyg.agents import MagusAgent, MagusOptions
from magus_pyg.agents.magus_options import with_told_error
from magus_pyg.data import Sessions
from magus_pyg.errors import SessionError
from magus_pyg.graph import Word, words_of
from magus_pyg.random import hash_keys
from magus_pyg.simulation import Moment, ReaderUser, ShownList, TruthfulUser, User, WriterUser, simulate
from magus_pyg.simulation.users import target_nodes
from magus_pyg.simulation.word_users import told_error
from magus_pyg.testing import UserContract

GRAPH = clothes_graph()


class TestReader(UserContract):
    @classmethod
    def make(cls, **arguments: Any) -> User:
        return ReaderUser(**arguments)


class TestWriter(UserContract):
    is_random = True
    refused = (
        ({"times": -1}, r"user\.times"),
        ({"words": 0}, r"user\.words must be in \[1, 8\]"),
        ({"typos": 1.1}, r"user\.typos"),
        ({"synonyms": -0.1}, r"user\.synonyms"),
        ({"wrong": 2}, r"user\.wrong"),
    )

    @classmethod
    def make(cls, **arguments: Any) -> User:
        return WriterUser(**{"times": 2, "words": 1, "typos": 0.3, **arguments})


def shown(graph: Any, nodes: list[list[int]], targets: list[list[int]]) -> ShownList:
    """Lists of a round; matches are not looked at."""
    node = torch.tensor(nodes)
    nothing = torch.zeros_like(node)
    is_item = (node < graph.n_items) & (node >= 0)
    key = torch.arange(len(nodes))
    return ShownList(node >= 0, is_item, nothing, nothing[:, 0] + 1, 1, key, graph, node, torch.tensor(targets))


def clicks(nodes: list[list[int]], targets: list[list[int]]) -> list[int]:
    return ReaderUser().answer(shown(GRAPH, nodes, targets)).clicked.tolist()


def test_a_reader_judges_queries_by_the_words_of_their_questions():
    blue = query(GRAPH, "blue", "clothes", "shirt")  # "Do you like blue shirts?"
    lists = [[blue, -1], [query(GRAPH, "red"), blue], [query(GRAPH, "red"), query(GRAPH, "Brin")]]
    assert clicks(lists, [[0], [0], [0]]) == [0, 1, -1]
    assert clicks(lists, [[2, -1], [2, 1], [1, -1]]) == [-1, 0, 1]
    # "green tea" of "Do you like budget green tea?" is not "tea" of another field, nor is one word of two enough.
    assert clicks([[query(GRAPH, "green tea", "budget")]] * 3, [[5], [6], [7]]) == [0, -1, -1]


def test_a_reader_clicks_items_by_what_they_read():
    assert clicks([[3, 0], [3, -1]], [[0], [0]]) == [1, -1]
    rows = [("a", "Alvo", "", "lamp", "blue", "", ""), ("b", "Alvo", "", "lamp", "blue", "", "")]
    graph = clothes_graph(rows)
    # Without titles their ids tell them apart.
    answer = ReaderUser().answer(shown(graph, [[1, 0]], [[0]]))
    assert answer.clicked.tolist() == [1]


def test_a_reader_needs_texts():
    present = torch.ones((1, 1), dtype=torch.bool)
    bare = ShownList(present, present, present.long(), torch.ones(1), 1, torch.zeros(1, dtype=torch.int64))
    with pytest.raises(SessionError, match="a user who reads needs lists with their graph"):
        ReaderUser().answer(bare)


def moment(targets: list[list[int]], number: int = 1, seed: int = 0) -> Moment:
    key = hash_keys(seed, torch.arange(len(targets)))
    return Moment(GRAPH, torch.tensor(targets), number, key)


def test_a_writer_names_words_of_the_target_none_twice():
    user = WriterUser(times=4, words=2, typos=0.0, synonyms=0.0, wrong=0.0, filler=False)
    said: list[str] = []
    for number in range(1, 5):
        text = user.sentences(moment([[0]], number))[0]
        said += text.split(", ") if text else []
    assert sorted(said) == sorted(ROWS[0][1:]), "all six words in three sentences, and nothing in the fourth"
    assert user.tells(moment([[0]], 5)) == ()
    assert user.sentences(moment([[-1], [0]]))[0] == ""


def test_a_writer_is_understood_without_errors_and_mostly_with_them():
    def told(user: WriterUser) -> list[set[Word]]:
        found: list[set[Word]] = [set() for _ in range(8)]
        for spoken in user.tells(moment([[item] for item in range(8)])):
            assert spoken.liked
            for row, nodes in enumerate(spoken.nodes.tolist()):
                found[row] |= {words_of(GRAPH, node)[0] for node in nodes if node >= 0}
        return found

    own = [set(words_of(GRAPH, item)) for item in range(8)]
    clean = told(WriterUser(words=8, typos=0.0, synonyms=0.0, wrong=0.0))
    assert clean == own
    spelt = told(WriterUser(words=8, typos=0.0, synonyms=1.0, wrong=0.0))
    assert spelt == own, "synonyms are those that the reader knows"
    typed = told(WriterUser(words=8, typos=1.0, synonyms=0.0, wrong=0.0))
    right = sum(len(some & all_) for some, all_ in zip(typed, own, strict=True))
    assert 0.5 * sum(map(len, own)) < right < sum(map(len, own))


def test_the_error_of_what_is_told_is_counted():
    candidates = torch.arange(8).repeat(8, 1)
    targets = torch.eye(8, dtype=torch.bool)
    clean = WriterUser(words=8, typos=0.0, synonyms=0.0, wrong=0.0)
    words = sum(len(words_of(GRAPH, item)) for item in range(8))
    assert told_error(clean, GRAPH, candidates, targets, 0) == pytest.approx(1 / (words + 2))
    wrong = told_error(WriterUser(words=8, wrong=1.0, typos=0.0, synonyms=0.0), GRAPH, candidates, targets, 0)
    assert wrong is not None
    assert wrong > 0.3
    assert told_error(TruthfulUser(), GRAPH, candidates, targets, 0) is None
    assert told_error(clean, GRAPH, candidates[:0], targets[:0], 0) is None


def test_targets_as_nodes():
    candidates = torch.tensor([[4, 7, -1], [3, 5, 6]])
    targets = torch.tensor([[True, False, False], [True, False, True]])
    assert target_nodes(candidates, targets).tolist() == [[4, -1], [6, 3]]
    assert target_nodes(candidates[:0], targets[:0]).shape == (0, 0)


def test_a_told_word_moves_scores_by_the_error_that_was_measured():
    """Eq. (9) with 1 - 2e; by hand in tests/online/test_session_tell.py for e = 0.2."""
    steps = {}
    for error in (None, 0.2, 0.05, 0.5):
        session = mp.MagusSession(GRAPH, [0.5] * 8, options=MagusOptions(told_error=error))
        before = session.node_scores()[2]
        session.tell("red")
        steps[error] = session.node_scores()[2] - before
    assert steps[None] == pytest.approx(0.6)
    assert steps[0.2] == pytest.approx(0.6)
    assert steps[0.05] == pytest.approx(0.9)
    assert steps[0.5] == pytest.approx(0.0)
    measured = {"told_error": torch.tensor(0.05)}
    assert with_told_error(MagusOptions(), measured).told_error == pytest.approx(0.05)
    assert with_told_error(MagusOptions(told_error=0.3), measured).told_error == 0.3
    assert with_told_error(MagusOptions(), {}).told_error is None


def test_what_is_told_reaches_agents_that_take_words_and_helps_them():
    candidates = torch.arange(8).repeat(8, 1)
    sessions = Sessions(torch.zeros(8, dtype=torch.int64), candidates, torch.eye(8, dtype=torch.bool))
    agent = MagusAgent(GRAPH, torch.linspace(1.0, 0.0, 8).to(torch.float64).unsqueeze(0))
    found = {}
    for user in (TruthfulUser(), WriterUser(words=3, typos=0.0, wrong=0.0)):
        log = simulate(agent, sessions, user, rounds=1, list_length=2, min_items=2)
        found[type(user).__name__] = int(log["target_clicked"].sum())
    assert found["TruthfulUser"] == 2
    assert found["WriterUser"] >= 6
