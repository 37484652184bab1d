"""Journeys in Chromium: desktop and phone, with and without JavaScript, keyboard alone, and what axe-core finds."""

import importlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pytest
from browsing import DESKTOP, PHONE, Window, axe_findings, browser_of_tests, serving
from run_fixtures import SHOP_WORDS

from magus_pyg.commands.train import main_train
from magus_pyg.runs import Run, load_run
from magus_pyg.serve.serve_options import LimitOptions

BOX = re.compile("What are you looking for|Say more")
SIZES = {"desktop": DESKTOP, "phone": PHONE}
either = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
sizes = pytest.mark.parametrize("size", SIZES)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browser_of_tests() as browser:
        yield browser


@pytest.fixture(scope="module")
def run(tiny_run: Path) -> Run:
    return load_run(tiny_run)


@pytest.fixture(scope="module")
def address(run: Run) -> Iterator[str]:
    with serving(run, list_length=6, rounds=6, variant="bayes") as address:
        yield address


@pytest.fixture
def open_window(browser: Any, address: str) -> Iterator[Callable[..., Window]]:
    opened: list[Window] = []

    def one(**options: Any) -> Window:
        opened.append(Window(browser, address, **options))
        return opened[-1]

    yield one
    for window in opened:
        window.close()


def heading(page: Any) -> str:
    return str(page.locator("h1").inner_text())


@either
@sizes
def test_a_whole_journey(open_window: Callable[..., Window], size: str, script: bool) -> None:
    page = open_window(**SIZES[size], java_script_enabled=script).page
    assert heading(page) == "Find something, even with only a vague idea"
    page.locator(".choose").first.click()
    assert heading(page) == "Does any of these fit?"
    assert page.locator(".chip.wanted").count() == 1
    page.get_by_label(BOX).fill("groceries")
    page.get_by_role("button", name="Search").click()
    assert "groceries" in page.locator(".chips").first.inner_text()
    page.locator("button.tag").first.click()
    chips = page.locator(".chip").count()
    page.locator(".chip").first.click()
    assert page.locator(".chip").count() == chips - 1
    page.get_by_role("button", name="None of these").click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("link", name="Why is").first.click()
    assert heading(page).startswith("Why “")
    page.get_by_role("link", name="Back to the list").click()
    marks = page.get_by_label("Compare ")
    if marks.count() > 1:
        for place in range(2):
            marks.nth(place).check()
        page.get_by_role("button", name="Compare the marked").click()
        assert heading(page) == "2 items side by side"
        page.go_back()
    page.get_by_role("button", name="This is it").first.click()
    assert heading(page).startswith("Found: ")
    page.get_by_role("button", name="Go on looking").click()
    assert heading(page) == "Does any of these fit?"
    page.get_by_role("link", name="Start again").click()
    assert page.locator(".chip").count() == 0
    width = page.evaluate("document.documentElement.scrollWidth") if script else 0
    assert width <= SIZES[size]["viewport"]["width"]  # type: ignore[index]


def test_back_and_forward(open_window: Callable[..., Window]) -> None:
    page = open_window().page
    page.locator(".choose").first.click()
    second = page.locator(".card h3").all_inner_texts()
    page.get_by_role("button", name="None of these").click()
    third = page.locator(".card h3").all_inner_texts()
    page.go_back()
    assert page.locator(".card h3").all_inner_texts() == second
    page.go_forward()
    assert page.locator(".card h3").all_inner_texts() == third
    page.go_back()
    page.locator("button.tag").first.click()  # another answer to the older list
    assert page.url.split("#")[0].endswith("/3")
    assert "More with" in page.locator(".understood").inner_text()
    page.reload()
    assert page.locator(".chip.wanted").count() == 2


def test_two_tabs_are_two_sessions(open_window: Callable[..., Window]) -> None:
    window = open_window()
    one, other = window.page, window.tab()
    one.locator(".choose").first.click()
    other.get_by_role("button", name="None of these").click()
    assert one.url.split("/")[4] != other.url.split("/")[4]
    one.reload()
    assert one.locator(".chip.wanted").count() == 1
    assert other.locator(".chip.wanted").count() == 0


def test_the_keyboard_alone(open_window: Callable[..., Window]) -> None:
    page, expect = open_window().page, importlib.import_module("playwright.sync_api").expect
    focused = "document.activeElement.className + ' ' + document.activeElement.tagName"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "skip A"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "choose BUTTON"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.locator(".matter input").first.is_checked()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/2#list")
    expect(page.locator("#list")).to_be_focused()
    expect(page.locator("#said")).to_contain_text("More with")
    page.keyboard.press("Tab")
    assert page.evaluate(focused) in ("choose BUTTON", "tag BUTTON")
    while page.evaluate("document.activeElement.textContent") != "This is it":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/3#list")
    assert heading(page).startswith("Found: ")


