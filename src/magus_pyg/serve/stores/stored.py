"""What a store keeps: plain records of JSON values, by item ids and words, never by node numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

__all__ = [
    "Event",
    "Gone",
    "Job",
    "LogRow",
    "LoggedChange",
    "NamedEntry",
    "Outcome",
    "Reply",
    "RowKind",
    "StoredSession",
    "Written",
]

NamedEntry = str | Sequence[Sequence[str]]
"""An item by its id, or a query by its words, each (field, value): as `SessionState.to_dict` names them."""

RowKind = Literal["start", "answer", "words", "undo"]


class Outcome(StrEnum):
    """What became of a write that may come too late."""

    DONE = "done"
    """Written, all of it."""
    STALE = "stale"
    """Another write came first: the session has another version. Nothing was written."""
    GONE = "gone"
    """The session is expired, deleted, or was never there. Nothing was written."""
    REPLIED = "replied"
    """The idempotency key has its reply already (`find_reply`). Nothing was written."""


class Written(dict[str, Any]):
    """A JSON object that is written again and again, and changed no more.

    Attributes:
        text: its JSON, once it was made.
    """

    text: str | None = None


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session between two requests: what it began with and what was said. Lists are not part of it.

    Attributes:
        session_id: the name it has for the outside.
        start: what it began with, as JSON.
        answers: what was answered and told, in order, as JSON.
        version: counts its writes; 0 when it is created.
        edition: the edition of the catalogue that it plays on.
        created, touched, expires: seconds since 1970, by `Store.now`; from `expires` on it is gone.
        user_hash: whose it is, as `serve.privacy` writes people; None for a guest.
        experiment, arm: the A/B test that it is part of, and its side of it.
        texts: texts shown in it, which stay as they were shown: by their key.
    """

    session_id: str
    start: Mapping[str, Any]
    answers: Sequence[Any]
    version: int
    edition: str
    created: float
    touched: float
    expires: float
    user_hash: str | None = None
    experiment: str | None = None
    arm: str | None = None
    texts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", _written(self.start))
        object.__setattr__(self, "answers", [_written(said) for said in self.answers])


@dataclass(frozen=True, slots=True)
class Gone:
    """What is left of a session that was there: it expired, or was deleted."""

    session_id: str
    why: Literal["expired", "deleted"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered to a request that may be sent again.

    Attributes:
        scope: whose keys these are, such as the hash of a bearer key: two callers may use the same key.
        key: the `Idempotency-Key`.
        fingerprint: hash of the request. The same key with another one is a mistake of the caller.
        status: HTTP status.
        body: what the reply was, or what it can be computed from. The store does not look inside.
        expires: seconds since 1970 until which it is kept.
        session_id: the session it is about, with which it is deleted; None for none.
    """

    scope: str
    key: str
    fingerprint: str
    status: int
    body: str
    expires: float
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of the answer log.

    Attributes:
        kind: "start" (a session began), "answer" (a list was answered), "words" (somebody said something outside a
            list) or "undo" (the last answer or words of the session that still count were taken back).
        session_id: the session.
        time: seconds since 1970, by `Store.now`.
        round: the number of the list from 1; 0 for a start.
        recommendation_id: the list's name for the outside; "" where there is no list.
        shown: the list, in order.
        clicked: the place of the click in it (from 0), None for none of these.
        not_care: the places of the queries answered Not Care.
        words: of "words": what was said, each (field, value).
        liked: of "words": whether it is wanted; None takes back what was said of it, or a click on its query.
        user_hash, experiment, arm, edition: as of the session.
        run: name of the run that recommended.
        variant, list_length, rounds: what recommended, N and K.
        number: its place in the log, which the store gives; later rows have higher ones, and none comes twice.
    """

    kind: RowKind
    session_id: str
    time: float
    round: int = 0
    recommendation_id: str = ""
    shown: Sequence[NamedEntry] = ()
    clicked: int | None = None
    not_care: Sequence[int] = ()
    words: Sequence[Sequence[str]] = ()
    liked: bool | None = None
    user_hash: str | None = None
    experiment: str | None = None
    arm: str | None = None
    edition: str = ""
    run: str = ""
    variant: str = ""
    list_length: int = 0
    rounds: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened outside the lists, such as a purchase.

    Attributes:
        event_id: its name; an event is kept once, however often it is sent.
        kind: such as "purchase".
        item_id: the item.
        time: when it happened, seconds since 1970.
        recommendation_id, session_id: the list and the session that led to it; "" and None for none.
        user_hash: whose it is; None if not known.
        number: its place among the events, which the store gives.
    """

    event_id: str
    kind: str
    item_id: str
    time: float
    recommendation_id: str = ""
    session_id: str | None = None
    user_hash: str | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """A change that every worker plays, such as items added or a new run, with its place in their one order."""

    number: int
    change: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """Work that goes on after its request was answered.

    Attributes:
        job_id: its name.
        kind: such as "items:batch".
        state: "waiting", "running", "done" or "failed".
        done, total: how much of it.
        detail: what else is to be said, as JSON.
        touched: seconds since 1970 of its last progress.
    """

    job_id: str
    kind: str
    state: Literal["waiting", "running", "done", "failed"]
    done: int = 0
    total: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)
    touched: float = 0.0


def _written(value: Any) -> Any:
    return Written(value) if type(value) is dict else value
