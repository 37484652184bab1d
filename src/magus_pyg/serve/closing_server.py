"""A server whose end leaves no request half done."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import uvicorn

__all__ = ["ClosingServer"]

_PAUSE_SECONDS = 0.05


class ClosingServer(uvicorn.Server):
    """uvicorn's server with the signals of this package, whose end also closes connections that were accepted while it
    began.

    uvicorn tells the connections that it has when it ends to close after their reply. One that the system hands over a
    moment later would be kept alive, and the request that runs there when the time is up be cut off.

    Args:
        config: of uvicorn.
        ready: called once it answers.
        hearing: from what ends it to what hears signals while it serves.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Callable[[], None],
        hearing: Callable[[Callable[[], None]], AbstractContextManager[object]],
    ) -> None:
        super().__init__(config)
        self._ready, self._hearing = ready, hearing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See `uvicorn.Server`."""
        with self._hearing(self.stop):
            yield

    def stop(self) -> None:
        """Take no connection any more, finish what runs, and end."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        closing = asyncio.create_task(self._close_late_ones())
        try:
            await super().shutdown(sockets)
        finally:
            closing.cancel()

    async def _close_late_ones(self) -> None:
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            for connection in list(self.server_state.connections):
                connection.shutdown()