@pytest.mark.parametrize("colours", ["light", "dark"])
@sizes
def test_axe_finds_nothing_on_any_state(open_window: Callable[..., Window], size: str, colours: str) -> None:
    page = open_window(**SIZES[size], color_scheme=colours, reduced_motion="reduce").page
    found: dict[str, list[str]] = {"start": axe_findings(page)}
    page.locator(".choose").first.click()
    page.get_by_label(BOX).fill("groceries, blargh")
    page.keyboard.press("Enter")
    page.wait_for_url("**/3*")
    page.locator(".matter input").first.check()
    found["middle"] = axe_findings(page)
    middle = page.url
    items = [box.get_attribute("value") for box in page.locator(".mark input").all()[:3]]
    page.get_by_role("button", name="None of these").click()
    found["refused"] = axe_findings(page)
    here = page.url.split("#")[0].split("?")[0]
    page.goto(here + "?expert=1")
    found["expert"] = axe_findings(page)
    page.goto(here + "/compare?" + "&".join(f"item={quote(item)}" for item in items))
    found["compare"] = axe_findings(page)
    page.goto(f"{here}/why?entry={quote(items[0])}")
    found["why"] = axe_findings(page)
    page.goto(middle)
    page.get_by_role("button", name="This is it").first.click()
    found["found"] = axe_findings(page)
    page.goto(middle)
    while page.get_by_role("button", name="None of these").count():
        page.get_by_role("button", name="None of these").click()
    found["over"] = axe_findings(page)
    page.context.set_extra_http_headers({"accept-language": "de"})
    page.goto(here.rsplit("/s/", 1)[0])
    found["german"] = axe_findings(page)
    assert {state: faults for state, faults in found.items() if faults} == {}


def test_errors_are_pages_that_axe_likes(browser: Any, address: str) -> None:
    window = Window(browser, address)
    page = window.page
    for path, status in (("/s/nobody/1", 404), ("/s/new/x", 422), ("/nowhere", 404)):
        reply = page.goto(address + path)
        assert reply.status == status
        assert axe_findings(page) == []
        page.get_by_role("link", name="Start again").click()
        assert heading(page).startswith("Find")
    assert all("status of 4" in fault for fault in window.faults)  # Chromium notes each such page itself
    window.faults.clear()
    window.close()


def test_all_targets_can_be_hit_with_a_thumb(open_window: Callable[..., Window]) -> None:
    page = open_window(**PHONE).page
    page.locator(".choose").first.click()
    small = """[...document.querySelectorAll('button, main a, header a, .matter, .mark, summary')]
        .map((at) => [at.textContent.trim(), at.getBoundingClientRect()])
        .filter(([, box]) => box.width && (box.height < 43.5 || box.width < 24))
        .map(([text, box]) => `${text}: ${box.width} x ${box.height}`)"""
    assert page.evaluate(small) == []


def test_an_expired_session_keeps_what_is_typed(run: Run, browser: Any) -> None:
    with serving(run, list_length=6, variant="bayes", expiry_hours=1 / 3600) as address:
        window = Window(browser, address)
        page = window.page
        page.locator(".choose").first.click()
        page.get_by_label(BOX).fill("groceries, not bakery")
        time.sleep(1.1)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="This search has ended").wait_for()
        assert page.get_by_label(BOX).input_value() == "groceries, not bakery"
        page.get_by_label(BOX).fill("groceries")
        page.keyboard.press("Enter")
        page.locator(".chip").wait_for()
        window.faults.clear()  # Chromium notes the page with the status 410
        window.close()


def test_restarted_in_between(run: Run, browser: Any, tmp_path: Path, free_port: Callable[[], int]) -> None:
    options = {
        "list_length": 6,
        "variant": "bayes",
        "store": f"sqlite:{tmp_path / 'serve.sqlite'}",
        "port": free_port(),
    }
    with serving(run, **options) as address:
        window = Window(browser, address)
        window.page.locator(".choose").first.click()
        chosen = window.page.locator(".chip.wanted").inner_text()
        titles = window.page.locator(".card h3").all_inner_texts()
    with serving(run, **options):
        window.page.reload()
        assert window.page.locator(".card h3").all_inner_texts() == titles
        window.page.get_by_role("button", name="None of these").click()
        assert window.page.locator(".chip.wanted").inner_text() == chosen
        window.close()


