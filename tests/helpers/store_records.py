"""Records that stores keep, a clock that is set by hand, and answers that are taken in as the service does."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from magus_pyg.serve.stores import (
    Event,
    LogRow,
    Outcome,
    Reply,
    Store,
    StoredSession,
)

START = 1_000_000.0
HOSTILE = ["", "\x00", "\n", "a\nb", "' OR 1=1 --", "\ud800", "\\ud800", "*", "user:a", "ü", "\u202e", "x" * 100_000]

Opener = Callable[..., Store]


class Clock:
    """A clock that is set by hand."""

    def __init__(self, time: float = START) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time


def session(name: str = "s", **values: Any) -> StoredSession:
    known = {"start": {"variant": "base", "rounds": 10}, "answers": [], "version": 0, "edition": "1"}
    times = {"created": START, "touched": START, "expires": START + 100}
    return StoredSession(name, **{**known, **times, **values})


def row(name: str = "s", **values: Any) -> LogRow:
    return LogRow(**{"kind": "answer", "session_id": name, "time": START, "round": 1, **values})


def reply(key: str = "k", **values: Any) -> Reply:
    known = {"scope": "a", "fingerprint": "f", "status": 200, "body": "{}", "expires": START + 50}
    return Reply(**{**known, "key": key, **values})


def event(name: str = "e", **values: Any) -> Event:
    return Event(**{"event_id": name, "kind": "purchase", "item_id": "milk", "time": START, **values})


def keep(store: Store, kept: Reply) -> bool:
    """Keep a reply beside a change; False if there was one."""
    return store.append_change({"a": 1}, None, kept) > 0


def rows_of(store: Store) -> list[LogRow]:
    return store.read_rows(0, 1_000_000)


def answer(store: Store, name: str, of: str) -> Outcome:
    """Take an answer into a session as the service does: until its version is the one that was read."""
    while True:
        found = store.load(name)
        assert isinstance(found, StoredSession)
        new = replace(found, answers=[*found.answers, of])
        outcome = store.replace(new, found.version, [row(name, recommendation_id=of)])
        if outcome != Outcome.STALE:
            return outcome


def answer_many(store: Store, name: str, process: int, count: int, gate: Any) -> None:
    gate.wait()
    for number in range(count):
        answer(store, name, f"{process}-{number}")


def _answer_until_killed(store: Store, name: str, told: int) -> None:
    for number in range(100_000):
        answer(store, name, str(number))
        os.write(told, b"%d\n" % number)


def answer_and_kill(store: Store, name: str, seconds: float) -> list[str]:
    """Let a process answer, kill it after a time, and return what it was told to be kept."""
    read, write = os.pipe()
    child = multiprocessing.get_context("fork").Process(target=_answer_until_killed, args=(store, name, write))
    child.start()
    os.close(write)
    time.sleep(seconds)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    with os.fdopen(read) as told:
        return told.read().split()
