"""The state of every session, over candidates and over a catalogue: kept, resumed, refused where it is another's."""

import copy
import json
import logging
from typing import Any

import numpy as np
import pytest
from online_cases import (
    EVERY_KIND_AND_VARIANT,
    FIELDS,
    VARIANTS,
    Maker,
    answer,
    listens,
    same,
    shop_table,
    some_words,
    through_json,
)

import magus_pyg as mp
from magus_pyg.errors import SessionError
from magus_pyg.online import OnlineSession

pytestmark = EVERY_KIND_AND_VARIANT


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
