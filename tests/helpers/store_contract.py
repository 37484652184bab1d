"""What every store must do, as a class to inherit: the memory's, SQLite's and Redis'."""

import math
import multiprocessing
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from store_log_contract import StoreLogContract
from store_records import (
    HOSTILE,
    START,
    Clock,
    Opener,
    answer_and_kill,
    answer_many,
    event,
    keep,
    reply,
    row,
    rows_of,
    session,
)

from magus_pyg.errors import StoreError
from magus_pyg.serve.stores import (
    GONE_SECONDS,
    Gone,
    Job,
    LoggedChange,
    Outcome,
    Store,
    StoredSession,
)


class StoreContract(StoreLogContract):
    """Inherit with fixtures `opened` (opens the store of this test, once more at each call) and `store`."""

    shared = True

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def store(self, opened: Opener, clock: Clock) -> Iterator[Store]:
        found = opened(clock)
        yield found
        found.close()

    # Sessions

    def test_a_session_comes_back_as_it_was_kept(self, store: Store) -> None:
        full = session(
            start={"scores": {"a": 0.1, "b": -1e300}, "candidates": None, "text": "grüße 😀"},
            answers=[{"shown": ["i1", [["brand", "x"]]], "clicked": 1, "not_care": []}],
            user_hash="h",
            experiment="e",
            arm="b",
            texts={"q": "Milk?"},
            created=START + 1 / 3,
        )
        assert store.create(full) == Outcome.DONE
        assert store.load("s") == full
        assert store.load("other") is None
        assert store.open_sessions() == 1

    def test_a_new_session_takes_no_name_twice(self, store: Store) -> None:
        assert store.create(session(version=7), [row()]) == Outcome.DONE
        assert store.load("s") == session()
        assert store.create(session(edition="2"), [row()], reply()) == Outcome.STALE
        store.delete("s")
        assert store.create(session(), [row()], reply()) == Outcome.STALE
        assert (rows_of(store), store.find_reply("a", "k")) == ([], None)

    def test_replace_writes_session_rows_and_reply_at_once(self, store: Store) -> None:
        store.create(session())
        new = session(answers=["x"], version=99, created=0.0, expires=START + 200, user_hash="h", texts={"a": "b"})
        kept = reply(session_id="s")
        assert store.replace(new, 0, [row(), row(kind="undo")], kept) == Outcome.DONE
        assert store.load("s") == replace(new, version=1, created=START)
        assert rows_of(store) == [row(number=1), row(kind="undo", number=2)]
        assert store.find_reply("a", "k") == kept

    @pytest.mark.parametrize("version", [-1, 1, 2**62])
    def test_replace_of_another_version_writes_nothing(self, store: Store, version: int) -> None:
        store.create(session())
        assert store.replace(session(answers=["x"]), version, [row()], reply()) == Outcome.STALE
        assert (store.load("s"), rows_of(store), store.find_reply("a", "k")) == (session(), [], None)

    def test_replace_of_no_session_writes_nothing(self, store: Store, clock: Clock) -> None:
        assert store.replace(session(), 0, [row()], reply()) == Outcome.GONE
        store.create(session("late", expires=START + 1))
        store.create(session("deleted"))
        store.delete("deleted")
        clock.time += 1
        for name in ("late", "deleted"):
            assert store.replace(session(name), 0, [row()], reply()) == Outcome.GONE
        assert (rows_of(store), store.find_reply("a", "k")) == ([], None)

    def test_expiry_and_deletion_are_told_from_what_never_was(self, store: Store, clock: Clock) -> None:
        store.create(session("late"))
        store.create(session("deleted"))
        assert store.delete("deleted")
        clock.time = START + 100 - 1e-3
        assert store.load("late") == session("late")
        clock.time = START + 100
        assert store.open_sessions() == 0
        assert store.load("late") == Gone("late", "expired")
        assert store.load("deleted") == Gone("deleted", "deleted")
        assert not store.delete("deleted")
        assert not store.delete("late")
        assert not store.delete("never")
        assert store.load("late") == Gone("late", "expired")

    def test_expire_forgets_what_is_over(self, store: Store, clock: Clock) -> None:
        store.create(session("late", user_hash="h"), [row("late")], reply("kept", session_id="late", expires=START * 9))
        store.create(session("living", expires=START + GONE_SECONDS * 2))
        keep(store, reply("short"))
        store.put_job(Job("running", "k", "running", touched=START))
        store.put_job(Job("done", "k", "done", touched=START))
        assert store.expire() == 0
        clock.time = START + 100
        assert (store.expire(), store.expire()) == (1, 0)
        assert store.load("late") == Gone("late", "expired")
        assert (store.find_reply("a", "kept"), store.find_reply("a", "short")) == (None, None)
        assert store.load_job("done") is not None
        clock.time = START + 100 + GONE_SECONDS
        assert store.expire() == 0
        assert store.load("late") is None
        assert isinstance(store.load("living"), StoredSession)
        assert (store.load_job("done"), store.load_job("running")) == (
            None,
            Job("running", "k", "running", touched=START),
        )
        assert rows_of(store) == [row("late", number=1)]

    def test_a_clock_set_back_neither_wakes_nor_loses_a_session(self, opened: Opener, clock: Clock) -> None:
        store = opened(clock)
        store.create(session("late"))
        store.create(session("living", expires=START + 1000))
        clock.time = START + 200
        assert store.load("late") == Gone("late", "expired")
        clock.time = START - 5000
        assert store.now() == START + 200
        others = [store, *([opened(clock)] if self.shared else [])]
        for other in others:  # another process has not seen the later time
            assert other.load("late") == Gone("late", "expired")
            assert isinstance(other.load("living"), StoredSession)
        now = others[-1].now()
        assert others[-1].replace(session("living", touched=now, expires=now + 100), 0) == Outcome.DONE
        clock.time = START + 999
        found = store.load("living")
        assert isinstance(found, StoredSession)
        assert (found.version, found.expires) == (1, START + 1000)
        for other in others:
            other.close()

    def test_deleting_forgets_rows_events_and_replies(self, store: Store) -> None:
        store.create(session(), [row()], reply(session_id="s"))
        store.create(session("other"), [row("other")], reply("o", session_id="other"))
        store.append_events([event(session_id="s"), event("f", session_id="other"), event("g")])
        assert store.delete("s")
        assert rows_of(store) == [row("other", number=2)]
        assert [found.event_id for found in store.read_events(0, 9)] == ["f", "g"]
        assert (store.find_reply("a", "k"), store.find_reply("a", "o") is None) == (None, False)
        assert store.append_events([event(session_id="s")]) == [True]

    # Replies

    def test_a_key_has_one_reply_until_its_time(self, store: Store, clock: Clock) -> None:
        assert keep(store, reply())
        assert not keep(store, reply(body="other"))
        assert keep(store, reply(scope="b", body="other"))
        assert store.find_reply("a", "k") == reply()
        assert store.find_reply("b", "k") == reply(scope="b", body="other")
        assert store.find_reply("a", "l") is None
        clock.time = START + 50
        assert store.find_reply("a", "k") is None
        assert keep(store, reply(body="new", expires=START + 99))
        assert store.find_reply("a", "k") == reply(body="new", expires=START + 99)

    def test_a_reply_about_a_session_that_is_gone_already_stays(self, store: Store, clock: Clock) -> None:
        store.create(session("gone"))
        store.create(session("mine", user_hash="h"))
        store.delete("gone")
        keep(store, reply(session_id="gone", expires=START * 2))
        store.erase_user("h")
        clock.time = START + 100
        store.expire()
        assert store.find_reply("a", "k") is not None

    def test_nothing_is_written_where_the_reply_is_there(self, store: Store) -> None:
        store.create(session())
        keep(store, reply())
        assert store.create(session("t"), [row("t")], reply()) == Outcome.REPLIED
        assert store.replace(session(answers=["x"]), 0, [row()], reply()) == Outcome.REPLIED
        assert store.replace(session(), 9, [], reply()) == Outcome.REPLIED
        assert store.append_events([event(), event("f")], reply()) == [False, False]
        assert store.append_change({"a": 1}, Job("j", "k", "waiting"), reply()) == 0
        assert (store.load("t"), store.load("s"), rows_of(store)) == (None, session(), [])
        assert (store.read_events(0, 9), store.changes_since(1), store.load_job("j")) == ([], [], None)

    # Bad input and faults

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_any_text_is_kept_and_found_as_itself(self, store: Store, text: str) -> None:
        kept = session(text, start={text: text}, answers=[text], user_hash=text, texts={text: text})
        again = reply(text, scope=text, fingerprint=text, body=text, session_id=text)
        assert store.create(kept, [row(text, shown=[text, [[text, text]]], user_hash=text)], again) == Outcome.DONE
        assert store.load(text) == kept
        assert store.find_reply(text, text) == again
        assert store.append_events([event(text, item_id=text, session_id=text, user_hash=text)]) == [True]
        assert store.append_events([event(text)]) == [False]
        assert store.append_change({text: text}, Job(text, text, "done")) == 1
        assert store.changes_since(0) == [LoggedChange(1, {text: text})]
        assert store.load_job(text) == Job(text, text, "done")
        for other in HOSTILE:
            if other != text:
                assert store.load(other) is None
                assert store.find_reply(other, text) is None
                assert store.erase_user(other) == 0
        assert rows_of(store) == [row(text, shown=[text, [[text, text]]], user_hash=text, number=1)]
        assert store.erase_user(text) == 3

    def test_a_large_session(self, store: Store) -> None:
        large = session(start={"scores": {f"item {number}": number / 7 for number in range(200_000)}})
        assert store.create(large) == Outcome.DONE
        assert store.load("s") == large

    @pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, object()])
    def test_what_is_no_json_is_refused(self, store: Store, value: object) -> None:
        with pytest.raises(StoreError, match="no JSON"):
            store.create(session(start={"x": value}))
        store.create(session())
        with pytest.raises(StoreError, match="no JSON"):
            store.replace(session(), 0, [row(), row(shown=[value])])
        with pytest.raises(StoreError, match="no JSON"):
            store.append_change({"x": value}, reply=reply())
        assert (store.load("s"), rows_of(store), store.changes_since(0)) == (session(), [], [])
        assert store.find_reply("a", "k") is None

    def test_an_empty_store(self, store: Store) -> None:
        store.ping()
        assert (store.open_sessions(), store.expire(), store.purge(math.inf)) == (0, 0, 0)
        assert (rows_of(store), store.read_events(0, 9), store.changes_since(0)) == ([], [], [])

    def test_a_closed_store_says_so(self, store: Store) -> None:
        store.close()
        store.close()
        for call in (store.ping, store.expire, lambda: store.load("s"), lambda: store.read_rows(0, 1)):
            with pytest.raises(StoreError, match="closed"):
                call()

    # Many at once

    def test_two_answers_at_once_give_one_effect(self, store: Store) -> None:
        store.create(session())
        outcomes: list[Outcome] = []
        gate = threading.Barrier(8)

        def click(number: int) -> None:
            gate.wait()
            outcomes.append(store.replace(session(answers=[number]), 0, [row(round=number)]))

        threads = [threading.Thread(target=click, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(outcomes) == {Outcome.DONE: 1, Outcome.STALE: 7}
        found = store.load("s")
        assert isinstance(found, StoredSession)
        assert [entry.round for entry in rows_of(store)] == found.answers

    def test_a_request_sent_many_times_at_once_is_done_once(self, store: Store) -> None:
        outcomes: list[Outcome] = []
        gate = threading.Barrier(8)

        def begin(number: int) -> None:
            gate.wait()
            outcomes.append(store.create(session(str(number)), [row(str(number))], reply()))

        threads = [threading.Thread(target=begin, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(outcomes) == {Outcome.DONE: 1, Outcome.REPLIED: 7}
        assert (store.open_sessions(), len(rows_of(store))) == (1, 1)

    def test_processes_share_the_store(self, opened: Opener, clock: Clock) -> None:
        store = opened(clock)
        if not self.shared:
            assert not store.shared
            return
        context = multiprocessing.get_context("fork")
        store.create(session())
        gate = context.Barrier(2)
        others = [
            context.Process(target=answer_many, args=(store, "s", number, 40, gate), daemon=True) for number in range(2)
        ]
        for other in others:
            other.start()
        for other in others:
            other.join()
        found = store.load("s")
        assert isinstance(found, StoredSession)
        assert sorted(found.answers) == sorted(f"{process}-{number}" for process in range(2) for number in range(40))
        assert [entry.recommendation_id for entry in rows_of(store)] == found.answers
        assert found.version == 80
        store.close()

    def test_what_was_acknowledged_outlives_a_kill_exactly_once(self, opened: Opener, clock: Clock) -> None:
        store = opened(clock)
        if not self.shared:
            return
        for kill in range(5):
            store.create(session(str(kill)))
            told = answer_and_kill(store, str(kill), 0.05 + 0.01 * kill)
            found = opened(clock).load(str(kill))
            assert isinstance(found, StoredSession)
            logged = [entry.recommendation_id for entry in rows_of(store) if entry.session_id == str(kill)]
            assert logged == found.answers == [str(number) for number in range(found.version)]
            assert len(told) <= found.version <= len(told) + 1
        store.close()
