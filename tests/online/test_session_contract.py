"""What every session keeps, over candidates and over a catalogue, for every variant."""

import copy
import json
import logging
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from online_cases import FIELDS, KINDS, VARIANTS, Maker, answer, any_scores, n_of, same, shop, shop_table

import magus_pyg as mp
from magus_pyg.errors import GraphError, SessionError
from magus_pyg.online import OnlineSession

pytestmark = pytest.mark.parametrize(("kind", "variant"), [(kind, variant) for kind in KINDS for variant in VARIANTS])


@lru_cache
def made(kind: str, variant: str) -> Maker:
    return Maker(kind, variant, shop(40, 1))


@pytest.fixture
def maker(kind: str, variant: str) -> Maker:
    return made(kind, variant)


def listens(session: OnlineSession) -> bool:
    return session.variant != "none"


def through_json(session: OnlineSession) -> Any:
    return json.loads(json.dumps(session.to_dict()))


def some_words(session: OnlineSession, random: np.random.Generator) -> list[mp.Word]:
    words = session.graph.vocabulary.words
    return [words[int(random.integers(len(words)))] for _ in range(int(random.integers(1, 3)))]


# ---------------------------------------------------------------- state


def test_every_moment_goes_through_json(maker: Maker) -> None:
    session = maker.make(rounds=4, list_length=4, searched=[["kind1"], [("brand", "brand2"), "size3"]], exclude=["i3"])
    random = np.random.default_rng(0)
    same(maker.resume(through_json(session)), session)
    while not session.done:
        session.recommend()
        same(maker.resume(through_json(session)), session)
        if listens(session) and random.random() < 0.5:
            session.tell(some_words(session, random), liked=bool(random.random() < 0.5))
            same(maker.resume(through_json(session)), session)
        answer(session, random)
        resumed = maker.resume(through_json(session))
        same(resumed, session)
        assert resumed.notes == ()
    assert len(json.dumps(session.to_dict())) < 2000


def test_a_found_item_ends_the_session_for_ever(maker: Maker) -> None:
    session = maker.make()
    item = next(entry for entry in session.recommend() if entry.kind == "item")
    session.feedback(item)
    resumed = maker.resume(through_json(session))
    assert resumed.found == session.found == item.node
    assert resumed.done
    with pytest.raises(SessionError, match="over"):
        resumed.recommend()
    resumed.undo()
    assert resumed.recommend() == maker.make().recommend()
    assert resumed.found is None


def test_candidates_are_kept_by_id(maker: Maker) -> None:
    chosen = [f"i{number}" for number in (2, 3, 5, 8, 13, 21, 34)]
    session = maker.make(candidates=chosen)
    assert isinstance(session, mp.MagusSession)
    answer(session, np.random.default_rng(1))
    resumed = maker.resume(through_json(session))
    assert isinstance(resumed, mp.MagusSession)
    same(resumed, session)
    assert set(through_json(session)["candidates"]) == set(chosen)


def test_a_state_goes_from_one_kind_to_the_other(maker: Maker, kind: str, variant: str) -> None:
    session = maker.make(exclude=["i1", "i2"])
    for _ in range(3):
        answer(session, np.random.default_rng(2))
    other = Maker({"session": "catalogue", "catalogue": "session"}[kind], variant, maker.graph)
    same(other.resume(through_json(session)), session)


def test_items_come_and_go(kind: str, variant: str, caplog: pytest.LogCaptureFixture) -> None:
    """Shown were items that are gone now: their part of the answers goes, said once, and the rest counts."""
    table = shop_table(40, 1)
    before = Maker(kind, variant, mp.build_relational_graph(table, FIELDS, max_words=3, materialize=False))
    session = before.make(rounds=6)
    shown = [entry for _ in range(2) for entry in _refuse(session)]
    gone = next(entry.item_id for entry in shown if entry.item_id is not None)
    left = table[table["item_id"] != gone]
    new = shop_table(50, 9).tail(10)
    graph = mp.build_relational_graph(
        left.sample(frac=1.0, random_state=1), FIELDS, max_words=3, materialize=False
    )  # other numbers of nodes
    graph = mp.extend_relational_graph(graph, new).graph
    after = Maker(kind, variant, graph)
    with caplog.at_level(logging.WARNING):
        resumed = after.resume(through_json(session))
    assert [record.getMessage() for record in caplog.records] == [f"a session was resumed: {resumed.notes[0]}"]
    assert resumed.notes[0].startswith(f"'{gone}'")
    assert (resumed.round, resumed.done) == (2, False)
    # As if the same lists without the item had been answered there.
    expected = after.make(rounds=6)
    kept = [entry for entry in shown if entry.item_id != gone and _node(graph, entry) is not None]
    listed = [node for event in resumed.history for node in event.shown]  # type: ignore[union-attr]
    assert {_node(graph, entry) for entry in kept} >= set(listed)
    assert gone not in json.dumps(resumed.to_dict())
    next_nodes = {entry.node for entry in resumed.recommend()}
    assert not next_nodes & set(listed)
    assert resumed.node_scores().keys() == expected.node_scores().keys()


def _refuse(session: OnlineSession) -> list[mp.Recommendation]:
    shown = session.recommend()
    session.feedback(None)
    return shown


