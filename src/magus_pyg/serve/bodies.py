"""Bodies of requests are refused by their size before they are read."""

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from magus_pyg.errors import LimitError
from magus_pyg.serve.problems import problem_response

__all__ = ["BodyLimit"]


class BodyLimit:
    """Middleware that refuses bodies beyond a size (413): by their announced length, else while they come in.

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
        most = self.larger.get(scope["path"], self.most)
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if length.isdigit() and int(length) > most:
            await self._refuse(scope, receive, send, most)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise HTTPException(413, _too_long(most), {"Connection": "close"})  # the rest is not read
            return message

        await self.app(scope, counted, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        response = problem_response(LimitError(_too_long(most)))
        response.headers["Connection"] = "close"
        await response(scope, receive, send)


def _too_long(most: int) -> str:
    return f"the body of the request has more than {most:,} bytes"
