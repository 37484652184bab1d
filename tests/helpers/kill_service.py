"""Kills the service while people answer, and checks that nothing is lost and nothing counts twice.

Run by hand as `kill_service.py RUN FOLDER [KILLS [SEED [KINDS ...]]]`; kinds are `worker`, `service` and `redis`. A
request that got no reply is sent again, with the same Idempotency-Key, until it gets one. At the end of each kill

* every answer that a reply acknowledged is in the log, exactly once,
* a request that was acknowledged, sent again, gets the same reply.
"""

import collections
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from real_service import PATIENCE, RealService
from redis_server import RedisServer

from magus_pyg.serve import client_calls
from magus_pyg.serve.client_calls import Call
from magus_pyg.serve.stores import open_store

KINDS = ("worker", "service", "redis")


@dataclass
class Ledger:
    """What people were told: (session, recommendation) of each acknowledged answer, and replies by call."""

    answered: set[tuple[str, str]] = field(default_factory=set)
    replies: list[tuple[Call[Any], dict[str, Any]]] = field(default_factory=list)
    tries: int = 0
    faults: list[str] = field(default_factory=list)


def sent(http: httpx.Client, call: Call[Any], ledger: Ledger) -> dict[str, Any]:
    """Send a request until it gets a reply that is no 503; the reply without its time."""
    until = time.monotonic() + 2 * PATIENCE
    while True:
        ledger.tries += 1
        try:
            reply = http.request(call.method, call.path, json=call.body, headers=dict(call.header))
            if reply.status_code != 503:
                break
        except httpx.TransportError:
            pass
        if time.monotonic() > until:
            raise RuntimeError(f"{call.method} {call.path} gets no reply")
        time.sleep(0.02)
    if reply.is_error:
        raise RuntimeError(f"{call.method} {call.path}: {reply.status_code} {reply.text}")
    found: dict[str, Any] = reply.json()
    found.pop("took_ms")
    return found


def play(url: str, number: int, ledger: Ledger, stop: threading.Event) -> None:
    """A person: sessions of a few rounds, one after the other."""
    choices = random.Random(number)
    with httpx.Client(base_url=url, timeout=10.0) as http:
        shown: dict[str, Any] | None = None
        try:
            while not stop.is_set():
                if shown is None or shown["done"]:
                    call: Call[Any] = client_calls.begin(rounds=5)
                else:
                    opened = client_calls.begin().read({**shown, "took_ms": 0.0})
                    click = choices.choice([None, *opened.entries])
                    call = client_calls.answer(opened, click, ())
                before, shown = shown, sent(http, call, ledger)
                if call.path.endswith("/answers"):
                    assert before is not None
                    ledger.answered.add((before["session_id"], before["recommendation_id"]))
                ledger.replies.append((call, shown))
        except Exception as error:  # noqa: BLE001 - told at the end
            ledger.faults.append(f"{type(error).__name__}: {error}")


def check(url: str, address: str, ledger: Ledger, seen: int) -> None:
    """Compare the log and replies with the ledger; `seen`: replies that were compared before."""
    store = open_store(address)
    rows = []
    while found := store.read_rows(rows[-1].number if rows else 0, 1000):
        rows.extend(found)
    store.close()
    counts = collections.Counter((row.session_id, row.recommendation_id) for row in rows if row.kind == "answer")
    ledger.faults += [f"lost: {answer}" for answer in ledger.answered - counts.keys()]
    ledger.faults += [f"{count} times: {answer}" for answer, count in counts.items() if count > 1]
    ledger.faults += [f"never acknowledged: {answer}" for answer in counts.keys() - ledger.answered]
    with httpx.Client(base_url=url, timeout=10.0) as http:
        for call, before in ledger.replies[seen:][-20:]:
            after = sent(http, call, ledger)
            if after != before:
                ledger.faults.append(f"another reply to {call.method} {call.path}: {before} then {after}")


@contextmanager
def put_behind(run: Path, folder: Path, kind: str) -> Iterator[tuple[RealService, RedisServer | None, str]]:
    """A service to kill, in two workers: on SQLite, or on Redis where that is to be killed."""
    folder.mkdir(parents=True, exist_ok=True)
    redis = RedisServer(folder) if kind == "redis" else None
    address = redis.url if redis is not None else f"sqlite:{folder}/store.sqlite"
    limits = ["serve.limits.requests=0", "serve.limits.new_sessions=0"]
    service = RealService(run, "serve.workers=2", f"serve.store={address}", "serve.log_level=warning", *limits)
    try:
        yield service, redis, address
    finally:
        service.stop()
        if redis is not None:
            redis.kill(signal.SIGTERM)


def kills(run: Path, folder: Path, kind: str, count: int, seed: int = 0, people: int = 3) -> Ledger:
    """Kill so often at random moments while people answer; what they were told, and what was wrong."""
    moments, ledger = random.Random(seed), Ledger()
    with put_behind(run, folder, kind) as (service, redis, address):
        for number in range(count):
            stop, seen = threading.Event(), len(ledger.replies)
            threads = [
                threading.Thread(target=play, args=(service.url, 100 * seed + 10 * number + one, ledger, stop))
                for one in range(people)
            ]
            for thread in threads:
                thread.start()
            time.sleep(0.3 + moments.random())
            if redis is not None:
                redis.kill()
                redis.start()
            elif kind == "service":
                service.kill()
                service.start()
            else:
                os.kill(moments.choice(service.workers), signal.SIGKILL)
            time.sleep(0.3 + 0.3 * moments.random())
            stop.set()
            for thread in threads:
                thread.join(3 * PATIENCE)
            check(service.url, address, ledger, seen)
            told = (number + 1, count, len(ledger.answered), ledger.tries, len(ledger.faults))
            print(kind, "kill {} of {}: {} answers, {} requests, {} faults".format(*told), flush=True)
    return ledger


def main() -> None:
    """Kill by hand."""
    run, folder, *rest = sys.argv[1:]
    count, seed = (int(word) for word in [*rest[:2], *["30", "0"][len(rest[:2]) :]])
    faults = []
    for kind in rest[2:] or KINDS:
        ledger = kills(Path(run), Path(folder) / f"{kind}-{seed}", kind, count, seed)
        faults += ledger.faults
    print("\n".join(faults) or "no fault")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
