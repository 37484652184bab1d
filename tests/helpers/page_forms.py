"""A visitor of the page without a browser: reads forms as they stand in the HTML and sends them."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response

__all__ = ["Seen", "Visit"]


class Seen(HTMLParser):
    """What stands in a page: buttons, links and texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        """The attributes of all tags of a kind that have some values."""
        return [found for kind, found in self.tags if kind == tag and wanted.items() <= found.items()]

    @property
    def text(self) -> str:
        """All texts, one a line."""
        return "\n".join(self.texts)

    @property
    def queries(self) -> list[str]:
        """What the query buttons send."""
        return [button["value"] for button in self.all("button", name="click") if "choose" in button.get("class", "")]

    @property
    def items(self) -> list[str]:
        """What the item buttons send."""
        return [button["value"] for button in self.all("button", name="click") if button.get("class", "") == "primary"]

    @property
    def chips(self) -> list[str]:
        """What the chips send."""
        return [button["value"] for button in self.all("button", name="words")]


class Visit:
    """One visitor.

    Args:
        client: of the service.
        language: that the browser asks for.
    """

    def __init__(self, client: TestClient, language: str = "en") -> None:
        self.client = client
        self.header = {"accept": "text/html", "accept-language": language}
        self.client.cookies.clear()
        self.reply: Response = self.get("/")

    def get(self, path: str) -> Response:
        """Look at a page."""
        self.reply = self.client.get(path, headers=self.header)
        return self.reply

    def send(self, what: str, path: str | None = None, **fields: Any) -> Response:
        """Send a form of the page that is seen."""
        where = self.here if path is None else path
        data = {"csrf": self.csrf, **fields}
        self.reply = self.client.post(f"{where}/{what}", data=data, headers=self.header)
        return self.reply

    @property
    def seen(self) -> Seen:
        """What is seen."""
        return Seen(self.reply.text)

    @property
    def csrf(self) -> str:
        """The token of its forms."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.reply.text)
        assert found, self.reply.text[:300]
        return unescape(found[1])

    @property
    def here(self) -> str:
        """Where its forms go."""
        found = re.search(r'action="([^"]+)/(?:answer|words)', self.reply.text)
        assert found, self.reply.text[:300]
        return unescape(found[1])
