"""Query nodes: the word combinations that some item contains, and who contains whom (App. C.2, R+ of Definition 3.1).

Combinations are numbered level by level (one word, two words, ...). A combination of k words is the pair (its first
k - 1 words, its last word), so one int64 key per combination is enough on every level, whatever the vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import torch
from torch import Tensor

from magus_pyg.errors import GraphError
from magus_pyg.ragged import Ragged

__all__ = ["Combinations", "count_pairs", "enumerate_combinations"]


@dataclass(frozen=True)
class Combinations:
    """All combinations of at most `max_words` words that some item contains, sorted by size, then by words.

    Attributes:
        words: [Q] rows of word ids, ascending within a row.
        item_parts: [I] rows of combinations (0..Q-1) that the item contains, ascending.
        parts: [Q] rows of combinations that are strictly part of the combination, ascending.
    """

    words: Ragged
    item_parts: Ragged
    parts: Ragged


def count_pairs(sizes: Tensor, max_words: int) -> int:
    """The number of (item, combination) pairs of items with `sizes` words, without making them."""
    size, count = torch.unique(sizes, return_counts=True)
    return sum(
        n * sum(comb(s, k) for k in range(1, max_words + 1)) for s, n in zip(size.tolist(), count.tolist(), strict=True)
    )


def enumerate_combinations(item_words: Ragged, n_words: int, max_words: int) -> Combinations:
    """Enumerate the query nodes of a catalogue.

    Args:
        item_words: [I] rows of word ids, ascending within a row; every word in 0..n_words-1 is in some row.
        n_words: number of words W.
        max_words: the most words of a combination, at least 1.

    Raises:
        GraphError: if `max_words` is below 1.
    """
    if max_words < 1:
        raise GraphError(f"max_words must be at least 1, got {max_words}")
    levels = _Levels(n_words)
    groups = [_Group(item, words) for item, words in _by_size(item_words) if words.shape[1]]
    for size in range(2, max_words + 1):
        keys = [group.keys(size, n_words) for group in groups]
        if not sum(key.numel() for key in keys):
            break
        inverse = levels.add(torch.cat([key.reshape(-1) for key in keys]))
        taken = 0
        for group, key in zip(groups, keys, strict=True):
            group.ids.append(inverse[taken : taken + key.numel()].reshape(key.shape))
            taken += key.numel()

    item_rows, item_values = [], []
    for group in groups:
        for level, ids in enumerate(group.ids):
            item_rows.append(group.item.unsqueeze(1).expand_as(ids).reshape(-1))
            item_values.append(ids.reshape(-1) + levels.offset(level + 1))
    words = torch.cat([level.reshape(-1) for level in levels.words])
    sizes = torch.cat([torch.full((level.shape[0],), level.shape[1]) for level in levels.words])
    ptr = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    return Combinations(
        words=Ragged(ptr, words),
        item_parts=_sorted_rows(_cat(item_rows), _cat(item_values), len(item_words), levels.total),
        parts=levels.parts(),
    )


def _cat(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int64)


def _sorted_rows(row: Tensor, value: Tensor, n_rows: int, n_values: int) -> Ragged:
    """Rows from unsorted pairs, ascending within a row."""
    key, _ = torch.sort(row * max(n_values, 1) + value)
    return Ragged.from_pairs(key // max(n_values, 1), key % max(n_values, 1), n_rows)


def _by_size(rows: Ragged) -> Iterator[tuple[Tensor, Tensor]]:
    """The rows grouped by their length: (rows [G], their values [G, length])."""
    for size in torch.unique(rows.lengths).tolist():
        chosen = torch.nonzero(rows.lengths == size).flatten()
        yield chosen, rows.index[rows.ptr[chosen].unsqueeze(1) + torch.arange(size)]


def _positions(length: int, size: int) -> Tensor:
    """All ascending choices of `size` positions out of `length`, in lexicographic order: int64 [choices, size]."""
    return torch.tensor(list(combinations(range(length), size)), dtype=torch.int64).reshape(-1, size)


def _prefix_and_last(length: int, size: int) -> tuple[Tensor, Tensor]:
    """For each choice of `size` positions: the place of its first size-1 in the list of those, and the last."""
    chosen = _positions(length, size).numpy()
    shorter = {tuple(row): place for place, row in enumerate(_positions(length, size - 1).tolist())}
    prefix = np.array([shorter[tuple(row)] for row in chosen[:, :-1].tolist()], dtype=np.int64)
    return torch.from_numpy(prefix), torch.from_numpy(np.ascontiguousarray(chosen[:, -1]))


class _Group:
    """Rows with the same number of words: `ids[k]` [G, choices] are their combinations of k + 1 words."""

    def __init__(self, item: Tensor, words: Tensor) -> None:
        self.item, self.words = item, words
        self.ids = [words]

    def keys(self, size: int, n_words: int) -> Tensor:
        """int64 [G, choices]: the key of every combination of `size` words."""
        if size > self.words.shape[1]:
            return self.words.new_zeros((self.words.shape[0], 0))
        prefix, last = _prefix_and_last(self.words.shape[1], size)
        key: Tensor = self.ids[size - 2][:, prefix] * n_words + self.words[:, last]
        return key


class _Levels:
    """The distinct combinations of every size; those of one word are the words themselves."""

    def __init__(self, n_words: int) -> None:
        self.n_words = n_words
        self.keys = [torch.arange(n_words)]
        self.words = [torch.arange(n_words).reshape(-1, 1)]

    @property
    def total(self) -> int:
        return sum(level.numel() for level in self.keys)

    def offset(self, size: int) -> int:
        return sum(level.numel() for level in self.keys[: size - 1])

    def add(self, key: Tensor) -> Tensor:
        """Add the next size from the keys of all its occurrences; returns their numbers on this level."""
        distinct, inverse = torch.unique(key, return_inverse=True)
        numbers: Tensor = inverse
        self.keys.append(distinct)
        self.words.append(torch.cat([self.words[-1][distinct // self.n_words], (distinct % self.n_words)[:, None]], 1))
        return numbers

    def parts(self) -> Ragged:
        """For every combination the combinations strictly part of it: all of its proper subsets, which exist."""
        per_level = []
        for level, words in enumerate(self.words):
            ids = [words]
            columns = []
            for size in range(1, level + 1):
                if size > 1:
                    prefix, last = _prefix_and_last(level + 1, size)
                    key = ids[-1][:, prefix] * self.n_words + words[:, last]
                    ids.append(torch.searchsorted(self.keys[size - 1], key))
                columns.append(ids[-1] + self.offset(size))
            # Positions are chosen in lexicographic order and words ascend, so each row is ascending already.
            per_level.append(torch.cat(columns, 1) if columns else words.new_zeros((words.shape[0], 0)))
        lengths = torch.cat([torch.full((level.shape[0],), level.shape[1]) for level in per_level])
        ptr = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        return Ragged(ptr, torch.cat([level.reshape(-1) for level in per_level]))
