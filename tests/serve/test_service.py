"""Sessions over HTTP on a shop of six items, worked by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from served import answer, begin, first_query, served

from magus_pyg.runs import Run, load_run
from magus_pyg.serve.api_schemas import ListOut, SessionOut, WordsOut

SCORES = {"m1": 1.0, "m2": 0.75, "m3": 0.5, "c1": 0.25, "c2": 0.0}


@pytest.fixture(scope="module")
def run(shop_run: Path) -> Run:
    return load_run(shop_run)


@pytest.fixture(scope="module")
def client(run: Run) -> Iterator[TestClient]:
    with served(run, list_length=2, rounds=3) as client:
        yield client


def test_the_json_of_a_list_worked_by_hand(client: TestClient) -> None:
    shown = begin(client, scores=SCORES, variant="base")
    ListOut.model_validate(shown, strict=True)
    made = {name: shown.pop(name) for name in ("session_id", "edition", "recommendation_id", "took_ms")}
    ids = [entry.pop("entry_id") for entry in shown["entries"]]
    # Eq. (4): milk has 1 + 0.75 + 0.5 less the rest, 0.25: 2. The lowest query is Kerry: 0 - 2.5. Eq. (6): m1 has
    # (1 + 2.5) / (2 + 2.5).
    assert shown == {
        "round": 1,
        "rounds": 3,
        "done": False,
        "found": None,
        "experiment": None,
        "entries": [
            {
                "kind": "query",
                "item_id": None,
                "title": "milk",
                "words": [{"field": "category", "value": "milk"}],
                "text": "milk",
                "question": "Do you like milk?",
                "text_source": "rule",
                "items": 3,
                "score": 1.0,
            },
            {
                "kind": "item",
                "item_id": "m1",
                "title": "Alpro milk",
                "words": [
                    {"field": "brand", "value": "Alpro"},
                    {"field": "category", "value": "milk"},
                    {"field": "price", "value": "price 1.49 to 2.49"},
                ],
                "text": None,
                "question": None,
                "text_source": None,
                "items": 1,
                "score": 3.5 / 4.5,
            },
        ],
    }
    assert all(isinstance(made[name], str) for name in ("session_id", "edition", "recommendation_id"))
    assert made["took_ms"] > 0
    assert len({*ids, made["recommendation_id"], made["session_id"]}) == 4
    assert not any(entry.isdigit() for entry in ids)


def test_a_click_on_an_item_ends_a_session_and_undo_opens_the_same_list(client: TestClient) -> None:
    shown = begin(client, scores=SCORES)
    (item,) = (entry for entry in shown["entries"] if entry["kind"] == "item")
    found = answer(client, shown, item["entry_id"])
    assert (found["done"], found["found"], found["round"], found["entries"]) == (True, "m1", 1, [])
    assert found["recommendation_id"] is None
    address = f"/v1/sessions/{shown['session_id']}"
    assert client.post(f"{address}/words", json={"words": ["milk"]}).status_code == 409
    again = client.delete(f"{address}/answers/last").json()
    assert {**again, "took_ms": 0} == {**shown, "took_ms": 0}
    assert client.delete(f"{address}/answers/last").status_code == 409


def test_rounds_are_over_after_the_last_answer(client: TestClient) -> None:
    shown = begin(client, scores=SCORES, rounds=2)
    seen: list[str] = []
    while not shown["done"]:
        seen += [entry["entry_id"] for entry in shown["entries"]]
        shown = answer(client, shown)
    assert (shown["round"], shown["found"]) == (2, None)
    assert len(seen) == len(set(seen)) == 4


def test_the_history_of_a_session(client: TestClient) -> None:
    first = begin(client, scores=SCORES, searched=[["cheese"], ["nowhere"]])
    query = first_query(first)
    second = answer(client, first, query["entry_id"])
    told = client.post(
        f"/v1/sessions/{first['session_id']}/words", json={"words": ["Kerry", "nothing"], "liked": False}
    )
    WordsOut.model_validate(told.json(), strict=True)
    assert told.json()["understood"] == [{"field": "brand", "value": "Kerry", "liked": False}]
    assert told.json()["left_out"] == 1
    assert told.json()["round"] == second["round"] == 2
    found = client.get(f"/v1/sessions/{first['session_id']}").json()
    SessionOut.model_validate(found, strict=True)
    assert found["entries"] == told.json()["entries"]
    assert found["searched"] == [[{"field": "category", "value": "cheese"}]]
    assert found["notes"] == ["searched words unknown or ambiguous: 1", "searched queries without a known word: 1"]
    one, two = found["history"]
    assert one["recommendation_id"] == first["recommendation_id"]
    assert [entry["entry_id"] for entry in one["shown"]] == [entry["entry_id"] for entry in first["entries"]]
    assert [entry["title"] for entry in one["shown"]] == [entry["title"] for entry in first["entries"]]
    assert (one["round"], one["clicked"], one["words"], one["liked"]) == (1, query["entry_id"], [], None)
    assert (two["round"], two["clicked"], two["shown"], two["liked"]) == (2, None, [], False)
    assert two["words"] == [{"field": "brand", "value": "Kerry"}]


def test_words_that_were_told_are_taken_back(client: TestClient) -> None:
    shown = begin(client, scores=SCORES)
    address = f"/v1/sessions/{shown['session_id']}/words"
    client.post(address, json={"words": ["cheese", "Kerry"]})
    one = client.post(address, json={"words": ["Kerry"], "liked": None}).json()
    assert one["understood"] == [{"field": "brand", "value": "Kerry", "liked": None}]
    other = begin(client, scores=SCORES)
    two = client.post(f"/v1/sessions/{other['session_id']}/words", json={"words": ["cheese"]}).json()
    assert [entry["score"] for entry in one["entries"]] == [entry["score"] for entry in two["entries"]]
    none = client.post(address, json={"words": ["cheese"], "liked": None}).json()
    assert none["entries"] == shown["entries"]
    assert none["recommendation_id"] == shown["recommendation_id"]


def test_the_same_answer_again_gives_the_same_list_and_another_one_is_refused(client: TestClient) -> None:
    first = begin(client, scores=SCORES)
    query = first_query(first)["entry_id"]
    second = answer(client, first, query)
    third = answer(client, second)
    for given, expected in (({"clicked": query}, second), ({"clicked": query, "not_care": []}, second)):
        assert {**answer(client, first, **given), "took_ms": 0} == {**expected, "took_ms": 0}
    assert {**answer(client, second), "took_ms": 0} == {**third, "took_ms": 0}
    address = f"/v1/sessions/{first['session_id']}/answers"
    for body in ({"clicked": None}, {"clicked": query, "not_care": [first["entries"][1]["entry_id"]]}):
        reply = client.post(address, json={"recommendation_id": first["recommendation_id"], **body})
        assert reply.status_code == 409, reply.text
        assert reply.json()["type"] == "urn:magus-pyg:conflict-error"
    other = begin(client, scores=SCORES)
    reply = client.post(address, json={"recommendation_id": other["recommendation_id"]})
    assert reply.status_code == 409
    now = client.get(f"/v1/sessions/{first['session_id']}").json()
    assert now["recommendation_id"] == third["recommendation_id"]
    assert len(now["history"]) == 2


def test_explanations_are_words_and_sum_to_the_change(client: TestClient) -> None:
    first = begin(client, scores=SCORES)
    query = first_query(first)
    second = answer(client, first, query["entry_id"])
    address = f"/v1/sessions/{first['session_id']}/explanations"
    reasons = client.get(f"{address}/{second['entries'][0]['entry_id']}").json()
    assert [(reason["round"], reason["answer"]) for reason in reasons if reason["answer"] != "scaled"] == [
        (1, "clicked milk"),
        (1, "refused item m1 (Alpro milk)"),
    ]
    assert client.get(f"{address}/{query['entry_id']}").status_code == 200
    assert client.get(f"{address}/nothing").status_code == 404


def test_what_an_answer_names_has_to_be_in_the_list(client: TestClient) -> None:
    shown = begin(client, scores=SCORES)
    query, item = shown["entries"]
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"clicked": "unknown"}, ["/clicked"]),
        ({"clicked": query["entry_id"], "not_care": [query["entry_id"]]}, ["/not_care/0"]),
        ({"not_care": [query["entry_id"], item["entry_id"], "unknown"]}, ["/not_care/1", "/not_care/2"]),
    ]
    for body, pointers in cases:
        address = f"/v1/sessions/{shown['session_id']}/answers"
        reply = client.post(address, json={"recommendation_id": shown["recommendation_id"], **body})
        assert reply.status_code == 422, reply.text
        assert [fault["pointer"] for fault in reply.json()["errors"]] == pointers
    assert client.get(f"/v1/sessions/{shown['session_id']}").json()["history"] == []


def test_a_session_that_was_forgotten_is_gone(client: TestClient) -> None:
    shown = begin(client, scores=SCORES)
    address = f"/v1/sessions/{shown['session_id']}"
    assert client.delete(address).status_code == 204
    for reply in (client.get(address), client.delete(address), client.delete(f"{address}/answers/last")):
        assert (reply.status_code, reply.json()["type"]) == (410, "urn:magus-pyg:gone-error")
    reply = client.get("/v1/sessions/never")
    assert (reply.status_code, reply.json()["type"]) == (404, "urn:magus-pyg:not-there-error")
