"""Rows of different lengths as two tensors, and the operations on them that would otherwise be Python loops."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

__all__ = ["Ragged", "ragged_arange"]


def ragged_arange(lengths: Tensor) -> Tensor:
    """0..n-1 for every n of `lengths`, one after the other.

    Args:
        lengths: int64 [R], each at least 0.

    Returns:
        int64 [sum of lengths].
    """
    ends = torch.cumsum(lengths, 0)
    total = int(ends[-1]) if lengths.numel() else 0
    starts = torch.repeat_interleave(ends - lengths, lengths, output_size=total)
    return torch.arange(total, device=lengths.device) - starts


@dataclass(frozen=True, eq=False)
class Ragged:
    """R rows of integers of different lengths, in compressed form (CSR).

    Attributes:
        ptr: int64 [R + 1]; row r is `index[ptr[r]:ptr[r + 1]]`.
        index: int64 (or int32) [E], the values.
    """

    ptr: Tensor
    index: Tensor

    @classmethod
    def from_pairs(cls, row: Tensor, value: Tensor, n_rows: int) -> "Ragged":
        """Collect (row, value) pairs into rows; the order of the values within a row is kept.

        Args:
            row: int64 [E] in [0, n_rows).
            value: int64 [E].
            n_rows: number of rows, empty ones included.
        """
        if row.numel() > 1 and not bool((row[1:] >= row[:-1]).all()):
            order = torch.argsort(row, stable=True)
            row, value = row[order], value[order]
        ptr = torch.zeros(n_rows + 1, dtype=torch.int64, device=row.device)
        torch.cumsum(torch.bincount(row, minlength=n_rows), 0, out=ptr[1:])
        return cls(ptr, value)

    @classmethod
    def from_lists(cls, rows: list[list[int]]) -> "Ragged":
        """Rows given as Python lists (for small inputs and tests)."""
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        values = torch.tensor([value for row in rows for value in row], dtype=torch.int64)
        return cls(torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]), values)

    def __len__(self) -> int:
        return self.ptr.numel() - 1

    @property
    def lengths(self) -> Tensor:
        """int64 [R], the number of values of each row."""
        return self.ptr[1:] - self.ptr[:-1]

    @property
    def row(self) -> Tensor:
        """int64 [E], the row of each value."""
        rows = torch.arange(len(self), device=self.ptr.device)
        return torch.repeat_interleave(rows, self.lengths, output_size=self.index.numel())

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The values of chosen rows.

        Args:
            rows: int64 [K], rows to read, repeats allowed.

        Returns:
            `(position, value)`, int64 [M] each: `value` holds the values of the chosen rows one after the other,
            `position` in [0, K) says which entry of `rows` each belongs to.
        """
        start = self.ptr[rows]
        lengths = self.ptr[rows + 1] - start
        total = int(lengths.sum())
        position = torch.repeat_interleave(torch.arange(rows.numel(), device=rows.device), lengths, output_size=total)
        return position, self.index[start[position] + ragged_arange(lengths)]

    def select(self, rows: Tensor) -> "Ragged":
        """The chosen rows as a `Ragged` of its own, [K] rows."""
        lengths = self.ptr[rows + 1] - self.ptr[rows]
        _, value = self.gather(rows)
        return Ragged(torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]), value)

    def transpose(self, n_values: int) -> "Ragged":
        """For every value in [0, n_values) the rows that hold it, in ascending order: [n_values] rows."""
        return Ragged.from_pairs(self.index.to(torch.int64), self.row, n_values)

    def to(self, device: torch.device | str) -> "Ragged":
        """A copy on another device."""
        return Ragged(self.ptr.to(device), self.index.to(device))

    def tolist(self) -> list[list[int]]:
        """The rows as Python lists (for small data and messages)."""
        values, ends = self.index.tolist(), self.ptr.tolist()
        return [values[start:end] for start, end in pairwise(ends)]
