"""Counts of requests in memory that forked workers share, as a storage of the library `limits`."""

import mmap
import time

from limits.storage import Storage

__all__ = ["SharedCounts"]

_SLOTS = 2**16
"""A power of 2: callers that are counted at once; 1.5 MB."""
_TRIED = 8
"""Slots that a key may have."""
_TICKS = 1_000_000
"""Of time in a second."""
_MASK = 2**64 - 1


class SharedCounts(Storage):
    """Counts in fixed windows of time, in a table that this process shares with those it forks.

    The storage in memory that `limits` has starts a thread for every count and is of one process. Here a count is a few
    microseconds. Two workers that count the same key in the same microsecond may count one; where more keys are counted
    at once than there is room for, the one whose window ends first is forgotten. Both err on the side of letting in.
    """

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._memory = mmap.mmap(-1, 3 * 8 * _SLOTS)
        self._table = memoryview(self._memory).cast("Q")  # of each slot: the hash of its key, its end, its count

    @property
    def base_exceptions(self) -> type[Exception]:
        """No error of this storage is known."""
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count a key; its window begins with its first count and lasts `expiry` seconds. Returns the count."""
        now, table = _now(), self._table
        at, is_new = self._slot(key, now)
        if is_new:
            table[at], table[at + 1], table[at + 2] = hash(key) & _MASK, now + int(expiry * _TICKS), 0
        table[at + 2] += amount
        return table[at + 2]

    def get(self, key: str) -> int:
        """The count of a key in its window."""
        at, is_new = self._slot(key, _now())
        return 0 if is_new else self._table[at + 2]

    def get_expiry(self, key: str) -> float:
        """When the window of a key ends, in seconds since 1970."""
        now = _now()
        at, is_new = self._slot(key, now)
        return (now if is_new else self._table[at + 1]) / _TICKS

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int | None:
        """Forget all counts."""
        self._memory[:] = bytes(len(self._memory))
        return None

    def clear(self, key: str) -> None:
        """Forget the count of a key."""
        at, is_new = self._slot(key, _now())
        if not is_new:
            self._table[at + 1] = 0

    def _slot(self, key: str, now: int) -> tuple[int, bool]:
        """Where a key is counted, and whether that is new. Processes that were forked hash alike."""
        tag, table = hash(key) & _MASK, self._table
        places = [3 * ((tag + step) % _SLOTS) for step in range(_TRIED)]
        for at in places:
            if table[at] == tag and table[at + 1] > now:
                return at, False
        return min(places, key=lambda at: table[at + 1]), True


def _now() -> int:
    return int(time.time() * _TICKS)
