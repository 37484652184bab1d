"""What the addresses of the service share: the running service, what names a request, and replies."""

import asyncio
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request, Response
from pydantic_core import to_json
from starlette.types import Scope

from magus_pyg.serve.administration import Administration
from magus_pyg.serve.api_schemas import ProblemOut
from magus_pyg.serve.lanes import Lanes
from magus_pyg.serve.problems import PROBLEM_JSON
from magus_pyg.serve.replies import Resend
from magus_pyg.serve.serve_options import ServeOptions
from magus_pyg.serve.service import Service
from magus_pyg.serve.upkeep import keep_up

__all__ = [
    "LONGEST_ID",
    "LONGEST_KEY",
    "App",
    "EntryId",
    "Resending",
    "Running",
    "SessionId",
    "json_response",
    "problems",
    "resend_of",
]

LONGEST_ID, LONGEST_KEY = 100, 200
"""Signs of the id of a session or an entry, and of an `Idempotency-Key`."""


class Running:
    """The service of one process.

    Args:
        service: what it does with sessions.
        options: settings.
    """

    def __init__(self, service: Service, options: ServeOptions) -> None:
        self.service, self.options = service, options
        self.administration = Administration(service)
        self._lanes: Lanes | None = None
        self._upkeep: asyncio.Task[None] | None = None

    @property
    def lanes(self) -> Lanes:
        """Where work is done; begun, with the work beside requests, in the event loop that runs: threads do not outlive
        a fork, and an app that is mounted in another one is told of no start."""
        if self._lanes is None:
            self._lanes = Lanes(self.options.pool_threads, self.options.queue, self.service.store.shared)
            self._upkeep = asyncio.get_running_loop().create_task(keep_up(self.service, self._lanes))
        return self._lanes

    async def stop(self) -> None:
        """End it: what runs is done first."""
        if self._lanes is not None and self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.gather(self._upkeep, return_exceptions=True)
            self._lanes.close()
        self.service.store.close()

    async def round(self, session_id: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do what a request asks of a session, at once where it is live and quick.

        Args:
            session_id: of the session.
            work: a method of the service, which takes `quick`.
            arguments: its other arguments.
        """
        is_quick = self.service.is_quick(session_id)
        return await self.lanes.either(is_quick, lambda quick: work(*arguments, quick=quick))


async def _running(request: Request) -> Running:  # FastAPI would run it in a thread, were it not async
    running: Running = request.app.state.running
    return running


async def _resend(
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=LONGEST_KEY, description="The same key again gives the same reply.")
    ] = None,
) -> Resend | None:
    if idempotency_key is None:
        return None
    return resend_of(request.scope, dict(reversed(request.headers.raw)), await request.body(), idempotency_key)


def resend_of(scope: Scope, headers: Mapping[bytes, bytes], body: bytes, key: str) -> Resend:
    """What tells a request with an `Idempotency-Key` that is sent again."""
    caller, request = headers.get(b"authorization", b""), (scope["method"].encode(), scope["path"].encode(), body)
    return Resend(_digest(caller), key, _digest(*request))


def _digest(*parts: bytes) -> str:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


App = Annotated[Running, Depends(_running)]
Resending = Annotated[Resend | None, Depends(_resend)]
SessionId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID)]
EntryId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID)]


def json_response(value: Any, status: int = 200, header: Mapping[str, str] | None = None) -> Response:
    """A reply of JSON values, which nobody checks again."""
    return Response(to_json(value), status, header, "application/json")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem details that an address may answer with, for its documentation."""
    schema = {"content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}}
    return {status: {"model": ProblemOut, "description": "Problem details", **schema} for status in statuses}
