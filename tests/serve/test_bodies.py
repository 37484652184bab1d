"""Bodies are refused by their size before they are read."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from magus_pyg.serve.bodies import BodyLimit
from magus_pyg.serve.problems import handle_errors


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    handle_errors(app)

    @app.post("/small")
    @app.post("/large")
    async def length(request: Request) -> int:
        return len(await request.body())

    app.add_middleware(BodyLimit, most=10, larger={"/large": 20})
    return app


@pytest.mark.parametrize(("path", "most"), [("/small", 10), ("/large", 20)])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_body_may_have_so_many_bytes_and_no_more(app: FastAPI, path: str, most: int, streamed: bool) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    for size in (most, most + 1):
        content: Any = (b"x" for _ in range(size)) if streamed else b"x" * size
        reply = client.post(path, content=content)
        assert reply.status_code == (200 if size == most else 413), reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"] == "urn:magus-pyg:limit-error"
    assert reply.headers["connection"] == "close"
    assert "retry-after" not in reply.headers


def _refused(app: FastAPI, headers: Sequence[tuple[bytes, bytes]], chunks: int) -> tuple[int, int]:
    """The status of a body that comes in chunks of a million bytes, and how many of them were read before it."""
    sent: list[Any] = []
    read = 0

    async def receive() -> Any:
        nonlocal read
        assert not sent, "read after the reply"
        read += 1
        return {"type": "http.request", "body": b"x" * 1_000_000, "more_body": read < chunks}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/small",
        "raw_path": b"/small",
        "query_string": b"",
        "headers": list(headers),
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], read


@pytest.mark.parametrize("is_announced", [False, True])
def test_a_refused_body_is_passed_over_so_that_the_reply_arrives(app: FastAPI, is_announced: bool) -> None:
    assert _refused(app, [(b"content-length", b"5000000")] if is_announced else [], 5) == (413, 5)


def test_no_more_of_a_refused_body_is_passed_over_than_is_bounded(app: FastAPI) -> None:
    assert _refused(app, [(b"content-length", b"10000000000")], 10_000) == (413, 0)
    assert _refused(app, [(b"content-length", b"5000000"), (b"expect", b"100-continue")], 5) == (413, 0)
    status, read = _refused(app, [], 10_000)
    assert status == 413
    assert 32 <= read <= 35


@pytest.mark.parametrize("is_announced", [False, True])
def test_a_refused_body_that_does_not_come_is_not_waited_for(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, is_announced: bool
) -> None:
    monkeypatch.setattr("magus_pyg.serve.bodies._PASSED_OVER_SECONDS", 0.01)
    sent: list[Any] = []
    first = [{"type": "http.request", "body": b"x" * 11, "more_body": True}]

    async def receive() -> Any:
        if first:
            return first.pop()
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-length", b"12")] if is_announced else []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/small",
        "raw_path": b"",
        "query_string": b"",
        "headers": headers,
    }
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 413
