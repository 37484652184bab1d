"""Requests in their usual form reach their endpoint without FastAPI's detours.

FastAPI takes longer to find the route and the arguments of a short round than the round itself. So a request in the
form that nearly all have (`application/json`, a body of an announced length that fits) is handed to its endpoint at
once; all others, and what is wrong with them, are FastAPI's.
"""

import inspect
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter
from pydantic_core import from_json
from starlette._utils import get_route_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from magus_pyg.errors import MagusError
from magus_pyg.serve.problems import problem_response
from magus_pyg.serve.requests import LONGEST_ID, LONGEST_KEY, Running, resend_of
from magus_pyg.serve.strict_routes import StrictRoute

__all__ = ["DirectRequests"]

_KNOWN = {"session_id", "asked", "app", "resend"}
_OF_BODIES = {b"content-length", b"transfer-encoding"}


class DirectRequests:
    """Middleware, the innermost, that answers requests in their usual form.

    Args:
        app: what answers all others.
        running: the service.
        routers: whose strict routes are answered, as far as they take nothing else than a session, a body, the service
            and an `Idempotency-Key`.
    """

    def __init__(self, app: ASGIApp, running: Running, routers: Iterable[APIRouter]) -> None:
        self.app, self.running = app, running
        self._routes: dict[str, list[_Direct]] = {}
        for route in (route for router in routers for route in router.routes if isinstance(route, StrictRoute)):
            if set(inspect.signature(route.endpoint).parameters) <= _KNOWN:
                for method in route.methods or ():
                    self._routes.setdefault(method, []).append(_Direct(route))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        path = get_route_path(scope) if scope["type"] == "http" else ""
        for direct in self._routes.get(scope["method"], ()) if path else ():
            place = direct.route.path_regex.match(path)
            if place is None:
                continue
            headers = dict(reversed(scope["headers"]))  # of several of one name the first counts
            body = None if direct.model is None else await _read(headers, receive)
            if direct.model is None and (headers.keys() & _OF_BODIES) and scope["method"] != "GET":
                break
            found = direct.arguments(scope, headers, body, place.groupdict())
            if found is None:
                receive = receive if body is None else _read_again(body, receive)
                break
            scope["route"] = direct.route  # for the log
            try:
                response = await direct.route.endpoint(app=self.running, **found)
            except MagusError as error:
                response = problem_response(error)
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)


class _Direct:
    """A route whose endpoint is called directly."""

    def __init__(self, route: StrictRoute) -> None:
        names = inspect.signature(route.endpoint).parameters
        self.route = route
        self.model = names["asked"].annotation if "asked" in names else None
        self._resends, self._of_session = "resend" in names, "session_id" in names

    def arguments(
        self, scope: Scope, headers: dict[bytes, bytes], body: bytes | None, place: dict[str, str]
    ) -> dict[str, Any] | None:
        """What the endpoint is called with beside the service; None where the request is not in the usual form."""
        found: dict[str, Any] = {}
        if self._of_session:
            found["session_id"] = place["session_id"]
            if not 0 < len(found["session_id"]) <= LONGEST_ID:
                return None
        if self.model is not None:
            try:
                found["asked"] = self.model.model_validate(from_json(body or b"", allow_inf_nan=False))
            except ValueError:
                return None
        if self._resends:
            key = headers.get(b"idempotency-key")
            if key is not None and not 0 < len(key) <= LONGEST_KEY:
                return None
            found["resend"] = None if key is None else resend_of(scope, headers, body or b"", key.decode("latin-1"))
        return found


async def _read(headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
    """The body of a request; None where it is none of JSON that comes in one piece."""
    length = headers.get(b"content-length", b"")
    if headers.get(b"content-type") != b"application/json" or not length.isdigit():
        return None
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] != "http.request":  # the client has gone: what came of its body may not be all
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _read_again(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read, then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
