"""Query nodes: the word combinations that some item contains, and who contains whom (App. C.2, R+ of Definition 3.1).

Combinations are numbered level by level (one word, two words, ...). A combination of k words is the pair (its first
k - 1 words, its last word), so one int64 key per combination is enough on every level, whatever the vocabulary. What is
as long as R+ is worked on in pieces and kept as int32 where the numbers fit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from typing import Literal

import torch
from torch import Tensor

from magus_pyg.errors import GraphError
from magus_pyg.memory import require_memory
from magus_pyg.ragged import Ragged, ragged_arange

__all__ = ["ADVICE", "MAX_QUERIES", "Combinations", "Levels", "count_pairs", "enumerate_combinations"]

ADVICE = "lower max_words or max_share, or name fewer word_fields, or raise min_support"
"""What to do where the combinations are too many."""

MAX_QUERIES = 1_000_000
"""With `min_support="auto"`, queries that one item alone holds are nodes as long as there are no more queries."""

_PIECE = 2**21  # combinations worked on at once
_EDGE = 24  # bytes that each pair of R+ takes at the least: its edge, and its number as found and as collected
_FOUND = 8  # bytes that each pair takes at the least while combinations of too few items are found
_QUERY = 96  # bytes that each combination takes: its key, its words as found, collected and written, their ends


@dataclass(frozen=True)
class Combinations:
    """All combinations of at most `max_words` words that enough items contain, sorted by size, then by words.

    Attributes:
        words: [Q] rows of word ids, ascending within a row.
        item_parts: [I] rows of combinations (0..Q-1) that the item contains, ascending.
        parts: [Q] rows of combinations that are strictly part of the combination, ascending.
        levels: finds combinations by their words.
        min_support: how many items contain each of them at the least.
    """

    words: Ragged
    item_parts: Ragged
    parts: Ragged
    levels: "Levels"
    min_support: int


def count_pairs(sizes: Tensor, max_words: int) -> int:
    """The number of (item, combination) pairs of items with `sizes` words, without making them."""
    size, count = torch.unique(sizes, return_counts=True)
    return sum(
        n * sum(comb(s, k) for k in range(1, min(max_words, s) + 1))
        for s, n in zip(size.tolist(), count.tolist(), strict=True)
    )


def enumerate_combinations(
    item_words: Ragged,
    n_words: int,
    max_words: int,
    min_support: int | Literal["auto"] = 1,
    max_queries: int = MAX_QUERIES,
) -> Combinations:
    """Enumerate the query nodes of a catalogue.

    Args:
        item_words: [I] rows of word ids, ascending within a row; every word in 0..n_words-1 is in some row.
        n_words: number of words W.
        max_words: the most words of a combination, at least 1.
        min_support: how many items contain a combination at the least; "auto": 1, or 2 where there would be more than
            `max_queries` combinations then.
        max_queries: see there.

    Raises:
        GraphError: if `max_words`, `min_support` or `max_queries` is below 1, or if the combinations need more memory
            than there is.
    """
    for name, value in (("max_words", max_words), ("min_support", min_support), ("max_queries", max_queries)):
        if (name, value) != ("min_support", "auto") and (not isinstance(value, int) or value < 1):
            other = ' or "auto"' if name == "min_support" else ""
            raise GraphError(f"{name} must be at least 1{other}, got {value!r}")
    pairs = count_pairs(item_words.lengths, max_words)
    each = _EDGE if min_support == 1 else _FOUND
    require_memory(each * pairs, f"R+ with {pairs:,} pairs of an item and a query", ADVICE)
    least = 1 if min_support == "auto" else min_support
    limit = max_queries if min_support == "auto" and pairs > max_queries else None
    dtype = torch.int32 if pairs + n_words < 2**31 else torch.int64
    found = _found(item_words, n_words, max_words, least, limit, dtype)
    if found is None:
        least = 2
        found = _found(item_words, n_words, max_words, least, None, dtype)
    assert found is not None, "without a limit there is a result"
    levels, groups = found
    item_parts = _item_parts(groups, levels, len(item_words), least == 1)
    del groups, found
    return Combinations(levels.rows(), item_parts, levels.parts(), levels, least)


def _found(
    item_words: Ragged, n_words: int, max_words: int, min_support: int, limit: int | None, dtype: torch.dtype
) -> "tuple[Levels, list[_Group]] | None":
    """The combinations that enough items contain, and those of each item; None if they are more than `limit`."""
    carriers = torch.bincount(item_words.index, minlength=n_words) if min_support > 1 else None
    levels = Levels(n_words, dtype, None if carriers is None else torch.nonzero(carriers >= min_support).flatten())
    groups = [
        _Group(item, words.to(dtype), None if carriers is None else levels.of_word(words).to(dtype))
        for item, words in by_size(item_words)
    ]
    for size in range(1, max_words + 1):
        longer = [group for group in groups if group.words.shape[1] >= size]
        if size > 1 and longer:
            levels.add(size, longer, min_support)
        if limit is not None and levels.total > limit:
            return None
        if not longer:
            break
    return levels, groups


def by_size(rows: Ragged) -> Iterator[tuple[Tensor, Tensor]]:
    """The rows that are not empty, grouped by their length: (rows [G], their values [G, length])."""
    for size in torch.unique(rows.lengths).tolist():
        if size:
            chosen = torch.nonzero(rows.lengths == size).flatten()
            yield chosen, rows.index[rows.ptr[chosen].unsqueeze(1) + torch.arange(size)]


def _choices(length: int, most: int) -> list[tuple[Tensor, Tensor]]:
    """All ascending choices of 1..`most` positions out of `length`, each size in lexicographic order.

    Returns:
        For each size `(prefix, last)`, int64 [choices]: the place of the first size - 1 positions in the list of the
        size before, and the last position.
    """
    last = torch.arange(length)
    sizes = [(torch.zeros_like(last), last)]
    for _ in range(1, most):
        following = length - 1 - last
        prefix = torch.repeat_interleave(following)
        last = last[prefix] + 1 + ragged_arange(following)
        sizes.append((prefix, last))
    return sizes


def _pieces(count: int, width: int) -> Iterator[slice]:
    """`count` rows of `width` values in slices of about `_PIECE` values."""
    step = max(_PIECE // max(width, 1), 1)
    return (slice(first, min(first + step, count)) for first in range(0, count, step))


class _Group:
    """Items with the same number of words: `ids[k]` [G, choices] are their combinations of k + 1 words, -1 where too
    few items contain one."""

    def __init__(self, item: Tensor, words: Tensor, ids: Tensor | None) -> None:
        self.item, self.words = item, words
        self.ids = [words if ids is None else ids]


class Levels:
    """The distinct combinations of every size.

    Args:
        n_words: number of words W.
        dtype: of the numbers of combinations.
        words: int64 [L], ascending, the combinations of one word; all words if None.
    """

    def __init__(self, n_words: int, dtype: torch.dtype, words: Tensor | None = None) -> None:
        self.n_words, self.dtype = n_words, dtype
        self.keys = [torch.arange(n_words) if words is None else words]
        self.words = [self.keys[0].to(dtype).reshape(-1, 1)]

    @property
    def total(self) -> int:
        """Q, the number of combinations."""
        return sum(level.numel() for level in self.keys)

    def offset(self, size: int) -> int:
        """The number of combinations of fewer than `size` words."""
        return sum(level.numel() for level in self.keys[: size - 1])

    def of_word(self, words: Tensor) -> Tensor:
        """int64: the combinations of one word each, -1 where it is none."""
        words = words.to(torch.int64)
        return words if self.keys[0].numel() == self.n_words else _places(self.keys[0], words)

    def add(self, size: int, groups: list[_Group], min_support: int = 1) -> None:
        """Find the combinations of the next size that enough items contain, and number those of each group."""
        pieces: list[tuple[Tensor, Tensor, Tensor]] = []  # a piece's distinct keys, how often, where its numbers stand
        for group in groups:
            prefix, last = _choices(group.words.shape[1], size)[-1]
            ids = torch.empty((group.words.shape[0], prefix.numel()), dtype=self.dtype)
            for rows in _pieces(*ids.shape):
                before = group.ids[-1][rows][:, prefix].to(torch.int64)
                key = before * self.n_words + group.words[rows][:, last]
                if min_support == 1:
                    distinct, inverse = torch.unique(key, return_inverse=True)
                    pieces.append((distinct, distinct, ids[rows]))
                    ids[rows] = inverse
                else:  # what has a part that too few items contain is contained by too few itself
                    alive = before >= 0
                    distinct, inverse, many = torch.unique(key[alive], return_inverse=True, return_counts=True)
                    pieces.append((distinct, many, ids[rows]))
                    ids[rows] = ids.new_full(key.shape, -1).masked_scatter_(alive, inverse.to(self.dtype))
            group.ids.append(ids)
        found = sum(distinct.numel() for distinct, _, _ in pieces)
        require_memory(24 * found, f"{found:,} combinations of {size} words", ADVICE)  # joined, sorted, made distinct
        keys = torch.unique(torch.cat([distinct for distinct, _, _ in pieces])) if len(pieces) > 1 else pieces[0][0]
        if min_support > 1:
            support = torch.zeros_like(keys)
            for distinct, many, _ in pieces:
                support[torch.searchsorted(keys, distinct)] += many
            keys = keys[support >= min_support]
        if min_support > 1 or len(pieces) > 1:
            for distinct, _, ids in pieces:
                place = _places(keys, distinct) if min_support > 1 else torch.searchsorted(keys, distinct)
                number = torch.cat([place, place.new_tensor([-1])]) if min_support > 1 else place  # -1 stays -1
                ids.copy_(number[ids.to(torch.int64)])
        self.keys.append(keys)
        prefix, last = keys // self.n_words, keys % self.n_words
        self.words.append(torch.cat([self.words[-1][prefix], last.to(self.dtype)[:, None]], 1))

    def rows(self) -> Ragged:
        """[Q] rows: the words of all combinations."""
        lengths = torch.cat([torch.full((level.shape[0],), level.shape[1]) for level in self.words])
        return Ragged(_ends(lengths), torch.cat([level.reshape(-1) for level in self.words]))

    def subsets(self, words: Tensor, most: int) -> Tensor:
        """The combinations of at most `most` words of rows whose combinations all exist.

        Args:
            words: [G, length] word ids, ascending within a row.
            most: the most words, at most the number of levels.

        Returns:
            [G, choices], ascending within a row.
        """
        ids = self.of_word(words)
        columns = [ids]
        for size, (prefix, last) in enumerate(_choices(words.shape[1], most)[1:], 2):
            ids = torch.searchsorted(self.keys[size - 1], ids[:, prefix] * self.n_words + words[:, last])
            columns.append(ids + self.offset(size))
        # Positions are chosen in lexicographic order and words ascend, so each row is ascending already.
        return torch.cat(columns, 1)

    def find(self, words: Tensor) -> Tensor:
        """int64 [G]: the combinations of the words [G, length], ascending within a row; -1 where there is none."""
        if words.shape[1] > len(self.keys):
            return torch.full((words.shape[0],), -1, dtype=torch.int64)
        ids = self.of_word(words[:, 0].contiguous())
        for size in range(2, words.shape[1] + 1):
            found = _places(self.keys[size - 1], ids * self.n_words + words[:, size - 1])
            ids = torch.where(ids < 0, -1, found)
        return torch.where(ids < 0, -1, ids + self.offset(words.shape[1]))

    def parts(self) -> Ragged:
        """For every combination the combinations strictly part of it: all of its proper subsets, which exist."""
        widths = [2**size - 2 for size in range(1, len(self.words) + 1)]
        count = sum(level.shape[0] * width for level, width in zip(self.words, widths, strict=True))
        require_memory(_EDGE * count + _QUERY * self.total, f"R+ with {count:,} pairs of queries", ADVICE)
        index = torch.empty(count, dtype=self.dtype)
        taken = 0
        for level, width in zip(self.words[1:], widths[1:], strict=True):
            block = index[taken : taken + level.shape[0] * width].view(-1, width)
            for rows in _pieces(*block.shape):
                block[rows] = self.subsets(level[rows], level.shape[1] - 1)
            taken += block.numel()
        sizes = [torch.full((level.shape[0],), width) for level, width in zip(self.words, widths, strict=True)]
        return Ragged(_ends(torch.cat(sizes)), index)


def _places(keys: Tensor, wanted: Tensor) -> Tensor:
    """int64: where the wanted keys stand among ascending distinct ones, -1 where they do not."""
    if not keys.numel():
        return torch.full_like(wanted, -1)
    place = torch.searchsorted(keys, wanted).clamp_(max=keys.numel() - 1)
    return torch.where(keys[place] == wanted, place, -1)


def _item_parts(groups: list[_Group], levels: Levels, n_items: int, every: bool) -> Ragged:
    """[I] rows: the combinations of each item, ascending; `every`: whether all that an item contains are some."""
    lengths = torch.zeros(n_items, dtype=torch.int64)
    for group in groups:
        for ids in group.ids:
            lengths[group.item] += ids.shape[1] if every else (ids >= 0).sum(1)
    ptr = _ends(lengths)
    pairs = int(ptr[-1])
    if not every:
        require_memory(_EDGE * pairs, f"R+ with {pairs:,} pairs of an item and a query", ADVICE)
    index = torch.empty(pairs, dtype=levels.dtype)
    for group in groups:
        width = sum(ids.shape[1] for ids in group.ids)
        start, place = ptr[group.item], torch.arange(width)
        for rows in _pieces(group.item.numel(), width):
            block = torch.cat([ids[rows] + levels.offset(size) for size, ids in enumerate(group.ids, 1)], 1)
            if every:
                index[start[rows].unsqueeze(1) + place] = block
                continue
            there = torch.cat([ids[rows] >= 0 for ids in group.ids], 1)
            index[(start[rows].unsqueeze(1) + there.cumsum(1) - 1)[there]] = block[there]
        group.ids.clear()
    return Ragged(ptr, index)


def _ends(lengths: Tensor) -> Tensor:
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
