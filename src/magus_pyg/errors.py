"""The errors this package raises for input it cannot use.

Every message names the offending value and where it stands, and says what to do. All of them are a `MagusError`
(and a `ValueError`), so a caller can catch one class.
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "ConfigError",
    "DataError",
    "GraphError",
    "MagusError",
    "ModelError",
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


class ConfigError(MagusError):
    """A configuration value that cannot be used."""


def did_you_mean(word: str, choices: Iterable[str], cutoff: float = 0.5) -> str:
    """For messages: ", did you mean 'x'?" with the nearest of the choices; "" where none is near."""
    close = get_close_matches(word, list(choices), n=1, cutoff=cutoff)
    return f", did you mean {close[0]!r}?" if close else ""
