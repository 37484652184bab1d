"""Everything in one file of SQLite, which the workers of one machine share."""

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from magus_pyg.errors import StoreError
from magus_pyg.serve.stores.store import GONE_SECONDS, Store, no_store
from magus_pyg.serve.stores.stored import Event, Gone, Job, LoggedChange, LogRow, Outcome, Reply, StoredSession
from magus_pyg.serve.stores.stored_text import json_text, name_text, read_json, read_record, record_text
from magus_pyg.serve.stores.tables import SCHEMA_VERSION, Statements, creation

__all__ = ["SqliteStore"]

_BUSY_SECONDS = 5.0
"""How long a write waits for those of other processes."""
_SET_UP = (
    f"PRAGMA busy_timeout = {int(1000 * _BUSY_SECONDS)}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # outlives a power cut; NORMAL a kill alone
    "PRAGMA secure_delete = ON",  # what is erased is overwritten
    "PRAGMA journal_size_limit = 67108864",
)


class SqliteStore(Store):
    """A store in a file in WAL mode.

    What a call has written outlives a kill of the process and a power cut: each commit is flushed to the disk. The file
    and its two companions (`-wal`, `-shm`) can be read by their owner alone.

    Args:
        path: the file.
        clock: seconds since 1970.
        make: whether it is made where it is not there.

    Raises:
        StoreError: a file that cannot be opened, is no such store, or is of a later release.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, make: bool = True) -> None:
        super().__init__(clock)
        self.path, self._make = path, make
        self._open = True
        self._writer = threading.Lock()  # threads queue here: SQLite itself lets them sleep
        self._engine = _engine(path)
        if not make and not path.is_file():
            raise no_store(path)
        with self._failing():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise
        _OPEN.add(self)

    def _prepare(self) -> None:
        with self._writing() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise StoreError(
                    f"the store {self.path} has the format {version}, and this release reads {SCHEMA_VERSION}: "
                    "install the later release, or choose another file"
                )
            if version == 0:
                if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise StoreError(f"{self.path} is a database of something else: choose another file")
                if not self._make:
                    raise no_store(self.path)
                for text in creation():
                    connection.execute(text)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    # Sessions

    def create(self, session: StoredSession, rows: Sequence[LogRow] = (), reply: Reply | None = None) -> Outcome:
        """As `Store.create`."""
        values = {
            "name": name_text(session.session_id),
            "version": 0,
            "expires": session.expires,
            "created": session.created,
            "user_hash": _name(session.user_hash),
            "body": record_text(session),
        }
        with self._writing() as connection:
            if self._replied(connection, reply):
                return Outcome.REPLIED
            if not Statements.create.on(connection, values).rowcount:
                return Outcome.STALE
            _add_rows(connection, rows)
            _keep(connection, reply)
            return Outcome.DONE

    def load(self, session_id: str) -> StoredSession | Gone | None:
        """As `Store.load`."""
        name = name_text(session_id)
        with self._reading() as connection:
            found = Statements.load.on(connection, {"the_name": name}).fetchone()
        if found is None:
            return None
        gone, version, expires, created, body = found
        if gone is not None:
            return Gone(session_id, gone)
        now = self.now()
        if expires > now:
            return read_record(StoredSession, body, version=version, expires=expires, created=created)
        with self._writing() as connection:
            Statements.expired.on(connection, {"the_name": name, "now": now})
            Statements.replies_of.on(connection, {"the_name": name})
        return self.load(session_id)

    def replace(
        self, session: StoredSession, expected_version: int, rows: Sequence[LogRow] = (), reply: Reply | None = None
    ) -> Outcome:
        """As `Store.replace`."""
        values = {
            "the_name": name_text(session.session_id),
            "expected": expected_version,
            "until": session.expires,
            "owner": _name(session.user_hash),
            "text": record_text(session),
            "now": self.now(),
        }
        with self._writing() as connection:
            if self._replied(connection, reply):
                return Outcome.REPLIED
            if Statements.replace.on(connection, values).rowcount:
                _add_rows(connection, rows)
                _keep(connection, reply)
                return Outcome.DONE
        return Outcome.STALE if isinstance(self.load(session.session_id), StoredSession) else Outcome.GONE

    def delete(self, session_id: str) -> bool:
        """As `Store.delete`."""
        there = isinstance(self.load(session_id), StoredSession)
        values = {"the_name": name_text(session_id), "now": self.now()}
        with self._writing(erasing=True) as connection:
            there = bool(Statements.deleted.on(connection, values).rowcount) and there
            for statement in (Statements.replies_of, Statements.rows_of, Statements.events_of):
                statement.on(connection, values)
        return there

    def expire(self) -> int:
        """As `Store.expire`."""
        now = self.now()
        values = {"now": now, "before": now - GONE_SECONDS}
        with self._writing() as connection:
            Statements.replies_of_expired.on(connection, values)
            count = Statements.all_expired.on(connection, values).rowcount
            for statement in (Statements.late_replies, Statements.forget_gone, Statements.old_jobs):
                statement.on(connection, values)
        return count

    def open_sessions(self) -> int:
        """As `Store.open_sessions`."""
        with self._reading() as connection:
            return int(Statements.count_living.on(connection, {"now": self.now()}).fetchone()[0])

    # Replies

    def find_reply(self, scope: str, key: str) -> Reply | None:
        """As `Store.find_reply`."""
        values = {"the_scope": name_text(scope), "the_name": name_text(key), "now": self.now()}
        with self._reading() as connection:
            found = Statements.find_reply.on(connection, values).fetchone()
        return None if found is None else read_record(Reply, *found)

    def _replied(self, connection: sqlite3.Connection, reply: Reply | None) -> bool:
        if reply is None:
            return False
        values = {"the_scope": name_text(reply.scope), "the_name": name_text(reply.key), "now": self.now()}
        return Statements.find_reply.on(connection, values).fetchone() is not None

    # The answer log and events

    def append_events(self, events: Sequence[Event], reply: Reply | None = None) -> list[bool]:
        """As `Store.append_events`."""
        with self._writing() as connection:
            if self._replied(connection, reply):
                return [False] * len(events)
            values = [{**_entry(entry), "name": name_text(entry.event_id)} for entry in events]
            new = [bool(Statements.add_event.on(connection, entry).rowcount) for entry in values]
            _keep(connection, None if reply is None else replace(reply, body=json_text(list(map(int, new)))))
            return new

    def read_rows(self, after: int, limit: int) -> list[LogRow]:
        """As `Store.read_rows`."""
        with self._reading() as connection:
            found = Statements.read_rows.on(connection, {"after": after, "most": max(limit, 0)}).fetchall()
        return [read_record(LogRow, body, number=number) for number, body in found]

    def read_events(self, after: int, limit: int) -> list[Event]:
        """As `Store.read_events`."""
        with self._reading() as connection:
            found = Statements.read_events.on(connection, {"after": after, "most": max(limit, 0)}).fetchall()
        return [read_record(Event, body, number=number) for number, body in found]

    def count_rows(self, first: int, last: int) -> int:
        """As `Store.count_rows`."""
        with self._reading() as connection:
            return int(Statements.count_rows.on(connection, {"first": first, "last": last}).fetchone()[0])

    def count_events(self, first: int, last: int) -> int:
        """As `Store.count_events`."""
        with self._reading() as connection:
            return int(Statements.count_events.on(connection, {"first": first, "last": last}).fetchone()[0])

    def purge(self, before: float) -> int:
        """As `Store.purge`."""
        with self._writing(erasing=True) as connection:
            statements = (Statements.old_rows, Statements.old_events)
            return sum(statement.on(connection, {"before": before}).rowcount for statement in statements)

    def erase_user(self, user_hash: str) -> int:
        """As `Store.erase_user`."""
        values = {"the_user": name_text(user_hash), "now": self.now()}
        # Events first: rows and sessions say which sessions are the person's.
        statements = (Statements.events_of_user, Statements.rows_of_user, Statements.sessions_of_user)
        with self._writing(erasing=True) as connection:
            Statements.replies_of_user.on(connection, values)
            count = sum(statement.on(connection, values).rowcount for statement in statements)
        return count

    # Changes that every worker plays

    def append_change(self, change: Mapping[str, Any], job: Job | None = None, reply: Reply | None = None) -> int:
        """As `Store.append_change`."""
        with self._writing() as connection:
            if self._replied(connection, reply):
                return 0
            if job is not None:
                Statements.put_job.on(connection, _job(job))
            added = Statements.add_change.on(connection, {"body": json_text(change)})
            _keep(connection, reply)
            return int(added.lastrowid or 0)

    def changes_since(self, number: int, limit: int = 1000) -> list[LoggedChange]:
        """As `Store.changes_since`."""
        with self._reading() as connection:
            found = Statements.read_changes.on(connection, {"after": number, "most": max(limit, 0)}).fetchall()
        return [LoggedChange(at, read_json(body)) for at, body in found]

    def put_job(self, job: Job) -> None:
        """As `Store.put_job`."""
        with self._writing() as connection:
            Statements.put_job.on(connection, _job(job))

    def load_job(self, job_id: str) -> Job | None:
        """As `Store.load_job`."""
        with self._reading() as connection:
            found = Statements.load_job.on(connection, {"the_name": name_text(job_id)}).fetchone()
        return None if found is None else read_record(Job, *found)

    # The store itself

    def ping(self) -> None:
        """As `Store.ping`."""
        with self._writing() as connection:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        """As `Store.close`."""
        self._open = False
        _OPEN.discard(self)
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._failing():
            held = self._engine.raw_connection()
            try:
                assert isinstance(held.driver_connection, sqlite3.Connection)
                yield held.driver_connection
            finally:
                held.close()

    @contextmanager
    def _writing(self, erasing: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction, which holds the right to write from its beginning.

        Args:
            erasing: what was removed is to leave the disk at once.
        """
        with self._writer, self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has rolled back already where the disk is full
                    connection.execute("ROLLBACK")
                raise
            if erasing:  # the log beside the file holds the old pages until it is written anew
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _failing(self) -> Iterator[None]:
        if not self._open:
            raise StoreError(f"the store {self.path} is closed: open it anew")
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            said = str(getattr(error, "orig", error))  # not the whole message, which has the values
            hint = "check the folder and its permissions"
            if "full" in said:
                hint = "make room on its disk"
            elif "locked" in said:
                hint = f"another process has held it for {_BUSY_SECONDS:g} seconds"
            raise StoreError(f"the store {self.path} could not be used: {said}; {hint}") from error