def _node(graph: Any, entry: mp.Recommendation) -> int | None:
    if entry.item_id is None:
        return mp.find_query(graph, entry.words)
    return mp.item_node(graph, entry.item_id)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), "magus_pyg session 2"),
        (("format",), None),
        (("variant",), "best"),
        (("variant",), 3),
        (("list_length",), 0),
        (("list_length",), float("nan")),
        (("list_length",), 4.0),
        (("list_length",), True),
        (("list_length",), 2),
        (("rounds",), 0),
        (("rounds",), 1),
        (("rounds",), float("inf")),
        (("rounds",), "5"),
        (("min_items",), -1),
        (("min_items",), 5),
        (("fields",), ["kind", "brand"]),
        (("fields",), "kind"),
        (("items",), [1]),
        (("items",), ["i0"]),
        (("items",), {"i0": 1}),
        (("candidates",), "i1"),
        (("candidates",), ["i1", 2]),
        (("exclude",), None),
        (("exclude",), [["i1"]]),
        (("searched",), [["kind1"]]),
        (("searched",), [[]]),
        (("said",), {}),
        (("said", 0), None),
        (("said", 0, "shown"), ["i1", "i1"]),
        (("said", 0, "shown"), ["i1", 2]),
        (("said", 0, "shown"), ["i1", [["kind"]]]),
        (("said", 0, "shown"), ["i1", "i2", "i4", "i5", "i6"]),
        (("said", 0, "clicked"), 4),
        (("said", 0, "clicked"), -1),
        (("said", 0, "clicked"), float("nan")),
        (("said", 0, "clicked"), 0),
        (("said", 0, "not_care"), [0]),
        (("said", 0, "not_care"), [7]),
        (("said", 0, "not_care"), None),
        (("said", 0, "more"), 1),
        (("said", 1, "told"), [["kind", "kind1", "kind2"]]),
        (("said", 1, "told"), []),
        (("said", 1, "liked"), "yes"),
        (("open",), 0),
        (("more",), 1),
    ],
)
def test_tampered_states_are_refused(maker: Maker, path: tuple[Any, ...], value: object) -> None:
    state: Any = maker.make(rounds=3, list_length=4).to_dict()
    state["said"] = [
        {"shown": ["i1", "i2", "i4", "i5"], "clicked": None, "not_care": []},
        {"told": [["kind", "kind1"]], "liked": True},
    ]
    if not listens(maker.make()):
        state["said"].pop()
        if path[:2] == ("said", 1):
            return
    state["open"] = True
    maker.resume(json.loads(json.dumps(state)))
    tampered = copy.deepcopy(state)
    place = tampered
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    edition = maker.catalogue.edition
    # An item click that more follows, and a variant of another session, are refused as well.
    with pytest.raises(SessionError):
        maker.resume(tampered, list_length=4)
    assert maker.catalogue.edition is edition
    for name in state:
        with pytest.raises(SessionError, match=name):
            maker.resume({key: entry for key, entry in state.items() if key != name})


@pytest.mark.parametrize("data", [None, [], "state", 3, {}])
def test_what_is_no_state(maker: Maker, data: object) -> None:
    with pytest.raises(SessionError):
        maker.resume(data)


def test_another_variant_or_length_is_refused(maker: Maker, kind: str, variant: str) -> None:
    state = maker.make(list_length=4).to_dict()
    with pytest.raises(SessionError, match="its list_length is 4, expected 3"):
        maker.resume(state, list_length=3)
    for other in set(VARIANTS) - {variant}:
        with pytest.raises(SessionError, match="its variant is"):
            Maker(kind, other, maker.graph).resume(state)
    foreign = mp.build_relational_graph(shop_table(5, 0).assign(item_id=[f"x{n}" for n in range(5)]), FIELDS)
    foreign_maker = Maker(kind, variant, foreign)
    with pytest.raises(SessionError, match="of another catalogue"):
        foreign_maker.resume(state)


def test_a_shop_with_the_same_words_is_another(maker: Maker, kind: str, variant: str) -> None:
    """It has one id in common, and the queries that were shown."""
    session = maker.make(list_length=4, min_items=1)
    answer(session, np.random.default_rng(1))
    ids = [f"i{1000 + number}" for number in range(40)]
    shared = next(name for name in through_json(session)["items"])
    foreign = shop_table(40, 1).assign(item_id=[shared, *ids[1:]])
    other = Maker(kind, variant, mp.build_relational_graph(foreign, FIELDS, max_words=3, materialize=False))
    with pytest.raises(SessionError, match=r"of another catalogue: \d+ of \d+ of its items are not in this one"):
        other.resume(through_json(session))


def test_a_shop_with_the_same_ids_is_another(maker: Maker, kind: str, variant: str) -> None:
    """Both count their items from 0 and have the same words; theirs hang on other items."""
    session = maker.make(list_length=4)
    answer(session, np.random.default_rng(1))
    state = through_json(session)
    foreign = shop_table(40, 2)
    assert set(state["items"]) <= set(foreign["item_id"])
    other = Maker(kind, variant, mp.build_relational_graph(foreign, FIELDS, max_words=3, materialize=False))
    with pytest.raises(SessionError, match=r"of another catalogue: \d of 8 of its items have other words in this one"):
        other.resume(state)


def test_up_to_half_of_the_items_may_have_other_words(maker: Maker, kind: str, variant: str) -> None:
    state = through_json(maker.make())
    assert len(state["items"]) == 8
    assert all(len(mark) == 4 for mark in state["items"].values())
    table = shop_table(40, 1).set_index("item_id")
    for changed, refused in ((4, False), (5, True)):
        table.loc[list(state["items"])[:changed], "brand"] = "another brand"
        graph = mp.build_relational_graph(table.reset_index(), FIELDS, max_words=3, materialize=False)
        if refused:
            with pytest.raises(SessionError, match="5 of 8 of its items have other words"):
                Maker(kind, variant, graph).resume(state)
        else:
            assert Maker(kind, variant, graph).resume(state).recommend()


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
