"""Explanations of a session: the changes are those of the scores, and the answers are named in words."""

import math

import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS, MILK_FIELDS, apple_table
from hypothesis import given
from hypothesis import strategies as st
from playing import Case, cases

import magus_pyg as mp
from magus_pyg.agents import BayesState, MagusOptions
from magus_pyg.online import Reason


@pytest.fixture
def session(milk: pd.DataFrame) -> mp.MagusSession:
    graph = mp.build_relational_graph(milk, MILK_FIELDS, max_words=2)
    return mp.MagusSession(graph, [0.9, 0.2, 0.6, 0.1], "bayes", list_length=2, rounds=4)


def answer(session: mp.MagusSession, *words: str) -> list[int]:
    """Click the first listed query that is one of the words, else nothing; the nodes that were listed."""
    shown = session.recommend()
    clicked = [entry.node for entry in shown if entry.kind == "query" and str(entry) in words]
    session.feedback(clicked[0] if clicked else None)
    return [entry.node for entry in shown]


def log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_the_changes_of_a_belief_are_those_of_its_log_odds(session: mp.MagusSession) -> None:
    before = session.node_scores()
    shown = answer(session)
    after = session.node_scores()
    for item in range(4):
        if item in shown or after[item] in (0.0, 1.0):
            continue
        reasons = session.explain(item)
        assert {reason.node for reason in reasons} <= set(shown)
        change = log_odds(after[item]) - log_odds(before[item])
        assert sum(reason.change for reason in reasons) == pytest.approx(change, abs=1e-9)


def test_drift_and_the_order_of_a_list_are_said(milk: pd.DataFrame) -> None:
    """Forgetting is a row of its own; the place in the open list is said, in a row that moves nothing."""
    graph = mp.build_relational_graph(milk, MILK_FIELDS, max_words=2)
    state = BayesState(error_rate=0.1, targets=2.0, discount=0.8, forgetting=0.3)
    for session in (
        mp.MagusSession(graph, [0.9, 0.2, 0.6, 0.1], "bayes", list_length=1, rounds=4, state=state),
        mp.Catalogue(graph, "bayes", state).session([0.9, 0.2, 0.6, 0.1], list_length=1, rounds=4),
    ):
        session.recommend()
        session.feedback(None)
        assert "drift" not in [reason.kind for reason in session.explain(1)]  # comes with the next round
        before = session._play.explained(1)
        listed = session.recommend()[0]
        drift = next(reason for reason in session.explain(1) if reason.kind == "drift")
        assert (drift.round, drift.node, drift.title) == (2, None, "")
        assert drift.change == pytest.approx(session._play.explained(1) - before)
        assert str(drift) == f"{drift.change:+.3f}  drift in round 2"
        order = session.explain(listed)[-1]
        assert (order.kind, order.change) == ("order", 0.0)
        belief = session.node_scores()[listed.node]
        assert order.title.startswith(
            f"placed by min(1, 2.00 x {belief:.3f})" if listed.kind == "item" else "placed by its"
        )
        other = next(node for node in range(4) if node != listed.node)
        assert "order" not in [reason.kind for reason in session.explain(other)]


def test_reasons_name_the_answer_in_words(session: mp.MagusSession) -> None:
    assert session.explain(0) == []
    shown = answer(session)
    reasons = session.explain(0)
    assert [reason.node for reason in reasons] == shown
    assert all(reason.round == 1 and reason.kind == "refused" for reason in reasons)
    for reason in reasons:
        assert reason.words == mp.words_of(session.graph, reason.node or 0)
        assert "refused" in str(reason)
        assert str(reason).endswith("in round 1")


def test_reasons_name_items_by_their_titles(milk: pd.DataFrame) -> None:
    table = milk.assign(name=["Semi A", "Skimmed B", None, "Steak"])
    graph = mp.build_relational_graph(table, MILK_FIELDS, title_field="name")
    session = mp.MagusSession(graph, [0.9, 0.2, 0.6, 0.1], "none", list_length=3, rounds=2)
    shown = session.recommend()
    assert [entry.item_id for entry in shown] == ["A", "D", "B"]
    session.feedback()
    reasons = session.explain(3)
    assert [reason.title for reason in reasons] == [entry.title for entry in shown]
    texts = [str(reason).split("  refused ")[1] for reason in reasons]
    assert texts == [
        f"item {name} in round 1" for name in ("A (Semi A)", "D (Brand A Milk Whole 2L $3)", "B (Skimmed B)")
    ]


