"""Random programs of calls on several stores at once: each must answer as the memory's does.

PYTHONPATH=src:tests/helpers python tests/helpers/fuzz_stores.py SEED CALLS        (by hand; the tests run a few)
"""

import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from store_records import HOSTILE, START, Clock, event, reply, row, session

from magus_pyg.serve.stores import Event, Job, LogRow, Reply, Store, StoredSession
from magus_pyg.serve.stores.memory_store import MemoryStore
from magus_pyg.serve.stores.sqlite_store import SqliteStore

NAMES = ["a", "b", "c", *HOSTILE[:-1]]
USERS = [None, "h", "i", *HOSTILE[1:6]]


class Program:
    """Draws calls; `run` makes one on every store and compares."""

    def __init__(self, stores: Sequence[Store], clock: Clock, seed: int) -> None:
        self.stores, self.clock, self.random = stores, clock, random.Random(seed)
        self.done: dict[str, int] = {}

    def run(self) -> None:
        r = self.random
        if r.random() < 0.3:
            self.clock.time += r.choice([0.1, 1.0, 10.0, 50.0, -20.0, 0.0])
        if r.random() < 0.002:
            self.clock.time += 8 * 86400
        for store in self.stores:
            store.now()  # all have seen the latest time
        name, calls = r.choice(self.CALLS)
        arguments = calls(self)
        found = [self.plain(getattr(store, name)(*arguments)) for store in self.stores]
        assert all(other == found[0] for other in found[1:]), (name, arguments, found)
        self.done[name] = self.done.get(name, 0) + 1

    @staticmethod
    def plain(found: Any) -> Any:
        """Without the numbers of events, which may have gaps."""
        if isinstance(found, list) and found and isinstance(found[0], Event):
            return [replace(entry, number=0) for entry in found]
        return found

    def name(self) -> str:
        return self.random.choice(NAMES)

    def session(self) -> StoredSession:
        r = self.random
        lasts = r.choice([0.0, 1.0, 30.0, 100.0])
        said = [self.name() for _ in range(r.randrange(3))]
        now = self.clock.time
        return session(self.name(), answers=said, created=now, expires=now + lasts, user_hash=r.choice(USERS))

    def rows(self) -> list[LogRow]:
        r = self.random
        return [
            row(self.name(), time=self.clock.time, user_hash=r.choice(USERS), shown=[self.name()])
            for _ in range(r.choice([0, 1, 1, 2]))
        ]

    def reply(self) -> Reply | None:
        r = self.random
        if r.random() < 0.6:
            return None
        expires = self.clock.time + r.choice([0.0, 20.0, 60.0])
        of = r.choice([None, self.name()])
        return reply(self.name(), scope=r.choice("xy"), body=str(r.random()), expires=expires, session_id=of)

    def events(self) -> list[Event]:
        r = self.random
        return [
            event(
                self.name(), time=self.clock.time, session_id=r.choice([None, self.name()]), user_hash=r.choice(USERS)
            )
            for _ in range(r.randrange(3))
        ]

    def job(self) -> Job:
        r = self.random
        state = r.choice(["waiting", "running", "done", "failed"])
        return Job(self.name(), "k", state, r.randrange(9), detail={"x": self.name()}, touched=self.clock.time)

    CALLS: Sequence[tuple[str, Any]] = (
        ("create", lambda p: (p.session(), p.rows(), p.reply())),
        ("create", lambda p: (p.session(), p.rows(), p.reply())),
        ("replace", lambda p: (p.session(), p.random.randrange(4), p.rows(), p.reply())),
        ("replace", lambda p: (p.session(), p.random.randrange(4), p.rows(), p.reply())),
        ("load", lambda p: (p.name(),)),
        ("load", lambda p: (p.name(),)),
        ("delete", lambda p: (p.name(),)),
        ("expire", lambda p: ()),
        ("open_sessions", lambda p: ()),
        ("find_reply", lambda p: (p.random.choice("xy"), p.name())),
        ("append_events", lambda p: (p.events(), p.reply())),
        ("read_rows", lambda p: (p.random.randrange(50), p.random.randrange(-1, 20))),
        ("read_rows", lambda p: (0, 1_000_000)),
        ("read_events", lambda p: (0, 1_000_000)),
        ("count_rows", lambda p: (p.random.randrange(50), p.random.randrange(100))),
        ("purge", lambda p: (p.clock.time - p.random.choice([1.0, 100.0, 1000.0]),)),
        ("erase_user", lambda p: (p.random.choice(USERS) or "h",)),
        ("append_change", lambda p: ({"x": p.name()}, p.random.choice([None, p.job()]), p.reply())),
        ("changes_since", lambda p: (p.random.randrange(-1, 30), p.random.randrange(40))),
        ("put_job", lambda p: (p.job(),)),
        ("load_job", lambda p: (p.name(),)),
    )


def fuzz(stores: Sequence[Store], clock: Clock, seed: int, calls: int) -> dict[str, int]:
    """Run a program of so many calls; how often each was made."""
    program = Program(stores, clock, seed)
    for _ in range(calls):
        program.run()
    return program.done


def main(seed: int, calls: int) -> None:
    """Programs of 2,000 calls on fresh stores until so many were made."""
    from redis_server import RedisServer

    from magus_pyg.serve.stores.redis_store import RedisStore

    began, made = time.time(), 0
    with ExitStack() as stack:
        server = RedisServer(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.callback(server.kill)
        while made < calls:
            with tempfile.TemporaryDirectory() as folder:
                clock = Clock(START)
                stores = [MemoryStore(clock), SqliteStore(Path(folder) / "s", clock), RedisStore(server.url, clock)]
                fuzz(stores, clock, seed, 2000)
                stores[2]._client.flushall()  # type: ignore[attr-defined]
                for store in stores:
                    store.close()
            made, seed = made + 2000, seed + 1
    print(f"{made:,} calls on three stores: no difference ({time.time() - began:.0f} s)")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
