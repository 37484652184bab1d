"""The page over HTTP, without a browser: every address, forms as they stand in it, and everything that may be wrong."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from page_forms import Seen, Visit
from served import served

from magus_pyg.runs import Run, load_run
from magus_pyg.serve.editions import ServedEdition

MILK, ALPRO = '[["category","milk"]]', '[["brand","Alpro"]]'


@pytest.fixture(scope="module")
def run(shop_run: Path) -> Run:
    return load_run(shop_run)


@pytest.fixture(scope="module")
def client(run: Run) -> Iterator[TestClient]:
    with served(run, list_length=4, rounds=3, variant="bayes") as client:
        yield client


@pytest.fixture(scope="module")
def large(tiny_run: Path) -> Iterator[TestClient]:
    """Of the synthetic shop, whose lists have queries."""
    with served(load_run(tiny_run), list_length=6, rounds=3, variant="bayes") as client:
        yield client


def test_the_start_page_has_a_list_and_begins_no_session(client: TestClient) -> None:
    visit = Visit(client)
    assert visit.reply.status_code == 200
    seen = visit.seen
    assert len(seen.all("h1")) == len(seen.all("main")) == 1
    assert seen.items
    assert len(seen.items) + len(seen.queries) == 4
    assert visit.here == "/s/new/1"
    assert client.app.state.service.store.open_sessions() == 0  # type: ignore[attr-defined]
    assert "Undo" not in seen.texts


def test_the_first_list_is_made_before_anybody_asks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(run, list_length=4, variant="bayes") as client:
        begun, offered = [], ServedEdition.begin
        monkeypatch.setattr(ServedEdition, "begin", lambda *given: begun.append(given) or offered(*given))
        before = Visit(client).seen.items
        assert begun == []
        changes = client.app.state.service.changes  # type: ignore[attr-defined]
        changes._set(changes.newest.offering("next", [json.loads(before[0])], removed=True))
        assert len(begun) == 1
        assert before[0] not in Visit(client).seen.items
        assert len(begun) == 1


def test_headers_and_cookie(client: TestClient) -> None:
    reply = Visit(client).reply
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    cookie = reply.headers["set-cookie"]
    assert re.fullmatch(
        r"magus=[\w-]{16}\.[\w-]{32}; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax", cookie
    )  # a visitor and a token, nothing else
    assert "set-cookie" not in client.get("/", headers={"accept": "text/html"}).headers
    assert not re.search(r"<script(?! src=)|\son\w+=|style=|<style", reply.text)


def test_a_journey_by_forms(large: TestClient) -> None:
    visit = Visit(large)
    query = visit.seen.queries[0]
    visit.send("answer", click=query)
    assert visit.reply.url.path.endswith("/2")
    assert visit.seen.chips == [query]
    words = " ".join(value for _, value in json.loads(query))
    assert f"More with {words}." in visit.seen.text
    assert "List 2 of at most 3" in visit.seen.text
    item = visit.seen.items[0]
    visit.send("answer", click=item)
    assert "Found: " in visit.reply.text
    assert "It took 2 lists." in visit.seen.text
    assert f"More with {words}." in visit.seen.texts
    visit.send("on")
    assert visit.seen.chips  # what was said goes on
    assert item not in visit.seen.items


def test_words_are_said_and_taken_back(client: TestClient) -> None:
    visit = Visit(client)
    visit.send("words", text="milk")
    assert visit.seen.chips == [MILK]
    visit.send("words", more=ALPRO)
    assert visit.seen.chips == [ALPRO, MILK]
    assert "More with Alpro." in visit.seen.text
    visit.send("retract", words=MILK)
    assert visit.seen.chips == [ALPRO]
    visit.send("undo")
    assert visit.seen.chips == []
    assert visit.here.endswith("/1")


def test_a_click_is_taken_back_by_its_chip(large: TestClient) -> None:
    visit = Visit(large)
    visit.send("answer", click=visit.seen.queries[0])
    visit.send("answer", click="")
    chips = visit.seen.chips
    wanted = next(chip for chip in visit.seen.all("button", name="words") if chip["class"].split()[-1] == "wanted")
    visit.send("retract", words=wanted["value"])
    assert visit.seen.chips == [chip for chip in chips if chip != wanted["value"]]
    assert visit.here.endswith("/3")


def test_none_of_these_and_does_not_matter(large: TestClient) -> None:
    visit = Visit(large)
    queries = visit.seen.queries
    visit.send("answer", click="", not_care=queries[0])
    assert "does not matter" in visit.seen.text
    kinds = {chip["value"]: chip["class"].split()[-1] for chip in visit.seen.all("button", name="words")}
    assert kinds == {queries[0]: "careless"} | dict.fromkeys(queries[1:], "unwanted")


def test_an_older_list_is_answered_anew(client: TestClient) -> None:
    """Back twice and another answer: what followed is undone, and forward leads nowhere."""
    visit = Visit(client)
    visit.send("answer", click="")
    second = visit.reply
    old = Seen(second.text)
    visit.send("answer", click="")
    third = visit.here
    visit.reply = second
    assert visit.get(second.url.path).text.count("<article") == second.text.count("<article")
    assert visit.seen.items == old.items
    visit.send("words", path=second.url.path, more=MILK)
    assert visit.here == third
    assert visit.seen.chips[0] == MILK
    ahead = visit.get(third[:-1] + "9")
    assert ahead.status_code == 200
    assert "That answer was taken back" in visit.seen.text


def test_the_same_answer_twice_counts_once(client: TestClient) -> None:
    visit = Visit(client)
    visit.send("answer", click="")
    where, first = visit.here, visit.reply
    for _ in range(2):
        visit.reply = first
        visit.send("answer", path=where, click="")
        assert visit.here == where[:-1] + "3"


def test_two_windows_are_two_sessions(client: TestClient) -> None:
    visit = Visit(client)
    first = visit.reply
    visit.send("answer", click="")
    one = visit.here
    visit.reply = first
    visit.send("answer", path="/s/new/1", click="")
    assert visit.here.split("/")[2] != one.split("/")[2]


def test_items_side_by_side(client: TestClient) -> None:
    visit = Visit(client)
    visit.send("words", more=MILK)
    text = visit.get(f'{visit.here}/compare?item="m1"&item="m2"&item=x&item=["a"]').text
    seen = visit.seen
    assert [th["scope"] for th in seen.all("th")][:2] == ["col", "col"]
    differing = re.findall(r'<tr class="differs"><th scope="row">(\w+)', text)
    assert "brand" in differing
    assert "category" not in differing
    assert len(seen.all("button", name="click")) == 2
    visit.get(visit.here + '/compare?item="m1"')
    assert "Mark two to four items" in visit.seen.text
    everything = "&".join(f'item="{item}"' for item in ("m1", "m2", "m3", "c1", "c2"))
    visit.get(f"/s/new/1/compare?{everything}")
    assert len(visit.seen.all("th", scope="col")) == 4
    assert "the first four" in visit.seen.text


def test_why(large: TestClient) -> None:
    visit = Visit(large)
    visit.send("answer", click=visit.seen.queries[0])
    where, item = visit.here, visit.seen.items[0]
    assert visit.get(f"{where}/why?entry={quote(item)}").status_code == 200
    assert "You chose" in visit.seen.text
    visit.get(f"{where[:-1]}1/why?entry={quote(item)}")
    assert "By the base scores alone" in visit.seen.text


def test_the_experts_see_the_graph(large: TestClient) -> None:
    visit = Visit(large)
    visit.send("answer?expert=1", click="")
    assert "expert=1" in str(visit.reply.url)
    assert len(visit.seen.all("svg", **{"class": "graph"})) == 2
    assert "List 2, open now" in visit.seen.text
    assert visit.get("/?expert=1").text.count('class="graph"') == 1


def test_german(client: TestClient) -> None:
    visit = Visit(client, "de-AT,de;q=0.9,en;q=0.5")
    assert visit.seen.all("html") == [{"lang": "de"}]
    assert "Was suchen Sie?" in visit.reply.text
    visit.send("answer", click="")
    assert "Liste 2 von höchstens 3" in visit.seen.text


def test_when_the_lists_are_used_up(client: TestClient) -> None:
    visit = Visit(client)
    visit.send("words", more=MILK)
    for _ in range(3):
        visit.send("answer", click="")
    assert "Nothing found yet" in visit.seen.text
    visit.send("on")
    assert visit.seen.items
    assert MILK in visit.seen.chips


def test_words_that_no_item_has(client: TestClient) -> None:
    visit = Visit(client)
    visit.send("words", text='<script>alert("x")</script>')
    assert visit.reply.status_code == 200
    assert "<script>alert" not in visit.reply.text
    assert "Not understood" in visit.seen.text
    assert visit.seen.all("input", name="text")[0]["value"] == '<script>alert("x")</script>'  # nothing typed is lost
    assert "unread" not in str(visit.reply.url)  # an address that could carry any text
    assert "Not understood" not in visit.get(str(visit.reply.url)).text  # it is said once
    empty = visit.send("words", text="  ")
    assert empty.status_code == 200


def test_words_that_begin_as_what_was_not_understood(client: TestClient) -> None:
    visit = Visit(client)
    visit.send("words", text="mil, not alp")
    seen = visit.seen
    assert "Perhaps you mean" in seen.text
    assert [button["value"] for button in seen.all("button", form="answer", name="more")] == [MILK]  # no word for a no
    visit.send("words", more=MILK)
    assert MILK in visit.seen.chips
    assert "Perhaps you mean" not in visit.seen.text


def test_undo_takes_back_all_of_a_text(client: TestClient) -> None:
    visit = Visit(client)
    visit.send("answer", click="")
    before = visit.seen.items
    visit.send("words", text="milk, not Alpro")
    assert visit.here.endswith("/3")
    assert {MILK, ALPRO} <= set(visit.seen.chips)
    assert "More with milk; less with Alpro." in visit.seen.text
    visit.send("undo")
    assert visit.seen.items == before
    assert not {MILK, ALPRO} & set(visit.seen.chips)


def test_it_is_said_that_nothing_fits(client: TestClient) -> None:
    visit = Visit(client)
    visit.send("words", text="milk")
    assert "No item fits" not in visit.seen.text
    visit.send("words", text="cheese")
    assert "No item fits all that you said: these come nearest. It would be " in visit.seen.text
    assert visit.seen.items


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/s/nobody/1/answer", {}, 404),
        ("/s/new/1/answer", {"click": '"m99"'}, 422),
        ("/s/new/1/answer", {"click": "{"}, 422),
        ("/s/new/1/answer", {"click": "[" * 5000}, 422),
        ("/s/new/1/retract", {"words": "[]"}, 422),
        ("/s/new/1/words", {"more": '[["x"]]'}, 422),
        ("/s/new/1/words", {"text": "a" * 10_000}, 422),
        ("/s/new/0/answer", {}, 422),
        ("/s/new/x/answer", {}, 422),
        ("/s/new/1/nothing", {}, 404),
    ],
)
def test_each_error_is_a_page_with_a_way_on(client: TestClient, path: str, fields: dict[str, str], status: int) -> None:
    visit = Visit(client)
    where, what = path.rsplit("/", 1)
    reply = visit.send(what, path=where, **fields)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    seen = visit.seen
    assert len(seen.all("h1")) == 1
    assert seen.all("a", href="/")
    if "text" in fields:
        assert seen.all("input", name="text")[0]["value"] == fields["text"]


def test_a_form_without_its_token_can_be_sent_again(client: TestClient) -> None:
    visit = Visit(client)
    visit.client.cookies.clear()
    reply = visit.send("words", text="milk & cheese")
    assert reply.status_code == 403
    again = visit.seen.all("input", type="hidden", name="text")
    assert [field["value"] for field in again] == ["milk & cheese"]
    assert visit.send("words", path="/s/new/1", text="milk").status_code == 200


def test_a_session_that_ended(client: TestClient) -> None:
    visit = Visit(client)
    visit.send("answer", click="")
    where = visit.here
    client.delete(f"/v1/sessions/{where.split('/')[2]}")
    assert visit.send("words", path=where, text="oat, not Oatly").status_code == 410
    assert visit.seen.all("input", name="text")[0]["value"] == "oat, not Oatly"
    assert visit.here == "/s/new/1"


def test_programs_get_problem_details(client: TestClient) -> None:
    reply = client.get("/s/nobody/1", headers={"accept": "*/*"})
    assert (reply.status_code, reply.headers["content-type"]) == (404, "application/problem+json")


def test_own_files(client: TestClient) -> None:
    page = Visit(client).reply.text
    sizes = [len(page)]
    for address in re.findall(r'(?:href|src)="(/page/[^"]+)"', page):
        reply = client.get(address)
        assert reply.status_code == 200
        assert "immutable" in reply.headers["cache-control"]
        sizes.append(len(reply.content))
    assert sum(sizes) < 60_000
    assert client.get("/page/none.css").status_code == 404
    assert client.get("/page/..%2Flabels.py").status_code == 404


def test_behind_a_path_of_a_proxy(run: Run) -> None:
    with served(run, list_length=4, variant="bayes") as client:
        client.app.root_path = "/shop"  # type: ignore[attr-defined]
        visit = Visit(client)
        assert visit.here == "/shop/s/new/1"
        assert not re.findall(r'(?:href|src|action)="/(?!shop/)', visit.reply.text)
