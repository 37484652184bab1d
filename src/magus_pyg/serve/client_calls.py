"""What a client asks the service, and what it gets: plain records, and calls that no network is needed to make."""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from magus_pyg import errors
from magus_pyg.errors import AccessError, BusyError, InputError, LimitError, MagusError

__all__ = [
    "Call",
    "CatalogueItem",
    "ClientJob",
    "EntryWord",
    "ListEntry",
    "OpenList",
    "SaidReason",
    "Suggestion",
    "add_items",
    "answer",
    "begin",
    "erase_user",
    "error_of",
    "explain",
    "forget",
    "item",
    "job",
    "reload",
    "remove_items",
    "restore_items",
    "send_events",
    "show",
    "suggest",
    "tell",
    "undo",
]

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class EntryWord:
    """A word of an entry: its field and its value."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An entry of a list: an item, or a query that stands for all items with its words.

    Attributes:
        entry_id: names it in answers and explanations.
        kind: "item" or "query".
        item_id: of an item.
        title: what people read.
        words: its words.
        items: how many items have all of its words.
        score: the higher, the better it fits.
        text, question, text_source: how the words are said, what is asked, and who wrote that; None without.
    """

    entry_id: str
    kind: str
    item_id: str | None
    title: str
    words: tuple[EntryWord, ...]
    items: int
    score: float
    text: str | None = None
    question: str | None = None
    text_source: str | None = None


