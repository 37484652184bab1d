"""How far something is that takes a while, told to whoever shows it."""

from collections.abc import Callable

__all__ = ["Progress", "unseen"]

Progress = Callable[[int, int, str], object]
"""Called with (done, in all, a note): first with nothing done; a new phase begins with nothing done again."""


def unseen(done: int, total: int, note: str) -> None:
    """Nobody looks."""