def test_scores_of_magus_are_explained_too(milk: pd.DataFrame) -> None:
    graph = mp.build_relational_graph(milk, MILK_FIELDS, max_words=2)
    session = mp.MagusSession(graph, [0.9, 0.2, 0.6, 0.1], list_length=3, rounds=4)
    before = {node: session.node_scores()[node] for node in range(4)}
    answer(session, "Milk", "2L")
    for item in range(4):
        total = sum(reason.change for reason in session.explain(item))
        assert total == pytest.approx(session.node_scores()[item] - before[item], abs=1e-9)


KINDS = {
    "none": ("none", None, None),
    "base": ("base", None, None),
    "signed": ("base", None, MagusOptions(negative="signed_both", clamp=True)),
    "bayes": ("bayes", BayesState(error_rate=0.1, searched_error=0.2), None),
    "others": ("bayes", BayesState(others=1.0, error_rate=0.05), None),
    "drift": ("bayes", BayesState(error_rate=0.1, targets=2.0, discount=0.7, forgetting=0.3), None),
}


@given(cases(max_sessions=1), st.sampled_from(list(KINDS)), st.integers(0, 3))
def test_changes_sum_to_the_whole_change(case: Case, kind: str, played: int) -> None:
    if not len(case.sessions):
        return
    variant, state, options = KINDS[kind]
    ids = case.graph.vocabulary.item_ids
    items = [item for item in case.sessions.candidates[0].tolist() if item >= 0]
    wanted = set(case.targets(0))
    session = mp.MagusSession(
        case.graph, case.matrix[0], variant, case.list_length, case.rounds,
        candidates=[ids[item] for item in items], state=state, options=options,
    )  # fmt: skip
    while not session.done and session.round < played:
        shown = session.recommend()
        liked = [
            entry.node for entry in shown if entry.node in wanted or (entry.kind == "query" and len(entry.words) == 1)
        ]
        session.feedback(liked[0] if liked else None)
    answered = sum(len(event.shown) for event in session.history)
    nodes = session._nodes().tolist()
    for node in {nodes[0], nodes[len(nodes) // 2], nodes[-1]}:
        reasons = session.explain(node)
        change = session._play.explained(node) - session._begin(()).explained(node)
        assert math.fsum(reason.change for reason in reasons) == pytest.approx(change, abs=1e-7)
        assert len([reason for reason in reasons if reason.kind not in ("scaled", "drift", "order")]) == answered


def test_a_node_that_is_not_there(session: mp.MagusSession) -> None:
    with pytest.raises(mp.SessionError, match="node 999 is not in the session"):
        session.explain(999)


def test_one_answer_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = mp.build_relational_graph(apple_table(), APPLE_FIELDS)
    pro = mp.find_query(graph, ["pro"])
    assert pro is not None

    def explained(shown: list[int], clicked: int | None) -> list[Reason]:
        state = mp.BayesState(error_rate=0.1)
        session = mp.MagusSession(graph, [0.0, 0.0, 0.0], "bayes", list_length=2, state=state)
        monkeypatch.setattr(session._play, "recommend", lambda: torch.tensor(shown))
        session.recommend()
        session.feedback(clicked)
        return session.explain(0)

    # pro is refused: A has 1/3 against 2/3 before, 0.1 against 1.0 after.
    found = explained([pro], None)
    assert [(one.round, one.node, one.kind) for one in found] == [(1, pro, "refused")]
    assert found[0].change == pytest.approx(math.log(0.1 / 1.0) - math.log(1 / 2))
    # B is shown and not clicked beside a click on pro: both raise A against the rest, B no further.
    found = explained([1, pro], pro)
    assert [one.kind for one in found] == ["refused", "clicked"]
    assert sum(one.change for one in found) == pytest.approx(math.log(1 / 1) - math.log(1 / 2), abs=1e-6)
