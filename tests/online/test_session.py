"""One person online: the same lists as in the simulation, between requests too, and what it refuses."""

import json
import random
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS
from hypothesis import given
from playing import Case, Watched, any_options, cases

from magus_pyg import MagusSession
from magus_pyg.agents import EdgeFactors, ItemsAgent, MagusAgent, MagusOptions
from magus_pyg.errors import ConfigError, GraphError, ModelError, SessionError
from magus_pyg.graph import build_relational_graph, item_id_of, words_of
from magus_pyg.simulation import Agent, simulate
from reference import truthful_answer


def online(case: Case, session: int, variant: str, options: MagusOptions | None, min_items: int) -> MagusSession:
    """The session of a case as a person's own, from {item id: score}."""
    candidates = [item for item in case.sessions.candidates[session].tolist() if item >= 0]
    searched = None
    if case.sessions.searched is not None:
        nodes = [node for node in case.sessions.searched[session].tolist() if node >= 0]
        searched = [words_of(case.graph, node) for node in nodes]
    return MagusSession(
        case.graph,
        {item_id_of(case.graph, item): case.matrix[session, item].item() for item in candidates},
        variant=variant,
        list_length=case.list_length,
        rounds=case.rounds,
        searched=searched,
        options=options,
        min_items=min_items,
    )


def resume(session: MagusSession, case: Case, number: int, options: MagusOptions | None) -> MagusSession:
    """The session as another process would go on with it."""
    data = json.loads(json.dumps(session.to_dict()))
    return MagusSession.resume(case.graph, data, case.matrix[number], options=options)


@pytest.mark.parametrize("min_items", [0, 1])
@pytest.mark.parametrize("between_requests", [False, True])
@pytest.mark.parametrize("variant", ["none", "base"])
@given(case=cases(max_sessions=2), options=any_options())
def test_a_session_is_the_simulation(
    variant: str, between_requests: bool, min_items: int, case: Case, options: MagusOptions
) -> None:
    agent: Agent = MagusAgent(case.graph, case.matrix, options)
    if variant == "none":
        agent = ItemsAgent(case.graph, case.matrix)
    watched = Watched(agent)
    log = simulate(watched, case.sessions, None, case.rounds, case.list_length, min_items=min_items)
    for number in range(len(case.sessions)):
        session = online(case, number, variant, options, min_items)
        targets = case.targets(number)
        for turn, row in enumerate(log[log["session"] == number].to_dict("records")):
            assert not session.done
            shown = session.recommend()
            assert [entry.node for entry in shown] == row["shown"]
            assert [entry.kind for entry in shown] == row["kinds"]
            for entry in shown:
                assert entry.score == watched.scores[turn][number][entry.node]
                assert entry.words == words_of(case.graph, entry.node)
                assert entry.item_id == (item_id_of(case.graph, entry.node) if entry.kind == "item" else None)
            assert session.round == row["round"]
            if between_requests:
                session = resume(session, case, number, options)
                assert session.recommend() == shown
            clicked = truthful_answer(case.nodes, row["shown"], targets)
            session.feedback(clicked=clicked)
            if between_requests:
                session = resume(session, case, number, options)
        assert session.done
        assert session.found == (row["clicked"] if row["target_clicked"] else None)


@pytest.fixture
def session(apple: pd.DataFrame) -> MagusSession:
    """Items A 0 (macbook, pro, grey), B 1 (airpods), C 2 (iphone, pro); pro is 6. The first list is pro and C."""
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=1)
    return MagusSession(graph, [7.0, 4.0, 8.0], list_length=2, rounds=2)


def test_two_rounds_by_hand(session: MagusSession) -> None:
    # The scores of both rounds stand in tests/agents/test_magus_by_hand.py.
    shown = session.recommend()
    assert [str(entry) for entry in shown] == ["pro", "C (iphone pro)"]
    assert [entry.score for entry in shown] == pytest.approx([1, 11 / 14])
    assert session.recommend() == shown  # the same list until it is answered
    assert session.round == 1
    session.feedback(clicked=6)
    assert session.found is None
    assert [entry.item_id for entry in session.recommend()] == ["A", None]
    session.feedback(clicked=0)
    assert session.done
    assert session.found == 0
    with pytest.raises(SessionError, match=r"over after 2 round\(s\)"):
        session.recommend()
    with pytest.raises(SessionError, match="the session is over"):
        session.feedback(clicked=0)


