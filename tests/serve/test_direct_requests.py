"""Requests in the usual form and all others have the same replies."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from served import answer, begin, served

from magus_pyg.runs import load_run
from magus_pyg.serve.direct_requests import _read

SCORES = {"m1": 1.0, "m2": 0.75, "m3": 0.5}


@pytest.fixture(scope="module")
def client(shop_run: Path) -> Iterator[TestClient]:
    with served(load_run(shop_run)) as client:
        yield client


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/vnd.a+json"])
def test_the_kind_of_json_does_not_matter(client: TestClient, kind: str) -> None:
    shown = begin(client, scores=SCORES)
    body = f'{{"recommendation_id": "{shown["recommendation_id"]}"}}'
    header = {"content-type": kind, "idempotency-key": f"key of {kind}"}
    replies = [
        client.post(f"/v1/sessions/{shown['session_id']}/answers", content=body, headers=header) for _ in range(2)
    ]
    assert [reply.status_code for reply in replies] == [200, 200], replies[0].text
    found: list[dict[str, Any]] = [{**reply.json(), "took_ms": 0} for reply in replies]
    assert found[0] == found[1]
    other = client.post(f"/v1/sessions/{shown['session_id']}/answers", content=body + " ", headers=header)
    assert (other.status_code, other.json()["errors"][0]["pointer"]) == (422, "#header/idempotency-key")


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"]
)
def test_what_a_form_can_send_is_refused(client: TestClient, kind: str | None) -> None:
    header = {} if kind is None else {"content-type": kind}
    reply = client.post("/v1/sessions", content=b"{}", headers=header)
    assert reply.status_code == 422, reply.text
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("key", ["", "k" * 201])
def test_keys_and_ids_of_the_wrong_length(client: TestClient, key: str) -> None:
    reply = client.post("/v1/sessions", json={}, headers={"idempotency-key": key})
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "#header/idempotency-key")
    reply = client.get(f"/v1/sessions/{'s' * 101}")
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "#path/session_id")


def test_a_body_in_pieces_is_read_as_one_in_one(client: TestClient) -> None:
    shown = begin(client, scores=SCORES)
    body, header = f'{{"recommendation_id": "{shown["recommendation_id"]}"}}'.encode(), {"idempotency-key": "pieces"}
    path = f"/v1/sessions/{shown['session_id']}/answers"
    header["content-type"] = "application/json"
    pieces = client.post(path, content=(body[place : place + 7] for place in range(0, len(body), 7)), headers=header)
    whole = client.post(path, content=body, headers=header)
    assert pieces.status_code == whole.status_code == 200, pieces.text
    assert {**pieces.json(), "took_ms": 0} == {**whole.json(), "took_ms": 0}


def test_a_body_that_is_longer_than_it_says_is_refused(client: TestClient) -> None:
    header = {"content-type": "application/json", "content-length": "2"}
    reply = client.post("/v1/sessions", content=b" " * 2_000_000, headers=header)
    assert reply.status_code == 413, reply.text
    assert reply.json()["type"] == "urn:magus-pyg:limit-error"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"rounds": NaN}', b'{"rounds": "1"}', b"[" * 500 + b"]" * 500])
def test_what_is_no_body_is_told_with_its_place(client: TestClient, body: bytes) -> None:
    reply = client.post("/v1/sessions", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 422, reply.text
    assert reply.json()["errors"]


def test_a_session_that_began_with_a_text_begins_again_as_it_did(client: TestClient) -> None:
    header = {"idempotency-key": "begun with a text"}
    asked = {"scores": SCORES, "text": "Oatly", "rounds": 4}
    first, again = (client.post("/v1/sessions", json=asked, headers=header).json() for _ in range(2))
    assert {**first, "took_ms": 0} == {**again, "took_ms": 0}
    assert client.get(f"/v1/sessions/{first['session_id']}").json()["history"], "the text was understood"
    answer(client, again)


def test_a_body_that_breaks_off_is_none() -> None:
    async def reads(*messages: dict[str, Any]) -> bytes | None:
        waiting = list(messages)

        async def receive() -> Any:
            return waiting.pop(0)

        return await _read({b"content-type": b"application/json", b"content-length": b"3"}, receive)

    whole = {"type": "http.request", "body": b"{}", "more_body": True}
    assert asyncio.run(reads(whole, {"type": "http.request", "body": b" "})) == b"{} "
    assert asyncio.run(reads(whole, {"type": "http.disconnect"})) is None


def test_a_body_beside_an_undo_is_part_of_the_request(client: TestClient) -> None:
    shown = answer(client, begin(client, scores=SCORES, rounds=4))
    path, header = f"/v1/sessions/{shown['session_id']}/answers/last", {"idempotency-key": "undo"}
    assert client.request("DELETE", path, json={}, headers=header).status_code == 200
    assert client.request("DELETE", path, json={}, headers=header).status_code == 200
    assert client.delete(path, headers=header).status_code == 422
