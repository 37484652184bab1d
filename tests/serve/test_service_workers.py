"""Two workers on one store are one service: requests go to either, and two at once have one effect."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from magus_pyg.errors import ConflictError, InputError, MagusError
from magus_pyg.runs import Run, load_run
from magus_pyg.serve.api_schemas import AnswerIn, SessionIn, WordsIn
from magus_pyg.serve.replies import Resend
from magus_pyg.serve.serve_options import ServeOptions
from magus_pyg.serve.service import Service
from magus_pyg.serve.stores import open_store


@pytest.fixture(scope="module")
def run(shop_run: Path) -> Run:
    return load_run(shop_run)


@pytest.fixture
def workers(run: Run, tmp_path: Path) -> list[Service]:
    options = ServeOptions(folder=str(tmp_path), list_length=2, rounds=6)
    url = f"sqlite:{tmp_path / 'serve.sqlite'}"
    return [Service(run, options, open_store(url)) for _ in range(2)]


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return {**one, "took_ms": 0} == {**other, "took_ms": 0}


def _answer(service: Service, shown: dict[str, Any], clicked: str | None = None, **more: Any) -> dict[str, Any]:
    asked = AnswerIn(recommendation_id=shown["recommendation_id"], clicked=clicked)
    return service.answer(shown["session_id"], asked, **more)


@pytest.mark.parametrize("variant", ["none", "base", "bayes"])
@pytest.mark.parametrize("candidates", [None, ["m1", "m2", "m3", "c1", "j1"]])
def test_requests_may_go_to_either_worker(workers: list[Service], variant: str, candidates: list[str] | None) -> None:
    asked = SessionIn(variant=variant, candidates=candidates, min_items=0)
    alone, shared = workers[0].begin(asked), workers[0].begin(asked)
    turn = 0
    while not alone["done"]:
        turn += 1
        queries = [entry for entry in alone["entries"] if entry["kind"] == "query"]
        place = None if turn % 2 or not queries else alone["entries"].index(queries[0])
        clicks = [None if place is None else shown["entries"][place]["entry_id"] for shown in (alone, shared)]
        alone, shared = _answer(workers[0], alone, clicks[0]), _answer(workers[turn % 2], shared, clicks[1])
        names = [
            [(one["item_id"], one["title"], one["score"]) for one in shown["entries"]] for shown in (alone, shared)
        ]
        assert names[0] == names[1]
        shown = [worker.show(shared["session_id"]) for worker in workers]
        assert _same(*shown)
        if turn == 2 and variant != "none":
            told = WordsIn(words=["milk"], liked=True)
            alone = workers[0].tell(alone["session_id"], told)
            shared = workers[1].tell(shared["session_id"], told)


def test_two_answers_at_once_have_one_effect(workers: list[Service]) -> None:
    with ThreadPoolExecutor(4) as pool:
        for number in range(12):
            shown = workers[0].begin(SessionIn(variant="base" if number % 2 else "bayes"))
            items = [entry["entry_id"] for entry in shown["entries"]]
            clicks = [items[0], None, items[0], items[-1]]

            def given(place: int, shown: dict[str, Any] = shown, clicks: Any = clicks) -> Any:
                try:
                    return _answer(workers[place % 2], shown, clicks[place])
                except ConflictError as error:
                    return error

            found = list(pool.map(given, range(4)))
            taken = [place for place, one in enumerate(found) if isinstance(one, dict)]
            assert taken, found
            assert len({clicks[place] for place in taken}) == 1, "one of the answers counts"
            assert all(_same(found[taken[0]], found[place]) for place in taken)
            history = workers[1].show(shown["session_id"])["history"]
            assert [one["clicked"] for one in history] == [clicks[taken[0]]]
            assert len(taken) == sum(click == clicks[taken[0]] for click in clicks)
    rows = workers[0].store.read_rows(0, 1000)
    assert [row.kind for row in rows].count("answer") == 12


def test_the_rows_of_the_log(workers: list[Service]) -> None:
    one, two = workers
    shown = one.begin(SessionIn(user_id="u3", variant="base"))
    clicked = next(entry for entry in shown["entries"] if entry["kind"] == "item")
    other = [entry for entry in shown["entries"] if entry is not clicked]
    _answer(two, shown, clicked["entry_id"])
    two.undo(shown["session_id"])
    one.tell(shown["session_id"], WordsIn(words=["milk"], liked=False))
    two.tell(shown["session_id"], WordsIn(words=["milk"], liked=None))
    rows = one.store.read_rows(0, 10)
    assert [row.kind for row in rows] == ["start", "answer", "undo", "words", "words"]
    assert {(row.session_id, row.user_hash, row.variant, row.list_length, row.rounds) for row in rows} == {
        (shown["session_id"], one.people.name("u3"), "base", 2, 6)
    }
    assert [row.round for row in rows] == [0, 1, 1, 1, 1]
    answer = rows[1]
    names = [one["item_id"] or [[word["field"], word["value"]] for word in one["words"]] for one in shown["entries"]]
    assert (answer.recommendation_id, answer.shown) == (shown["recommendation_id"], names)
    assert (answer.clicked, answer.not_care) == (shown["entries"].index(clicked), [])
    assert len(other) == 1
    assert [(row.words, row.liked) for row in rows[3:]] == [
        ([["category", "milk"]], False),
        ([["category", "milk"]], None),
    ]


@pytest.mark.parametrize("same_worker", [True, False])
def test_the_same_idempotency_key_gives_the_same_reply_and_one_effect(
    workers: list[Service], same_worker: bool
) -> None:
    one, two = workers[0], workers[0 if same_worker else 1]

    def twice(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
        nonlocal number
        number += 1
        resend = Resend("scope", f"key {number}", "print")
        bound = work.__name__
        found = [getattr(worker, bound)(*arguments, resend) for worker in (one, two)]
        assert _same(*found), bound
        with pytest.raises(InputError, match="was used for another request"):
            getattr(two, bound)(*arguments, Resend("scope", f"key {number}", "another print"))
        return found[0]

    number = 0
    shown = twice(one.begin, SessionIn(variant="base"))
    session_id = shown["session_id"]
    later = twice(one.answer, session_id, AnswerIn(recommendation_id=shown["recommendation_id"]))
    assert later["round"] == 2
    told = twice(one.tell, session_id, WordsIn(words=["juice"], liked=True))
    assert told["understood"] == [{"field": "category", "value": "juice", "liked": True}]
    before = twice(one.undo, session_id)
    assert before["recommendation_id"] == later["recommendation_id"]
    again = one.begin(SessionIn(variant="base"), Resend("scope", "key 1", "print"))
    assert _same(again, shown), "the first list, whatever was answered since"
    assert [row.kind for row in one.store.read_rows(0, 10)] == ["start", "answer", "words", "undo"]


def test_a_session_in_both_workers_is_forgotten_in_both(workers: list[Service]) -> None:
    shown = workers[0].begin(SessionIn(user_id="u1"))
    workers[1].show(shown["session_id"])
    workers[1].forget(shown["session_id"])
    for worker in workers:
        with pytest.raises(MagusError, match="was deleted"):
            worker.show(shown["session_id"])


def test_a_restart_loses_nothing(run: Run, workers: list[Service], tmp_path: Path) -> None:
    shown = workers[0].begin(SessionIn(variant="bayes", user_id="u2"))
    second = _answer(workers[0], shown)
    for worker in workers:
        worker.store.close()
    fresh = Service(run, workers[0].options, open_store(f"sqlite:{tmp_path / 'serve.sqlite'}"))
    assert _same(_answer(fresh, shown), second)
    third = _answer(fresh, second)
    assert third["round"] == 3
