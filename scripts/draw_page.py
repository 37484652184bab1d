"""Take the screenshots of docs/page.md from a trained run, with Chromium: see --help.

    python scripts/draw_page.py RUN

Only pictures of the synthetic shop are committed: other sets are other people's.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn

from magus_pyg.serve.app import create_app
from magus_pyg.serve.serve_options import PageOptions, ServeOptions

DESKTOP, PHONE = {"width": 1200, "height": 860}, {"width": 390, "height": 844}
QUALITY = 82


@contextmanager
def served(run: Path, page: PageOptions, list_length: int) -> Iterator[str]:
    """The address of a service of a run in this process."""
    with tempfile.TemporaryDirectory() as folder:
        options = ServeOptions(folder=folder, page=page, list_length=list_length)
        server = uvicorn.Server(uvicorn.Config(create_app(run, options), port=0, log_level="error"))
        thread = Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            thread.join(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join()


class Camera:
    """Takes pictures of pages and keeps them small.

    Args:
        browser: of Playwright.
        out: the folder.
        address: of the service.
    """

    def __init__(self, browser: Any, out: Path, address: str) -> None:
        self.browser, self.out, self.address = browser, out, address
        self.sizes: dict[Any, dict[str, int]] = {}

    def page(self, size: dict[str, int], **options: Any) -> Any:
        """A window of a new visitor."""
        context = self.browser.new_context(viewport=size, device_scale_factor=1.5, reduced_motion="reduce", **options)
        page = context.new_page()
        page.goto(self.address)
        self.sizes[page] = size
        return page

    def take(self, page: Any, name: str, part: str = "") -> None:
        """Write a picture of the window, or of one part of the page."""
        from PIL import Image

        page.mouse.move(2, 2)
        if part:
            page.set_viewport_size({"width": DESKTOP["width"], "height": 4000})  # nothing lies over it
        shot = page.locator(part).screenshot() if part else page.screenshot()
        page.set_viewport_size(self.sizes[page])
        with Image.open(BytesIO(shot)) as image:
            path = self.out / f"{name}.webp"
            image.convert("RGB").save(path, "WEBP", quality=QUALITY, method=6)
        print(f"{path}: {path.stat().st_size:,} bytes")


def journey(camera: Camera, text: str, start: str) -> None:
    """One search from the first list to what was found, with a picture of each state."""
    page = camera.page(DESKTOP)
    camera.take(page, "start")
    page.locator(".choose").first.click()
    page.locator("#text").fill(text)
    page.locator(".search button").click()
    page.locator(".chip").first.wait_for()
    camera.take(page, "middle")
    list_of = page.url
    for box in page.locator(".mark input").all()[:3]:
        box.check()
    page.locator("[data-compare]").click()
    camera.take(page, "compare")
    page.goto(list_of)
    page.locator(".quiet").first.click()
    camera.take(page, "why")
    page.goto(list_of.split("?")[0].split("#")[0] + "?expert=1")
    camera.take(page, "expert", part=".expert")
    page.goto(list_of)
    page.locator(".card .primary").first.click()
    camera.take(page, "found")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a trained run of the synthetic shop")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "page")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--text", default="beige, not budget")
    own = parser.parse_args()
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        sys.exit("needs playwright: pip install playwright")
    own.out.mkdir(parents=True, exist_ok=True)
    look = PageOptions(name="Solvik & Daughters", colour="#0f6b5c")
    with served(own.run, look, 8) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=own.chromium, args=["--no-sandbox"])
        camera = Camera(browser, own.out, address)
        journey(camera, own.text, address)
        phone = camera.page(PHONE, is_mobile=True, has_touch=True)
        camera.take(phone, "phone")
        dark = camera.page(DESKTOP, color_scheme="dark")
        camera.take(dark, "dark")
        browser.close()


if __name__ == "__main__":
    main()
