"""What was said of words is taken back in the midst of a session, and older lists are looked at again."""

import pandas as pd
import pytest
from catalogues import APPLE_FIELDS

import magus_pyg as mp
from magus_pyg.errors import SessionError
from magus_pyg.graph import build_relational_graph, words_of
from magus_pyg.online import OnlineSession
from magus_pyg.simulation.answers import AnsweredList

# Items A 0 (macbook, pro, grey), B 1 (airpods), C 2 (iphone, pro); airpods 3, iphone 4, macbook 5, pro 6, grey 7.
BASE = [7.0, 4.0, 8.0]


def session(kind: str, table: pd.DataFrame, variant: str = "base") -> OnlineSession:
    graph = build_relational_graph(table, APPLE_FIELDS, max_words=1)
    if kind == "catalogue":
        return mp.Catalogue(graph, variant).session(BASE, list_length=2)
    return mp.MagusSession(graph, BASE, variant, list_length=2)


both = pytest.mark.parametrize("kind", ["session", "catalogue"])


def test_an_answer_without_some_nodes() -> None:
    answer = AnsweredList((0, 6, 4, 3, 7), clicked=4, not_care=(3,))
    assert answer.without({0, 3}, 3) == AnsweredList((6, 4, 7), 4)
    # 7 was not read because of the click on 4; 6 above it was refused, and 3 was said to be of no matter.
    assert answer.without({4}, 3) == AnsweredList((0, 6, 3), None, (3,))
    assert answer.without(set(), 3) == answer
    assert AnsweredList((6, 0), clicked=0).without({0}, 3) == AnsweredList((), None)


@both
@pytest.mark.parametrize("variant", ["base", "bayes"])
def test_what_is_told_and_taken_back_was_never_told(apple: pd.DataFrame, kind: str, variant: str) -> None:
    one, other = session(kind, apple, variant), session(kind, apple, variant)
    one.tell(["pro", "grey"])
    one.tell("airpods", liked=False)
    one.retract([one.history[0].words[0]])
    other.tell("grey")
    other.tell("airpods", liked=False)
    assert one.history == other.history
    assert one.recommend() == other.recommend()


@both
def test_a_click_is_taken_back_under_the_answers_that_follow(apple: pd.DataFrame, kind: str) -> None:
    one = session(kind, apple)
    one.recommend()
    click = next(entry for entry in one.recommend() if entry.kind == "query")
    one.feedback(click)
    one.recommend()
    one.feedback(None)
    rounds = one.round
    one.retract(click.words)
    assert one.round == rounds
    assert all(click.node not in event.shown for event in one.history if isinstance(event, AnsweredList))
    assert mp.MagusSession.resume(one.graph, one.to_dict(), BASE).history == one.history


@both
def test_nothing_was_said_of_a_word(apple: pd.DataFrame, kind: str) -> None:
    one = session(kind, apple)
    one.tell(["pro"])
    one.tell(["grey"])
    with pytest.raises(SessionError, match="nothing was said of 'airpods'"):
        one.retract(words_of(one.graph, 3))
    both = [*words_of(one.graph, 6), *words_of(one.graph, 7)]
    with pytest.raises(SessionError, match="nothing was said of 'pro grey'"):
        one.retract(both)  # two words that were told, but not together, and no query
    one.undo()
    one.undo()
    one.tell(["pro", "grey"])
    one.retract(both)
    assert one.history == ()


@both
def test_the_session_as_it_was(apple: pd.DataFrame, kind: str) -> None:
    one = session(kind, apple)
    lists = [one.recommend()]
    one.feedback(None)
    lists.append(one.recommend())
    one.tell("pro")
    lists.append(one.recommend())
    for said, listed in enumerate(lists):
        past = one.at(said)
        assert past.recommend() == listed
        assert past.history == one.history[:said]
    past = one.at(1)
    past.feedback(None)
    assert one.recommend() == lists[2]
    now = one.at(2)
    now.tell("grey")
    assert (len(now.history), len(one.history)) == (3, 2)
    assert one.recommend() == lists[2]
    with pytest.raises(SessionError, match="3 is not from 0 to 2"):
        one.at(3)
