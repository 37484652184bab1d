"""Chromium for tests: one browser and one service for a whole run, windows of any size, and what axe finds in them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from served import folder_beside

from magus_pyg.runs import Run, load_run
from magus_pyg.serve.serve_options import ServeOptions

__all__ = ["DESKTOP", "PHONE", "Window", "axe_findings", "browser_of_tests", "serving"]

DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 320, "height": 640}, "is_mobile": True, "has_touch": True}


def _missing(what: str) -> None:
    """Skip, or fail where everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(f"needs {what}")
    pytest.skip(f"needs {what}")


@contextmanager
def browser_of_tests() -> Iterator[Any]:
    """Chromium; the test is skipped where it is absent, and fails with CI=1."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        _missing("playwright (the extra [test])")
    if path is None:
        _missing("chromium (Debian's package)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def serving(run: Run | Path, port: int = 0, **options: Any) -> Iterator[str]:
    """The address of a service of a run in a thread of this process."""
    import uvicorn

    from magus_pyg.serve.app import create_app

    run = load_run(run) if isinstance(run, Path) else run
    app = create_app(run, ServeOptions(**{"store": "memory:", "folder": str(folder_beside(run)), **options}))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
        assert thread.is_alive(), "the service did not start"
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


class Window:
    """A window of a new visitor, which notes what it should not see: errors in the console, requests to elsewhere.

    Args:
        browser: Chromium.
        address: of the service.
        options: of the context: size, language, colours, `java_script_enabled`.
    """

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.address = address
        self.context = browser.new_context(**{**DESKTOP, "locale": "en-GB", **options})
        self.context.set_default_timeout(10_000)
        self.faults: list[str] = []
        self.context.on("request", self._look)
        self.page = self.tab()

    def tab(self) -> Any:
        """Another tab of the same visitor."""
        page = self.context.new_page()
        page.on("console", lambda said: self.faults.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.goto(self.address)
        return page

    def _look(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:")):
            self.faults.append(f"asked {request.url}")

    def close(self) -> None:
        """Close it; whatever it noted is a fault."""
        self.context.close()
        if self.faults:
            pytest.fail("; ".join(self.faults))


def axe_findings(page: Any) -> list[str]:
    """What axe-core finds wrong with a page: the rule, and where."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ModuleNotFoundError:
        _missing("axe-playwright-python (the extra [test])")
    rules = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    window = page.viewport_size
    page.wait_for_load_state()  # a page that has just been asked for has no root yet
    height = max(window["height"], page.locator("html").evaluate("root => root.scrollHeight"))
    page.set_viewport_size({**window, "height": height})  # the row of answers, which stays in view, covers nothing
    found = Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"]}).response["violations"]
    page.set_viewport_size(window)
    return [f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]
