"""The end of a server closes connections that were accepted while it began."""

import asyncio
from contextlib import nullcontext
from typing import Any

import pytest
import uvicorn

from magus_pyg.serve.closing_server import ClosingServer


class _Connection:
    """One that closes when it is told to, as uvicorn's do that wait for a request."""

    def __init__(self, held: set[Any]) -> None:
        self._held = held

    def shutdown(self) -> None:
        self._held.discard(self)


@pytest.mark.parametrize("late", [False, True])
def test_connections_are_closed_whenever_they_were_accepted(late: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nobody asks")

    async def end() -> float:
        config = uvicorn.Config(app, lifespan="off", timeout_graceful_shutdown=5)
        server = ClosingServer(config, lambda: None, lambda stop: nullcontext())
        config.load()
        server.lifespan = config.lifespan_class(config)
        server.servers = []
        held: set[Any] = server.server_state.connections
        loop = asyncio.get_running_loop()
        if late:
            held.add(_Connection(set()))  # what keeps the end waiting until the late one is there
            loop.call_later(0.02, lambda: (held.clear(), held.add(_Connection(held))))
        else:
            held.add(_Connection(held))
        began = loop.time()
        await server.shutdown()
        assert not held
        return loop.time() - began

    assert asyncio.run(end()) < 3
