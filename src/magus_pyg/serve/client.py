"""A typed client of the service, for programs of a shop: needs httpx, and neither torch nor what the service needs.

    with MagusClient("http://127.0.0.1:8000") as magus:
        shown = magus.begin(user_id="u17")
        shown = magus.answer(shown, shown.entries[0])

`AsyncMagusClient` has the same methods, to be awaited. A request that did not get through is sent again: writes carry
an Idempotency-Key, so that the service does once what arrives twice. What the service refuses is raised as the error
that was raised there (`magus_pyg.errors`).
"""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Coroutine
from functools import wraps
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

import httpx

from magus_pyg.errors import BusyError, InputError, MagusError
from magus_pyg.serve import client_calls as calls
from magus_pyg.serve.client_calls import Call, ClientJob, ListEntry, OpenList

__all__ = ["AsyncMagusClient", "ListEntry", "MagusClient", "OpenList"]

_Found = TypeVar("_Found")
_Given = ParamSpec("_Given")

_AGAIN = (429, 502, 503, 504)
_FIRST_WAIT, _LONGEST_WAIT, _JOB_WAIT = 0.2, 30.0, 0.2


class _Method(Generic[_Given, _Found]):
    """A method that both clients have, made from the call that it sends: one waits for it, the other is awaited."""

    def __init__(self, call: Callable[_Given, Call[_Found]]) -> None:
        self._call, self.__doc__ = call, call.__doc__

    @overload
    def __get__(self, client: "MagusClient", kind: type) -> Callable[_Given, _Found]: ...
    @overload
    def __get__(self, client: "AsyncMagusClient", kind: type) -> Callable[_Given, Coroutine[Any, Any, _Found]]: ...
    @overload
    def __get__(self, client: None, kind: type) -> Self: ...
    def __get__(self, client: "MagusClient | AsyncMagusClient | None", kind: type) -> Any:
        if client is None:
            return self

        @wraps(self._call)
        def method(*given: _Given.args, **named: _Given.kwargs) -> Any:
            return client.send(self._call(*given, **named))

        return method


class _Client:
    """What both clients have: what they are made from, what they ask, and how a reply is read.

    Args:
        url: the address of the service.
        key: a bearer key; None where none is needed.
        timeout: seconds for one try.
        tries: how often a request is sent at most.
    """

    begin, show, answer = _Method(calls.begin), _Method(calls.show), _Method(calls.answer)
    tell, undo, explain = _Method(calls.tell), _Method(calls.undo), _Method(calls.explain)
    forget, erase_user = _Method(calls.forget), _Method(calls.erase_user)
    suggest, item = _Method(calls.suggest), _Method(calls.item)
    add_items, remove_items = _Method(calls.add_items), _Method(calls.remove_items)
    restore_items, reload = _Method(calls.restore_items), _Method(calls.reload)
    job, send_events = _Method(calls.job), _Method(calls.send_events)

    def __init__(self, url: str, key: str | None = None, timeout: float = 10.0, tries: int = 5) -> None:
        self._tries = tries
        header = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._options: dict[str, Any] = {"base_url": url, "timeout": timeout, "headers": header}

    def _request(self, call: Call[Any]) -> dict[str, Any]:
        asked: dict[str, Any] = {"method": call.method, "url": call.path, "headers": dict(call.header)}
        if call.body is None:
            return asked
        try:
            content = json.dumps(call.body, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError) as error:  # such as NaN, which tables have for an empty cell, and half signs
            raise InputError(f"{_named(call)}: this cannot be sent as JSON: {error}") from error
        return {**asked, "content": content, "headers": {"Content-Type": "application/json", **call.header}}

    def _read(self, call: Call[_Found], reply: httpx.Response | httpx.TransportError) -> _Found:
        if isinstance(reply, httpx.TransportError):
            raise BusyError(f"{_named(call)}: the service cannot be reached ({reply})") from reply
        if reply.is_success:
            return call.read(reply.json() if reply.content else None)
        try:
            body = reply.json()
        except ValueError:
            body = {}
        raise calls.error_of(
            reply.status_code, body if isinstance(body, dict) else {}, reply.headers.get("retry-after")
        )

    def _wait(self, attempt: int, reply: httpx.Response | httpx.TransportError) -> float | None:
        """Seconds before the request is sent again; None where it is not."""
        told = ""
        if isinstance(reply, httpx.Response):
            if reply.status_code not in _AGAIN:
                return None
            told = reply.headers.get("retry-after", "")
        if attempt + 1 >= self._tries:
            return None
        return min(_LONGEST_WAIT, float(told) if told.isdigit() else _FIRST_WAIT * 2**attempt)


def _named(call: Call[Any]) -> str:
    return f"{call.method} {call.path.partition('?')[0]}"


class MagusClient(_Client):
    """The service, for a program that waits for each reply; may be used by several threads. See `client_calls` for what
    its methods take and give.

    Args:
        url, key, timeout, tries: the address of the service; a bearer key, None where none is needed; seconds for one
            try; how often a request is sent at most.
    """

    def __init__(self, url: str, key: str | None = None, timeout: float = 10.0, tries: int = 5) -> None:
        super().__init__(url, key, timeout, tries)
        self._http = httpx.Client(**self._options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, call: Call[_Found]) -> _Found:
        """Send a call of `client_calls`, again where it did not get through.

        Raises:
            MagusError: what the service raised, or BusyError where it cannot be reached.
        """
        for attempt in itertools.count():
            reply: httpx.Response | httpx.TransportError
            try:
                reply = self._http.request(**self._request(call))
            except httpx.TransportError as error:
                reply = error
            wait = self._wait(attempt, reply)
            if wait is None:
                break
            time.sleep(wait)
        return self._read(call, reply)

    def wait_for(self, job: ClientJob, timeout: float = 600.0) -> ClientJob:
        """Wait for the end of a job.

        Raises:
            MagusError: it failed.
            BusyError: it has not ended in time.
        """
        until = time.monotonic() + timeout
        while not job.ended:
            _check_time(job, until)
            time.sleep(_JOB_WAIT)
            job = self.job(job.job_id)
        return _checked(job)


class AsyncMagusClient(_Client):
    """The service, for a program with an event loop; the methods are those of `MagusClient`, to be awaited."""

    def __init__(self, url: str, key: str | None = None, timeout: float = 10.0, tries: int = 5) -> None:
        super().__init__(url, key, timeout, tries)
        self._http = httpx.AsyncClient(**self._options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, call: Call[_Found]) -> _Found:
        """As `MagusClient.send`."""
        for attempt in itertools.count():
            reply: httpx.Response | httpx.TransportError
            try:
                reply = await self._http.request(**self._request(call))
            except httpx.TransportError as error:
                reply = error
            wait = self._wait(attempt, reply)
            if wait is None:
                break
            await asyncio.sleep(wait)
        return self._read(call, reply)

    async def wait_for(self, job: ClientJob, timeout: float = 600.0) -> ClientJob:
        """As `MagusClient.wait_for`."""
        until = time.monotonic() + timeout
        while not job.ended:
            _check_time(job, until)
            await asyncio.sleep(_JOB_WAIT)
            job = await self.job(job.job_id)
        return _checked(job)


def _check_time(job: ClientJob, until: float) -> None:
    if time.monotonic() > until:
        raise BusyError(f"the job {job.job_id} ({job.kind}) is still {job.state}: {job.done} of {job.total}")


def _checked(job: ClientJob) -> ClientJob:
    if job.state == "failed":
        raise MagusError(f"the job {job.job_id} ({job.kind}) failed: {job.detail.get('error', dict(job.detail))}")
    return job
