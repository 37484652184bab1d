"""Cards, words to choose and chips of sessions, worked by hand on the shop of Fig. 1."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd
import pytest
from catalogues import APPLE_FIELDS

import magus_pyg as mp
from magus_pyg.errors import SessionError
from magus_pyg.graph import Word, build_relational_graph
from magus_pyg.language import Phrasing
from magus_pyg.online import OnlineSession, Told
from magus_pyg.serve.pages.page_views import (
    Chip,
    card_of,
    chips_of,
    item_key,
    list_view,
    named_as_shown,
    words_key,
    words_of_key,
)
from magus_pyg.simulation.answers import AnsweredList

# Items A 0 (macbook, pro, grey), B 1 (airpods), C 2 (iphone, pro); airpods 3, iphone 4, macbook 5, pro 6, grey 7.
PRO, GREY = '[["level","pro"]]', '[["colour","grey"]]'


class Shop:
    """Columns that want to be more than they are."""

    def columns(self, item_id: str) -> Mapping[str, str]:
        return {
            "net_price": "3.50",
            "maker_id": "17",
            "empty": "",
            "picture": {"A": "/a.png", "B": "//else.example/b.png"}.get(item_id, ""),
        }

    def kind(self, words: Sequence[Word]) -> Word | None:
        return words[0] if words else None


NODES = ["A", "B", "C", "airpods", "iphone", "macbook", "pro", "grey"]


def say(nodes: Sequence[int]) -> list[Phrasing | None]:
    return [None if node < 3 else Phrasing((), NODES[node].title(), f"{NODES[node]}?") for node in nodes]


@pytest.fixture
def session(apple: pd.DataFrame) -> OnlineSession:
    return mp.MagusSession(build_relational_graph(apple, APPLE_FIELDS, max_words=1), [7.0, 4.0, 8.0], list_length=4)


def test_a_list(session: OnlineSession) -> None:
    listed = session.recommend()
    view = list_view(session, Shop(), say)
    assert [item_key(entry.item_id) for entry in listed if entry.item_id] == [card.key for card in view.cards]
    assert [words_key(entry.words) for entry in listed if not entry.item_id] == [query.key for query in view.queries]
    assert {query.text: query.items for query in view.queries}.get("Pro") == 2
    assert all(query.question == f"{query.text.lower()}?" for query in view.queries)
    assert (view.round, view.rounds, view.said, view.chips) == (1, 5, 0, ())
    session.tell("pro")
    after = list_view(session, Shop(), say)
    assert {word.text for card in after.cards for word in card.words if word.said} <= {"pro"}
    assert (after.round, after.said) == (1, 1)


def test_a_card() -> None:
    words = [Word("line", "mac" * 50), Word("x", "a\u202eb\n")]
    card = card_of("A", "t" * 500, words, Shop())
    assert card.details == card.untold == (("net price", "3.50"),)
    assert [card_of("A", title, words, Shop()).untold for title in ("Nova, 3.50", "Nova (3.50).")] == [(), ()]
    assert card_of("A", "Nova 13.50", words, Shop()).untold == (("net price", "3.50"),)
    sizes = (("width", "1200"), ("depth", "1200"))  # the title names one of them
    assert replace(card, title="Desk 1200", details=sizes).untold == sizes
    assert (card.picture, len(card.title)) == ("/a.png", 160)
    assert [word.text for word in card.words] == ["mac" * 26 + "m…", "ab"]
    assert card_of("A", "x", [Word("line", "x"), Word("x", "y")], Shop()).words[0].text == "y"  # not said twice
    assert card_of("B", "t", words, Shop()).picture == ""  # of another host
    sauce = [Word("kind", "PASTA SAUCE"), Word("type", "MAINSTREAM")]
    kinds = {title: card_of("A", title, sauce, Shop()).kind for title in ("MAINSTREAM", "PASTA SAUCE", "Nonna's")}
    assert kinds == {"MAINSTREAM": "PASTA SAUCE", "PASTA SAUCE": "", "Nonna's": ""}
    assert card_of('C"', "t", [], Shop()).key == '"C\\""'
    assert len(card_of("A", "t", [Word("x", str(at)) for at in range(50)], Shop()).words) == 8


def test_chips(session: OnlineSession) -> None:
    graph = session.graph
    history = [
        AnsweredList((6, 0, 4), None),
        Told((Word("level", "pro"), Word("colour", "grey")), (True, True), (6, 7)),
        AnsweredList((3, 5, 7), 5, (3,)),
    ]
    assert [(chip.kind, chip.text) for chip in chips_of(graph, history)] == [
        ("wanted", "macbook"),
        ("wanted", "grey"),
        ("wanted", "pro"),  # refused first, then wanted: the latest counts
        ("careless", "airpods"),
        ("unwanted", "iphone"),
    ]
    assert [chip.text for chip in chips_of(graph, history, named_as_shown(graph, say))] == [
        "Macbook",  # as the list called it
        "grey",  # as it was told
        "pro",
        "Airpods",
        "Iphone",
    ]
    assert chips_of(graph, []) == ()
    assert chips_of(graph, [Told((Word("level", "pro"),), (False,), (6,))]) == (Chip("unwanted", "pro", PRO),)


def test_a_query_that_is_there_no_more_has_its_words_for_a_name(session: OnlineSession) -> None:
    name = named_as_shown(session.graph, say)
    assert name([Word("level", "pro")]) == "Pro"
    assert name([Word("level", "pro"), Word("x", "gone")]) == "pro gone"


@pytest.mark.parametrize("words", [[Word("a", "b")], [Word('"', "\\"), Word("é", "<&>\n")]])
def test_words_as_forms_send_them(words: list[Word]) -> None:
    assert words_of_key(words_key(words)) == tuple(words)


@pytest.mark.parametrize(
    "key",
    ["", "x", "[]", "{}", "null", '[["a"]]', '[["a",1]]', '["a","b"]', "[" * 4000, '[["a","' + "b" * 5000 + '"]]'],
)
def test_what_no_form_sends(key: str) -> None:
    with pytest.raises(SessionError, match="these are no words"):
        words_of_key(key)
