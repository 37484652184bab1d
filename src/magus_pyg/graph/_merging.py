"""Sorted texts, words and combinations merged with a few new ones, without taking the old ones apart."""

from dataclasses import dataclass
from math import comb

import numpy as np
import torch
from torch import Tensor

from magus_pyg.graph._texts import Texts, checksums
from magus_pyg.graph.combinations import Combinations, Levels
from magus_pyg.graph.vocabulary import Words


def append_texts(texts: Texts, more: Texts) -> Texts:
    """Two sequences of texts one after the other; an index of the first is merged, not made again."""
    size = texts.data.size + more.data.size
    kind = np.int32 if size < 2**31 else np.int64
    ends = np.concatenate([texts.ends, more.ends[1:].astype(np.int64) + texts.data.size], dtype=kind, casting="unsafe")
    index = None
    if "index_arrays" in vars(texts):
        sums, order = texts.index_arrays
        new = checksums(more.data, more.ends)
        rank = np.argsort(new, kind="stable")
        place = np.searchsorted(sums.view(np.uint32), new[rank], side="right")  # after equals: they stand before
        index = (
            np.insert(sums, place, new[rank].view(np.int32)),
            np.insert(order, place, (rank + len(texts)).astype(np.int32)),
        )
    return Texts(np.concatenate([texts.data, more.data]), ends, index)


def compare(texts: Texts, places: np.ndarray, wanted: Texts, which: np.ndarray) -> np.ndarray:
    """int8 [n]: -1, 0 or 1 as text `places[t]` is below, equal to or above text `which[t]` of `wanted`, by bytes."""
    start, begin = texts.ends[places].astype(np.int64), wanted.ends[which].astype(np.int64)
    size, length = texts.ends[places + 1] - start, wanted.ends[which + 1] - begin
    both = np.minimum(size, length)
    owner = np.repeat(np.arange(both.size), both)
    inside = np.arange(owner.size) - np.repeat(np.cumsum(both) - both, both)
    mine, other = texts.data[start[owner] + inside], wanted.data[begin[owner] + inside]
    differ = np.flatnonzero(mine != other)
    first = differ[np.diff(owner[differ], prepend=-1) != 0]
    result: np.ndarray = np.sign(size - length).astype(np.int8)
    result[owner[first]] = np.where(mine[first] < other[first], -1, 1)
    return result


def find_texts(texts: Texts, low: np.ndarray, high: np.ndarray, wanted: Texts) -> tuple[np.ndarray, np.ndarray]:
    """Where wanted texts stand, or would stand, within ascending stretches of texts; by bisection, all at once.

    Args:
        texts: the texts.
        low, high: int64 [n]: wanted text t is looked for in `low[t]..high[t] - 1`, which ascend by bytes.
        wanted: [n] texts.

    Returns:
        `(place, found)`: int64 [n], the first text of the stretch that is not below the wanted one (`high` if none),
        and bool [n], whether it is the wanted one.
    """
    low, high, end = low.copy(), high.copy(), high
    active = np.flatnonzero(low < high)
    while active.size:
        middle = (low[active] + high[active]) // 2
        below = compare(texts, middle, wanted, active) < 0
        low[active[below]] = middle[below] + 1
        high[active[~below]] = middle[~below]
        active = active[low[active] < high[active]]
    found = low < end
    inside = np.flatnonzero(found)
    found[inside] = compare(texts, low[inside], wanted, inside) == 0
    return low, found


def find_words(words: Words, wanted: Words) -> tuple[np.ndarray, np.ndarray]:
    """`(place, found)` of words by field, then by value; both number the same fields alike. See `find_texts`."""
    codes = np.arange(len(words.fields) + 1, dtype=words.field.dtype)
    start = np.searchsorted(words.field, codes)
    return find_texts(words.values, start[wanted.field], start[wanted.field + 1], wanted.values)


def select_words(words: Words, chosen: np.ndarray) -> Words:
    """Some of the words, in their order; `chosen` is bool [W]."""
    data, ends = words.values.data, words.values.ends
    lengths = np.diff(ends)
    kept = data[np.repeat(chosen, lengths)]
    sums = np.concatenate([ends[:1], np.cumsum(lengths[chosen], dtype=ends.dtype)])
    return Words(words.fields, words.field[chosen], Texts(kept, sums))


