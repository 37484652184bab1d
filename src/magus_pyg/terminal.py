"""The one place that prints: what goes to a terminal, or to the file or pipe that stands in for one.

Nothing that is printed is read as markup, control characters are written out, and a sign that the output's encoding
lacks is replaced. Where the output is no terminal a stage is a line, and one more every half minute, and lines are not
broken.
"""

import codecs
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from magus_pyg.escaping import shown

__all__ = ["Stage", "Terminal", "complain", "replace_unknown", "say"]

_ENDLESS = 100_000
"""Columns of what is no terminal: tables keep their values whole."""

_EVERY = 30.0
"""Seconds between two lines of a stage where there is no terminal."""

_WIDE = 100
"""Columns from which on a bar is long."""

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
        self._noted: set[str] = set()

    def render_str(self, text: str, **options: Any) -> Text:
        """Called by rich for every text it prints, also for cells and titles of tables."""
        return super().render_str(shown(text, lines=True), **options)

    def say(self, text: str) -> None:
        """Print a text whose lines are never broken: a path, or a command to go on with."""
        self.print(text, soft_wrap=True)

    def entry(self, lead: str, text: str, style: str | None = None) -> None:
        """Print an entry of a list; what has no room in its line goes on below, under the text.

        Args:
            lead: before it, such as its number.
            text: the entry.
            style: of both, as rich calls it.
        """
        indent = cell_len(lead)
        lines = Text(shown(text)).wrap(self, max(self.width - indent, 20))
        self.print(lead + ("\n" + indent * " ").join(line.plain.rstrip() for line in lines), style=style)

    def note(self, text: str) -> None:
        """Print what several may have to say, such as each agent, once."""
        if text not in self._noted:
            self._noted.add(text)
            self.print(text)

    def command(self, lead: str, *parts: str) -> None:
        """Print a command to go on with, so that it can be copied: no part of it is ever broken.

        Args:
            lead: before it, such as "next: ".
            parts: of the command, as a shell reads them. On a terminal that is too narrow for all of them each but the
                first stands on a line of its own, and a backslash before its end joins them.
        """
        whole = f"{lead}{' '.join(parts)}"
        fits = not self.is_terminal or len(shown(whole)) <= self.width
        self.say(whole if fits else lead + " \\\n      ".join(parts))

    def stage(self, what: str, total: int | None = None, unit: str = "", per: int = 1, bound: str = "about") -> "Stage":
        """Show what takes a while as long as it lasts; see `Stage`."""
        return Stage(self, what, total, unit, per, bound)

    @contextmanager
    def logs(self, name: str, level: int = logging.INFO) -> Iterator[None]:
        """Print what a logger is told meanwhile, a line a record, each text once."""
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
        self._terminal.note(self.format(record))


class Stage:
    """Something that takes a while, shown as long as it lasts.

    On a terminal that is one line that changes, and goes at the end: a bar as soon as it is known how much there is to
    do, with the time that has passed and an estimate of the whole. Elsewhere it is a line at the beginning and one
    every half minute. A stage inside another stands in its place meanwhile.

    Args:
        terminal: where it is shown.
        what: is done.
        total: steps in all; None while it is not known.
        unit: what is counted, such as "epoch"; "" for steps.
        per: steps of a unit.
        bound: what the estimate is: "about", or "at most" where it may end earlier.
    """

    _running: ClassVar["list[Stage]"] = []

    def __init__(self, terminal: Terminal, what: str, total: int | None, unit: str, per: int, bound: str) -> None:
        self._terminal, self.what, self.total, self.unit, self.per, self.bound = terminal, what, total, unit, per, bound
        self.done, self.note = 0, ""
        self._live: Live | None = None
        self._hidden = threading.Event()
        self._spinner = Spinner("dots" if terminal.encoding[:3] == "utf" else "line")

    def __enter__(self) -> Self:
        self._began = self._mark = time.monotonic()
        self._before = self.done
        if self._running:
            self._running[-1]._hide()
        self._running.append(self)
        if not self._terminal.is_terminal:
            self._terminal.print(self.what)
        self._show()
        return self

    def __exit__(self, *error: object) -> None:
        self._hide()
        self._running.remove(self)
        if self._running:
            self._running[-1]._show()

    def step(self, steps: int = 1, note: str | None = None) -> None:
        """Count steps, and note how it stands."""
        self.done += steps
        self.note = self.note if note is None else note

    def reach(self, done: int, total: int, note: str = "") -> None:
        """Say how much is done of how much; `done=0` begins to count, and to measure how long a step takes."""
        if not done or total != self.total:
            self._mark, self._before = time.monotonic(), done
        self.done, self.total, self.note = done, total, note

    def _show(self) -> None:
        if self._terminal.quiet:
            return
        if self._terminal.is_terminal:
            self._live = Live(console=self._terminal, transient=True, get_renderable=self._line, refresh_per_second=8)
            self._live.start()
            return
        self._hidden = threading.Event()  # a new one each time: a thread that has not ended yet keeps its own
        threading.Thread(target=self._tell, args=(self._hidden,), daemon=True).start()

    def _hide(self) -> None:
        self._hidden.set()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _tell(self, hidden: threading.Event) -> None:
        while not hidden.wait(_EVERY):
            count = self._count(" of ")
            done = f"{self.what}: {self.unit} {count}".replace("  ", " ") if count else self.what
            self._terminal.print(", ".join(part for part in (done, self._time(), self.note) if part))

    def _count(self, of: str) -> str:
        return "" if self.total is None else f"{self.done // self.per:,}{of}{self.total // self.per:,}"

    def _time(self) -> str:
        now = time.monotonic()
        told = _clock(now - self._began)
        taken = self.done - self._before
        if self.total is not None and taken > 0 and now - self._mark >= 1.0:  # what is shorter says little
            whole = self._mark - self._began + (now - self._mark) * (self.total - self._before) / taken
            told += f" of {self.bound} {_clock(max(whole, now - self._began))}"
        return told

    def _line(self) -> Table:
        """What a terminal shows."""
        line = Table.grid(padding=(0, 1))
        wide = self._terminal.width >= _WIDE
        parts: list[Any] = [self._spinner, shown(f"{self.unit or self.what} {self._count('/')}".rstrip())]
        if self.total is not None:
            parts.append(ProgressBar(max(self.total, 1), self.done, 30 if wide else 8))
        parts += [self._time(), Text(self.note)]
        for place, part in enumerate(parts):  # where there is no room the note is cut
            wanted = None if place == len(parts) - 1 else cell_len(part) if isinstance(part, str) else None
            line.add_column(no_wrap=True, overflow="ellipsis", min_width=wanted)
        line.add_row(*parts)
        return line


def _clock(seconds: float) -> str:
    """Minutes and seconds, 2:05, or with hours, 1:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def say(text: str) -> None:
    """Print a text on standard output, at once."""
    _write(sys.stdout, text)


def complain(text: str, *, alone: bool = False) -> None:
    """Print a text on standard error, at once.

    Args:
        text: what is printed.
        alone: on a terminal it takes the place of the line that the cursor stands in, such as a prompt with `^C`.
    """
    if alone and sys.stderr.isatty():
        print("\r\x1b[2K", end="", file=sys.stderr)
    _write(sys.stderr, text)


def _write(stream: TextIO, text: str) -> None:
    replace_unknown(stream)
    print(f"{shown(text, lines=True)}\n", end="", file=stream, flush=True)  # at once, whatever else prints


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
