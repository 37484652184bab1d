"""The client: it sends again what did not get through, reads what a later service sends, and raises what was raised."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from magus_pyg.errors import AccessError, BusyError, ConflictError, InputError, LimitError, MagusError
from magus_pyg.serve import client_calls
from magus_pyg.serve.client import AsyncMagusClient, MagusClient

LIST: dict[str, Any] = {
    "session_id": "s",
    "edition": "e.0",
    "round": 1,
    "rounds": 3,
    "done": False,
    "found": None,
    "recommendation_id": "r",
    "experiment": None,
    "took_ms": 1.0,
    "what_is_new": 1,
    "entries": [
        {
            "entry_id": "a",
            "kind": "item",
            "item_id": "m1",
            "title": "milk",
            "words": [{"field": "brand", "value": "Oatly"}],
            "items": 1,
            "score": 0.5,
            "what_is_new": 2,
        }
    ],
}


def faked(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response], **options: Any
) -> MagusClient:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    client = MagusClient("http://shop", **options)
    client._http = httpx.Client(base_url="http://shop", transport=httpx.MockTransport(answer))
    return client


@pytest.mark.parametrize("cell", [float("nan"), float("inf"), object(), "\ud800"], ids=["nan", "inf", "object", "half"])
def test_what_json_cannot_hold_is_an_error_of_the_package(monkeypatch: pytest.MonkeyPatch, cell: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing is to be sent")

    with pytest.raises(InputError, match="POST /v1/items:batch: this cannot be sent as JSON: "):
        faked(monkeypatch, answer).add_items([{"item_id": "a", "price": cell}])
    with pytest.raises(InputError, match="POST /v1/sessions: this cannot be sent as JSON: "):
        asyncio.run(AsyncMagusClient("http://shop").begin(liked=[cell]))


def test_a_write_is_sent_again_with_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            raise httpx.ReadError("cut off")
        return httpx.Response(503 if len(keys) == 2 else 201, json=LIST, headers={"Retry-After": "1"})

    shown = faked(monkeypatch, answer).begin(user_id="u1", locale=None)
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert (shown.session_id, shown.entries[0].words[0].value) == ("s", "Oatly")


def test_who_cannot_be_reached_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        tries.append(request.url.path)
        raise httpx.ConnectError("refused")

    with pytest.raises(BusyError, match="GET /v1/queries: the service cannot be reached"):
        faked(monkeypatch, answer, tries=3).suggest("oat milk")
    assert len(tries) == 3


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (409, "conflict-error", ConflictError),
        (422, "input-error", InputError),
        (401, "access-error", AccessError),
        (429, "limit-error", LimitError),
        (500, "magus-error", MagusError),
        (418, "annotations", MagusError),
        (502, "", MagusError),
    ],
)
def test_what_is_refused_is_raised(status: int, name: str, kind: type[MagusError]) -> None:
    body = {"type": f"urn:magus-pyg:{name}", "detail": "why", "errors": [{"pointer": "/a", "detail": "b"}]}
    error = client_calls.error_of(status, body, "3")
    assert type(error) is kind
    assert str(error) == "why"
    assert getattr(error, "faults", (("/a", "b"),)) == (("/a", "b"),)
    assert getattr(error, "retry_after", 3.0) == 3.0


def test_ids_are_quoted_in_addresses() -> None:
    assert client_calls.item("a/b?c").path == "/v1/items/a%2Fb%3Fc"
    assert client_calls.suggest("a&b").path == "/v1/queries?prefix=a%26b"


def test_both_clients_have_the_same_methods() -> None:
    names = [{name for name in dir(kind) if not name.startswith("_")} for kind in (MagusClient, AsyncMagusClient)]
    assert names[0] == names[1]


def test_the_client_for_event_loops_waits_for_a_job() -> None:
    states = iter(["waiting", "running", "done"])

    def answer(request: httpx.Request) -> httpx.Response:
        job = {"job_id": "j", "kind": "items:batch", "state": next(states), "done": 0, "total": 1, "detail": {}}
        return httpx.Response(202, json=job)

    async def play() -> str:
        async with AsyncMagusClient("http://shop") as magus:
            magus._http = httpx.AsyncClient(base_url="http://shop", transport=httpx.MockTransport(answer))
            return (await magus.wait_for(await magus.add_items([{"item_id": "x"}]))).state

    assert asyncio.run(play()) == "done"


def test_neither_torch_nor_fastapi_is_needed() -> None:
    code = "import sys, magus_pyg.serve.client; print({'torch', 'fastapi', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
