"""HEAD is answered wherever GET is, and nowhere else."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from served import begin, served

from magus_pyg.runs import load_run
from magus_pyg.serve.head_requests import HeadRequests


@pytest.fixture(scope="module")
def client(shop_run: Path) -> Iterator[TestClient]:
    with served(load_run(shop_run), list_length=3) as client:
        yield client


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/readyz", "/metrics", "/openapi.json", "/v1/items/m1", "/v1/queries", "/v1/items/none"]
)
def test_head_is_answered_as_get_without_a_body(client: TestClient, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert head.status_code == get.status_code == (404 if path.endswith("none") else 200)
    assert head.headers["content-type"] == get.headers["content-type"]
    assert (head.content, get.content != b"") == (b"", True)


def test_head_of_what_cannot_be_read_is_refused(client: TestClient) -> None:
    assert client.head("/v1/sessions").status_code == 405
    session = begin(client)["session_id"]
    assert client.head(f"/v1/sessions/{session}/answers").status_code == 405
    assert client.head(f"/v1/sessions/{session}").status_code == 200


def test_the_log_hears_of_the_method_and_the_route() -> None:
    route = object()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["method"] == "GET"
        scope["route"] = route

    scope: dict[str, Any] = {"type": "http", "method": "HEAD"}
    asyncio.run(HeadRequests(app)(scope, None, None))  # type: ignore[arg-type]
    assert scope == {"type": "http", "method": "HEAD", "route": route}
