"""How far the reading of a file is that takes a while, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
    terminal = Terminal(stderr=True)
    if size < _SMALL or not terminal.is_terminal:
        yield lambda done: None
        return
    with terminal.stage(f"{what} {path.name}, MiB", size, "", 2**20) as stage:
        yield lambda done: stage.step(done - stage.done)
