"""Changes over HTTP and between workers: items added, removed and restored, new runs; sessions that began go on."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from fastapi.testclient import TestClient
from served import answer, begin, served

import magus_pyg as mp
from magus_pyg.errors import GraphError
from magus_pyg.runs import Run, load_run
from magus_pyg.serve.changes import Changes
from magus_pyg.serve.editions import ServedEdition
from magus_pyg.serve.privacy import People
from magus_pyg.serve.stores import open_store

NEW = {
    "item_id": "j2",
    "title": "Oatly juice",
    "brand": " oatly ",
    "category": "juice|new",
    "price": 2.0,
    "image": "j2.jpg",
}
ALL = ["m1", "m2", "m3", "c1", "c2", "j1"]


@pytest.fixture(scope="module")
def run(shop_run: Path) -> Run:
    return load_run(shop_run)


@pytest.fixture
def client(run: Run) -> Iterator[TestClient]:
    with served(run, list_length=3, rounds=4, variant="base") as client:
        yield client


def _done(client: TestClient, reply: Any) -> dict[str, Any]:
    """The job of a reply, when it is over."""
    assert reply.status_code == 202, reply.text
    for _ in range(200):
        job: dict[str, Any] = client.get(f"/v1/jobs/{reply.json()['job_id']}").json()
        if job["state"] in ("done", "failed"):
            return job
        time.sleep(0.02)
    raise AssertionError(f"the job is not done: {job}")


def _items(shown: dict[str, Any]) -> list[str]:
    return [entry["item_id"] for entry in shown["entries"] if entry["kind"] == "item"]


@pytest.mark.parametrize("column", ["department", "category", "kind"])
def test_a_new_item_may_lack_columns_of_a_merged_field(tiny_run: Path, column: str) -> None:
    run = load_run(tiny_run)
    (field,) = run.graph.settings.merge_fields
    assert field == ("category", ("department", "category", "kind"))
    row = {"item_id": "new", "title": "A new item", column: "clothing", "age": 3}
    with served(run, variant="base") as client:
        job = _done(client, client.post("/v1/items:batch", json={"items": [row]}))
        assert job["state"] == "done", job
        found = client.get("/v1/items/new").json()
        columns = client.app.state.screens.data.columns("new")  # type: ignore[attr-defined]
    assert found["words"] == [{"field": "category", "value": "clothing"}]
    assert found["columns"] == {"age": 3}
    assert columns == {"age": "3"}


def test_items_that_were_added_are_cleaned_and_shown_by_sessions_that_begin_then(client: TestClient, run: Run) -> None:
    before = begin(client, variant="none", list_length=7)
    job = _done(client, client.post("/v1/items:batch", json={"items": [NEW]}))
    assert (job["kind"], job["state"], job["done"], job["total"]) == ("items:batch", "done", 1, 1)
    assert client.get("/v1/items/j2").json() == {
        "item_id": "j2",
        "title": "Oatly juice",
        "words": [
            {"field": "brand", "value": "Oatly"},
            {"field": "category", "value": "juice"},
            {"field": "category", "value": "new"},
            {"field": "price", "value": "price 1.49 to 2.49"},
        ],
        "on_offer": True,
        "columns": {"price": 2.0, "image": "j2.jpg"},
    }
    assert client.get("/v1/items/m2").json()["columns"] == {"price": "2.49", "image": "m2.jpg"}
    after = begin(client, variant="none", list_length=7)
    assert sorted(_items(after)) == sorted([*ALL, "j2"])
    assert job["detail"]["edition"] == after["edition"] != before["edition"]
    went_on = client.get(f"/v1/sessions/{before['session_id']}").json()
    assert went_on["edition"] == before["edition"]
    assert went_on["entries"] == before["entries"]
    # Scores of new items: the mean over its words of the mean of the old items that have them.
    scores = dict(zip(run.graph.vocabulary.item_ids, run.scores().tolist(), strict=True))
    words = {
        "Oatly": ["m2", "m3"], "juice": ["j1"], "price 1.49 to 2.49": ["m1", "m2", "j1"],
    }  # fmt: skip
    means = [sum(scores[item] for item in items) / len(items) for items in words.values()]
    edition = client.app.state.service.changes.newest  # type: ignore[attr-defined]
    from magus_pyg.serve.session_start import Person

    assert edition.scores(Person()).tolist() == pytest.approx([*run.scores().tolist(), sum(means) / 3])


@pytest.mark.parametrize(
    ("rows", "pointer"),
    [
        ([{"brand": "Oatly"}], "/items/0/item_id"),
        ([{**NEW, "item_id": "m1"}], "/items/0/item_id"),
        ([NEW, NEW], "/items/1/item_id"),
        ([{**NEW, "item_id": True}], "/items/0/item_id"),
        ([{**NEW, "brand": {"a": 1}}], "/items/0/brand"),
        ([{**NEW, "brand": [["a"]]}], "/items/0/brand"),
        ([], "/items"),
    ],
)
def test_rows_that_cannot_be_used(client: TestClient, rows: list[dict[str, Any]], pointer: str) -> None:
    reply = client.post("/v1/items:batch", json={"items": rows})
    assert reply.status_code == 422, reply.text
    assert [fault["pointer"] for fault in reply.json()["errors"]] == [pointer]


def test_a_bad_batch_fails_alone_and_is_not_tried_again(
    client: TestClient, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = client.post("/v1/items:batch", json={"items": [{**NEW, "item_id": "x", "price": "cheap"}]})
    good = client.post("/v1/items:batch", json={"items": [NEW]})
    job = _done(client, bad)
    assert job["state"] == "failed"
    assert "cheap" in job["detail"]["error"]
    assert _done(client, good)["state"] == "done"
    assert client.get("/v1/items/x").status_code == 404
    assert client.get("/v1/items/j2").status_code == 200
    tried: list[str] = []
    extended = ServedEdition.extended

    def told(edition: ServedEdition, name: str, rows: Any) -> Any:
        tried.extend(row["item_id"] for row in rows)
        return extended(edition, name, rows)

    monkeypatch.setattr(ServedEdition, "extended", told)
    service = client.app.state.service  # type: ignore[attr-defined]
    late = Changes(run, service.people, service.store)
    late.begin()
    assert (tried, list(late.rows)) == (["j2"], ["j2"])
    assert late.newest.name == service.changes.newest.name.rpartition(".")[0] + f".{late.number}"


@pytest.mark.parametrize("path", ["items:batch", "items:remove", "runs:reload", "events:batch"])
def test_the_same_key_gives_the_same_reply_and_one_effect(client: TestClient, path: str) -> None:
    bodies: dict[str, list[dict[str, Any]]] = {
        "items:batch": [{"items": [NEW]}, {"items": [{**NEW, "item_id": "j3"}]}],
        "items:remove": [{"item_ids": ["m1"]}, {"item_ids": ["m2"]}],
        "runs:reload": [{}, {"run": None}],
        "events:batch": [{"events": [{"event_id": name, "item_id": "m1"}]} for name in "ab"],
    }
    first, other = bodies[path]

    def sent(body: dict[str, Any], key: str | None) -> Any:
        header = {} if key is None else {"idempotency-key": key}
        return client.post(f"/v1/{path}", json=body, headers=header)

    replies = [sent(first, "one") for _ in range(3)]
    assert {reply.status_code for reply in replies} == {200 if path == "events:batch" else 202}, replies[0].text
    store = client.app.state.service.store  # type: ignore[attr-defined]
    if path == "events:batch":
        assert [reply.json() for reply in replies] == [{"new": 1, "known": 0}] * 3
        assert (sent(first, None).json(), sent(first, "two").json()) == ({"new": 0, "known": 1},) * 2
        assert len(store.read_events(0, 9)) == 1
    else:
        assert len({reply.json()["job_id"] for reply in replies}) == 1
        assert _done(client, replies[0])["state"] == "done"
        kinds = [logged.change["kind"] for logged in store.changes_since(0)]
        assert len([kind for kind in kinds if kind != "edition"]) == 1
    refused = sent(other, "one")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#header/idempotency-key")


def test_removed_items_are_not_shown_any_more_by_any_session(client: TestClient) -> None:
    sessions = [begin(client, variant=variant) for variant in ("none", "base", "bayes")]
    sessions.append(begin(client, candidates=ALL[:5]))
    sessions.append(begin(client, scores={item: float(place) for place, item in enumerate(ALL)}))
    gone = ALL[1:4]
    assert _done(client, client.post("/v1/items:remove", json={"item_ids": gone}))["state"] == "done"
    assert client.get("/v1/items/m2").json()["on_offer"] is False
    for shown in sessions:
        listed = client.get(f"/v1/sessions/{shown['session_id']}").json()
        while not listed["done"]:
            assert not set(_items(listed)) & set(gone), listed
            assert not any(entry["title"] == "barista" for entry in listed["entries"]), "no item on offer has it"
            listed = answer(client, listed)
    assert not set(_items(begin(client, list_length=6, variant="none"))) & set(gone)
    _done(client, client.post("/v1/items:restore", json={"item_ids": ["m2"]}))
    assert "m2" in _items(begin(client, list_length=6, variant="none"))
    reply = client.post("/v1/items:remove", json={"item_ids": ["m1", "nowhere"]})
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/item_ids/1")


def test_an_answer_to_a_list_with_an_item_that_was_removed_since_counts(client: TestClient) -> None:
    shown = begin(client, variant="none")
    _done(client, client.post("/v1/items:remove", json={"item_ids": _items(shown)[:1]}))
    after = answer(client, shown)
    assert after["round"] == 2
    assert not set(_items(after)) & set(_items(shown))
    found = client.get(f"/v1/sessions/{shown['session_id']}").json()
    assert [entry["item_id"] for entry in found["history"][0]["shown"]] == _items(shown)


def test_all_items_removed_is_told_plainly(client: TestClient) -> None:
    shown = begin(client)
    _done(client, client.post("/v1/items:remove", json={"item_ids": ALL}))
    for reply in (client.post("/v1/sessions", json={}), client.get(f"/v1/sessions/{shown['session_id']}")):
        assert reply.status_code == 422, reply.text
        assert reply.json()["type"] == "urn:magus-pyg:session-error"


def test_a_new_run_is_taken_up_and_sessions_that_began_go_on(
    client: TestClient, run: Run, shop_run: Path, tmp_path: Path
) -> None:
    shown = begin(client, user_id="u1")
    _done(client, client.post("/v1/items:batch", json={"items": [NEW]}))
    _done(client, client.post("/v1/items:remove", json={"item_ids": ["m1"]}))
    other = tmp_path / "other"
    import shutil

    shutil.copytree(shop_run, other, ignore=shutil.ignore_patterns("serve"))
    job = _done(client, client.post("/v1/runs:reload", json={"run": str(other)}))
    assert (job["kind"], job["state"]) == ("runs:reload", "done")
    now = begin(client, list_length=8, variant="none")
    assert now["edition"].startswith("other-")
    assert sorted(_items(now)) == sorted([*ALL[1:], "j2"])
    after = answer(client, shown)
    assert after["edition"] == shown["edition"] or "m1" in _items(shown)
    reply = client.post("/v1/runs:reload", json={"run": str(tmp_path / "nowhere")})
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/run")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "run.json").write_text("{}")
    assert _done(client, client.post("/v1/runs:reload", json={"run": str(broken)}))["state"] == "failed"
    assert begin(client)["edition"] == now["edition"]


def test_workers_that_play_the_same_changes_have_the_same_editions(run: Run, tmp_path: Path) -> None:
    store, people = open_store("memory:"), People(tmp_path)
    one, two = (Changes(run, people, store) for _ in range(2))
    one.write({"kind": "add", "key": "item_id", "rows": [NEW]}, one.new_job("items:batch", 1))
    one.catch_up()
    assert one.waits
    one.write({"kind": "remove", "item_ids": ["m2"]}, one.new_job("items:remove", 1))
    two.catch_up(close=True)
    one.catch_up(close=True)
    one.write({"kind": "add", "key": "item_id", "rows": [{**NEW, "item_id": "j3"}]}, one.new_job("items:batch", 1))
    two.catch_up(close=True)
    one.catch_up()
    late = Changes(run, people, store)
    late.begin()
    assert one.newest.name == two.newest.name == late.newest.name
    for changes in (one, two, late):
        assert list(changes.newest.graph.vocabulary.item_ids) == [*ALL, "j2", "j3"]
        assert changes.newest.off == {"m2"}
        removed = changes.newest.catalogue("base").removed
        assert removed is not None
        assert removed.tolist() == [False, True, False, False, False, False, False, False]
    joined = mp.Catalogue(late.newest.graph).graph
    assert mp.words_of(joined, 7) == mp.words_of(joined, 6)


def test_editions_are_let_go_of_when_their_sessions_are_over(run: Run, tmp_path: Path) -> None:
    clock = [1000.0]
    changes = Changes(run, People(tmp_path), open_store("memory:", lambda: clock[0]))
    first = changes.newest
    changes.write({"kind": "remove", "item_ids": ["m2"]}, changes.new_job("items:remove", 1))
    changes.catch_up()
    assert changes.find(first.name) is first
    clock[0] += 50
    changes.tidy(clock[0] - 60)
    assert changes.find(first.name) is first
    changes.tidy(clock[0] - 40)
    assert changes.find(first.name) is changes.newest is changes.find(changes.newest.name)


def test_what_failed_in_one_worker_and_worked_in_another_is_taken_up_by_later_ones(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, people = open_store("memory:"), People(tmp_path)
    one, two = (Changes(run, people, store) for _ in range(2))
    job = one.new_job("items:batch", 1)
    one.write({"kind": "add", "key": "item_id", "rows": [NEW]}, job)
    with monkeypatch.context() as short:
        short.setattr(ServedEdition, "extended", Mock(side_effect=GraphError("too little memory")))
        one.catch_up(close=True)
    assert store.load_job(job.job_id).state == "failed"  # type: ignore[union-attr]
    two.catch_up(close=True)
    assert store.load_job(job.job_id).state == "done"  # type: ignore[union-attr]
    late = Changes(run, people, store)
    late.begin()
    assert list(late.rows) == list(two.rows) == ["j2"]


def test_replies_to_events_of_before_are_given_again(client: TestClient) -> None:
    body, header = {"events": [{"event_id": "e", "item_id": "m1"}]}, {"idempotency-key": "old"}
    store = client.app.state.service.store  # type: ignore[attr-defined]
    assert client.post("/v1/events:batch", json=body, headers=header).json() == {"new": 1, "known": 0}
    found = store.find_reply
    store.find_reply = lambda scope, key: replace(found(scope, key), body='{"new": 3, "known": 2}')
    try:
        assert client.post("/v1/events:batch", json=body, headers=header).json() == {"new": 3, "known": 2}
    finally:
        del store.find_reply
