"""A typed client of the service, for programs of a shop: needs httpx, and neither torch nor what the service needs.

    with MagusClient("http://127.0.0.1:8000") as magus:
        shown = magus.begin(user_id="u17")
        shown = magus.answer(shown, shown.entries[0])

`AsyncMagusClient` has the same methods, to be awaited. A request that did not get through is sent again: writes carry
an Idempotency-Key, so that the service does once what arrives twice. What the service refuses is raised as the error
that was raised there (`magus_pyg.errors`).
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from magus_pyg.errors import BusyError, InputError, MagusError
from magus_pyg.serve import client_calls as calls
from magus_pyg.serve.client_calls import Call, CatalogueItem, ClientJob, ListEntry, OpenList, SaidReason, Suggestion

__all__ = ["AsyncMagusClient", "MagusClient"]

_Found = TypeVar("_Found")

_AGAIN = (429, 502, 503, 504)
_FIRST_WAIT, _LONGEST_WAIT, _JOB_WAIT = 0.2, 30.0, 0.2


class _Settings:
    """What both clients are made from, and how a reply is read."""

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

    def _read(self, call: Call[_Found], reply: httpx.Response) -> _Found:
        if reply.is_success:
            return call.read(reply.json() if reply.content else None)
        try:
            body = reply.json()
        except ValueError:
            body = {}
        raise calls.error_of(
            reply.status_code, body if isinstance(body, dict) else {}, reply.headers.get("retry-after")
        )

    def _wait(self, attempt: int, reply: httpx.Response | None) -> float | None:
        """Seconds before the request is sent again; None where it is not."""
        if attempt + 1 >= self._tries or (reply is not None and reply.status_code not in _AGAIN):
            return None
        told = "" if reply is None else reply.headers.get("retry-after", "")
        return min(_LONGEST_WAIT, float(told) if told.isdigit() else _FIRST_WAIT * 2**attempt)


def _named(call: Call[Any]) -> str:
    return f"{call.method} {call.path.partition('?')[0]}"


def _unreachable(call: Call[Any], error: Exception) -> MagusError:
    return BusyError(f"{_named(call)}: the service cannot be reached ({error})")


class MagusClient(_Settings):
    """The service, for a program that waits for each reply; may be used by several threads.

    Args:
        url: the address of the service.
        key: a bearer key; None where none is needed.
        timeout: seconds for one try.
        tries: how often a request is sent at most.
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
        attempt = 0
        while True:
            reply, failed = None, None
            try:
                reply = self._http.request(**self._request(call))
            except httpx.TransportError as error:
                failed = error
            wait = self._wait(attempt, reply)
            if wait is None:
                if reply is None:
                    raise _unreachable(call, failed or OSError()) from failed
                return self._read(call, reply)
            time.sleep(wait)
            attempt += 1

    def begin(self, *, user_id: str | None = None, **start: Any) -> OpenList:
        """Begin a session: its first list. `start` is what `POST /v1/sessions` takes: liked, candidates, rounds, ..."""
        return self.send(calls.begin(user_id=user_id, **start))

    def show(self, session_id: str) -> OpenList:
        """The open list of a session."""
        return self.send(calls.show(session_id))

    def answer(self, shown: OpenList, clicked: ListEntry | None = None, not_care: Sequence[ListEntry] = ()) -> OpenList:
        """Answer a list by what was clicked, or None for none of these: the next list."""
        return self.send(calls.answer(shown, clicked, not_care))

    def tell(self, session_id: str, words: Sequence[str] | str, liked: bool | None = True) -> OpenList:
        """Say words, or a text, outside a list: the next list, with what was understood."""
        return self.send(calls.tell(session_id, words, liked))

    def undo(self, session_id: str) -> OpenList:
        """Take the last answer back: the list before."""
        return self.send(calls.undo(session_id))

    def explain(self, session_id: str, entry: ListEntry) -> list[SaidReason]:
        """Why an entry stands where it does."""
        return self.send(calls.explain(session_id, entry.entry_id))

    def forget(self, session_id: str) -> None:
        """Forget a session, with its rows in the log."""
        self.send(calls.forget(session_id))

    def suggest(self, prefix: str) -> list[Suggestion]:
        """Words to search for that begin so."""
        return self.send(calls.suggest(prefix))

    def item(self, item_id: str) -> CatalogueItem:
        """An item."""
        return self.send(calls.item(item_id))

    def add_items(self, rows: Sequence[Mapping[str, Any]]) -> ClientJob:
        """Add items: rows with the columns of the item table. The job ends when every worker has them."""
        return self.send(calls.add_items(rows))

    def remove_items(self, item_ids: Sequence[str]) -> ClientJob:
        """Take items from the offer."""
        return self.send(calls.remove_items(item_ids))

    def restore_items(self, item_ids: Sequence[str]) -> ClientJob:
        """Put items on offer again."""
        return self.send(calls.restore_items(item_ids))

    def reload(self, run: str | None = None) -> ClientJob:
        """Take up a new run: a folder on the machine of the service, or its own folder again."""
        return self.send(calls.reload(run))

    def job(self, job_id: str) -> ClientJob:
        """How a job stands."""
        return self.send(calls.job(job_id))

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

    def erase_user(self, user_id: str) -> None:
        """Erase a person from log, store and memory."""
        self.send(calls.erase_user(user_id))

    def send_events(self, events: Sequence[Mapping[str, Any]]) -> int:
        """Say what happened outside, such as purchases, each with an `event_id`; how many were new."""
        return self.send(calls.send_events(events))


