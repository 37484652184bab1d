"""What was used last, up to a number and a size in memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

__all__ = ["RecentlyUsed"]

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class RecentlyUsed(Generic[_Key, _Value]):
    """The values used last. Safe to use from many threads.

    Args:
        most: values kept; 0 keeps none.
        most_bytes: of their memory together; one value is kept whatever its size.
        size: the memory of a value, in bytes.
    """

    def __init__(self, most: int, most_bytes: int, size: Callable[[_Value], int]) -> None:
        self.most, self.most_bytes, self._size = most, most_bytes, size
        self._values: OrderedDict[_Key, tuple[_Value, int]] = OrderedDict()
        self._bytes, self._lock = 0, threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[_Value]:
        with self._lock:
            return iter([value for value, _ in self._values.values()])

    @property
    def nbytes(self) -> int:
        """Their memory together, in bytes."""
        return self._bytes

    def get(self, key: _Key) -> _Value | None:
        """The value of a key, which is now the last that was used; None if there is none."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def take(self, key: _Key) -> _Value | None:
        """The value of a key, which is not kept any more: whoever took it is the only one to use it."""
        with self._lock:
            return self._drop(key)

    def put(self, key: _Key, value: _Value) -> None:
        """Keep a value, in the place of the one of its key if there is one."""
        size = self._size(value)
        with self._lock:
            self._drop(key)
            if not self.most:
                return
            self._values[key] = value, size
            self._bytes += size
            while len(self._values) > self.most or (self._bytes > self.most_bytes and len(self._values) > 1):
                self._drop(next(iter(self._values)))

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._values.clear()
            self._bytes = 0

    def _drop(self, key: _Key) -> _Value | None:
        found = self._values.pop(key, None)
        if found is None:
            return None
        self._bytes -= found[1]
        return found[0]
