"""Which items have which words: what a combination selects, and which words others imply. All of it is exact."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from torch_geometric.data import HeteroData

from magus_pyg.graph import n_items

__all__ = ["WordItems"]

_FIRST = 32  # items that are looked at before all others: most words imply nothing, which they show
_KEPT = 1 << 17  # pairs of words whose answer is kept


class WordItems:
    """The items of each word of a graph.

    Args:
        graph: the relational graph. In a graph that is extended, words may have other numbers.
    """

    def __init__(self, graph: HeteroData) -> None:
        count = n_items(graph)
        ptr = graph.word_ptr[: count + 1].cpu().numpy()
        word = graph.word_index[: int(ptr[-1])].cpu().numpy()
        item = np.repeat(np.arange(count, dtype=np.int32), np.diff(ptr))
        self.items = item[np.argsort(word, kind="stable")]
        """int32: the items of word 0, ascending, then those of word 1, ..."""
        carriers = np.bincount(word, minlength=len(graph.vocabulary.words))
        self.start = np.concatenate([[0], np.cumsum(carriers)])
        self._support: list[int] = carriers.tolist()
        self.implies = lru_cache(maxsize=_KEPT)(self._implies)
        """Whether all items that have one word have another: `implies(word, other)`, word ids."""

    def support(self, word: int) -> int:
        """How many items have a word."""
        return self._support[word]

    def of(self, word: int) -> np.ndarray:
        """int32, ascending: the items that have a word."""
        return self.items[self.start[word] : self.start[word + 1]]

    def having(self, words: Sequence[int]) -> np.ndarray:
        """int32, ascending: the items that have all of some words; all of the first word's where it is alone."""
        rarest = sorted(set(words), key=lambda word: self._support[word])
        found = self.of(rarest[0])
        for word in rarest[1:]:
            found = found[_inside(found, self.of(word))]
        return found

    def select_the_same(self, some: Sequence[int], words: Sequence[int]) -> bool:
        """Whether some of the words of a combination select the same items as all of them."""
        return bool(some) and self.having(some).size == self.having(words).size

    def _implies(self, word: int, other: int) -> bool:
        if self._support[word] > self._support[other]:
            return False
        mine, its = self.of(word), self.of(other)
        return bool(_inside(mine[:_FIRST], its).all()) and bool(_inside(mine[_FIRST:], its).all())


def _inside(some: np.ndarray, items: np.ndarray) -> np.ndarray:
    """bool: which of some items are among others, both ascending."""
    if not items.size:
        return np.zeros(some.size, dtype=bool)
    place = np.minimum(np.searchsorted(items, some), items.size - 1)
    found: np.ndarray = items[place] == some
    return found
