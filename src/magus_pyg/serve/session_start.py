"""What a session of the service began with, as the store keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Person", "SessionSettings", "SessionStart"]


@dataclass(frozen=True)
class Person:
    """Who a session is with, as far as scores go.

    Attributes:
        user_id: a person; None for one of whom nothing is known. Those that are not in the run's log are guests.
        liked: ids of items that a guest likes.
        scores: scores by item id of whoever asks; None for those of the run.
    """

    user_id: str | None = None
    liked: tuple[str, ...] = ()
    scores: Mapping[str, float] | None = None


@dataclass(frozen=True)
class SessionSettings:
    """What recommends, the length of a list, the most rounds, and the fewest items of a list."""

    variant: str
    list_length: int
    rounds: int
    min_items: int


@dataclass(frozen=True)
class SessionStart:
    """What a session of the service began with, as the store keeps it.

    Attributes:
        person: whose it is.
        state: a session's state without answers (`OnlineSession.to_dict`).
        exclude: ids of items that are not shown; None: those that the log has of the user.
        locale: a language tag, or None.
    """

    person: Person
    state: Mapping[str, Any]
    exclude: tuple[str, ...] | None
    locale: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        person = self.person
        return {
            "user_id": person.user_id,
            "liked": list(person.liked),
            "scores": None if person.scores is None else dict(person.scores),
            "state": dict(self.state),
            "exclude": None if self.exclude is None else list(self.exclude),
            "locale": self.locale,
        }

    @classmethod
    def of_dict(cls, data: Mapping[str, Any]) -> "SessionStart":
        """What `to_dict` gave."""
        exclude = data["exclude"]
        person = Person(data["user_id"], tuple(data["liked"]), data["scores"])
        return cls(person, data["state"], None if exclude is None else tuple(exclude), data["locale"])
