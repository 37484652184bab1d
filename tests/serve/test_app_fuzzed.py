"""Whatever is sent, the service answers with what its documentation says, and never with a 500."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from served import begin, folder_beside, served

from magus_pyg.runs import Run, load_run
from magus_pyg.serve.app import create_app
from magus_pyg.serve.serve_options import LimitOptions, ServeOptions

FREE = LimitOptions(requests=0, new_sessions=0)
QUICK = settings(
    max_examples=5, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def run(shop_run: Path) -> Run:
    return load_run(shop_run)


@pytest.fixture(scope="module")
def client(run: Run) -> Iterator[TestClient]:
    with served(run, limits=FREE) as client:
        yield client


@pytest.fixture
def documented(run: Run) -> Any:
    app = create_app(run, ServeOptions(store="memory:", folder=str(folder_beside(run)), limits=FREE))
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_every_address_answers_as_it_is_documented(documented: Any, mode: GenerationMode) -> None:
    checks = schemathesis.checks
    tried: set[str] = set()

    def answers(case: Case) -> None:
        tried.add(f"{case.method} {case.path}")
        case.call_and_validate(
            checks=[
                checks.not_a_server_error,
                checks.status_code_conformance,
                checks.content_type_conformance,
                checks.response_schema_conformance,
            ]
        )

    for result in documented.get_all_operations():
        cases = result.ok().as_strategy(generation_mode=mode)
        with suppress(Unsatisfiable):  # nothing wrong can be sent to an address without parameters
            QUICK(given(case=cases)(answers))()
    assert len(tried) > 10, tried


HOSTILE = [
    "<script>alert(1)</script>",
    "'; DROP TABLE sessions; --",
    "\x00\x1b[2J",
    "\u202edlrow",
    "{{7*7}}${7*7}",
    "=cmd|' /C calc'!A0",
    "../../../etc/passwd",
    "a" * 400,
    "\ufeff",
    "ＭＩＬＫ",
    "milk\r\nSet-Cookie: a=b",
    "👩‍👩‍👧",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_change_nothing(client: TestClient, text: str) -> None:
    shown = begin(client, searched=[[text]], user_id=text)
    address = f"/v1/sessions/{shown['session_id']}"
    told = client.post(f"{address}/words", json={"words": [text, {"field": text, "value": text}]})
    assert (told.status_code, told.json()["understood"], told.json()["left_out"]) == (200, [], 2)
    assert told.json()["entries"] == shown["entries"]
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/v1/sessions", {"candidates": [text]}),
        ("/v1/sessions", {"scores": {text: 1.0}}),
        ("/v1/sessions", {"locale": text}),
        ("/v1/sessions", {"variant": text}),
        ("/v1/sessions", {"experiment": text}),
        (f"{address}/answers", {"recommendation_id": shown["recommendation_id"], "clicked": text}),
        ("/v1/items:remove", {"item_ids": [text]}),
        ("/v1/runs:reload", {"run": text}),
    ]
    for path, body in bodies:
        reply = client.post(path, json=body)
        assert reply.status_code == 422, (path, body, reply.text)
        assert reply.headers["content-type"] == "application/problem+json"
    reply = client.post(f"{address}/answers", json={"recommendation_id": text})
    assert reply.status_code == 409
    for path in ("/v1/sessions", "/v1/items", "/v1/jobs", f"{address}/explanations"):
        reply = client.get(f"{path}/{quote(text[:90], safe='')}")
        assert reply.status_code in (404, 422), (path, reply.text)
    assert client.delete(f"/v1/users/{quote(text, safe='')}").status_code in (204, 404)
    assert client.get("/v1/queries", params={"prefix": text[:90]}).json() == []
    events = {"events": [{"event_id": text, "item_id": text, "user_id": text}]}
    assert client.post("/v1/events:batch", json=events).json() == {"new": 1, "known": 0}
    assert client.post("/v1/events:batch", json=events).json() == {"new": 0, "known": 1}


def test_items_with_hostile_words_are_words_like_others(client: TestClient) -> None:
    rows = [
        {"item_id": f"h{place}", "title": text, "brand": text, "category": "x"} for place, text in enumerate(HOSTILE)
    ]
    client.post("/v1/items:batch", json={"items": rows})
    client.app.state.service.changes.catch_up(close=True)  # type: ignore[attr-defined]
    shown = begin(client, candidates=[row["item_id"] for row in rows], list_length=30, variant="none")
    titles = {entry["title"] for entry in shown["entries"]}
    assert len(shown["entries"]) == len(HOSTILE)
    assert not any(sign in title for title in titles for sign in "\x00\x1b\u202e\r\n\ufeff")
    assert "<script>alert(1)</script>" in titles  # JSON escapes nothing: who shows it does


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"\xff\xfe", 422),
        (b'{"list_length": NaN}', 422),
        (b'{"scores": {"m1": Infinity}}', 422),
        (b'{"scores": {"m1": 1e999}}', 422),
        (b'{"scores": {"m1": -1e308, "m2": 1e308}}', 422),
        (b'{"scores": {}}', 422),
        (b'{"candidates": []}', 422),
        (b'{"candidates": ["m1", "m1"]}', 422),
        (b'{"user_id": "\\ud800"}', 422),
        (b'{"user_id": 7}', 422),
        (b'{"list_length": 2.0}', 422),
        (b'{"list_length": "2"}', 422),
        (b'{"list_length": true}', 422),
        (b'{"list_length": 0}', 422),
        (b'{"list_length": 123456789012345678901234567890}', 422),
        (b'{"rounds": -1}', 422),
        (b'{"min_items": 3, "list_length": 2}', 422),
        (b'{"searched": "milk"}', 422),
        (b'{"searched": ["milk"]}', 422),
        (b'{"searched": [[["milk"]]]}', 422),
        (b'{"text": "milk"}', None),
        (b'{"variant": "plus"}', 422),
        (b'{"unknown": 1}', 422),
        (b'{"candidates": ' + DEEP + b"}", 422),
        (b" " * 2_000_000, 413),
    ],
)
def test_bodies_that_cannot_be_used(client: TestClient, body: bytes, status: int | None) -> None:
    reply = client.post("/v1/sessions", content=body, headers={"content-type": "application/json"})
    assert reply.status_code in ((201, 422) if status is None else (status,)), reply.text
    if reply.status_code != 201:
        found = reply.json()
        assert reply.headers["content-type"] == "application/problem+json"
        assert found["status"] == reply.status_code
        assert found["type"].startswith("urn:magus-pyg:")
        assert len(reply.content) < 5000


@given(body=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_json_value_for_any_entry(client: TestClient, body: Any) -> None:
    for name in ("scores", "liked", "candidates", "exclude", "searched", "list_length", "user_id"):
        content = json.dumps({name: body, "list_length": 2} if name != "list_length" else {name: body})
        reply = client.post("/v1/sessions", content=content, headers={"content-type": "application/json"})
        assert reply.status_code in (201, 422), (content, reply.text)
