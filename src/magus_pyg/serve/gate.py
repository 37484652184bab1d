"""The gate of the service: who may ask for what, and how often. Plain ASGI, before anything else is done."""

from starlette._utils import get_route_path
from starlette.types import ASGIApp, Receive, Scope, Send

from magus_pyg.errors import AccessError, LimitError, StoreError
from magus_pyg.serve.keys import KeyRing, KeyScope
from magus_pyg.serve.problems import problem_response
from magus_pyg.serve.rate_limits import RateLimits

__all__ = ["Gate", "scope_needed"]

_SESSIONS, _NEW_FROM_PAGE = "/v1/sessions", "/s/new/"
_FOR_SESSIONS = (f"{_SESSIONS}/", "/v1/queries/", "/v1/events:batch/")


def scope_needed(method: str, path: str) -> KeyScope | None:
    """The scope that a request needs; None for pages and probes, which everybody may ask for.

    What is new below /v1/ is for administrators until it is named here.
    """
    if path == "/metrics":
        return KeyScope.ADMIN
    if not path.startswith("/v1/"):
        return None
    is_item = path.startswith("/v1/items/") and method in ("GET", "HEAD")
    return KeyScope.SESSION if is_item or f"{path}/".startswith(_FOR_SESSIONS) else KeyScope.ADMIN


class Gate:
    """Middleware that lets requests pass whose sender may send them: 401, 403 and 429 for all others.

    Whoever sends no key, or a wrong one, is counted by their address, so keys cannot be guessed at speed. Who was let
    in stands in `scope["caller"]` (a `keys.Caller`).

    Args:
        app: what is called with what passes.
        keys: of the service.
        limits: counts the requests.
    """

    def __init__(self, app: ASGIApp, keys: KeyRing, limits: RateLimits) -> None:
        self.app, self.keys, self.limits = app, keys, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method, path = scope["method"], get_route_path(scope)
        if path in ("/livez", "/readyz"):  # asked for often, by who watches over the service
            await self.app(scope, receive, send)
            return
        header = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        address = scope["client"][0] if scope.get("client") else "nowhere"
        caller = self.keys.caller(None if header is None else header.decode("latin-1"), address)
        needed = scope_needed(method, path)
        try:
            await self.limits.count("requests", caller.name)
            if needed is not None:
                self.keys.check(caller, needed)
            if method == "POST" and (path == _SESSIONS or path.startswith(_NEW_FROM_PAGE)):
                await self.limits.count("new_sessions", caller.name)
        except (AccessError, LimitError, StoreError) as error:
            await problem_response(error)(scope, receive, send)
            return
        scope["caller"] = caller
        await self.app(scope, receive, send)
