"""What every session keeps, over candidates and over a catalogue, for every variant."""

import numpy as np
import pandas as pd
import pytest
import torch
from online_cases import (
    EVERY_KIND_AND_VARIANT,
    Maker,
    answer,
    any_scores,
    listens,
    n_of,
    same,
    shop,
    some_words,
    through_json,
)

import magus_pyg as mp
from magus_pyg.errors import GraphError, SessionError
from magus_pyg.online import OnlineSession

pytestmark = EVERY_KIND_AND_VARIANT


# ---------------------------------------------------------------- undo, tell, feedback


def test_undo_is_never_answered(maker: Maker) -> None:
    session, never = maker.make(rounds=4), maker.make(rounds=4)
    with pytest.raises(SessionError, match="nothing was answered"):
        session.undo()
    random = np.random.default_rng(5)
    while not never.done:
        never.recommend()
        answer(session, random)
        if random.random() < 0.3 and not session.done:
            session.recommend()  # an open list is withdrawn
        session.undo()
        assert session.node_scores() == pytest.approx(never.node_scores(), abs=1e-12)
        session.feedback()  # the list before is open again
        never.feedback()
        same(session, never)
    session.undo()
    assert not session.done
    session.undo()
    assert session.round == 3


def test_words_are_taken_back_in_order(maker: Maker) -> None:
    session = maker.make()
    if not listens(session):
        with pytest.raises(SessionError, match="takes no words"):
            session.tell("kind1")
        assert session.history == ()
        return
    answer(session, np.random.default_rng(0))
    places = [through_json(session)]
    session.tell("kind1")
    places.append(through_json(session))
    session.tell([("brand", "brand2"), "size1"], liked=False)
    for place in reversed(places):
        session.undo()
        assert through_json(session) == {**place, "open": True}


def test_telling_withdraws_the_open_list_for_the_same_round(maker: Maker) -> None:
    session = maker.make(rounds=1)
    session.recommend()
    if not listens(session):
        return
    words = session.tell(mp.Word("kind", "kind1"))
    assert words == (("kind", "kind1"),)
    assert (session.round, session.done) == (0, False)
    shown = session.recommend()
    assert session.round == 1
    assert mp.find_query(session.graph, ["kind1"]) not in [entry.node for entry in shown]
    session.feedback()
    with pytest.raises(SessionError, match="over"):
        session.tell("kind1")


def test_words_that_cannot_be_told_change_nothing(maker: Maker) -> None:
    session = maker.make()
    session.recommend()
    before = session.to_dict()
    if listens(session):
        for words in ([], [3], [["kind", "kind1", "kind2"]], [("kind", ["kind1"])], None):
            with pytest.raises(GraphError):
                session.tell(words)
        assert session.left_out == {}
        for count, words in enumerate(("red", [("kind", "red")], ("kind", "red"), ["red", None], [("kind", 1)]), 1):
            assert session.tell(words) == ()
            assert session.left_out == {"told words that no item has": count}
    assert session.to_dict() == before
    session.feedback()


def test_unknown_words_are_left_out_and_counted(maker: Maker) -> None:
    """What is known of a query counts, once however often it is given (readings 3 and 20)."""
    kind, other, red = ("kind", "kind1"), ("brand", "brand2"), "red"
    plain = maker.make(searched=[[kind], [kind, other]])
    assert plain.left_out == {}
    searched = [["kind1", red], [kind], [other, kind], [red, None], kind, [kind, other], mp.Word(*kind)]
    session = maker.make(searched=searched)
    assert session.left_out == {
        "searched words unknown or ambiguous": 2,
        "searched queries without a known word": 1,
    }
    same(session, plain)
    assert session.node_scores() == plain.node_scores()
    for _ in range(2):
        answer(session, np.random.default_rng(3))
        answer(plain, np.random.default_rng(3))
    if listens(session):
        assert session.tell([red, "kind2", kind, "kind1"]) == (("kind", "kind2"), kind)
        assert session.left_out["told words that no item has"] == 1
        plain.tell([mp.Word("kind", "kind2"), kind])
        assert session.tell(kind) == plain.tell("kind1") == (kind,)  # a pair is one word
    same(session, plain)
    for bad in ("kind1", mp.Word(*kind), 3, [3], [[3]], [[("kind", [])]]):
        with pytest.raises(GraphError):
            maker.make(searched=bad)


def test_wanted_words_rise_and_others_fall(maker: Maker) -> None:
    items = range(n_of(maker.make()))
    has = {item for item in items if ("kind", "kind2") in mp.words_of(maker.graph, item)}
    others = set(items) - has
    for liked in (True, False):
        session = maker.make()
        if not listens(session):
            return
        session.tell("kind2", liked=liked)
        moved = {item: [entry.change for entry in session.explain(item) if entry.kind == "told"] for item in items}
        assert all(len(changes) == 1 for changes in moved.values())
        best, worst = (has, others) if liked else (others, has)
        assert min(moved[item][0] for item in best) > max(moved[item][0] for item in worst)


