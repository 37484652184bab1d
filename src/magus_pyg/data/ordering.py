"""Orders and copies of rows in logs of tens of millions: whole columns as integers, without tables of positions."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

__all__ = ["copies", "stable_order"]

_BITS = 63
_SAMPLE = 1000


def stable_order(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The positions sorted by two columns of integers and then by position.

    Args:
        first: [n], not negative.
        second: [n].

    Returns:
        Integers [n].
    """
    second, groups = _steps(second)
    count = int(first.max()) + 1 if first.size else 0
    if max(groups, count) <= first.size < np.iinfo(np.int32).max:
        order = _grouped(second, np.arange(first.size, dtype=np.int32), groups)
        return _grouped(first[order], order, count)
    bits = [int(span).bit_length() for span in (max(count - 1, 0), groups - 1, max(first.size - 1, 0))]
    if sum(bits) > _BITS:
        return np.lexsort((second, first))
    # All three in one integer: numpy sorts integers several times faster than it sorts positions by columns.
    key = _packed([first, second, np.arange(first.size)], bits)
    key.sort()
    key &= (1 << bits[2]) - 1
    return key


def copies(columns: Sequence[np.ndarray], rows: bool) -> tuple[int, np.ndarray | None]:
    """Rows that are equal to one before them in all columns.

    Args:
        columns: integers [n] each.
        rows: whether to say which rows they are.

    Returns:
        Their number, and bool [n], True for such rows; None if `rows` is False or there are none.
    """
    stepped = [_steps(column) for column in columns]
    bits = [int(groups - 1).bit_length() for _, groups in stepped]
    exact = sum(bits) <= _BITS
    parts = [column for column, _ in stepped]
    key = _packed(parts, bits) if exact else _hashed(parts)
    ordered = np.sort(key)
    again = ordered[1:] == ordered[:-1]
    count = int(again.sum())
    if not count or (exact and not rows):
        return count, None
    several = np.unique(ordered[1:][again])
    del ordered, again
    place = np.minimum(np.searchsorted(several, key), several.size - 1)
    alike = np.flatnonzero(several[place] == key)
    # Rows that share a hash may still differ.
    own = [key[alike]] if exact else [column[alike] for column in parts]
    repeated = np.zeros(key.size, dtype=bool)
    repeated[alike] = pd.DataFrame(dict(enumerate(own))).duplicated().to_numpy()
    return int(repeated.sum()), repeated if rows else None


def _steps(column: np.ndarray) -> tuple[np.ndarray, int]:
    """The column counted from its least value in its common step (days, in seconds), and the number of such steps."""
    if not column.size:
        return column, 1
    low, high = int(column.min()), int(column.max())
    if high - low >= 2**62:
        return column, high - low + 1
    small = np.can_cast(column.dtype, np.int32) and low > np.iinfo(np.int32).min and high - low < 2**31
    shifted = column.astype(np.int32 if small else np.int64) - low
    step = int(np.gcd.reduce(shifted[:_SAMPLE])) or high - low
    if step > 1 and not (shifted % step).any():
        shifted = shifted // step
        return shifted, (high - low) // step + 1
    return shifted, high - low + 1


def _grouped(codes: np.ndarray, order: np.ndarray, count: int) -> np.ndarray:
    """`order` sorted by its codes, equal ones as they were: turning coordinates into rows is a counting sort."""
    coordinates = (codes, order)
    table = sparse.coo_matrix((np.zeros(codes.size, np.int8), coordinates), shape=(count, codes.size))
    table.has_canonical_format = True  # no position is there twice, so nothing has to be summed
    return np.asarray(table.tocsr().indices)


def _packed(columns: Sequence[np.ndarray], bits: Sequence[int]) -> np.ndarray:
    key = np.zeros(columns[0].size, dtype=np.int64)
    for column, width in zip(columns, bits, strict=True):
        key <<= width
        key |= column
    return key


def _hashed(columns: Sequence[np.ndarray]) -> np.ndarray:
    key = np.zeros(columns[0].size, dtype=np.uint64)
    for column in columns:
        key ^= column.astype(np.uint64)
        key *= np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key
