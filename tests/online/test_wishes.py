"""Whether items fit all that was said, and the word that excludes them, by hand."""

from typing import Any

import pandas as pd
import pytest

import magus_pyg as mp
from magus_pyg.graph import Word, build_relational_graph
from magus_pyg.online import Fit, OnlineSession
from magus_pyg.online.sentences import Sentences
from magus_pyg.online.wishes import Without, has_wishes

both = pytest.mark.parametrize("kind", ["session", "catalogue"])

SHOP = pd.DataFrame(
    {
        "item_id": ["a", "b", "c", "d", "e"],
        "kind": ["scarf", "scarf", "coat", "coat", "coat"],
        "wool": ["wool", "cotton", "wool", "wool", "cotton"],
        "price": ["low", "high", "middle", "high", "middle"],
    }
)


FIELDS = {value: field for field in ("kind", "wool", "price") for value in SHOP[field]}


def out(value: str, items: int, liked: bool = True) -> Without:
    """A word without which some items fit."""
    return Without((Word(FIELDS[value], value),), liked, items)


def begun(kind: str, **options: Any) -> OnlineSession:
    graph = build_relational_graph(SHOP, ["kind", "wool", "price"])
    if kind == "catalogue":
        return mp.Catalogue(graph, "bayes").session([1.0] * 5, list_length=2, **options)
    return mp.MagusSession(graph, [1.0] * 5, "bayes", list_length=2, **options)


@both
def test_how_many_fit_and_what_excludes_the_rest(kind: str) -> None:
    session = begun(kind)
    assert session.fit() == Fit(5)
    assert not has_wishes(session.history)
    session.tell_all([(["scarf", "wool"], True)])
    assert session.fit() == Fit(1)
    assert has_wishes(session.history)
    session.tell("low", liked=False)  # a scarf of wool is low: b is a scarf, c and d are of wool
    assert session.fit() == Fit(0, (out("scarf", 2), out("wool", 1), out("low", 1, False)))
    session.undo()
    session.tell("wool", liked=False)  # the later word on wool counts
    assert session.fit() == Fit(1)
    session.tell("low")
    assert session.fit() == Fit(0, (out("wool", 1, False), out("low", 1)))


@both
def test_words_of_one_field_that_no_item_has_both_of_are_a_choice(kind: str) -> None:
    session = begun(kind)
    session.tell_all([(["low", "middle"], True), (["coat"], True)])
    assert session.fit() == Fit(2)
    session.tell("scarf")
    assert session.fit() == Fit(0, (out("scarf", 2), out("coat", 1)))
    session.undo()
    session.tell("cotton", liked=False)
    assert session.fit() == Fit(1)


@both
def test_only_items_of_the_session_count_and_clicks_are_wishes(kind: str) -> None:
    session = begun(kind, exclude=["a"])
    session.tell(["scarf", "wool"])
    assert session.fit() == Fit(0, (out("scarf", 2), out("wool", 1)))
    other = begun(kind, rounds=2)
    query = next(entry for entry in other.recommend() if entry.kind == "query")
    other.feedback(query)
    assert other.fit() == Fit(other.count_items(query))


def test_it_is_said_in_words() -> None:
    en, de = Sentences("en"), Sentences("de")
    assert en.no_fit(Fit(3)) == ""
    assert en.no_fit(Fit(0)) == "No item fits all that you said: these come nearest."
    several = Fit(0, (out("scarf", 1200), out("wool", 1, False)))
    assert en.no_fit(several).endswith(" It would be 1,200 items without “scarf” and 1 item without “not wool”.")
    assert de.no_fit(several).endswith(" Es wären 1.200 Artikel ohne „scarf“ und 1 Artikel ohne „nicht wool“.")
    words = (Word("price", "low"), Word("price", "middle"))
    assert en.no_fit(Fit(0, (Without(words, True, 2, True),))).endswith(" 2 items without “low or middle”.")
    assert en.no_fit(Fit(0, (Without(words, True, 2),))).endswith(" 2 items without “low middle”.")
    query = Fit(0, (Without((Word("kind", "coat"), Word("price", "low")), True, 2),))
    assert en.no_fit(query).endswith(" 2 items without “coat low”.")
    assert en.no_fit(query, lambda words: f"{len(words)} words").endswith(" 2 items without “2 words”.")