def test_entries_and_nodes_are_answers_alike(maker: Maker) -> None:
    one, other = maker.make(list_length=5, min_items=0), maker.make(list_length=5, min_items=0)
    for _ in range(3):
        shown = one.recommend()
        other.recommend()
        queries = [entry for entry in shown if entry.kind == "query"]
        one.feedback(clicked=queries[0] if queries else None, not_care=queries[1:])
        other.feedback(clicked=queries[0].node if queries else None, not_care=[np.int64(q.node) for q in queries[1:]])
        same(one, other)
    before = one.to_dict()
    with pytest.raises(SessionError, match="was not shown"):
        one.feedback(clicked=shown[0])
    with pytest.raises(SessionError, match="a Recommendation or a node, got 'i1'"):
        one.feedback(clicked="i1")  # type: ignore[arg-type]
    assert one.to_dict() == before


# ---------------------------------------------------------------- scores, reasons, lists


def test_scores_by_id_are_scores_by_node(kind: str, variant: str) -> None:
    maker = Maker(kind, variant, shop(40, 1))
    ids = maker.graph.vocabulary.item_ids
    by_id = {ids[node]: float(maker.scores[node]) for node in reversed(range(len(ids)))}
    other = Maker(kind, variant, maker.graph)
    for scores in (by_id, pd.Series(by_id), maker.scores.tolist(), maker.scores.numpy()):
        other.scores = scores  # type: ignore[assignment]
        same(other.make(), maker.make())
        assert type(other.make()) is type(maker.make())


def test_node_scores_of_all_and_of_some(maker: Maker) -> None:
    session = maker.make(exclude=["i0"])
    answer(session, np.random.default_rng(0))
    everything = session.node_scores()
    assert 0 not in everything
    shown = session.recommend()
    some = session.node_scores(shown)
    assert some == pytest.approx({entry.node: entry.score for entry in shown})
    assert session.node_scores([entry.node for entry in shown]) == some
    assert session.node_scores([]) == {}
    for bad in (0, -1, 10**9):
        with pytest.raises(SessionError, match=f"node {bad} is not in the session"):
            session.node_scores([bad])
        with pytest.raises(SessionError, match=f"node {bad} is not in the session"):
            session.explain(bad)


def test_reasons_sum_to_the_whole_change(maker: Maker, variant: str) -> None:
    session = maker.make(rounds=5, list_length=4, searched=[["kind1"], ["brand2", "size3"]])
    plain = maker.make(rounds=5, list_length=4)
    nodes = [2, 7, mp.find_query(session.graph, ["kind1"]), mp.find_query(session.graph, ["offer2"])]
    random = np.random.default_rng(7)
    for number in range(1, 5):
        answer(session, random)
        if listens(session):
            session.tell(some_words(session, random), liked=number % 2 == 0)
        for opened in (False, True):
            if opened:
                session.recommend()
            for node in nodes:
                assert node is not None
                reasons = session.explain(node)
                change = _value(session, node, variant) - _value(plain, node, variant)
                assert sum(reason.change for reason in reasons) == pytest.approx(change, abs=1e-9)
                kinds = [reason.kind for reason in reasons if reason.kind != "scaled"]
                assert kinds[:2] == ["searched", "searched"]
                assert ("told" in kinds) == listens(session)
                assert all(str(reason) for reason in reasons)


def _value(session: OnlineSession, node: int, variant: str) -> float:
    if variant != "bayes":
        return session.node_scores([node])[node]
    return session._play.explained(node)


@pytest.mark.parametrize("min_items", [0, 1, 2, 4])
def test_lists_hold_their_items(maker: Maker, min_items: int) -> None:
    session = maker.make(rounds=30, list_length=4, min_items=min_items)
    seen: set[int] = set()
    random = np.random.default_rng(min_items)
    while not session.done:
        shown = [entry.node for entry in session.recommend()]
        left = [item for item in range(n_of(session)) if item not in seen]
        assert len([node for node in shown if node < n_of(session)]) >= min(min_items, len(left))
        assert not seen & set(shown)
        assert len(shown) == 4 or len(seen) + len(shown) >= n_of(session)
        seen |= set(shown)
        answer(session, random)
    with pytest.raises(SessionError, match="min_items must be from 0 to the list_length 4, got 5"):
        maker.make(list_length=4, min_items=5)


def test_numbers_of_any_size_and_of_numpy(maker: Maker) -> None:
    """A list is never longer than what there is, however long it may be; so a state from elsewhere costs nothing."""
    plain, other = maker.make(list_length=4), maker.make(list_length=np.int64(4), rounds=np.int32(5))
    assert [entry.node for entry in plain.recommend()] == [entry.node for entry in other.recommend()]
    assert through_json(other) == through_json(plain)
    session = maker.resume({**maker.make().to_dict(), "list_length": 1_000_000, "rounds": 1_000_000})
    assert len(session.recommend()) == (len(session.node_scores()) if listens(session) else n_of(session))
    session.feedback(None)
    assert session.recommend() == []
    assert session.list_length == 1_000_000
    for node in (2**70, -(2**70)):
        with pytest.raises(SessionError, match="is not in the session"):
            session.node_scores([node])


def test_a_title_beside_the_words(maker: Maker) -> None:
    for entry in maker.make().recommend():
        assert entry.title == mp.title_of(maker.graph, entry.node)


def test_the_scores_are_those_of_the_helper(maker: Maker) -> None:
    assert torch.equal(maker.scores, any_scores(maker.graph, 0))
