"""The site: it is built without a warning, no link is broken, no page asks another host, and axe finds nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from browsing import DESKTOP, Window, axe_findings, browser_of_tests
from repository import ROOT

pytest.importorskip("mkdocs", reason="needs the extra [docs]")

PHONE = {"viewport": {"width": 390, "height": 800}, "is_mobile": True, "has_touch": True}
MAIN = ["", "idea/", "start/", "page/", "notebooks/small_study/", "api/nn/"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


class Links(HTMLParser):
    """Where a page leads (`links`), what it loads (`loads`), its anchors, and its pictures without a text."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.wordless: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.anchors.add(str(found["id"]))
        if tag == "a" and found.get("href") is not None:
            self.links.append(str(found["href"]))
        elif tag == "link" and found.get("rel") not in ("canonical", "prev", "next"):
            self.loads.append(str(found["href"]))
        elif found.get("src"):
            self.loads.append(str(found["src"]))
        if tag == "img" and not found.get("alt"):
            self.wordless.append(str(found.get("src")))


def test_no_link_is_broken_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = {path: Links(path) for path in sorted(site.rglob("*.html"))}
    assert len(pages) > 15
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # its links are those of the site's root
        for link in [*page.links, *page.loads]:
            if urlsplit(link).scheme in ("http", "https", "mailto") and link in page.links:
                continue
            place, anchor = urldefrag(unquote(link))
            target = (path.parent / place).resolve() if place else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_relative_to(site) or not target.is_file():
                broken.append(f"{path.relative_to(site)}: {link}")
            elif anchor and target in pages and anchor not in pages[target].anchors:
                broken.append(f"{path.relative_to(site)}: {link} (no such anchor)")
        broken += [f"{path.relative_to(site)}: {source} has no text" for source in page.wordless]
    assert broken == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browser_of_tests() as found:
        yield found


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_main_pages_in_a_browser(browser: Any, address: str, size: dict[str, Any]) -> None:
    """No request to another host, no error, nothing that axe finds, nothing wider than the window; light and dark."""
    found = {}
    for colours in ("light", "dark"):
        window = Window(browser, address, **size, color_scheme=colours, reduced_motion="reduce")
        for page in MAIN if colours == "light" else [*MAIN[:2], MAIN[-1]]:  # the last has code and formulas
            window.page.goto(address + page)
            window.page.wait_for_selector("article h1")
            window.page.wait_for_load_state("load")
            found[f"{page} {colours}"] = axe_findings(window.page)
            wide = window.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, page
        window.close()
    assert {page: faults for page, faults in found.items() if faults} == {}


def test_the_search_finds_a_page(browser: Any, address: str) -> None:
    window = Window(browser, address)
    window.page.fill("input.md-search__input", "belief")
    window.page.wait_for_selector(".md-search-result__link")
    assert any(
        "bayes" in (link.get_attribute("href") or "")
        for link in window.page.query_selector_all("a.md-search-result__link")
    )
    window.close()
