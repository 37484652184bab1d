"""The people in front of a service, played by this process, and what they see of it; for `service.py`."""

import asyncio
import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["LENGTH", "ROUNDS", "Heard", "Service", "answers", "people"]

ROUNDS, LENGTH = 10, 6
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Service:
    """A running service."""

    process: "subprocess.Popen[str]"
    host: str
    port: int

    @property
    def workers(self) -> list[int]:
        """The processes that answer."""
        own = self.process.pid
        text = Path(f"/proc/{own}/task/{own}/children").read_text()
        return [int(pid) for pid in text.split()] or [own]

    def cpu(self) -> float:
        """Processor seconds that they have used."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.workers]
        return sum(int(one[11]) + int(one[12]) for one in fields) / TICK

    def private_mb(self) -> list[float]:
        """Memory of each that no other process shares, in MB."""
        found = []
        for pid in self.workers:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found.append(sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024)
        return found


class Connection:
    """One keep-alive connection, with as little work as there can be on this side."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Status and JSON of a reply."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port)
        reader, writer = self._streams
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        answer = await reader.readuntil(b"\r\n\r\n")
        lines = answer.decode("latin-1").split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length"))
        found = await reader.readexactly(length)
        if any(line.lower() == "connection: close" for line in lines):
            self.close()
        return int(lines[0].split()[1]), json.loads(found) if found else None

    def close(self) -> None:
        """Close it; the next request opens it again."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@dataclass
class Heard:
    """What many people saw: milliseconds of first lists and of later ones, and what went wrong."""

    first: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return (len(self.first) + len(self.later)) / self.seconds

    def told(self, values: list[float]) -> str:
        """p50 and p99, in ms."""
        return "-" if not values else f"{np.quantile(values, 0.5):.1f}, {np.quantile(values, 0.99):.1f}"


def said(shown: dict[str, Any], number: int) -> dict[str, Any]:
    """The answer of a person to a list."""
    queries = [entry["entry_id"] for entry in shown["entries"] if entry["kind"] == "query"]
    clicked = queries[0] if queries and number % 2 else None
    return {"recommendation_id": shown["recommendation_id"], "clicked": clicked}


async def person(at: Service, heard: Heard, number: int, variant: str, think: float, until: float) -> None:
    """Play sessions until a moment; each begins a while after the last list of the one before."""
    connection, loop = Connection(at.host, at.port), asyncio.get_running_loop()
    pause = np.random.default_rng(number)
    await asyncio.sleep(think * pause.random())
    while True:
        shown: dict[str, Any] | None = None
        while shown is None or not shown["done"]:
            if loop.time() >= until:
                connection.close()
                return
            begin = time.perf_counter()
            if shown is None:
                body = {"variant": variant, "rounds": ROUNDS, "list_length": LENGTH}
                status, found = await connection.ask("POST", "/v1/sessions", body)
            else:
                path = f"/v1/sessions/{shown['session_id']}/answers"
                status, found = await connection.ask("POST", path, said(shown, number + shown["round"]))
            taken = 1e3 * (time.perf_counter() - begin)
            if status >= 400:
                heard.errors.append(f"{status} {found.get('detail', '')}"[:200])
                await asyncio.sleep(1.0)
                continue
            (heard.first if shown is None else heard.later).append(taken)
            shown = found
            await asyncio.sleep(think * (0.5 + pause.random()))


def people(at: Service, groups: dict[str, int], seconds: float, think: float = 1.0) -> dict[str, Heard]:
    """Let so many people of each variant play for a while."""
    heard = {variant: Heard(seconds=seconds) for variant in groups}

    async def all_of_them() -> None:
        until = asyncio.get_running_loop().time() + seconds
        tasks = [
            person(at, heard[variant], number, variant, think, until)
            for variant, count in groups.items()
            for number in range(count)
        ]
        await asyncio.gather(*tasks)

    asyncio.run(all_of_them())
    return heard


def answers(at: Service, sessions: int, count: int) -> tuple[float, float]:
    """Open so many sessions and answer `count` of them, one after the other, each of the same guest's.

    Returns:
        Processor ms of the service for an answer, and the median wall ms.
    """

    async def play() -> tuple[float, float]:
        connection, walls = Connection(at.host, at.port), []
        start = {"rounds": 100, "list_length": LENGTH, "variant": "base"}
        opened = [(await connection.ask("POST", "/v1/sessions", start))[1] for _ in range(sessions)]
        chosen = np.random.default_rng(0).permutation(max(sessions, count)) % sessions
        for place in chosen[: min(count, 50)]:  # warmed up
            opened[place] = await _answered(connection, opened[place])
        before = at.cpu()
        for place in chosen[:count]:
            begin = time.perf_counter()
            opened[place] = await _answered(connection, opened[place])
            walls.append(1e3 * (time.perf_counter() - begin))
        used = at.cpu() - before
        connection.close()
        return 1e3 * used / count, float(np.median(walls))

    return asyncio.run(play())


async def _answered(connection: Connection, shown: dict[str, Any]) -> dict[str, Any]:
    path = f"/v1/sessions/{shown['session_id']}/answers"
    status, found = await connection.ask("POST", path, said(shown, shown["round"]))
    assert status == 200, found
    assert isinstance(found, dict)
    return found
