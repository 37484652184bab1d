"""What is wrong with files: raised at the first, or collected so that a person reads all of it at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from magus_pyg.errors import DataError

__all__ = ["Findings", "collecting", "current_findings", "listed", "quoted"]

_SHOWN = 5
_LONG = 200


class Findings:
    """Where the loaders report what they cannot use.

    Args:
        collect: False raises at the first problem. True keeps it, and the loader goes on without the rows concerned;
            what a loader cannot go on from is raised all the same.

    Attributes:
        problems: the messages, each with its file, its count and its first lines.
    """

    def __init__(self, collect: bool = False) -> None:
        self.collect = collect
        self.problems: list[str] = []

    def __repr__(self) -> str:
        return f"Findings(collect={self.collect}, problems={len(self.problems)})"

    def problem(self, message: str) -> None:
        """Report what the loader could go on from.

        Raises:
            DataError: with the message, unless problems are collected.
        """
        if not self.collect:
            raise DataError(message)
        self.problems.append(message)


_CURRENT: ContextVar[Findings | None] = ContextVar("findings", default=None)


@contextmanager
def collecting() -> Iterator[Findings]:
    """Collect the problems of all files that are read inside, where the loader is not told otherwise."""
    token = _CURRENT.set(Findings(collect=True))
    try:
        yield current_findings()
    finally:
        _CURRENT.reset(token)


def current_findings() -> Findings:
    """Where problems go: those of the innermost `collecting`, else new ones that raise the first."""
    return _CURRENT.get() or Findings()


def quoted(value: object) -> str:
    """A value as Python writes it, cut where it is long: a message is read by a person."""
    text = repr(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}... ({len(text):,} characters)"


def listed(lines: Sequence[int], count: int | None = None) -> str:
    """The first lines in words, such as "lines 3, 4, 9 and 12 more".

    Args:
        lines: some lines, ascending; the first few are named.
        count: how many there are in all, `len(lines)` if None.
    """
    shown = lines[:_SHOWN]
    more = (len(lines) if count is None else count) - len(shown)
    text = f"line{'s' if len(shown) > 1 else ''} {', '.join(str(line) for line in shown)}"
    return f"{text} and {more} more" if more > 0 else text
