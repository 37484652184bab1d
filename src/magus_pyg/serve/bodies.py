"""Bodies of requests are refused by their size before they are kept."""

import asyncio

from fastapi import HTTPException
from starlette._utils import get_route_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from magus_pyg.errors import LimitError
from magus_pyg.serve.problems import problem_response

__all__ = ["BodyLimit"]

_PASSED_OVER, _PASSED_OVER_SECONDS = 32_000_000, 5.0
"""How much of a body that is refused is read and thrown away, and for how long: where a connection is closed while
bytes of it are on their way, the system resets it, and whoever sends them may never see the reply (RFC 9112, 9.6)."""


class BodyLimit:
    """Middleware that refuses bodies beyond a size (413): by their announced length, else while they come in.

    The rest of a refused body is passed over, within bounds, so that the reply arrives. Whoever waits to be told to go
    on (`Expect: 100-continue`) is refused at once, as is a body beyond these bounds by its announced length.

    Args:
        app: what is called with all others.
        most: bytes.
        larger: path -> bytes, for addresses that take more.
    """

    def __init__(self, app: ASGIApp, most: int, larger: dict[str, int]) -> None:
        self.app, self.most, self.larger = app, most, larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        most = self.larger.get(get_route_path(scope), self.most)
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if length.isdigit() and int(length) > most:
            if int(length) <= _PASSED_OVER and not _waits(scope):
                await _pass_over(receive)
            await self._refuse(scope, receive, send, most)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                if message.get("more_body", False):
                    await _pass_over(receive)
                raise HTTPException(413, _too_long(most), {"Connection": "close"})
            return message

        try:
            await self.app(scope, counted, send)
        except HTTPException:  # raised above, where nothing in between has answered it
            await self._refuse(scope, receive, send, most)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        response = problem_response(LimitError(_too_long(most)))
        response.headers["Connection"] = "close"
        await response(scope, receive, send)


def _waits(scope: Scope) -> bool:
    """Whether the body is sent only after the service has asked for it."""
    return any(name == b"expect" for name, _ in scope["headers"])


async def _pass_over(receive: Receive) -> None:
    """Read the rest of a body and throw it away, within bounds."""
    read, more = 0, True
    try:
        async with asyncio.timeout(_PASSED_OVER_SECONDS):
            while more and read <= _PASSED_OVER:
                message = await receive()
                read += len(message.get("body", b""))
                more = message.get("more_body", False)
    except TimeoutError:  # slower than is waited for: the reply goes out all the same
        return


def _too_long(most: int) -> str:
    return f"the body of the request has more than {most:,} bytes"