def positions(count: int, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of `count` old and of new entries in their merged sequence, int64 each.

    Args:
        count: how many old entries there are.
        place: int64 [m], ascending: before which old entry (`count`: behind all) each new one stands.
    """
    before = np.cumsum(np.bincount(place, minlength=count + 1)[:count])
    return np.arange(count) + before, place + np.arange(place.size)


def merge_words(words: Words, new: Words, place: np.ndarray) -> Words:
    """Words and new words in one sequence; `place` as for `positions`."""
    of_old, of_new = positions(len(words), place)
    field = np.empty(of_old.size + of_new.size, dtype=np.int32)
    field[of_old], field[of_new] = words.field, new.field
    lengths = np.empty(field.size, dtype=np.int64)
    lengths[of_old], lengths[of_new] = np.diff(words.values.ends), np.diff(new.values.ends)
    is_new = np.zeros(field.size, dtype=bool)
    is_new[of_new] = True
    byte = np.repeat(is_new, lengths)
    data = np.empty(byte.size, dtype=np.uint8)
    data[byte], data[~byte] = new.values.data, words.values.data
    kind = np.int32 if data.size < 2**31 else np.int64
    ends = np.concatenate([np.zeros(1, kind), np.cumsum(lengths, dtype=kind)])
    return Words(words.fields, field, Texts(data, ends))


@dataclass(frozen=True)
class OldCombinations:
    """The enumerated combinations of a graph as it holds them.

    Attributes:
        counts: how many there are of one word, two words, ...
        words: of each size k, int64 [n_k, k].
        parts: of each size k, int64 [n_k, 2^k - 2], the nodes that are strictly part of each.
        first: the node of the first combination.
    """

    counts: list[int]
    words: list[Tensor]
    parts: list[Tensor]
    first: int

    def prefix(self, size: int) -> Tensor:
        """int64 [n_k]: which combination of one word less the first words of each are."""
        # Parts ascend, so those of one word come first, and the first words come first among those of their size.
        column = sum(comb(size, shorter) for shorter in range(1, size - 1))
        return self.parts[size - 1][:, column] - (self.first + sum(self.counts[: size - 2]))


@dataclass(frozen=True)
class MergedCombinations:
    """Old combinations and those of new items in one numbering.

    Attributes:
        levels: all of them.
        old: of each size, int64 [n_k], the position of every old combination within its size; None: the same as before.
        new: of each size likewise for the combinations of the new items.
        fresh: of each size, bool: whether no old item has that combination of the new items.
    """

    levels: Levels
    old: list[Tensor | None]
    new: list[Tensor]
    fresh: list[Tensor]


def merge_combinations(
    old: OldCombinations, new: Combinations, old_words: Tensor | None, new_words: Tensor, n_words: int
) -> MergedCombinations:
    """Merge the combinations of new items into those of a graph, level by level.

    Both are sorted by their words, and words keep their order when they are numbered anew, so every level is merged by
    one search for the new combinations in it.

    Args:
        old: the combinations of the graph.
        new: the combinations of the new items.
        old_words: int64 [W], the new number of each word of the graph; None: as before.
        new_words: int64, the number of each word of the new items, ascending.
        n_words: the number of words of all items.
    """
    levels = Levels(n_words, torch.int64)
    of_old: list[Tensor | None] = [old_words]
    of_new = [new_words]
    known = torch.zeros(n_words, dtype=torch.bool)
    known[torch.arange(sum(old.counts[:1])) if old_words is None else old_words] = True
    fresh = [~known[new_words]]
    for size in range(2, max(len(old.counts), len(new.levels.keys)) + 1):
        key = _old_keys(old, size, of_old[-1], old_words, n_words)
        new_key = torch.zeros(0, dtype=torch.int64)
        if size <= len(new.levels.keys):
            own = new.levels.keys[size - 1]
            prefix, last = own // new.levels.n_words, own % new.levels.n_words
            new_key = of_new[-1][prefix] * n_words + new_words[last]
        place = torch.searchsorted(key, new_key)
        is_fresh = torch.ones_like(new_key, dtype=torch.bool)
        if key.numel():
            is_fresh = key[place.clamp(max=key.numel() - 1)] != new_key
        of_new.append(place + is_fresh.cumsum(0) - is_fresh.to(torch.int64))
        fresh.append(is_fresh)
        if not bool(is_fresh.any()):
            of_old.append(None)
            levels.keys.append(key)
            words = old.words[size - 1]
            levels.words.append(words if old_words is None else old_words[words])
            continue
        moved, inserted = (torch.from_numpy(part) for part in positions(key.numel(), place[is_fresh].numpy()))
        of_old.append(moved)
        merged = key.new_empty(moved.numel() + inserted.numel())
        merged[moved], merged[inserted] = key, new_key[is_fresh]
        levels.keys.append(merged)
        rows = merged.new_empty((merged.numel(), size))
        if key.numel():
            words = old.words[size - 1]
            rows[moved] = words if old_words is None else old_words[words]
        rows[inserted] = new_words[new.levels.words[size - 1][is_fresh].to(torch.int64)]
        levels.words.append(rows)
    return MergedCombinations(levels, of_old, of_new, fresh)


def _old_keys(old: OldCombinations, size: int, shorter: Tensor | None, words: Tensor | None, n_words: int) -> Tensor:
    """The keys of the old combinations of a size in the merged numbering, ascending; see `Levels`."""
    if size > len(old.counts):
        return torch.zeros(0, dtype=torch.int64)
    prefix, last = old.prefix(size), old.words[size - 1][:, -1]
    if shorter is not None:
        prefix = shorter[prefix]
    return prefix * n_words + (last if words is None else words[last])
