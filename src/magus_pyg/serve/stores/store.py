"""What every store does: the one contract between the service and what it keeps."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magus_pyg.errors import StoreError
from magus_pyg.serve.stores.stored import Event, Gone, Job, LoggedChange, LogRow, Outcome, Reply, StoredSession

__all__ = ["GONE_SECONDS", "Store", "no_store"]

GONE_SECONDS = 7 * 86400.0
"""How long a session that is gone is told from one that was never there."""


def no_store(place: object) -> StoreError:
    """The error where a store has to be there, and is not."""
    return StoreError(f"there is no store {str(place)!r}: no service has used it; name that of the service")


class Store(ABC):
    """Sessions, replies, the answer log, events, item changes and jobs.

    Each call is one transaction: it happens whole or not at all, and what it has returned from outlives the process
    (the memory store's apart). Calls block, and may come from many threads and processes at once. A store that is open
    while the process forks goes on in both.

    Every call raises `StoreError` where the store cannot be reached, read or written (a full disk, a lock that is held
    too long, a server that is down). Nothing of that call is in the store then; or all of it, where the way to a server
    broke before its reply came: whoever repeats a `replace` with its old version finds it STALE, one with a reply
    REPLIED.

    Args:
        clock: seconds since 1970.
    """

    shared: bool = True
    """Whether other processes see what this one writes."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._latest = clock, float("-inf")

    def now(self) -> float:
        """The time, seconds since 1970, which never runs backwards: where the clock is set back, it stands still."""
        self._latest = max(self._latest, self._clock())
        return self._latest

    # Sessions

    @abstractmethod
    def create(self, session: StoredSession, rows: Sequence[LogRow] = (), reply: Reply | None = None) -> Outcome:
        """Keep a new session, write its rows to the log, and keep the reply.

        Returns:
            DONE; REPLIED; or STALE if there is, or was, a session of this id.
        """

    @abstractmethod
    def load(self, session_id: str) -> StoredSession | Gone | None:
        """A session; `Gone` if it has expired or was deleted (for `GONE_SECONDS`); None if there never was one.

        Once a session was told to be gone it stays so, also where the clock is set back.
        """

    @abstractmethod
    def replace(
        self, session: StoredSession, expected_version: int, rows: Sequence[LogRow] = (), reply: Reply | None = None
    ) -> Outcome:
        """Compare and set: put a session in the place of its own version `expected_version`, write the rows to the
        log, and keep the reply; all or nothing.

        Its version becomes `expected_version + 1`, whatever `session.version` says; `created` stays; `expires` never
        becomes earlier.

        Returns:
            DONE; REPLIED; STALE if the stored version is another one; GONE.
        """

    @abstractmethod
    def delete(self, session_id: str) -> bool:
        """Forget a session with its replies, its rows in the log and its events. Returns whether it was there."""

    @abstractmethod
    def expire(self) -> int:
        """Forget sessions, replies and finished jobs whose time is over. To be called now and then.

        The rows in the log stay. Returns how many sessions expired by this call.
        """

    @abstractmethod
    def open_sessions(self) -> int:
        """How many sessions there are, those gone not counted."""

    # Replies

    @abstractmethod
    def find_reply(self, scope: str, key: str) -> Reply | None:
        """The reply kept for an idempotency key; None where there is none, or its time is over."""

    # The answer log and events

    @abstractmethod
    def append_events(self, events: Sequence[Event], reply: Reply | None = None) -> list[bool]:
        """Keep events, each `event_id` once, and the reply. Returns for each whether it is new; all False if the reply
        was there. The body that is kept of the reply is what this returns: a JSON list of 1 and 0.
        """

    @abstractmethod
    def read_rows(self, after: int, limit: int) -> list[LogRow]:
        """Rows of the log with a number above `after`, ascending, at most `limit`.

        A row never appears below a number that was read already, so whoever remembers the last one misses none.
        """

    @abstractmethod
    def read_events(self, after: int, limit: int) -> list[Event]:
        """Events with a number above `after`, ascending, at most `limit`; as `read_rows`."""

    @abstractmethod
    def count_rows(self, first: int, last: int) -> int:
        """How many rows of the log have a number from `first` to `last`: fewer than before after a deletion."""

    @abstractmethod
    def count_events(self, first: int, last: int) -> int:
        """How many events have a number from `first` to `last`."""

    @abstractmethod
    def purge(self, before: float) -> int:
        """Remove rows and events with a time before `before` (retention). Returns how many."""

    @abstractmethod
    def erase_user(self, user_hash: str) -> int:
        """Remove everything of a person: sessions, which are gone then, with their replies; rows; events.

        Returns how many sessions, rows and events that were.
        """

    # Changes that every worker plays

    @abstractmethod
    def append_change(self, change: Mapping[str, Any], job: Job | None = None, reply: Reply | None = None) -> int:
        """Write a change (JSON) at the end of the one order that every worker plays, with the job that tells of it.

        Returns:
            Its number, from 1 on without gaps; 0 if the reply was there already, and nothing was written.
        """

    @abstractmethod
    def changes_since(self, number: int, limit: int = 1000) -> list[LoggedChange]:
        """Changes with a number above `number`, ascending, at most `limit`."""

    @abstractmethod
    def put_job(self, job: Job) -> None:
        """Keep a job, in the place of the one of its id if there is one."""

    @abstractmethod
    def load_job(self, job_id: str) -> Job | None:
        """A job; None if there is none of this id (any more)."""

    # The store itself

    @abstractmethod
    def ping(self) -> None:
        """Raise `StoreError` unless the store can be read and written."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; further calls raise `StoreError`. May be called twice."""
