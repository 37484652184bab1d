"""The errors this package raises for input it cannot use.

Every message names the offending value and where it stands, and says what to do. All of them are a `MagusError`
(and a `ValueError`), so a caller can catch one class.
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "AccessError",
    "BusyError",
    "ConfigError",
    "ConflictError",
    "DataError",
    "GoneError",
    "GraphError",
    "InputError",
    "LanguageError",
    "LimitError",
    "MagusError",
    "ModelError",
    "NotThereError",
    "ProcessError",
    "RunError",
    "SessionError",
    "StoreError",
    "did_you_mean",
]


class MagusError(ValueError):
    """Base class of all errors of this package."""


class DataError(MagusError):
    """A log, an item table or a data file that cannot be used."""


class GraphError(MagusError):
    """A graph that cannot be built, or a node, word or item that it does not hold."""


class ModelError(MagusError):
    """A base recommender that cannot do what is asked of it, or scores that cannot be used."""


class SessionError(MagusError):
    """A session that is used against its rules, for example a click on a node that was not shown."""


class RunError(MagusError):
    """A run folder that is missing, damaged, or of another version or data set."""


class ProcessError(MagusError, RuntimeError):
    """A process that this one has started, and that was killed."""


class StoreError(MagusError):
    """A store of sessions and answers that cannot be reached, read or written; nothing is half-written."""


class LanguageError(MagusError):
    """What a model of language said or did not say; the rule's text stands then.

    Args:
        reason: in a few words of our own: what the endpoint says may hold its key.
        failed: whether no answer came, in place of one that cannot be used.
    """

    def __init__(self, reason: str, failed: bool = False) -> None:
        super().__init__(reason)
        self.failed = failed


class ConfigError(MagusError):
    """A configuration value that cannot be used."""


class InputError(MagusError):
    """A request whose body, path or query cannot be used.

    Args:
        message: what is wrong with it.
        faults: where, as JSON pointers into the body, and what is wrong there.
    """

    def __init__(self, message: str, faults: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class NotThereError(MagusError):
    """A session, item, job or address that the service does not have."""


class ConflictError(MagusError):
    """A request that what happened before does not allow, such as an answer to a list that was answered already."""


class GoneError(MagusError):
    """A session that was there, and has expired or was deleted."""


class LimitError(MagusError):
    """More than one who asks may send.

    Args:
        message: what is too much.
        retry_after: seconds after which it may be sent; None where it never may.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BusyError(MagusError):
    """A service that cannot answer now: it is starting, stopping, or has too much to do.

    Args:
        message: why.
        retry_after: seconds after which asking again makes sense.
    """

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AccessError(MagusError):
    """A request whose sender is unknown, or may not do this.

    Args:
        message: why.
        known: whether the sender is known.
    """

    def __init__(self, message: str, known: bool = False) -> None:
        super().__init__(message)
        self.known = known


def did_you_mean(word: str, choices: Iterable[str], cutoff: float = 0.5) -> str:
    """For messages: ", did you mean 'x'?" with the nearest of the choices; "" where none is near."""
    close = get_close_matches(word, list(choices), n=1, cutoff=cutoff)
    return f", did you mean {close[0]!r}?" if close else ""
