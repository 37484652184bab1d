"""Many texts as bytes and offsets: decoded one at a time, found by their checksums, mapped from a file as they are."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np
import pyarrow as pa

from magus_pyg.errors import GraphError

__all__ = ["Texts", "checksums"]

_BLOCK = 4096


def _crc_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, np.uint32(0xEDB88320) ^ (table >> np.uint32(1)), table >> np.uint32(1))
    return table


def checksums(data: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """CRC-32 of every text, uint32 [n], as `zlib.crc32` gives it; a step for each byte of the longest text.

    Args:
        data: uint8 [bytes], the texts one after the other.
        ends: integers [n + 1]; text t is `data[ends[t]:ends[t + 1]]`.
    """
    table = _crc_table()
    lengths = np.diff(ends)
    order = np.argsort(-lengths, kind="stable")  # the longest first: each step goes on with a shrinking front part
    start, ascending = ends[:-1][order], -lengths[order]
    state = np.full(order.size, 0xFFFFFFFF, dtype=np.uint32)
    for place in range(int(lengths.max(initial=0))):
        alive = int(np.searchsorted(ascending, -place, side="left"))
        front = state[:alive]
        front[:] = table[(front ^ data[start[:alive] + place]) & np.uint32(0xFF)] ^ (front >> np.uint32(8))
    result = np.empty_like(state)
    result[order] = ~state
    return result


class Texts(Sequence[str]):
    """An immutable sequence of n texts that takes the memory of its bytes alone.

    Args:
        data: uint8 [bytes], UTF-8.
        ends: int32 or int64 [n + 1]; text t is `data[ends[t]:ends[t + 1]]`.
        index: `(checksums, positions)`, int32 [n] each, see `index`; made when first needed if None.

    Raises:
        ValueError: if the arrays do not fit together.
    """

    def __init__(self, data: np.ndarray, ends: np.ndarray, index: tuple[np.ndarray, np.ndarray] | None = None) -> None:
        if ends.size < 1 or ends[0] != 0 or ends[-1] != data.size or (ends[1:] < ends[:-1]).any():
            raise ValueError(f"the ends of {ends.size - 1} texts do not fit their {data.size} bytes")
        if index is not None:
            if any(part.size != ends.size - 1 for part in index):
                raise ValueError(f"the index of {ends.size - 1} texts has {[part.size for part in index]} entries")
            self.index_arrays = index  # in place of the cached property
        self.data, self.ends = data, ends

    @classmethod
    def of(cls, texts: "Iterable[str] | pa.Array") -> "Texts":
        """The texts of a list or of an Arrow array of type string without missing values.

        Raises:
            UnicodeEncodeError: a text that UTF-8 cannot hold (half of a surrogate pair).
        """
        if isinstance(texts, Texts):
            return texts
        if isinstance(texts, pa.Array) and texts.type == pa.string() and not texts.offset:
            _, ends, data = texts.buffers()
            offsets = np.frombuffer(ends, dtype=np.int32, count=len(texts) + 1) if len(texts) else np.zeros(1, np.int32)
            if offsets[0] == 0:
                return cls(np.frombuffer(data or b"", dtype=np.uint8, count=int(offsets[-1])), offsets)
        encoded = [str(text).encode() for text in texts]
        sums = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), sums)

    def arrow(self) -> pa.StringArray:
        """The same as an Arrow array that shares their memory (up to 2 GiB of bytes, as `of` takes them)."""
        ends = self.ends.astype(np.int32, copy=False)
        return pa.StringArray.from_buffers(len(self), pa.py_buffer(ends), pa.py_buffer(self.data))

    def __len__(self) -> int:
        return int(self.ends.size) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        place = range(len(self))[place]  # negative ones, and an IndexError outside
        return self._decode(self.data[self.ends[place] : self.ends[place + 1]].tobytes(), place)

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _BLOCK):
            ends = self.ends[first : first + _BLOCK + 1].tolist()
            block = self.data[ends[0] : ends[-1]].tobytes()
            for place in range(len(ends) - 1):
                yield self._decode(block[ends[place] - ends[0] : ends[place + 1] - ends[0]], first + place)

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and self.find(text) is not None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Texts):
            return np.array_equal(self.ends, other.ends) and np.array_equal(self.data, other.data)
        if isinstance(other, Sequence) and not isinstance(other, str):
            return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Texts({len(self)})"

    @staticmethod
    def _decode(text: bytes, place: int) -> str:
        try:
            return text.decode()
        except UnicodeDecodeError as error:
            raise GraphError(f"text {place} of the graph is damaged ({error}): build the graph again") from error

    @cached_property
    def index_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """`(checksums, positions)`, int32 [n] each: the bits of the CRC-32 of all texts, ascending as unsigned numbers,
        and the text that each is of."""
        sums = checksums(self.data, self.ends)
        order = np.argsort(sums, kind="stable")
        return sums[order].view(np.int32), order.astype(np.int32)

    def find_all(self, text: str) -> list[int]:
        """The positions of a text, ascending."""
        try:
            wanted = text.encode()
        except UnicodeEncodeError:
            return []
        sums, order = self.index_arrays
        unsigned, key = sums.view(np.uint32), np.uint32(zlib.crc32(wanted))
        low = int(np.searchsorted(unsigned, key, side="left"))
        found = []
        for entry in range(low, len(self)):
            if unsigned[entry] != key:
                break
            place = int(order[entry])
            if self.data[self.ends[place] : self.ends[place + 1]].tobytes() == wanted:
                found.append(place)
        return found

    def find(self, text: str) -> int | None:
        """The first position of a text, or None."""
        found = self.find_all(text)
        return found[0] if found else None

    def positions(self, texts: Sequence[str]) -> np.ndarray:
        """The first position of each text, int64 [len(texts)], -1 where there is none."""
        wanted = Texts.of(texts)
        if not len(self) or not len(wanted):
            return np.full(len(wanted), -1, dtype=np.int64)
        sums, order = self.index_arrays
        unsigned, keys = sums.view(np.uint32), checksums(wanted.data, wanted.ends)
        low = np.minimum(np.searchsorted(unsigned, keys, side="left"), len(self) - 1)
        place = order[low].astype(np.int64)
        known = unsigned[low] == keys
        equal = known & _equal(self, place, wanted)
        place[~equal] = -1
        for number in np.flatnonzero(known & ~equal).tolist():  # another text with the same checksum comes first
            found = self.find(wanted[number])
            place[number] = -1 if found is None else found
        return place


def _equal(texts: Texts, places: np.ndarray, wanted: Texts) -> np.ndarray:
    """bool [n]: whether text `places[t]` is wanted text t."""
    start, size = texts.ends[places].astype(np.int64), texts.ends[places + 1] - texts.ends[places]
    lengths = np.diff(wanted.ends)
    same: np.ndarray = size == lengths
    owner = np.repeat(np.arange(len(wanted)), lengths)
    inside = np.arange(wanted.data.size) - wanted.ends[:-1][owner]
    byte = np.minimum(start[owner] + inside, texts.data.size - 1)
    wrong = texts.data[byte] != wanted.data if texts.data.size else np.zeros(0, dtype=bool)
    same[owner[wrong]] = False
    return same
