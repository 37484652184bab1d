"""Words over HTTP: texts of queries in lists, what people write, and chips that can be taken away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from model_endpoint import KEY, Endpoint
from pytest_httpserver import HTTPServer
from served import answer, begin, first_query, served

from magus_pyg.runs import Run, load_run
from magus_pyg.serve.app import create_app
from magus_pyg.serve.languages import Languages
from magus_pyg.serve.serve_options import ServeOptions

LOW = {"field": "price", "value": "price 1.49 to 2.49"}  # of m1, m2 and j1


@pytest.fixture(scope="module")
def run(shop_run: Path) -> Run:
    return load_run(shop_run)


@pytest.fixture(scope="module")
def client(run: Run) -> Iterator[TestClient]:
    with served(run, list_length=3, rounds=3) as client:
        yield client


def test_queries_have_texts_and_items_have_titles(client: TestClient) -> None:
    shown = begin(client, list_length=6)
    for entry in shown["entries"]:
        if entry["kind"] == "query":
            assert entry["text_source"] == "rule"
            assert entry["text"]
            assert entry["question"].endswith("?")
        else:
            assert (entry["text"], entry["question"], entry["text_source"]) == (None, None, None)
    german = begin(client, list_length=6, locale="de-AT")
    assert "„" in first_query(german)["question"]


def test_a_student_sees_low_prices_first_and_can_take_the_chip_away(client: TestClient) -> None:
    """App. D.2 from end to end."""
    scores = {"c1": 1.0, "m3": 0.9, "c2": 0.8, "m1": 0.1, "m2": 0.1, "j1": 0.0}
    shown = begin(client, scores=scores, variant="bayes", min_items=3)
    path = f"/v1/sessions/{shown['session_id']}"
    told = client.post(f"{path}/words", json={"text": "I am a student"}).json()
    assert told["understood"] == [{**LOW, "liked": True, "phrase": "student", "kind": "leaning"}]
    assert told["left_out"] == 0
    assert [entry["item_id"] for entry in shown["entries"]] == ["c1", "m3", "c2"]
    assert sorted(entry["item_id"] for entry in told["entries"]) == ["j1", "m1", "m2"]
    assert client.get(path).json()["history"][-1]["words"] == [LOW]
    gone = client.post(f"{path}/words", json={"words": [LOW], "liked": None}).json()
    assert gone["understood"] == [{**LOW, "liked": None}]
    assert [entry["entry_id"] for entry in gone["entries"]] == [entry["entry_id"] for entry in shown["entries"]]


def test_several_parts_of_a_text_each_on_their_own(client: TestClient) -> None:
    shown = begin(client, variant="base")
    path = f"/v1/sessions/{shown['session_id']}"
    told = client.post(f"{path}/words", json={"text": "cheese, not by kerry, and zzqx"}).json()
    assert [(entry["value"], entry["liked"]) for entry in told["understood"]] == [("cheese", True), ("Kerry", False)]
    assert (told["left_out"], told["not_understood"]) == (1, ["zzqx"])
    history = client.get(path).json()["history"]
    assert [(entry["words"][0]["value"], entry["liked"]) for entry in history] == [("cheese", True), ("Kerry", False)]
    again = client.post(f"{path}/words", json={"words": ["milk"]}).json()
    assert client.delete(f"{path}/answers/last").json()["entries"] == told["entries"] != again["entries"]
    before = client.delete(f"{path}/answers/last").json()  # all parts of the text
    assert client.get(path).json()["history"] == []
    assert before["entries"] == shown["entries"]
    assert answer(client, before)["round"] == 2
    nothing = client.post(f"{path}/words", json={"text": "zzqx"}).json()
    assert (nothing["understood"], nothing["left_out"]) == ([], 1)


def test_a_session_can_begin_with_a_text(client: TestClient) -> None:
    shown = begin(client, text="cheap, please", variant="bayes", min_items=3)
    path = f"/v1/sessions/{shown['session_id']}"
    assert client.get(path).json()["history"][0]["words"] == [LOW]
    assert all(LOW in entry["words"] for entry in shown["entries"])
    assert answer(client, shown)["round"] == 2
    reply = client.post("/v1/sessions", json={"text": "x" * 501})
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/text")
    reply = client.post(f"{path}/words", json={"text": "x" * 501})
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/text")


def test_a_models_texts_over_http(
    run: Run, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    endpoint = Endpoint(httpserver)
    language = endpoint.options(cache=str(tmp_path / "texts.sqlite"))
    options = ServeOptions(store="memory:", folder=str(tmp_path))
    with TestClient(create_app(run, options, language=language)) as client:
        shown = begin(client, list_length=6, locale="de")  # the first page, in English, was made at the start
        assert first_query(shown)["text_source"] == "model"
        again = client.get(f"/v1/sessions/{shown['session_id']}").json()
        assert first_query(again)["text_source"] == "model", "once shown it stays"
        assert first_query(begin(client, list_length=6, locale="de"))["text_source"] == "cache"
        assert first_query(begin(client, list_length=6))["text_source"] == "cache"
        endpoint.answer = lambda purpose, given: "{"
        cheap = begin(client, list_length=6, locale="de", liked=["c1"], exclude=["m1", "m2"])
        assert "rule" in {entry["text_source"] for entry in cheap["entries"]}
        measured = client.get("/metrics").text
        assert 'magus_texts_total{source="model"}' in measured
        assert 'magus_model_answers_total{what="refused",why="invalid JSON"}' in measured


def test_a_language_is_made_once_for_a_graph(run: Run) -> None:
    languages = Languages(None, None, 500)
    assert languages.of(run.graph) is languages.of(run.graph)
    assert not languages.waits
