"""Templates, files and headers of the page. Everything that comes from data is escaped by Jinja2, everywhere."""

from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from magus_pyg.files import home_expanded
from magus_pyg.serve.pages.labels import Labels
from magus_pyg.serve.pages.shop_style import shop_css
from magus_pyg.serve.serve_options import PageOptions

__all__ = ["FILES", "HEADERS", "Shop", "render"]

FILES = "/page"
"""Where the files of the page are, below the root of the service."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
    "Vary": "Accept-Language, Cookie",
}
"""Of every page: nothing runs, loads or is sent but what this service holds."""

_LOGOS = {".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg"}
_OWN = {"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True)
class Shop:
    """How the page looks: the settings, and the files that come of them.

    Args:
        options: `serve.page`.
    """

    options: PageOptions

    @property
    def name(self) -> str:
        """What it is called."""
        return self.options.name

    @cached_property
    def files(self) -> dict[str, tuple[bytes, str]]:
        """From the name of a file to its bytes and their type."""
        static = package_files("magus_pyg.serve.pages") / "static"
        found = {name: ((static / name).read_bytes(), kind) for name, kind in _OWN.items()}
        found["shop.css"] = (shop_css(self.options.colour).encode(), _OWN["page.css"])
        found["icon.svg"] = (_icon(self.options.colour), _LOGOS[".svg"])
        if self.options.logo is not None:
            path = home_expanded(self.options.logo)
            found["logo"] = (path.read_bytes(), _LOGOS.get(Path(path).suffix.lower(), "application/octet-stream"))
        return found

    @cached_property
    def edition(self) -> str:
        """What changes when a file does, so that browsers keep files and never old ones."""
        digest = blake2b(digest_size=6)
        for content, _ in self.files.values():
            digest.update(content)
        return digest.hexdigest()

    @property
    def logo(self) -> bool:
        """Whether it has one."""
        return "logo" in self.files


def _icon(colour: str) -> bytes:
    """Two nodes of a graph and what ties them; the colour is six hexadecimal digits, which the settings check."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<path d="M9 10 23 22" stroke="{colour}" stroke-width="3"/>'
        f'<circle cx="9" cy="10" r="7" fill="{colour}"/><circle cx="23" cy="22" r="5" fill="{colour}"/></svg>'
    ).encode()


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("magus_pyg.serve.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, labels: Labels, **values: Any) -> str:
    """A page.

    Args:
        template: its name without the suffix.
        labels: the texts.
        values: what the template shows.
    """
    page = _environment().get_template(f"{template}.html")
    return page.render(t=labels, s=labels.sentences, **values)
