"""A server whose end leaves no request half done."""

import asyncio
import socket

import uvicorn

__all__ = ["ClosingServer"]

_PAUSE_SECONDS = 0.05


class ClosingServer(uvicorn.Server):
    """uvicorn's server, whose end also closes connections that were accepted while it began.

    uvicorn tells the connections that it has when it ends to close after their reply. One that the system hands over a
    moment later would be kept alive, and the request that runs there when the time is up be cut off.
    """

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
