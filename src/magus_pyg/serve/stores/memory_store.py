"""Everything in the memory of one process: for tests, and for trying things out."""

import copy
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from magus_pyg.errors import StoreError
from magus_pyg.serve.stores.store import GONE_SECONDS, Store
from magus_pyg.serve.stores.stored import Event, Gone, Job, LoggedChange, LogRow, Outcome, Reply, StoredSession

__all__ = ["MemoryStore"]


@dataclass(frozen=True)
class _Left:
    gone: Gone
    since: float


class MemoryStore(Store):
    """A store that ends with its process, which alone sees it."""

    shared = False

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._lock = threading.RLock()
        self._open = True
        self._sessions: dict[str, StoredSession] = {}
        self._left: dict[str, _Left] = {}
        self._replies: dict[tuple[str, str], Reply] = {}
        self._rows: dict[int, LogRow] = {}
        self._events: dict[str, Event] = {}
        self._changes: list[Mapping[str, Any]] = []
        self._jobs: dict[str, Job] = {}
        self._last_row = self._last_event = 0

    def create(self, session: StoredSession, rows: Sequence[LogRow] = (), reply: Reply | None = None) -> Outcome:
        """As `Store.create`."""
        with self._held():
            if self._replied(reply):
                return Outcome.REPLIED
            if session.session_id in self._sessions or session.session_id in self._left:
                return Outcome.STALE
            self._sessions[session.session_id] = replace(copy.deepcopy(session), version=0)
            self._write(rows, reply)
            return Outcome.DONE

    def load(self, session_id: str) -> StoredSession | Gone | None:
        """As `Store.load`."""
        with self._held():
            found = self._living(session_id)
            if found is not None:
                return copy.deepcopy(found)
            left = self._left.get(session_id)
            return None if left is None else left.gone

    def replace(
        self, session: StoredSession, expected_version: int, rows: Sequence[LogRow] = (), reply: Reply | None = None
    ) -> Outcome:
        """As `Store.replace`."""
        with self._held():
            if self._replied(reply):
                return Outcome.REPLIED
            found = self._living(session.session_id)
            if found is None:
                return Outcome.GONE
            if found.version != expected_version:
                return Outcome.STALE
            self._sessions[session.session_id] = replace(
                copy.deepcopy(session),
                version=expected_version + 1,
                created=found.created,
                expires=max(found.expires, session.expires),
            )
            self._write(rows, reply)
            return Outcome.DONE

    def delete(self, session_id: str) -> bool:
        """As `Store.delete`."""
        with self._held():
            there = self._living(session_id) is not None
            if there:
                self._leave(session_id, "deleted")
            self._rows = {number: row for number, row in self._rows.items() if row.session_id != session_id}
            self._events = {name: event for name, event in self._events.items() if event.session_id != session_id}
            return there

    def expire(self) -> int:
        """As `Store.expire`."""
        with self._held():
            now = self.now()
            late = [name for name, session in self._sessions.items() if session.expires <= now]
            for name in late:
                self._leave(name, "expired")
            self._left = {name: left for name, left in self._left.items() if left.since + GONE_SECONDS > now}
            self._replies = {key: reply for key, reply in self._replies.items() if reply.expires > now}
            self._jobs = {
                name: job
                for name, job in self._jobs.items()
                if job.state not in ("done", "failed") or job.touched + GONE_SECONDS > now
            }
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

    def keep_reply(self, reply: Reply) -> Outcome:
        """As `Store.keep_reply`."""
        with self._held():
            if self._replied(reply):
                return Outcome.REPLIED
            self._write((), reply)
            return Outcome.DONE

    def append_events(self, events: Sequence[Event], reply: Reply | None = None) -> list[bool]:
        """As `Store.append_events`."""
        with self._held():
            if self._replied(reply):
                return [False] * len(events)
            new = []
            for event in events:
                new.append(event.event_id not in self._events)
                if new[-1]:
                    self._last_event += 1
                    self._events[event.event_id] = replace(event, number=self._last_event)
            self._write((), reply)
            return new

    def read_rows(self, after: int, limit: int) -> list[LogRow]:
        """As `Store.read_rows`."""
        with self._held():
            return copy.deepcopy([row for number, row in self._rows.items() if number > after][: max(limit, 0)])

    def read_events(self, after: int, limit: int) -> list[Event]:
        """As `Store.read_events`."""
        with self._held():
            return [event for event in self._events.values() if event.number > after][: max(limit, 0)]

    def count_rows(self, first: int, last: int) -> int:
        """As `Store.count_rows`."""
        with self._held():
            return sum(first <= number <= last for number in self._rows)

    def count_events(self, first: int, last: int) -> int:
        """As `Store.count_events`."""
        with self._held():
            return sum(first <= event.number <= last for event in self._events.values())

    def purge(self, before: float) -> int:
        """As `Store.purge`."""
        with self._held():
            return self._keep(lambda entry: entry.time >= before)

    def erase_user(self, user_hash: str) -> int:
        """As `Store.erase_user`."""
        with self._held():
            own = [name for name, session in self._sessions.items() if session.user_hash == user_hash]
            for name in own:
                self._leave(name, "deleted")
            return len(own) + self._keep(lambda entry: entry.user_hash != user_hash)

    def append_change(self, change: Mapping[str, Any], job: Job | None = None, reply: Reply | None = None) -> int:
        """As `Store.append_change`."""
        with self._held():
            if self._replied(reply):
                return 0
            self._changes.append(copy.deepcopy(change))
            if job is not None:
                self._jobs[job.job_id] = copy.deepcopy(job)
            self._write((), reply)
            return len(self._changes)

    def changes_since(self, number: int, limit: int = 1000) -> list[LoggedChange]:
        """As `Store.changes_since`."""
        with self._held():
            first = max(number, 0)
            found = copy.deepcopy(self._changes[first : first + max(limit, 0)])
            return [LoggedChange(first + 1 + at, change) for at, change in enumerate(found)]

    def put_job(self, job: Job) -> None:
        """As `Store.put_job`."""
        with self._held():
            self._jobs[job.job_id] = copy.deepcopy(job)

    def load_job(self, job_id: str) -> Job | None:
        """As `Store.load_job`."""
        with self._held():
            return copy.deepcopy(self._jobs.get(job_id))

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

    def _living(self, session_id: str) -> StoredSession | None:
        found = self._sessions.get(session_id)
        if found is not None and found.expires <= self.now():
            self._leave(session_id, "expired")
            return None
        return found

    def _leave(self, session_id: str, why: Any) -> None:
        del self._sessions[session_id]
        self._left[session_id] = _Left(Gone(session_id, why), self.now())
        self._replies = {key: reply for key, reply in self._replies.items() if reply.session_id != session_id}

    def _replied(self, reply: Reply | None) -> bool:
        return reply is not None and self.find_reply(reply.scope, reply.key) is not None

    def _write(self, rows: Sequence[LogRow], reply: Reply | None) -> None:
        for row in rows:
            self._last_row += 1
            self._rows[self._last_row] = replace(copy.deepcopy(row), number=self._last_row)
        if reply is not None:
            self._replies[reply.scope, reply.key] = reply

    def _keep(self, test: Callable[[LogRow | Event], bool]) -> int:
        before = len(self._rows) + len(self._events)
        self._rows = {number: row for number, row in self._rows.items() if test(row)}
        self._events = {name: event for name, event in self._events.items() if test(event)}
        return before - len(self._rows) - len(self._events)