def test_it_ends_with_its_rounds(session: MagusSession) -> None:
    for _ in range(2):
        assert not session.done
        session.recommend()
        assert not session.done  # the last list is not answered yet
        session.feedback()
    assert session.done
    assert session.found is None
    with pytest.raises(SessionError, match="over"):
        session.recommend()


def test_not_care_leaves_a_query_alone(session: MagusSession) -> None:
    session.recommend()
    session.feedback(not_care=[6])
    # Only C was refused: pro keeps its 1.
    assert session.node_scores()[6] == 1.0
    assert session.node_scores()[2] == 0.0
    assert 6 not in [entry.node for entry in session.recommend()]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"clicked": 0}, r"node 0 was not shown in this round; shown were \[6, 2\]"),
        ({"clicked": 99}, "node 99 was not shown"),
        ({"clicked": -1}, "node -1 was not shown"),
        ({"not_care": [3]}, "node 3 was not shown"),
        ({"clicked": 6, "not_care": [6]}, "node 6 in not_care is clicked"),
        ({"not_care": [2]}, "node 2 in not_care is an item"),
    ],
)
def test_answers_that_cannot_be(session: MagusSession, answer: dict[str, object], message: str) -> None:
    with pytest.raises(SessionError, match="call recommend"):
        session.feedback(clicked=None)
    session.recommend()
    before = session.node_scores()
    with pytest.raises(SessionError, match=message):
        session.feedback(**answer)  # type: ignore[arg-type]
    assert session.node_scores() == before
    session.feedback(clicked=6)  # the list is still open
    with pytest.raises(SessionError, match="call recommend"):
        session.feedback(clicked=6)


def test_scores_by_id_are_the_candidates(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=1)
    both = MagusSession(graph, {"C": 8.0, "B": 4.0})
    assert sorted(both.node_scores()) == [1, 2, 3, 4, 6]
    same = MagusSession(graph, [0.0, 4.0, 8.0], candidates=["B", "C"])
    assert both.node_scores() == same.node_scores()
    subset = MagusSession(graph, {"C": 8.0, "B": 4.0, "A": 1.0}, candidates=["C", "B"])
    assert subset.recommend() == both.recommend() == same.recommend()
    tensor = MagusSession(graph, torch.tensor([0.0, 4.0, 8.0]), candidates=["B", "C"])
    assert tensor.recommend() == same.recommend()


def test_searched_queries_are_lifted_and_others_left_out(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=1)
    plain = MagusSession(graph, [7.0, 4.0, 8.0])
    lifted = MagusSession(graph, [7.0, 4.0, 8.0], searched=[["grey"], ["macbook", "grey"]])
    assert lifted.node_scores()[7] == 1.0
    assert plain.node_scores()[7] == -0.25
    assert lifted.left_out == {"searched queries that are no node of the session": 1}


