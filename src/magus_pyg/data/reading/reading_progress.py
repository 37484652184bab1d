"""A bar over the bytes of a file that takes a while to read, on a terminal alone."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from magus_pyg.escaping import shown
from magus_pyg.terminal import Terminal

__all__ = ["reading"]

_SMALL = 50 * 2**20


@contextmanager
def reading(path: Path, what: str = "reading") -> Iterator[Callable[[int], None]]:
    """Show how much of a file has been read.

    Args:
        path: the file; small ones are read without a bar.
        what: the word before its name.

    Yields:
        A function to call with the bytes read so far.
    """
    size = path.stat().st_size
    if size < _SMALL or not sys.stderr.isatty():
        yield lambda done: None
        return
    columns = (BarColumn(), DownloadColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Terminal(stderr=True).bar(TextColumn("{task.description}", markup=False), *columns, transient=True) as bar:
        task = bar.add_task(f"{what} {shown(path.name)}", total=size)
        yield lambda done: bar.update(task, completed=done)
