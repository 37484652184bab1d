"""Everything in the memory of one process: for tests, and for trying things out."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from magus_pyg.errors import StoreError
from magus_pyg.serve.stores.store import GONE_SECONDS, Store
from magus_pyg.serve.stores.stored import Event, Gone, Job, LoggedChange, LogRow, Outcome, Reply, StoredSession
from magus_pyg.serve.stores.stored_text import json_text, read_json, read_record, record_text

__all__ = ["MemoryStore"]


@dataclass(frozen=True)
class _Session:
    version: int
    created: float
    expires: float
    user_hash: str | None
    text: str


@dataclass(frozen=True)
class _Entry:
    time: float
    session_id: str | None
    user_hash: str | None
    text: str


class MemoryStore(Store):
    """A store that ends with its process, which alone sees it."""

    shared = False

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._lock = threading.RLock()
        self._open = True
        self._sessions: dict[str, _Session] = {}
        self._gone: dict[str, tuple[Gone, float]] = {}  # since when
        self._replies: dict[tuple[str, str], Reply] = {}
        self._rows: dict[int, _Entry] = {}
        self._events: dict[int, _Entry] = {}
        self._event_ids: dict[str, int] = {}
        self._changes: list[str] = []
        self._jobs: dict[str, Job] = {}
        self._last_row = self._last_event = 0

    def create(self, session: StoredSession, rows: Sequence[LogRow] = (), reply: Reply | None = None) -> Outcome:
        """As `Store.create`."""
        new = _Session(0, session.created, session.expires, session.user_hash, record_text(session))
        entries = [_entry(row) for row in rows]
        with self._held():
            if self._replied(reply):
                return Outcome.REPLIED
            if session.session_id in self._sessions or session.session_id in self._gone:
                return Outcome.STALE
            self._sessions[session.session_id] = new
            self._write(entries, reply)
            return Outcome.DONE

    def load(self, session_id: str) -> StoredSession | Gone | None:
        """As `Store.load`."""
        with self._held():
            found = self._living(session_id)
            if found is None:
                return self._gone[session_id][0] if session_id in self._gone else None
        known = {"version": found.version, "created": found.created, "expires": found.expires}
        return read_record(StoredSession, found.text, **known)

    def replace(
        self, session: StoredSession, expected_version: int, rows: Sequence[LogRow] = (), reply: Reply | None = None
    ) -> Outcome:
        """As `Store.replace`."""
        text, entries = record_text(session), [_entry(row) for row in rows]
        with self._held():
            if self._replied(reply):
                return Outcome.REPLIED
            found = self._living(session.session_id)
            if found is None:
                return Outcome.GONE
            if found.version != expected_version:
                return Outcome.STALE
            expires = max(found.expires, session.expires)
            new = _Session(expected_version + 1, found.created, expires, session.user_hash, text)
            self._sessions[session.session_id] = new
            self._write(entries, reply)
            return Outcome.DONE

    def delete(self, session_id: str) -> bool:
        """As `Store.delete`."""
        with self._held():
            there = self._living(session_id) is not None
            if there:
                self._leave(session_id, "deleted")
            self._drop(lambda entry: entry.session_id == session_id)
            self._replies = {key: reply for key, reply in self._replies.items() if reply.session_id != session_id}
            return there

    def expire(self) -> int:
        """As `Store.expire`."""
        with self._held():
            now = self.now()
            late = [name for name, session in self._sessions.items() if session.expires <= now]
            for name in late:
                self._leave(name, "expired")
            self._gone = {name: left for name, left in self._gone.items() if left[1] + GONE_SECONDS > now}
            self._replies = {key: reply for key, reply in self._replies.items() if reply.expires > now}
            self._jobs = {name: job for name, job in self._jobs.items() if not _is_old(job, now)}
            return len(late)

    def open_sessions(self) -> int:
        """As `Store.open_sessions`."""
        with self._held():
            now = self.now()
            return sum(session.expires > now for session in self._sessions.values())

    def find_reply(self, scope: str, key: str) -> Reply | None:
        """As `Store.find_reply`."""
        with self._held():
            found = self._replies.get((scope, key))
            return None if found is None or found.expires <= self.now() else found

    def append_events(self, events: Sequence[Event], reply: Reply | None = None) -> list[bool]:
        """As `Store.append_events`."""
        entries = [_entry(event) for event in events]
        with self._held():
            if self._replied(reply):
                return [False] * len(events)
            new = []
            for event, entry in zip(events, entries, strict=True):
                new.append(event.event_id not in self._event_ids)
                if new[-1]:
                    self._last_event += 1
                    self._event_ids[event.event_id] = self._last_event
                    self._events[self._last_event] = entry
            self._write((), None if reply is None else replace(reply, body=json_text(list(map(int, new)))))
            return new

    def read_rows(self, after: int, limit: int) -> list[LogRow]:
        """As `Store.read_rows`."""
        with self._held():
            return [read_record(LogRow, text, number=number) for number, text in _after(self._rows, after, limit)]

    def read_events(self, after: int, limit: int) -> list[Event]:
        """As `Store.read_events`."""
        with self._held():
            return [read_record(Event, text, number=number) for number, text in _after(self._events, after, limit)]

    def count_rows(self, first: int, last: int) -> int:
        """As `Store.count_rows`."""
        with self._held():
            return sum(first <= number <= last for number in self._rows)

    def count_events(self, first: int, last: int) -> int:
        """As `Store.count_events`."""
        with self._held():
            return sum(first <= number <= last for number in self._events)

    def purge(self, before: float) -> int:
        """As `Store.purge`."""
        with self._held():
            return self._drop(lambda entry: entry.time < before)

    def erase_user(self, user_hash: str) -> int:
        """As `Store.erase_user`."""
        with self._held():
            own = [name for name, session in self._sessions.items() if session.user_hash == user_hash]
            seen = {row.session_id for row in self._rows.values() if row.user_hash == user_hash} | set(own)
            for name in own:
                self._leave(name, "deleted")
            return len(own) + self._drop(lambda entry: entry.user_hash == user_hash or entry.session_id in seen)

    def append_change(self, change: Mapping[str, Any], job: Job | None = None, reply: Reply | None = None) -> int:
        """As `Store.append_change`."""
        text = json_text(change)
        with self._held():
            if self._replied(reply):
                return 0
            self._changes.append(text)
            if job is not None:
                self.put_job(job)
            self._write((), reply)
            return len(self._changes)

    def changes_since(self, number: int, limit: int = 1000) -> list[LoggedChange]:
        """As `Store.changes_since`."""
        first = max(number, 0)
        with self._held():
            found = self._changes[first : first + max(limit, 0)]
        return [LoggedChange(first + 1 + at, read_json(text)) for at, text in enumerate(found)]

    def put_job(self, job: Job) -> None:
        """As `Store.put_job`."""
        with self._held():
            self._jobs[job.job_id] = read_record(Job, record_text(job))

    def load_job(self, job_id: str) -> Job | None:
        """As `Store.load_job`."""
        with self._held():
            return self._jobs.get(job_id)

    def ping(self) -> None:
        """As `Store.ping`."""
        with self._held():
            pass

    def close(self) -> None:
        """As `Store.close`."""
        self._open = False

    def _held(self) -> threading.RLock:
        if not self._open:
            raise StoreError("the store is closed: open it anew")
        return self._lock

    def _living(self, session_id: str) -> _Session | None:
        found = self._sessions.get(session_id)
        if found is not None and found.expires <= self.now():
            self._leave(session_id, "expired")
            return None
        return found

    def _leave(self, session_id: str, why: Literal["expired", "deleted"]) -> None:
        del self._sessions[session_id]
        self._gone[session_id] = Gone(session_id, why), self.now()
        self._replies = {key: reply for key, reply in self._replies.items() if reply.session_id != session_id}

    def _replied(self, reply: Reply | None) -> bool:
        return reply is not None and self.find_reply(reply.scope, reply.key) is not None

    def _write(self, entries: Sequence[_Entry], reply: Reply | None) -> None:
        for entry in entries:
            self._last_row += 1
            self._rows[self._last_row] = entry
        if reply is not None:
            self._replies[reply.scope, reply.key] = reply

    def _drop(self, of: Callable[[_Entry], bool]) -> int:
        before = len(self._rows) + len(self._events)
        self._rows = {number: entry for number, entry in self._rows.items() if not of(entry)}
        self._events = {number: entry for number, entry in self._events.items() if not of(entry)}
        self._event_ids = {name: number for name, number in self._event_ids.items() if number in self._events}
        return before - len(self._rows) - len(self._events)


def _entry(entry: LogRow | Event) -> _Entry:
    return _Entry(entry.time, entry.session_id, entry.user_hash, record_text(entry))


def _after(entries: Mapping[int, _Entry], after: int, limit: int) -> list[tuple[int, str]]:
    return [(number, entry.text) for number, entry in entries.items() if number > after][: max(limit, 0)]


def _is_old(job: Job, now: float) -> bool:
    return job.state in ("done", "failed") and job.touched + GONE_SECONDS <= now