@pytest.mark.parametrize(
    ("scores", "arguments", "error", "message"),
    [
        ([1.0, 2.0], {}, ModelError, r"\[3\], got \[2\]"),
        ([1.0, float("nan"), 2.0], {}, ModelError, "item 'B' is nan"),
        ({"A": 1.0, "C": float("inf")}, {}, ModelError, "item 'C' is inf"),
        ({"A": 1.0, "Z": 1.0}, {}, GraphError, "unknown item id 'Z'"),
        ({"A": 1.0}, {"candidates": ["A", "B"]}, ModelError, "candidate 'B' has no score"),
        ([1.0, 2.0, 3.0], {"candidates": ["A", "A"]}, SessionError, "twice"),
        ([1.0, 2.0, 3.0], {"candidates": []}, SessionError, "at least one candidate"),
        ({}, {}, SessionError, "at least one candidate"),
        ({"A": 1.0, "B": None}, {}, ModelError, "item 'B' is None: scores must be numbers"),
        ({"A": 1.0, "B": "2.5"}, {}, ModelError, "item 'B' is '2.5': scores must be numbers"),
        ({"A": 1.0, "B": torch.ones(2)}, {}, ModelError, "item 'B' is .*: scores must be numbers"),
        ({"A": 1.0, "B": np.complex128(1 + 2j)}, {}, ModelError, "item 'B' is .*: scores must be real numbers"),
        ({"A": 1.0, "B": torch.tensor(1 + 2j)}, {}, ModelError, "item 'B' is .*: scores must be real numbers"),
        ({"A": 1.0, "B": 10**400}, {}, ModelError, "item 'B' is a number beyond float64"),
        ([1.0, 10**400, 2.0], {}, ModelError, r"one per item, \[3\], got a list"),
        (pd.Series([1.0, 2.0, 3.0], ["A", "B", "A"]), {}, ModelError, "item 'A' has two scores"),
        (["1", "two", "3"], {}, ModelError, r"one per item, \[3\], got a list"),
        (torch.ones(3, dtype=torch.complex64), {}, ModelError, "real numbers"),
        ([1e308, -1e308, 0.0], {}, ModelError, "further apart"),
        ([1.0, 2.0, 3.0], {"rounds": 0}, SessionError, "at least 1"),
        ([1.0, 2.0, 3.0], {"rounds": 2**70}, SessionError, "rounds must be at most 1,000,000"),
        ([1.0, 2.0, 3.0], {"list_length": 2.5}, SessionError, "list_length must be a whole number, got 2.5"),
        ([1.0, 2.0, 3.0], {"min_items": True}, SessionError, "min_items must be a whole number, got True"),
        ([1.0, 2.0, 3.0], {"list_length": 0}, SessionError, "at least 1"),
        ([1.0, 2.0, 3.0], {"variant": "best"}, ConfigError, "'best'"),
        ([1.0, 2.0, 3.0], {"variant": None}, ConfigError, "variant must be one of .*, got None"),
        ([1.0, 2.0, 3.0], {"variant": ["bayes"]}, ConfigError, r"variant must be one of .*, got \['bayes'\]"),
        ([1.0, 2.0, 3.0], {"variant": "plus"}, ConfigError, "needs state"),
        ([1.0, 2.0, 3.0], {"options": MagusOptions(hops=0)}, ConfigError, "hops"),
    ],
)
def test_what_a_session_refuses(
    apple: pd.DataFrame, scores: object, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS)
    with pytest.raises(error, match=message):
        MagusSession(graph, scores, **arguments)  # type: ignore[arg-type]


def test_a_series_gives_its_values_without_a_warning(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS)
    values = pd.Series([1.0, 3.0, 2.0]).to_numpy()
    values.flags.writeable = False
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            best = MagusSession(graph, values, "none").recommend()[0]
    finally:
        torch.set_warn_always(always)
    assert best.item_id == "B"


def test_fewer_nodes_than_the_list_is_long(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS)
    session = MagusSession(graph, {"B": 1.0}, rounds=2)
    assert [entry.node for entry in session.recommend()] == [1, 3]
    session.feedback()
    assert session.recommend() == []
    session.feedback()
    assert session.done


def test_plus_plays_with_its_weights(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=1)
    ones = torch.ones(8, 1, dtype=torch.float64)
    plus = MagusSession(graph, [7.0, 4.0, 8.0], variant="plus", state=EdgeFactors(ones, ones))
    assert plus.recommend() == MagusSession(graph, [7.0, 4.0, 8.0]).recommend()
    # R+ weighs 4, R- nothing: pro 4 (3/4 + 1) = 7.
    silent = EdgeFactors(2 * ones, 0 * ones)
    assert MagusSession(graph, [7.0, 4.0, 8.0], variant="plus", state=silent).node_scores()[6] == 7.0


def test_nothing_reads_global_randomness(session: MagusSession) -> None:
    states = random.getstate(), torch.get_rng_state()
    session.recommend()
    session.feedback(clicked=6)
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])
