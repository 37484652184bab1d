"""Errors on their way out of the service: problem details (RFC 9457), one kind for each error class of the package."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from magus_pyg.errors import (
    AccessError,
    BusyError,
    ConfigError,
    ConflictError,
    DataError,
    GoneError,
    GraphError,
    InputError,
    LimitError,
    MagusError,
    ModelError,
    NotThereError,
    RunError,
    SessionError,
    StoreError,
)
from magus_pyg.escaping import cut

__all__ = ["PROBLEM_JSON", "handle_errors", "inside", "problem_of", "problem_response", "problem_type"]

PROBLEM_JSON = "application/problem+json"

_STATUS: Mapping[type[MagusError], tuple[int, str]] = {
    InputError: (422, "The request cannot be used"),
    ConfigError: (422, "A value cannot be used"),
    DataError: (422, "Data cannot be used"),
    GraphError: (422, "An item, word or query cannot be used"),
    ModelError: (422, "Scores cannot be used"),
    SessionError: (422, "A session cannot be used so"),
    RunError: (422, "A run cannot be used"),
    NotThereError: (404, "Not there"),
    ConflictError: (409, "What happened before does not allow it"),
    GoneError: (410, "The session is gone"),
    LimitError: (429, "Too much"),
    BusyError: (503, "Not now"),
    StoreError: (503, "The store cannot be used now"),
    AccessError: (403, "Not allowed"),
}
"""What each class means to whoever asked; others are mistakes of the service itself (500)."""

_OF_STATUS: Mapping[int, type[MagusError]] = {
    401: AccessError,
    403: AccessError,
    404: NotThereError,
    413: LimitError,
    429: LimitError,
}
_TOO_LONG, _DETAIL, _FAULTS = 413, 1000, 20

logger = logging.getLogger(__name__)


def problem_type(kind: type[Exception]) -> str:
    """The `type` of a problem: a name of the error class that stays the same."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()
    return f"urn:magus-pyg:{name}"


def problem_of(error: MagusError) -> tuple[dict[str, Any], dict[str, str]]:
    """The problem details of an error, and the header fields that go with them.

    A `MagusError` that `InputError` was raised from says what it is; the `InputError` says where it stands.
    """
    cause = error.__cause__ if isinstance(error, InputError) and isinstance(error.__cause__, MagusError) else error
    kind = next((base for base in type(cause).__mro__ if base in _STATUS), None)
    status, title = (500, "A mistake of the service") if kind is None else _STATUS[kind]
    header: dict[str, str] = {}
    if isinstance(error, LimitError):
        status = _TOO_LONG if error.retry_after is None else status
    if isinstance(error, AccessError) and not error.known:
        status, header["WWW-Authenticate"] = 401, "Bearer"
    wait = getattr(error, "retry_after", 1.0 if isinstance(error, StoreError) else None)
    if wait is not None:
        header["Retry-After"] = str(max(1, ceil(wait)))
    body = {
        "type": problem_type(kind or MagusError),
        "title": title,
        "status": status,
        "detail": cut(str(error), _DETAIL),
    }
    if isinstance(error, InputError) and error.faults:
        body["errors"] = [
            {"pointer": cut(pointer, _DETAIL), "detail": cut(detail, _DETAIL)}
            for pointer, detail in error.faults[:_FAULTS]
        ]
    return body, header


def problem_response(error: MagusError) -> Response:
    """The reply to a request that an error ended."""
    body, header = problem_of(error)
    return Response(to_json(body), body["status"], header, PROBLEM_JSON)


def failure_response() -> Response:
    """The reply to a request that a mistake of the service ended: nothing is told of it."""
    body = {"type": problem_type(MagusError), "title": "A mistake of the service", "status": 500}
    return Response(to_json(body), 500, media_type=PROBLEM_JSON)


@contextmanager
def inside(pointer: str) -> Iterator[None]:
    """Errors of the package that are raised inside are about this place of the body (a JSON pointer)."""
    try:
        yield
    except InputError:
        raise
    except MagusError as error:
        raise InputError(str(error), [(pointer, str(error))]) from error


def handle_errors(app: FastAPI) -> None:
    """Let an app answer with problem details, whatever goes wrong."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, MagusError)
        return problem_response(error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem_response(_invalid(error.errors()))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = _OF_STATUS.get(error.status_code, InputError)
        body = {
            "type": problem_type(kind),
            "title": _STATUS[kind][1],
            "status": error.status_code,
            "detail": f"{request.method} {cut(request.url.path, _DETAIL)}: {error.detail}",
        }
        return Response(to_json(body), error.status_code, dict(error.headers or {}), PROBLEM_JSON)

    async def unknown(request: Request, error: Exception) -> Response:
        logger.error("failed", exc_info=error)
        return failure_response()

    app.add_exception_handler(MagusError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unknown)


def _invalid(errors: Iterable[Mapping[str, Any]]) -> InputError:
    """What the checks of a body, a path or a query found, each with its place; values are not repeated."""
    faults = []
    for error in errors:
        source, *path = error["loc"]
        pointer = "" if error["type"] == "json_invalid" else "".join(f"/{_escaped(part)}" for part in path)
        detail = error.get("ctx", {}).get("error") if error["type"] == "json_invalid" else error["msg"]
        faults.append((pointer if source == "body" else f"#{source}{pointer}", str(detail)))
    where, what = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return InputError(f"{where or 'the body'}: {what}{more}", faults)


def _escaped(part: object) -> str:
    """A step of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")
