"""What a session begins from: users of the log, guests, likes, scores, candidates, exclusions, experiments, time."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from served import answer, begin, folder_beside, served

import magus_pyg as mp
from magus_pyg.agents import BayesState
from magus_pyg.runs import Run, load_run
from magus_pyg.serve.editions import ServedEdition
from magus_pyg.serve.privacy import People
from magus_pyg.serve.serve_options import ArmOptions, ExperimentOptions
from magus_pyg.serve.stores import open_store

ALL = ["m1", "m2", "m3", "c1", "c2", "j1"]


@pytest.fixture(scope="module")
def run(shop_run: Path) -> Run:
    return load_run(shop_run)


@pytest.fixture(scope="module")
def client(run: Run) -> Iterator[TestClient]:
    with served(run, list_length=6, variant="none") as client:
        yield client


def _items(shown: dict[str, Any]) -> list[str]:
    return [entry["item_id"] for entry in shown["entries"] if entry["kind"] == "item"]


def _ranked(run: Run, scores: torch.Tensor) -> list[str]:
    ids = run.graph.vocabulary.item_ids
    return [ids[item] for item in torch.argsort(scores, descending=True, stable=True).tolist()]


def test_a_user_of_the_log_is_not_offered_what_the_log_has_of_them(client: TestClient, run: Run) -> None:
    known = run.known_items("u1")
    shown = begin(client, user_id="u1")
    assert _items(shown) == [item for item in _ranked(run, run.scores("u1")) if item not in known]
    assert 0 < len(known) < 6
    assert _items(begin(client, user_id="u1", exclude=[])) == _ranked(run, run.scores("u1"))
    assert _items(begin(client, user_id="u1", candidates=ALL)) == _ranked(run, run.scores("u1"))
    assert sorted(_items(begin(client, user_id="u1", exclude=["m1"]))) == sorted(ALL[1:])


def test_people_who_are_not_in_the_log_are_guests(client: TestClient, run: Run) -> None:
    guest = _items(begin(client))
    assert guest == _ranked(run, run.scores()) == _items(begin(client, user_id="a new customer"))
    assert _items(begin(client, liked=["c2", "j1"])) == _ranked(run, run.scores(liked=["c2", "j1"]))
    reply = client.post("/v1/sessions", json={"liked": ["c2"], "user_id": "u1"})
    assert (reply.status_code, reply.json()["type"]) == (422, "urn:magus-pyg:data-error")


def test_scores_name_the_candidates(client: TestClient) -> None:
    scores = {"c1": 3, "j1": 1.5, "m2": 2}
    assert _items(begin(client, scores=scores)) == ["c1", "m2", "j1"]
    assert _items(begin(client, scores=scores, candidates=["j1", "c1"])) == ["c1", "j1"]
    assert _items(begin(client, scores=scores, exclude=["c1"])) == ["m2", "j1"]
    reply = client.post("/v1/sessions", json={"scores": scores, "candidates": ["c2"]})
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/scores")


@pytest.mark.parametrize("name", ["liked", "candidates", "exclude"])
def test_unknown_items_are_named_with_their_place(client: TestClient, name: str) -> None:
    reply = client.post("/v1/sessions", json={name: ["m1", "nowhere"]})
    assert reply.status_code == 422
    assert reply.json()["type"] == "urn:magus-pyg:graph-error"
    assert reply.json()["errors"][0]["pointer"] == f"/{name}"
    assert "'nowhere'" in reply.json()["detail"]


@pytest.mark.parametrize("variant", ["none", "base", "bayes"])
@pytest.mark.parametrize("asked", [{}, {"user_id": "u1"}, {"candidates": ALL[:4]}, {"searched": [["milk"]]}])
def test_lists_are_those_of_a_session_in_process(
    client: TestClient, run: Run, variant: str, asked: dict[str, Any]
) -> None:
    shown = begin(client, variant=variant, list_length=2, rounds=4, min_items=0, **asked)
    user, candidates = asked.get("user_id"), asked.get("candidates")
    searched = [["milk"]] if "searched" in asked else None
    session = mp.MagusSession.from_run(run, user, candidates, variant, 4, 2, searched, min_items=0)
    if candidates is None:
        exclude = run.known_items(user) if user else ()
        session = mp.Catalogue.from_run(run, variant).session(run.scores(user), 2, 4, searched, None, exclude, 0)  # type: ignore[assignment]
    while not shown["done"]:
        listed = session.recommend()
        assert [entry["title"] for entry in shown["entries"]] == [entry.title for entry in listed]
        assert [entry["score"] for entry in shown["entries"]] == [entry.score for entry in listed]
        assert [entry["items"] for entry in shown["entries"]] == [session.count_items(entry) for entry in listed]
        place = next((place for place, entry in enumerate(listed) if entry.kind == "query"), None)
        session.feedback(None if place is None else listed[place])
        shown = answer(client, shown, None if place is None else shown["entries"][place]["entry_id"])
    assert session.done


def test_people_stay_in_their_arm(run: Run) -> None:
    arms = {"short": ArmOptions(list_length=2), "long": ArmOptions(list_length=4, variant="bayes", min_items=2)}
    with served(run, list_length=3, experiment=ExperimentOptions("lengths", arms)) as client:
        found = {user: begin(client, user_id=user) for user in map(str, range(30))}
        again = {user: begin(client, user_id=user) for user in found}
        named = [shown["experiment"] for shown in found.values()]
        assert named == [shown["experiment"] for shown in again.values()]
        assert {one["name"] for one in named} == {"lengths"}
        assert {one["arm"] for one in named} == {"short", "long"}
        for shown in found.values():
            assert len(shown["entries"]) == {"short": 2, "long": 4}[shown["experiment"]["arm"]]
        assert len(begin(client, user_id="0", list_length=1, min_items=1, experiment="lengths")["entries"]) == 1
        guests = {begin(client)["experiment"]["arm"] for _ in range(20)}
        assert guests == {"short", "long"}
        reply = client.post("/v1/sessions", json={"experiment": "another"})
        assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/experiment")


def test_a_session_that_nobody_uses_expires(run: Run) -> None:
    clock = [1000.0]
    with served(run, open_store("memory:", lambda: clock[0]), expiry_hours=1.0) as client:
        shown, other = begin(client), begin(client)
        clock[0] += 3000
        answer(client, shown)
        clock[0] += 3000
        assert client.get(f"/v1/sessions/{shown['session_id']}").status_code == 200
        reply = client.get(f"/v1/sessions/{other['session_id']}")
        assert (reply.status_code, reply.json()["type"]) == (410, "urn:magus-pyg:gone-error")
        client.app.state.service.tidy()  # type: ignore[attr-defined]
        assert len(client.app.state.service.live) == 1  # type: ignore[attr-defined]


def test_a_person_is_erased_everywhere(run: Run) -> None:
    with served(run) as client:
        mine, yours = begin(client, user_id="u1"), begin(client, user_id="u2")
        answer(client, mine)
        events = [{"event_id": user, "item_id": "m1", "user_id": user} for user in ("u1", "u2")]
        client.post("/v1/events:batch", json={"events": events})
        assert client.delete("/v1/users/u1").status_code == 204
        assert client.get(f"/v1/sessions/{mine['session_id']}").status_code == 410
        assert client.get(f"/v1/sessions/{yours['session_id']}").status_code == 200
        store = client.app.state.service.store  # type: ignore[attr-defined]
        assert [row.session_id for row in store.read_rows(0, 10)] == [yours["session_id"]]
        assert [event.event_id for event in store.read_events(0, 10)] == ["u2"]


def test_suggestions_are_the_commonest_words_on_offer(client: TestClient) -> None:
    def titles(prefix: str) -> list[tuple[str, int]]:
        reply = client.get("/v1/queries", params={"prefix": prefix})
        return [(one["title"], one["items"]) for one in reply.json()]

    assert titles("") == [
        ("milk", 3), ("price 1.49 to 2.49", 3), ("price 2.99 to 4.99", 3), ("Alpro", 2), ("Kerry", 2), ("Oatly", 2),
        ("cheese", 2), ("barista", 1), ("juice", 1),
    ]  # fmt: skip
    assert titles(" OAT") == [("Oatly", 2)]
    assert titles("x") == titles("milkk") == []
    with served(client.app.state.service.changes.newest.run) as other:  # type: ignore[attr-defined]
        other.post("/v1/items:remove", json={"item_ids": ["m3", "m2"]})
        found = [one["title"] for one in other.get("/v1/queries").json()]
        assert not {"Oatly", "barista"} & set(found)


def test_to_people_a_list_later_is_worth_less_where_the_run_does_not_say_so(run: Run) -> None:
    people = People(folder_beside(run))
    fitted = BayesState(temperature=2.0, discount=0.5)
    eager = replace(run, agent_states={**run.agent_states, "bayes": fitted.tensors()})
    for served_run, discount, expected in ((run, 0.9, 0.9), (run, 1.0, 1.0), (eager, 0.9, 0.5)):
        states = ServedEdition.of_run("one", served_run, people, discount=discount).states
        assert isinstance(states["bayes"], BayesState)
        assert states["bayes"].discount == expected
        assert states["base"] is None
    assert states["bayes"] == fitted
