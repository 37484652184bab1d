"""Everything in a Redis server, which the workers of several machines share."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from magus_pyg.errors import ConfigError, StoreError
from magus_pyg.serve.stores.redis_script import SCRIPT
from magus_pyg.serve.stores.store import GONE_SECONDS, Store, no_store
from magus_pyg.serve.stores.stored import Event, Gone, Job, LoggedChange, LogRow, Outcome, Reply, StoredSession
from magus_pyg.serve.stores.stored_text import json_text, name_text, read_json, read_record, record_text

__all__ = ["RedisStore"]

logger = logging.getLogger(__name__)

_PREFIX = "magus:"
_FORMAT = b"1"
_SECONDS = 5.0
"""How long a call waits for the server."""


class RedisStore(Store):
    """A store in a Redis server of version 6.2 or later.

    Each write is one script, which the server runs alone and whole. What a call has written outlives a kill of the
    server where that writes each command to its disk (`appendonly yes`, `appendfsync always`): otherwise a warning is
    logged.

    Args:
        url: `redis://HOST:PORT/NUMBER`, `rediss://...` or `unix://...`.
        clock: seconds since 1970.
        make: whether a store is begun where there is none.

    Raises:
        ConfigError: no such address.
        StoreError: a server that does not answer, or a store of another release.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time, make: bool = True) -> None:
        super().__init__(clock)
        try:
            # A command is never sent twice: it may have been done before the connection broke.
            self._client: Any = redis.Redis.from_url(
                url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS, retry=Retry(NoBackoff(), 0)
            )
        except ValueError as error:
            raise ConfigError(f"the store's address is none that Redis knows: {error}") from error
        self._script = self._client.register_script(SCRIPT)
        self._open = True
        with self._failing():
            if make:
                self._client.set(_PREFIX + "format", _FORMAT, nx=True)
            found = self._client.get(_PREFIX + "format")
        if found is None:
            self.close()
            raise no_store(url)
        if found != _FORMAT:
            self.close()
            raise StoreError(f"the store in Redis has the format {found!r}, and this release reads {_FORMAT!r}")
        self._check_durable()

    def _check_durable(self) -> None:
        try:
            found = self._client.config_get("append*")
        except redis.RedisError:  # servers of providers keep their configuration to themselves
            found = {}
        if found and (found.get("appendonly"), found.get("appendfsync")) != ("yes", "always"):
            logger.warning(
                "the Redis server may lose the last answers where it is killed: set appendonly to yes and appendfsync "
                "to always (now %s and %s)",
                found.get("appendonly"),
                found.get("appendfsync"),
            )

    # Sessions

    def create(self, session: StoredSession, rows: Sequence[LogRow] = (), reply: Reply | None = None) -> Outcome:
        """As `Store.create`."""
        return Outcome(self._run("create", session=_session(session), rows=_entries(rows), reply=_reply(reply)))

    def load(self, session_id: str) -> StoredSession | Gone | None:
        """As `Store.load`."""
        gone, version, expires, created, body = self._run("load", name=name_text(session_id))
        if gone is not None:
            return Gone(session_id, gone.decode())
        if body is None:
            return None
        known = {"version": int(version), "expires": float(expires), "created": float(created)}
        return read_record(StoredSession, body, **known)

    def replace(
        self, session: StoredSession, expected_version: int, rows: Sequence[LogRow] = (), reply: Reply | None = None
    ) -> Outcome:
        """As `Store.replace`."""
        return Outcome(
            self._run(
                "replace",
                session=_session(session),
                expected=str(expected_version),
                rows=_entries(rows),
                reply=_reply(reply),
            )
        )

    def delete(self, session_id: str) -> bool:
        """As `Store.delete`."""
        return bool(self._run("delete", name=name_text(session_id)))

    def expire(self) -> int:
        """As `Store.expire`."""
        return int(self._run("expire", before=repr(self.now() - GONE_SECONDS)))

    def open_sessions(self) -> int:
        """As `Store.open_sessions`."""
        with self._failing():
            return int(self._client.zcount(_PREFIX + "expiry", f"({self.now()!r}", "+inf"))

    # Replies

    def find_reply(self, scope: str, key: str) -> Reply | None:
        """As `Store.find_reply`."""
        with self._failing():
            place = f"{_PREFIX}reply:{name_text(scope)} {name_text(key)}"
            expires, body = self._client.hmget(place, "expires", "body")
        return None if expires is None or float(expires) <= self.now() else read_record(Reply, body)

    # The answer log and events

    def append_events(self, events: Sequence[Event], reply: Reply | None = None) -> list[bool]:
        """As `Store.append_events`."""
        filled_in = None if reply is None else _reply(replace(reply, body=""))
        return [bool(new) for new in self._run("append_events", events=_entries(events), reply=filled_in)]

    def read_rows(self, after: int, limit: int) -> list[LogRow]:
        """As `Store.read_rows`."""
        return [read_record(LogRow, body, number=number) for number, body in self._read("row", after, limit)]

    def read_events(self, after: int, limit: int) -> list[Event]:
        """As `Store.read_events`."""
        return [read_record(Event, body, number=number) for number, body in self._read("event", after, limit)]

    def _read(self, kind: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        with self._failing():
            found = self._client.zrangebyscore(
                f"{_PREFIX}{kind}_entries", f"({after}", "+inf", start=0, num=max(limit, 0)
            )
        parts = [entry.split(b"\n", 4) for entry in found]
        return [(int(number), body) for number, _, _, _, body in parts]

    def count_rows(self, first: int, last: int) -> int:
        """As `Store.count_rows`."""
        with self._failing():
            return int(self._client.zcount(_PREFIX + "row_entries", first, last))

    def count_events(self, first: int, last: int) -> int:
        """As `Store.count_events`."""
        with self._failing():
            return int(self._client.zcount(_PREFIX + "event_entries", first, last))

    def purge(self, before: float) -> int:
        """As `Store.purge`."""
        return int(self._run("purge", before=repr(float(before))))

    def erase_user(self, user_hash: str) -> int:
        """As `Store.erase_user`."""
        return int(self._run("erase_user", user=name_text(user_hash)))

    # Changes that every worker plays

    def append_change(self, change: Mapping[str, Any], job: Job | None = None, reply: Reply | None = None) -> int:
        """As `Store.append_change`."""
        own = None if job is None else _job(job)
        return int(self._run("append_change", change=json_text(change), job=own, reply=_reply(reply)))

    def changes_since(self, number: int, limit: int = 1000) -> list[LoggedChange]:
        """As `Store.changes_since`."""
        first = max(number, 0)
        if limit < 1:
            return []
        with self._failing():
            found = self._client.lrange(_PREFIX + "changes", first, first + limit - 1)
        return [LoggedChange(first + 1 + at, read_json(body)) for at, body in enumerate(found)]

    def put_job(self, job: Job) -> None:
        """As `Store.put_job`."""
        self._run("put_job", job=_job(job))

    def load_job(self, job_id: str) -> Job | None:
        """As `Store.load_job`."""
        with self._failing():
            found = self._client.hget(_PREFIX + "jobs", name_text(job_id))
        return None if found is None else read_record(Job, found)

    # The store itself

    def ping(self) -> None:
        """As `Store.ping`."""
        with self._failing():
            self._client.set(_PREFIX + "format", _FORMAT)

    def close(self) -> None:
        """As `Store.close`."""
        self._open = False
        self._client.close()

    def _run(self, op: str, **arguments: Any) -> Any:
        """Run an operation of the script. Times go as text: Lua writes numbers with 14 digits."""
        given = {name: value for name, value in arguments.items() if value is not None}
        with self._failing():
            found = self._script(keys=[_PREFIX], args=[op, json_text({**given, "now": repr(self.now())})])
        return found.decode() if isinstance(found, bytes) else found

    @contextmanager
    def _failing(self) -> Iterator[None]:
        if not self._open:
            raise StoreError("the store in Redis is closed: open it anew")
        try:
            yield
        except (redis.RedisError, OSError) as error:
            raise StoreError(f"the store in Redis could not be used: {error}; check the server") from error


def _session(session: StoredSession) -> dict[str, str]:
    return {
        "name": name_text(session.session_id),
        "expires": repr(float(session.expires)),
        "created": repr(float(session.created)),
        "body": record_text(session),
        **_user(session.user_hash),
    }


def _user(user_hash: str | None) -> dict[str, str]:
    return {} if user_hash is None else {"user": name_text(user_hash)}


def _about(session_id: str | None) -> dict[str, str]:
    return {} if session_id is None else {"session": name_text(session_id)}


def _reply(reply: Reply | None) -> dict[str, str] | None:
    if reply is None:
        return None
    return {
        "scope": name_text(reply.scope),
        "key": name_text(reply.key),
        "expires": repr(float(reply.expires)),
        "body": record_text(reply),
        **_about(reply.session_id),
    }


def _entries(entries: Sequence[LogRow] | Sequence[Event]) -> list[dict[str, str]]:
    return [
        {
            "time": repr(float(entry.time)),
            "body": record_text(entry),
            **_user(entry.user_hash),
            **_about(entry.session_id),
            **({"name": name_text(entry.event_id)} if isinstance(entry, Event) else {}),
        }
        for entry in entries
    ]


def _job(job: Job) -> dict[str, str]:
    ended = {"ended": repr(float(job.touched))} if job.state in ("done", "failed") else {}
    return {"name": name_text(job.job_id), "body": record_text(job), **ended}
