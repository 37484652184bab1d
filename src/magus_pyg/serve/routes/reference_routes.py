"""The page `/docs`: all that can be asked of the service, from its OpenAPI document; nothing is loaded from elsewhere.

FastAPI's own page loads its script from another host, and no request of a reader may leave for one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from magus_pyg.serve.pages.rendering import FILES, HEADERS, render
from magus_pyg.serve.pages.screens import Screens

__all__ = ["reference_router"]

reference_router = APIRouter(include_in_schema=False)


@reference_router.get("/docs")
async def reference(request: Request) -> HTMLResponse:
    """The page."""
    screens: Screens = request.app.state.screens
    root, document = request.scope.get("root_path", ""), request.app.openapi()
    page = render(
        "reference",
        screens.labels("en"),
        title=f"{document['info']['title']} {document['info']['version']}",
        files=f"{root}{FILES}",
        edition=screens.shop.edition,
        root=root,
        groups=_groups(document),
        schemas={name: _pretty(schema) for name, schema in document["components"]["schemas"].items()},
    )
    return HTMLResponse(page, headers=HEADERS)


@dataclass(frozen=True)
class _Call:
    """One address with one method, as the page shows it."""

    method: str
    path: str
    summary: str
    description: str
    parameters: list[tuple[str, str, str]]
    body: str
    examples: list[str]
    replies: list[tuple[str, str, str]]
    id: str


def _groups(document: Mapping[str, Any]) -> dict[str, list[_Call]]:
    """The calls by their tag, in the order of the document."""
    groups: dict[str, list[_Call]] = {}
    for path, methods in document["paths"].items():
        for method, found in methods.items():
            body = _schema(found.get("requestBody", {}))
            examples = document["components"]["schemas"].get(body, {}).get("examples", [])
            call = _Call(
                method.upper(),
                path,
                found.get("summary", ""),
                found.get("description", ""),
                [_parameter(one) for one in found.get("parameters", [])],
                body,
                [_pretty(example) for example in examples],
                [(status, reply["description"], _schema(reply)) for status, reply in found["responses"].items()],
                found["operationId"],
            )
            groups.setdefault(found.get("tags", ["others"])[0], []).append(call)
    return groups


def _parameter(found: Mapping[str, Any]) -> tuple[str, str, str]:
    """Its name, where it stands, and what it means."""
    where = f"{found['in']}, required" if found.get("required") else found["in"]
    return found["name"], where, found.get("description", "")


def _schema(part: Mapping[str, Any]) -> str:
    """The name of what a body or a reply is; "" for none."""
    for content in part.get("content", {}).values():
        schema = content.get("schema", {})
        reference = schema.get("$ref") or schema.get("items", {}).get("$ref") or ""
        if reference:
            return str(reference).rpartition("/")[2]
    return ""


def _pretty(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
