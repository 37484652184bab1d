"""A line of JSON a request, with an id that the reply has too, and nothing that a person wrote.

A line has the route, not the path: no session, item, user or search text stands in it. Errors are logged by their
class and where they were raised, without their message, which may name words and ids.
"""

import json
import logging
import re
import secrets
import sys
import time
import traceback
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from magus_pyg.serve.measurements import REFUSED, REQUESTS, SECONDS
from magus_pyg.serve.problems import failure_response

__all__ = ["JsonLines", "RequestLog", "log_as_json", "request_id"]

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is answered now; "" outside of one."""

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SAFE_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
_NO_CONTENT = b"default-src 'none'; frame-ancestors 'none'"
"""What a reply that is no page may load and be shown in."""
_FAILED = 500
_REFUSED = (401, 403, 413, 429, 503)

logger = logging.getLogger(__name__)


class RequestLog:
    """Middleware that gives each request an id, logs and measures it, and adds the header fields of safety.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        own = given if _ID.fullmatch(given) else secrets.token_hex(8).encode()
        request_id.set(own.decode())  # in the context of this request alone
        status = 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": _with_safety(message.get("headers", ()), own)}
            await send(message)

        try:
            await self.app(scope, receive, sent)
        except Exception:
            logger.exception("failed")
            if status:  # the reply has begun, and is cut off
                raise
            await failure_response()(scope, receive, sent)
        finally:
            self._note(scope, status or _FAILED, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "") or "-"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        REQUESTS.labels(method, route, str(status)).inc()
        SECONDS.labels(route).observe(seconds)
        if status in _REFUSED:
            REFUSED.labels(str(status)).inc()
        level = logging.ERROR if status >= _FAILED and status not in _REFUSED else logging.INFO
        if logger.isEnabledFor(level):
            told = {"method": method, "route": route, "status": status, "ms": round(1000 * seconds, 2)}
            logger.log(level, "request", extra={"told": told})


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def _with_safety(headers: Any, own: bytes) -> list[tuple[bytes, bytes]]:
    kept = list(headers)
    names = {name.lower() for name, _ in kept}
    added = [(name, value) for name, value in _SAFE_HEADERS if name not in names]
    if b"content-security-policy" not in names:
        is_page = any(name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in kept)
        if not is_page:
            added.append((b"content-security-policy", _NO_CONTENT))
    if b"cache-control" not in names:
        added.append((b"cache-control", b"no-store"))
    return [*kept, *added, (b"x-request-id", own)]


class JsonLines(logging.Formatter):
    """A line of JSON a record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its time, level, logger, message and the id of its request."""
        line: MutableMapping[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id.get():
            line["request_id"] = request_id.get()
        line.update(getattr(record, "told", {}))
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            frames = traceback.extract_tb(trace)
            line["error"] = kind.__name__
            line["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line, ensure_ascii=True)


def log_as_json(level: str, stream: TextIO | None = None) -> None:
    """Let everything that is logged in this process be lines of JSON.

    Args:
        level: "debug", "info", "warning" or "error", of this package; of libraries warnings and errors alone.
        stream: where to; standard error if None.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("magus_pyg").setLevel(level.upper())
