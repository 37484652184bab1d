"""Bodies are refused by their size before they are read."""

import asyncio
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


def test_a_body_whose_length_is_announced_is_not_read(app: FastAPI) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("nothing is to be read")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/small",
        "raw_path": b"/small",
        "query_string": b"",
        "headers": [(b"content-length", b"10000000000")],
    }
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 413
