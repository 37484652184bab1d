"""Routes that read bodies as strict JSON, and answer requests in their usual form without FastAPI's detours.

FastAPI takes longer to find the arguments of a short round than the round itself. So a request in the form that nearly
all have (`application/json`, a body that fits) is handed to its endpoint at once; all others, and what is wrong with
them, are FastAPI's.
"""

import inspect
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import from_json

from magus_pyg.serve.requests import LONGEST_ID, LONGEST_KEY, resend_of

__all__ = ["StrictRoute"]

_KNOWN = {"session_id", "asked", "app", "resend"}
_JSON = "application/json"


class _StrictRequest(Request):
    async def json(self) -> Any:
        """The body as JSON: without NaN and infinite numbers, nested no deeper than pydantic goes."""
        body = await self.body()
        try:
            return from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise json.JSONDecodeError(str(error), "", 0) from error


class StrictRoute(APIRoute):
    """A route whose body is read as strict JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute`."""
        handle = super().get_route_handler()
        names = inspect.signature(self.endpoint).parameters
        model = names["asked"].annotation if "asked" in names else None
        is_plain = set(names) <= _KNOWN

        async def strict(request: Request) -> Response:
            own = _StrictRequest(request.scope, request.receive)
            found = await _arguments(own, names, model) if is_plain else None
            return await (handle(own) if found is None else self.endpoint(**found))

        return strict


async def _arguments(request: _StrictRequest, names: Any, model: type[BaseModel] | None) -> dict[str, Any] | None:
    """What an endpoint is called with; None where the request is not in the usual form."""
    found: dict[str, Any] = {"app": request.app.state.running}
    headers = request.headers
    if "session_id" in names:
        found["session_id"] = request.path_params["session_id"]
        if not 0 < len(found["session_id"]) <= LONGEST_ID:
            return None
    if model is not None:
        if headers.get("content-type") != _JSON:
            return None
        try:
            found["asked"] = model.model_validate(await request.json())
        except ValueError:
            return None
    if "resend" in names:
        key = headers.get("idempotency-key")
        if key is not None and not 0 < len(key) <= LONGEST_KEY:
            return None
        found["resend"] = await resend_of(request, key)
    return found