def test_a_slow_service_is_asked_once(open_window: Callable[..., Window]) -> None:
    window = open_window()
    page, sent = window.page, []

    def slowly(route: Any) -> None:
        sent.append(route.request.url)
        time.sleep(0.9)
        route.continue_()

    page.route("**/answer", slowly)
    page.evaluate("document.querySelector('.choose').click(); document.querySelector('.choose').click()")
    page.wait_for_url("**/2#list")
    assert len(sent) == 1
    assert page.locator("html.busy").count() == 0


def test_suggestions_while_typing(open_window: Callable[..., Window]) -> None:
    page, expect = open_window().page, importlib.import_module("playwright.sync_api").expect
    assert page.locator("#suggestions option").count() > 3
    with page.expect_response("**/suggestions?prefix=bake") as reply:
        page.get_by_label(BOX).press_sequentially("household, bake")
    assert reply.value.status == 200
    expect(page.locator("#suggestions option").first).to_have_attribute("value", "household, bakery")


HOSTILE = {
    "script": "<script>document.title='owned'</script>",
    "markup": "<img src=x onerror=document.title='owned'><b>bold",
    "attribute": '" autofocus onfocus="document.title=1',
    "template": "{{ 7 * 7 }}{% raw %}",
    "address": "javascript:document.title='owned'",
    "direction": "\u202eevil\u2066 \u0007bell",
    "long": "x" * 10_000,
}


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A shop of 1,000 items whose titles, words and columns all want to do something."""
    folder, count = tmp_path_factory.mktemp("hostile"), 1_000
    texts = list(HOSTILE.values())
    pd.DataFrame(
        {
            "item_id": [f"<i>{at}" for at in range(count)],
            "title": [f"{texts[at % len(texts)]} {at}" for at in range(count)],
            "kind": [texts[at % len(texts)][:90] for at in range(count)],
            "brand": [f"brand <{at % 5}>" for at in range(count)],
            "picture": ["//elsewhere.example/x.png"] * count,
        }
    ).to_csv(folder / "items.csv", index=False)
    pd.DataFrame(
        [
            (f"u{user}", f"<i>{(user * 37 + step * 11) % count}", 5 if (user + step) % 3 else 1, step)
            for user in range(30)
            for step in range(6)
        ],
        columns=["user_id", "item_id", "rating", "timestamp"],
    ).to_csv(folder / "interactions.csv", index=False)
    words = [
        "dataset.word_fields=[kind,brand]" if word.startswith("dataset.word_fields") else word for word in SHOP_WORDS
    ]
    words = [word for word in words if "bands" not in word]
    main_train([*words, f"dataset.path={folder}", f"paths.runs={folder / 'runs'}"])
    (path,) = (folder / "runs").glob("*")
    return load_run(path)


@either
def test_text_of_the_data_never_acts(browser: Any, hostile_run: Run, script: bool) -> None:
    with serving(hostile_run, list_length=8, rounds=6, variant="bayes") as address:
        window = Window(browser, address, java_script_enabled=script)
        page = window.page
        page.get_by_label(BOX).fill("<script>document.title='owned'</script> " + "y" * 400)
        page.keyboard.press("Enter")
        page.locator("button.tag").first.click()
        page.goto(page.url.split("#")[0].split("?")[0] + "?expert=1")
        shown = page.content()
        page.goto(page.url.split("?")[0] + '/compare?item="<i>1"&item="<i>2"&item="<i>5"&item="<i>6"')
        assert page.locator("th[scope=col]").count() == 4
        page.goto(page.url.split("/compare")[0] + '/why?entry="<i>0"')
        assert "owned" in heading(page)  # as text
        assert "owned" not in page.title().split("Why")[0]
        assert page.locator("b, script:not([src]), img[onerror], main i, input[autofocus]").count() == 0
        assert "elsewhere.example" not in shown
        assert "\u202e" not in shown
        if script:
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        window.close()


def test_a_thousand_items_in_a_list(browser: Any, hostile_run: Run) -> None:
    limits = LimitOptions(list_length=1_000)
    with serving(hostile_run, list_length=1_000, limits=limits, variant="none", min_items=1_000) as address:
        window = Window(browser, address)
        assert window.page.locator(".card").count() == 1_000
        began = time.perf_counter()
        window.page.get_by_role("button", name="None of these").click()
        window.page.get_by_role("heading", level=1).wait_for()
        assert time.perf_counter() - began < 10
        window.close()
