"""Errors as pages: whatever goes wrong, a browser gets something to read, a way on, and what was typed."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from magus_pyg.escaping import cut
from magus_pyg.serve.pages.page_sessions import NEW
from magus_pyg.serve.pages.rendering import HEADERS
from magus_pyg.serve.pages.screens import Asked, Screens
from magus_pyg.serve.pages.visitors import keep_visitor
from magus_pyg.serve.problems import PROBLEM_JSON

__all__ = ["ReadableProblems"]

_BODY, _FIELDS, _TYPED = 65_536, 100, 10_000
_KEPT = (b"retry-after", b"x-request-id", b"connection")
_TOLD = (403, 404, 409, 410, 413, 422, 429, 503)


class ReadableProblems:
    """Middleware that turns problem details into pages, for those who ask for HTML.

    The answer's status and what it says about asking again stay. A form that was refused is in the page, to be sent
    again; with a new token if the old one was why.

    Args:
        app: what is called.
        screens: how the pages look.
    """

    def __init__(self, app: ASGIApp, screens: Screens) -> None:
        self.app, self.screens = app, screens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self.app(scope, receive, send)
            return
        sent = _Sent()

        async def kept() -> Message:
            message = await receive()
            sent.body = (sent.body + message.get("body", b""))[: _BODY + 1]
            return message

        async def held(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent.begins = message
                sent.is_problem = Headers(raw=message["headers"]).get("content-type", "") == PROBLEM_JSON
                if not sent.is_problem:
                    await send(message)
            elif sent.is_problem and sent.begins is not None:
                sent.problem += message.get("body", b"")
                if not message.get("more_body", False):
                    await self._send(scope, receive, send, sent)
            else:
                await send(message)

        try:
            await self.app(scope, kept, held)
        except Exception:
            if sent.begins is None:
                sent.begins = {"status": 500, "headers": []}
                await self._send(scope, receive, send, sent)
            raise  # who serves the application writes it to the log

    async def _send(self, scope: Scope, receive: Receive, send: Send, sent: "_Sent") -> None:
        assert sent.begins is not None
        request, status = Request(scope), int(sent.begins["status"])
        asked = Asked.of(request, self.screens.shop, "expert=1" in scope["query_string"].decode("latin-1"))
        fields = [] if request.method == "GET" else _fields(sent.body)
        page = self._page(asked, request, status, _problem(sent.problem), fields)
        kept = {name.decode(): value.decode() for name, value in sent.begins["headers"] if name in _KEPT}
        headers = {**HEADERS, **kept}
        response = HTMLResponse(page, status, headers)
        keep_visitor(request, response, asked.visitor)
        await response(scope, receive, send)

    def _page(
        self, asked: Asked, request: Request, status: int, problem: Mapping[str, Any], fields: Sequence[tuple[str, str]]
    ) -> str:
        t = self.screens.labels(asked.language)
        told = status if status in _TOLD else 422 if 400 <= status < 500 else 500
        gone = told in (404, 410)
        session_id, step = _session_of(request.url.path, asked.root)
        typed = next((value for name, value in fields if name == "text"), "")
        here = "" if gone or session_id in ("", NEW) else f"{asked.root}/s/{quote(session_id)}/{step}"
        again = request.url.path if told in (403, 429, 500, 503) else ""
        return self.screens.render(
            "error",
            asked,
            NEW if gone or not session_id else session_id,
            step=1 if gone else step,
            heading=t(f"error_{told}"),
            lead=t(f"error_{told}_text"),
            fields=[field for field in fields if field[0] != "csrf"] if again else [],
            again=again + asked.suffix,
            back=here,
            reference=cut(str(problem.get("request_id", "")), 64),
            typed=cut(typed, _TYPED),
        )


class _Sent:
    """What went by of one request and its answer."""

    def __init__(self) -> None:
        self.body, self.problem = b"", b""
        self.begins: Message | None = None
        self.is_problem = False


def _fields(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form; none where it was too large to be kept."""
    if len(body) > _BODY:
        return []
    try:
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError:
        return []


def _problem(text: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _session_of(path: str, root: str) -> tuple[str, int]:
    """The session and the step that an address names: "" and 1 for none."""
    parts = path.removeprefix(root).split("/")
    if len(parts) >= 4 and parts[1] == "s" and parts[3].isascii() and parts[3].isdecimal():
        return parts[2][:100], max(1, int(parts[3][:6]))
    return "", 1