@dataclass(frozen=True, slots=True)
class OpenList:
    """The list of a session that waits for an answer, or how the session ended.

    Attributes:
        session_id: of the session.
        recommendation_id: names the list in its answer; None where the session is done.
        round, rounds: its number from 1, and how many there are at most.
        done: whether no answer is waited for any more.
        found: id of the item that was clicked; None while none was.
        edition: of the catalogue.
        took_ms: milliseconds that it took to compute.
        entries: in order.
        understood: what was taken in, where words were said.
        left_out: how many of these words no item has.
        not_understood: what of a text was not understood.
    """

    session_id: str
    recommendation_id: str | None
    round: int
    rounds: int
    done: bool
    found: str | None
    edition: str
    took_ms: float
    entries: tuple[ListEntry, ...]
    understood: tuple[EntryWord, ...] = ()
    left_out: int = 0
    not_understood: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SaidReason:
    """What one answer did to the score of an entry; `round` 0 is what was searched before."""

    round: int
    answer: str
    change: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A word to search for, with how many items have it."""

    title: str
    words: tuple[EntryWord, ...]
    items: int


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """An item: its words, and the other columns that it came with."""

    item_id: str
    title: str
    words: tuple[EntryWord, ...]
    on_offer: bool
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClientJob:
    """Work that goes on after its request was answered; `state` is waiting, running, done or failed."""

    job_id: str
    kind: str
    state: str
    done: int
    total: int
    detail: Mapping[str, Any]

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in ("done", "failed")


@dataclass(frozen=True, slots=True)
class Call(Generic[_Found]):
    """A request, and how its reply is read.

    Attributes:
        method, path, body: what is sent; the body as JSON.
        read: makes the result from the JSON of a reply.
        header: fields of the head; a write has an Idempotency-Key, so that it can be sent again.
    """

    method: str
    path: str
    read: Callable[[Any], _Found]
    body: Mapping[str, Any] | None = None
    header: Mapping[str, str] = field(default_factory=dict)


def begin(*, user_id: str | None = None, **start: Any) -> Call[OpenList]:
    """Begin a session: its first list. `start` is what `POST /v1/sessions` takes: liked, candidates, rounds, ...; None
    is left out."""
    start["user_id"] = user_id
    return _write("POST", "/v1/sessions", _list_of, {name: value for name, value in start.items() if value is not None})


def show(session_id: str) -> Call[OpenList]:
    """The open list of a session."""
    return Call("GET", f"/v1/sessions/{_part(session_id)}", _list_of)


def answer(shown: OpenList, clicked: ListEntry | None = None, not_care: Sequence[ListEntry] = ()) -> Call[OpenList]:
    """Answer a list by what was clicked, or None for none of these: the next list."""
    body = {
        "recommendation_id": shown.recommendation_id,
        "clicked": None if clicked is None else clicked.entry_id,
        "not_care": [entry.entry_id for entry in not_care],
    }
    return _write("POST", f"/v1/sessions/{_part(shown.session_id)}/answers", _list_of, body)


def tell(session_id: str, words: Sequence[str] | str, liked: bool | None = True) -> Call[OpenList]:
    """Say words (a sequence), or a text, outside a list: the next list, with what was understood."""
    said = {"text": words} if isinstance(words, str) else {"words": list(words), "liked": liked}
    return _write("POST", f"/v1/sessions/{_part(session_id)}/words", _list_of, said)


def undo(session_id: str) -> Call[OpenList]:
    """Take the last answer back: the list before."""
    return _write("DELETE", f"/v1/sessions/{_part(session_id)}/answers/last", _list_of)


def explain(session_id: str, entry: ListEntry) -> Call[list[SaidReason]]:
    """Why an entry stands where it does."""
    path = f"/v1/sessions/{_part(session_id)}/explanations/{_part(entry.entry_id)}"
    return Call("GET", path, lambda found: [SaidReason(**_known(SaidReason, one)) for one in found])


def forget(session_id: str) -> Call[None]:
    """Forget a session, with its rows in the log."""
    return Call("DELETE", f"/v1/sessions/{_part(session_id)}", _nothing)


def suggest(prefix: str) -> Call[list[Suggestion]]:
    """Words to search for that begin so."""
    return Call(
        "GET", f"/v1/queries?{urlencode({'prefix': prefix})}", lambda found: [_suggestion(one) for one in found]
    )


def item(item_id: str) -> Call[CatalogueItem]:
    """An item."""
    return Call("GET", f"/v1/items/{_part(item_id)}", lambda found: _with_words(CatalogueItem, found))


def add_items(rows: Sequence[Mapping[str, Any]]) -> Call[ClientJob]:
    """Add items: rows with the columns of the item table. The job ends when every worker has them."""
    return _write("POST", "/v1/items:batch", _job_of, {"items": [dict(row) for row in rows]})


def remove_items(item_ids: Sequence[str]) -> Call[ClientJob]:
    """Take items from the offer."""
    return _write("POST", "/v1/items:remove", _job_of, {"item_ids": list(item_ids)})


def restore_items(item_ids: Sequence[str]) -> Call[ClientJob]:
    """Put items on offer again."""
    return _write("POST", "/v1/items:restore", _job_of, {"item_ids": list(item_ids)})


def job(job_id: str) -> Call[ClientJob]:
    """How a job stands."""
    return Call("GET", f"/v1/jobs/{_part(job_id)}", _job_of)


def reload(run: str | None = None) -> Call[ClientJob]:
    """Take up a new run: a folder on the machine of the service, or its own folder again."""
    return _write("POST", "/v1/runs:reload", _job_of, {} if run is None else {"run": run})


def erase_user(user_id: str) -> Call[None]:
    """Erase a person from log, store and memory."""
    return Call("DELETE", f"/v1/users/{_part(user_id)}", _nothing)


def send_events(events: Sequence[Mapping[str, Any]]) -> Call[int]:
    """Say what happened outside, such as purchases, each with an `event_id`; how many were new."""
    return _write(
        "POST", "/v1/events:batch", lambda found: int(found["new"]), {"events": [dict(one) for one in events]}
    )


def error_of(status: int, body: Mapping[str, Any], retry_after: str | None) -> MagusError:
    """The error that a reply stands for: of the class that was raised in the service, with its message."""
    name = "".join(part.capitalize() for part in str(body.get("type", "")).rpartition(":")[2].split("-"))
    kind = getattr(errors, name, MagusError) if re.fullmatch("[A-Za-z]*Error", name) else MagusError
    text = str(body.get("detail") or body.get("title") or f"the service answered {status}")
    wait = float(retry_after) if retry_after is not None and retry_after.isdigit() else None
    if kind is InputError:
        return InputError(text, [(one["pointer"], one["detail"]) for one in body.get("errors", ())])
    if kind is LimitError:
        return LimitError(text, wait)
    if kind is BusyError:
        return BusyError(text, 1.0 if wait is None else wait)
    if kind is AccessError:
        return AccessError(text, known=status != 401)
    return kind(text) if isinstance(kind, type) and issubclass(kind, MagusError) else MagusError(text)


def _write(
    method: str, path: str, read: Callable[[Any], _Found], body: Mapping[str, Any] | None = None
) -> Call[_Found]:
    return Call(method, path, read, body, {"Idempotency-Key": secrets.token_hex(16)})


def _part(text: str) -> str:
    return quote(text, safe="")


def _nothing(found: Any) -> None:
    return None


def _known(kind: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that a record has: a later service may send more."""
    return {name: found[name] for name in kind.__dataclass_fields__ if name in found}


def _words(found: Sequence[Mapping[str, Any]]) -> tuple[EntryWord, ...]:
    return tuple(EntryWord(one["field"], one["value"]) for one in found)


def _with_words(kind: Any, found: Mapping[str, Any]) -> Any:
    return kind(**{**_known(kind, found), "words": _words(found["words"])})


def _suggestion(found: Mapping[str, Any]) -> Suggestion:
    made: Suggestion = _with_words(Suggestion, found)
    return made


def _list_of(found: Mapping[str, Any]) -> OpenList:
    entries = tuple(_with_words(ListEntry, entry) for entry in found["entries"])
    said = {"understood": _words(found.get("understood", ())), "not_understood": tuple(found.get("not_understood", ()))}
    return OpenList(**{**_known(OpenList, found), "entries": entries, **said})


def _job_of(found: Mapping[str, Any]) -> ClientJob:
    return ClientJob(**_known(ClientJob, found))
