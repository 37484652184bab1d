"""Replies that leave the machine in one piece."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

__all__ = ["JoinedWrites"]

_MOST = 1 << 16
"""Bytes that are held: beyond, the transport says when it has enough."""


class JoinedWrites(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """uvicorn's protocol, whose head and body of a reply are one call of the system: each takes as long as a round."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._joining = _Joining(cast(asyncio.Transport, transport))
        super().connection_made(self._joining)

    def eof_received(self) -> None:
        """See `asyncio.Protocol`: the transport closes itself now, and what it was given before still leaves."""
        self._joining.send()
        super().eof_received()


class _Joining:
    """A transport that sends what is written in one turn of the event loop together."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._loop = transport, asyncio.get_running_loop()
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self.send)
        self._held.append(data)
        if sum(map(len, self._held)) > _MOST:
            self.send()

    def close(self) -> None:
        self.send()
        self._transport.close()

    def send(self) -> None:
        if self._held:
            data, self._held = b"".join(self._held), []
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
