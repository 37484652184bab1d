"""An endpoint on loopback that speaks OpenAI's protocol, and answers as a test says."""

import json
from collections.abc import Callable
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from magus_pyg.language import Language, OpenAIOptions

KEY = "sk-secret-of-a-test-0123456789"

Answer = Callable[[str, dict[str, Any]], Any]
"""From the purpose and what was given to an answer: an object for a good one, a text as it stands, or a Response."""


def good(purpose: str, given: dict[str, Any]) -> dict[str, Any]:
    """What a model of good manners answers: all words, and a question of its own."""
    if purpose == "keywords":
        return {"keywords": [entry["value"] for entry in given["words"]]}
    if purpose == "question":
        question = "Would you care for {query}?" if given["locale"] == "en" else "Wie wäre es mit {query} für Sie?"
        return {"question": question}
    return {"wanted": [], "unwanted": [], "leanings": [{"field": "price_band", "end": "low"}]}


class Endpoint:
    """Speaks the protocol; `asked` are the purposes and what was given, in order."""

    def __init__(self, server: HTTPServer, answer: Answer = good) -> None:
        self.server, self.answer = server, answer
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.keys: list[str] = []
        server.expect_request("/v1/chat/completions").respond_with_handler(self._handle)

    def _handle(self, request: Request) -> Response:
        body = request.get_json()
        purpose = body["response_format"]["json_schema"]["name"]
        given = json.loads(body["messages"][-1]["content"])
        self.asked.append((purpose, given))
        self.keys.append(request.headers.get("Authorization", ""))
        assert "tools" not in body
        found = self.answer(purpose, given)
        if isinstance(found, Response):
            return found
        content = found if isinstance(found, str) or found is None else json.dumps(found)
        message = {"role": "assistant", "content": content}
        return Response(
            json.dumps(
                {
                    "id": "1", "object": "chat.completion", "created": 1, "model": body["model"],
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 90, "completion_tokens": 10, "total_tokens": 100},
                }
            ),
            content_type="application/json",
        )  # fmt: skip

    def options(self, **others: Any) -> OpenAIOptions:
        """Options that name this endpoint."""
        settings = {"base_url": self.server.url_for("/v1"), "model": "small", "budget_ms": 20_000.0, **others}
        return OpenAIOptions(**settings)

    def language(self, graph: Any, **others: Any) -> Language:
        """A language that asks this endpoint, and waits for it."""
        return Language(graph, self.options(**others))