class AsyncMagusClient(_Settings):
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
        attempt = 0
        while True:
            reply, failed = None, None
            try:
                reply = await self._http.request(**self._request(call))
            except httpx.TransportError as error:
                failed = error
            wait = self._wait(attempt, reply)
            if wait is None:
                if reply is None:
                    raise _unreachable(call, failed or OSError()) from failed
                return self._read(call, reply)
            await asyncio.sleep(wait)
            attempt += 1

    async def begin(self, *, user_id: str | None = None, **start: Any) -> OpenList:
        """As `MagusClient.begin`."""
        return await self.send(calls.begin(user_id=user_id, **start))

    async def show(self, session_id: str) -> OpenList:
        """As `MagusClient.show`."""
        return await self.send(calls.show(session_id))

    async def answer(
        self, shown: OpenList, clicked: ListEntry | None = None, not_care: Sequence[ListEntry] = ()
    ) -> OpenList:
        """As `MagusClient.answer`."""
        return await self.send(calls.answer(shown, clicked, not_care))

    async def tell(self, session_id: str, words: Sequence[str] | str, liked: bool | None = True) -> OpenList:
        """As `MagusClient.tell`."""
        return await self.send(calls.tell(session_id, words, liked))

    async def undo(self, session_id: str) -> OpenList:
        """As `MagusClient.undo`."""
        return await self.send(calls.undo(session_id))

    async def explain(self, session_id: str, entry: ListEntry) -> list[SaidReason]:
        """As `MagusClient.explain`."""
        return await self.send(calls.explain(session_id, entry.entry_id))

    async def forget(self, session_id: str) -> None:
        """As `MagusClient.forget`."""
        await self.send(calls.forget(session_id))

    async def suggest(self, prefix: str) -> list[Suggestion]:
        """As `MagusClient.suggest`."""
        return await self.send(calls.suggest(prefix))

    async def item(self, item_id: str) -> CatalogueItem:
        """As `MagusClient.item`."""
        return await self.send(calls.item(item_id))

    async def add_items(self, rows: Sequence[Mapping[str, Any]]) -> ClientJob:
        """As `MagusClient.add_items`."""
        return await self.send(calls.add_items(rows))

    async def remove_items(self, item_ids: Sequence[str]) -> ClientJob:
        """As `MagusClient.remove_items`."""
        return await self.send(calls.remove_items(item_ids))

    async def restore_items(self, item_ids: Sequence[str]) -> ClientJob:
        """As `MagusClient.restore_items`."""
        return await self.send(calls.restore_items(item_ids))

    async def reload(self, run: str | None = None) -> ClientJob:
        """As `MagusClient.reload`."""
        return await self.send(calls.reload(run))

    async def job(self, job_id: str) -> ClientJob:
        """As `MagusClient.job`."""
        return await self.send(calls.job(job_id))

    async def wait_for(self, job: ClientJob, timeout: float = 600.0) -> ClientJob:
        """As `MagusClient.wait_for`."""
        until = time.monotonic() + timeout
        while not job.ended:
            _check_time(job, until)
            await asyncio.sleep(_JOB_WAIT)
            job = await self.job(job.job_id)
        return _checked(job)

    async def erase_user(self, user_id: str) -> None:
        """As `MagusClient.erase_user`."""
        await self.send(calls.erase_user(user_id))

    async def send_events(self, events: Sequence[Mapping[str, Any]]) -> int:
        """As `MagusClient.send_events`."""
        return await self.send(calls.send_events(events))


def _check_time(job: ClientJob, until: float) -> None:
    if time.monotonic() > until:
        raise BusyError(f"the job {job.job_id} ({job.kind}) is still {job.state}: {job.done} of {job.total}")


def _checked(job: ClientJob) -> ClientJob:
    if job.state == "failed":
        raise MagusError(f"the job {job.job_id} ({job.kind}) failed: {job.detail.get('error', dict(job.detail))}")
    return job