def _engine(path: Path) -> Engine:
    # AUTOCOMMIT: transactions are begun and ended here, not by the driver, which begins none before it writes.
    engine = create_engine(
        URL.create("sqlite", database=str(path.absolute())),
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        pool_timeout=_BUSY_SECONDS,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        for command in _SET_UP:
            connection.execute(command).close()

    return engine


def _name(text: str | None) -> str | None:
    return None if text is None else name_text(text)


def _entry(entry: LogRow | Event) -> dict[str, Any]:
    return {
        "time": entry.time,
        "session": _name(entry.session_id),
        "user_hash": _name(entry.user_hash),
        "body": record_text(entry),
    }


def _add_rows(connection: sqlite3.Connection, rows: Sequence[LogRow]) -> None:
    for row in rows:  # one or two
        Statements.add_row.on(connection, _entry(row))


def _keep(connection: sqlite3.Connection, reply: Reply | None) -> None:
    """Keep a reply whose key has none, or one whose time is over."""
    if reply is not None:
        values = {
            "scope": name_text(reply.scope),
            "name": name_text(reply.key),
            "expires": reply.expires,
            "session": _name(reply.session_id),
            "body": record_text(reply),
        }
        Statements.keep_reply.on(connection, values)


def _job(job: Job) -> dict[str, Any]:
    ended = job.touched if job.state in ("done", "failed") else None
    return {"name": name_text(job.job_id), "ended": ended, "body": record_text(job)}


# A connection must not be used on both sides of a fork, nor be open while one happens.

_OPEN: weakref.WeakSet[SqliteStore] = weakref.WeakSet()


def _before_fork() -> None:
    for store in list(_OPEN):
        store._writer.acquire()
        store._engine.dispose()


def _after_fork() -> None:
    for store in list(_OPEN):
        store._writer.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
