"""Probes, gate and log around a small app: who is let in, how often, and what is said about it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.testclient import TestClient

from magus_pyg.errors import BusyError
from magus_pyg.serve.gate import scope_needed
from magus_pyg.serve.keys import KeyRing, KeyScope
from magus_pyg.serve.operation import add_operation
from magus_pyg.serve.problems import handle_errors
from magus_pyg.serve.request_log import log_as_json
from magus_pyg.serve.serve_options import LimitOptions, ServeOptions

SESSION, ADMIN = "session-key-of-a-shop", "admin-key-of-a-shop-"


def small_app(options: ServeOptions, required: bool = True, ready: Any = lambda: None) -> TestClient:
    app = FastAPI()

    @app.post("/v1/sessions")
    def begin() -> dict[str, str]:
        return {}

    @app.get("/v1/sessions/{session_id}")
    def show(session_id: str, request: Request) -> dict[str, str]:
        return {"caller": request.scope["caller"].name}

    @app.get("/v1/secret/{text}")
    def secret(text: str) -> None:
        raise RuntimeError(f"what they wrote: {text}")

    @app.get("/page", response_class=HTMLResponse)
    def page() -> str:
        return "<p>"

    handle_errors(app)
    keys = KeyRing({KeyScope.SESSION: [SESSION], KeyScope.ADMIN: [ADMIN]}, required)
    add_operation(app, options, keys, ready)
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged meanwhile."""
    root, own = logging.getLogger(), logging.getLogger("magus_pyg")
    before, level = root.handlers[:], own.level
    stream = io.StringIO()
    log_as_json("info", stream)
    yield stream
    root.handlers[:] = before
    own.setLevel(level)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/v1/sessions", KeyScope.SESSION),
        ("DELETE", "/v1/sessions/x/answers/last", KeyScope.SESSION),
        ("GET", "/v1/queries", KeyScope.SESSION),
        ("GET", "/v1/items/x", KeyScope.SESSION),
        ("POST", "/v1/events:batch", KeyScope.SESSION),
        ("POST", "/v1/items:batch", KeyScope.ADMIN),
        ("POST", "/v1/items/x", KeyScope.ADMIN),
        ("GET", "/v1/jobs/x", KeyScope.ADMIN),
        ("POST", "/v1/runs:reload", KeyScope.ADMIN),
        ("DELETE", "/v1/users/x", KeyScope.ADMIN),
        ("GET", "/v1/what-is-new", KeyScope.ADMIN),
        ("GET", "/v1/sessionsx", KeyScope.ADMIN),
        ("GET", "/metrics", KeyScope.ADMIN),
        ("GET", "/", None),
        ("GET", "/openapi.json", None),
    ],
)
def test_what_needs_which_scope(method: str, path: str, scope: KeyScope | None) -> None:
    assert scope_needed(method, path) is scope


def test_keys_open_what_they_are_for() -> None:
    client = small_app(ServeOptions())
    unknown = client.get("/v1/sessions/1")
    assert (unknown.status_code, unknown.headers["www-authenticate"]) == (401, "Bearer")
    assert unknown.json()["type"] == "urn:magus-pyg:access-error"
    assert client.get("/v1/sessions/1", headers=bearer("x" * 20)).status_code == 401
    assert client.get("/v1/sessions/1", headers=bearer(SESSION)).status_code == 200
    assert client.get("/metrics", headers=bearer(SESSION)).status_code == 403
    assert client.get("/metrics", headers=bearer(ADMIN)).status_code == 200
    assert client.get("/page").status_code == 200
    assert {client.get(path).status_code for path in ("/livez", "/readyz")} == {200}
    assert SESSION not in client.get("/v1/sessions/1", headers=bearer(SESSION)).text


def test_who_asks_too_often_is_told_when_to_ask_again() -> None:
    client = small_app(ServeOptions(limits=LimitOptions(requests=20, new_sessions=2)), required=False)
    begun = [client.post("/v1/sessions") for _ in range(5)]
    assert 429 in [reply.status_code for reply in begun]
    refused = next(reply for reply in begun if reply.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["type"] == "urn:magus-pyg:limit-error"
    assert refused.json()["detail"].startswith("more than 2 new sessions a second")
    codes = [client.get("/page").status_code for _ in range(60)]
    assert codes.count(200) in range(1, 41)  # of two windows of a second at most
    assert 429 in codes
    assert client.get("/livez").status_code == 200  # who watches over the service is always answered


def test_wrong_keys_are_counted_by_address() -> None:
    client = small_app(ServeOptions(limits=LimitOptions(requests=10)))
    codes = [client.get("/v1/sessions/1", headers=bearer(f"guess-number-{n:07}")).status_code for n in range(40)]
    assert set(codes) == {401, 429}
    assert client.get("/v1/sessions/1", headers=bearer(SESSION)).status_code == 200  # a known key is not held up


def test_a_service_that_cannot_answer_is_not_ready() -> None:
    def ready() -> None:
        raise BusyError("the store cannot be reached")

    client = small_app(ServeOptions(), ready=ready)
    assert client.get("/livez").status_code == 200
    refused = client.get("/readyz")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


def test_every_reply_has_its_id_and_the_fields_of_safety() -> None:
    client = small_app(ServeOptions(), required=False)
    given = client.get("/v1/sessions/1", headers={"X-Request-ID": "order-17"})
    assert given.headers["x-request-id"] == "order-17"
    made = client.get("/v1/sessions/1", headers={"X-Request-ID": "no good\tid"})
    assert len(made.headers["x-request-id"]) == 16
    assert made.headers["x-content-type-options"] == "nosniff"
    assert made.headers["x-frame-options"] == "DENY"
    assert made.headers["cache-control"] == "no-store"
    assert made.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "content-security-policy" not in client.get("/page").headers  # a page brings its own


def test_a_line_of_the_log_has_nothing_that_people_wrote(lines: io.StringIO) -> None:
    client = small_app(ServeOptions())
    client.get("/v1/sessions/sesame?q=words", headers={**bearer(SESSION), "X-Request-ID": "r1"})
    client.get("/v1/secret/oatmilk", headers={**bearer(ADMIN), "X-Request-ID": "r2"})
    text = lines.getvalue()
    assert not [word for word in ("sesame", "words", "oatmilk", SESSION, ADMIN) if word in text]
    found = [json.loads(line) for line in text.splitlines()]
    first = next(line for line in found if line.get("request_id") == "r1")
    assert (first["method"], first["route"], first["status"]) == ("GET", "/v1/sessions/{session_id}", 200)
    assert first["ms"] >= 0
    failed = [line for line in found if line.get("request_id") == "r2"]
    assert {line["level"] for line in failed} == {"error"}
    assert any(line.get("error") == "RuntimeError" and "secret" in line["at"][-1] for line in failed)


def test_requests_are_measured_by_route() -> None:
    client = small_app(ServeOptions(), required=False)

    def count() -> float:
        sign = 'magus_requests_total{method="GET",route="/v1/sessions/{session_id}",status="200"} '
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.removeprefix(sign)) for line in lines if line.startswith(sign))

    before = count()
    for name in ("a", "b"):
        client.get(f"/v1/sessions/{name}")
    assert count() == before + 2
