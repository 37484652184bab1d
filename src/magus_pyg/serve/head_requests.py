"""HEAD is answered wherever GET is."""

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["HeadRequests"]


class HeadRequests:
    """Middleware that answers HEAD as GET (RFC 9110, 9.3.2): who watches over a service or checks a link asks so.

    The server leaves out the body, as ASGI wants it to.

    Args:
        app: what answers GET.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}
        try:
            await self.app(asked, receive, send)
        finally:
            if "route" in asked:  # for the log
                scope["route"] = asked["route"]
