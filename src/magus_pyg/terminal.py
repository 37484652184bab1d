"""The one place that prints: what goes to a terminal, or to the file or pipe that stands in for one.

Nothing that is printed is read as markup, control characters are written out, and a sign that the output's encoding
lacks is replaced. Where the output is no terminal there are no bars and spinners, and lines are not broken.
"""

import codecs
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.progress import Progress, ProgressColumn
from rich.status import Status
from rich.text import Text

from magus_pyg.escaping import shown

__all__ = ["Terminal", "complain", "replace_unknown", "say"]

_ENDLESS = 100_000
"""Columns of what is no terminal: tables keep their values whole."""

#: What stands for signs of this package where an output cannot show them.
_SPELT = {"–": "-", "±": "+-", "…": "...", "·": "*", "⊥": "_|_", "†": "+", "→": "->", "×": "x", "é": "e"}


class Terminal(Console):
    """A console of rich on standard output that prints any text as it is.

    Args:
        stderr: print on standard error instead.
        quiet: print nothing.
    """

    def __init__(self, stderr: bool = False, quiet: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        replace_unknown(stream)
        width = None if stream.isatty() else _ENDLESS
        super().__init__(stderr=stderr, quiet=quiet, width=width, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Called by rich for every text it prints, also for cells and titles of tables."""
        return super().render_str(shown(text, lines=True), **options)

    def say(self, text: str) -> None:
        """Print a text whose lines are never broken: a path, or a command to go on with."""
        self.print(text, soft_wrap=True)

    def bar(self, *columns: ProgressColumn, transient: bool = False) -> Progress:
        """A bar of progress, on a terminal alone."""
        return Progress(*columns, console=self, transient=transient, disable=not self.is_terminal)

    def status(self, status: Any, *, spinner: str = "", **options: Any) -> Status:
        """A spinner while something is done, of signs that the terminal can show."""
        return super().status(status, spinner=spinner or ("dots" if self.encoding[:3] == "utf" else "line"), **options)

    @contextmanager
    def logs(self, name: str, level: int = logging.INFO) -> Iterator[None]:
        """Print what a logger is told meanwhile, a line a record."""
        logger, handler = logging.getLogger(name), _Lines(self)
        before = logger.level
        logger.addHandler(handler)
        logger.setLevel(level)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(before)


class _Lines(logging.Handler):
    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        self._terminal.print(self.format(record))


def say(text: str) -> None:
    """Print a text on standard output, at once."""
    _write(sys.stdout, text)


def complain(text: str) -> None:
    """Print a text on standard error, at once."""
    _write(sys.stderr, text)


def _write(stream: TextIO, text: str) -> None:
    replace_unknown(stream)
    print(shown(text, lines=True), file=stream, flush=True)


def replace_unknown(stream: TextIO) -> None:
    """Let a stream write signs that its encoding lacks in other signs, instead of failing."""
    reconfigure = getattr(stream, "reconfigure", None)  # streams that tests and notebooks put in place have none
    if reconfigure is not None and getattr(stream, "errors", "") != _replaced.__qualname__:
        reconfigure(errors=_replaced.__qualname__)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_SPELT.get(sign) or ascii(sign)[1:-1] for sign in signs), error.end


codecs.register_error(_replaced.__qualname__, _replaced)
