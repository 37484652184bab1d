"""Sets of items, one a user, and the items outside them without ever listing those."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from magus_pyg.data.dataset import RecDataset, part_index

__all__ = ["ItemSets", "items_of_users"]


@dataclass(frozen=True, eq=False)
class ItemSets:
    """R sets of items out of [0, n_items).

    Attributes:
        ptr: int64 [R + 1]; set r is `item[ptr[r]:ptr[r + 1]]`.
        item: int64 [E], ascending and distinct within a set.
        n_items: number of items there are.
    """

    ptr: Tensor
    item: Tensor
    n_items: int

    @classmethod
    def from_pairs(cls, row: Tensor, item: Tensor, n_rows: int, n_items: int) -> "ItemSets":
        """Collect (row, item) pairs, in any order and with repeats, into sets."""
        key = torch.unique(row * n_items + item)
        rows = torch.div(key, n_items, rounding_mode="floor") if n_items else key
        ptr = torch.zeros(n_rows + 1, dtype=torch.int64, device=row.device)
        torch.cumsum(torch.bincount(rows, minlength=n_rows), 0, out=ptr[1:])
        return cls(ptr, key - rows * n_items, n_items)

    @property
    def sizes(self) -> Tensor:
        """int64 [R], items in each set."""
        return self.ptr[1:] - self.ptr[:-1]

    @property
    def n_outside(self) -> Tensor:
        """int64 [R], items outside each set."""
        return self.n_items - self.sizes

    def outside(self, row: Tensor, rank: Tensor) -> Tensor:
        """The item at a rank (from 0, ascending) among the items outside a set.

        A random rank is thus a random item outside, without drawing again where an item of the set is hit.

        Args:
            row: int64 [n], sets.
            rank: int64 [n], each below `n_outside[row]`.

        Returns:
            int64 [n].
        """
        step = self.n_items + 1
        position = torch.searchsorted(self._outside_before, row * step + rank, right=True)
        return rank + position - self.ptr[row]

    def contains(self, row: Tensor, item: Tensor) -> Tensor:
        """bool [n], whether each item is in its set."""
        key = row * self.n_items + item
        if self._keys.numel() == 0:
            return torch.zeros_like(key, dtype=torch.bool)
        position = torch.searchsorted(self._keys, key).clamp(max=self._keys.numel() - 1)
        return self._keys[position] == key

    def to(self, device: torch.device | str) -> "ItemSets":
        """A copy on another device."""
        return ItemSets(self.ptr.to(device), self.item.to(device), self.n_items)

    @cached_property
    def _rows(self) -> Tensor:
        rows = torch.arange(len(self.ptr) - 1, device=self.ptr.device)
        return torch.repeat_interleave(rows, self.sizes, output_size=self.item.numel())

    @cached_property
    def _keys(self) -> Tensor:
        """int64 [E], ascending: row and item in one number."""
        return self._rows * self.n_items + self.item

    @cached_property
    def _outside_before(self) -> Tensor:
        """int64 [E], ascending: row, and how many items outside its set stand before each member, in one number.

        Before the j-th member t_j of a set (from 0) there are t_j - j items outside. The item of rank r stands after
        all members with t_j - j <= r, so it is r plus their number. A large step tells the rows apart.
        """
        within = torch.arange(self.item.numel(), device=self.item.device) - self.ptr[self._rows]
        return self._rows * (self.n_items + 1) + self.item - within


def items_of_users(data: RecDataset, parts: tuple[str, ...]) -> ItemSets:
    """The items that each user touched in some parts, positive or not: U sets."""
    wanted = torch.tensor([part_index(part) for part in parts], dtype=torch.int8)
    kept = torch.isin(torch.from_numpy(data.part), wanted)
    user, item = torch.from_numpy(data.user)[kept], torch.from_numpy(data.item)[kept]
    return ItemSets.from_pairs(user, item, data.n_users, data.n_items)
