"""Words that a search box suggests: those whose value begins as what was typed, the commonest first."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch_geometric.data import HeteroData

from magus_pyg.graph import n_items, node_words
from magus_pyg.serve.shown_lists import word_pairs

__all__ = ["Suggestions"]


class Suggestions:
    """The words of a graph in the order of their values, whatever the case of letters.

    Args:
        graph: the relational graph.
        active: bool [I], the items on offer; None for all.
    """

    def __init__(self, graph: HeteroData, active: torch.Tensor | None = None) -> None:
        self.words = graph.vocabulary.words
        values = pc.utf8_lower(self.words.values.arrow())
        self._order: np.ndarray = pc.sort_indices(values).to_numpy()
        self._sorted: pa.StringArray = values.take(pa.array(self._order))
        rows = node_words(graph).select(torch.arange(n_items(graph)))
        index = rows.index if active is None else rows.index[active[rows.row]]
        self._items: np.ndarray = torch.bincount(index, minlength=len(self.words)).numpy()

    def find(self, prefix: str, limit: int) -> list[dict[str, Any]]:
        """The commonest words that begin as a text; see `SuggestionOut`. Words of no item on offer are left out."""
        start = prefix.strip().lower()
        low = self._place(start)
        high = self._place(start + chr(0x10FFFF)) if start else len(self._sorted)
        found = self._order[low:high]
        count = self._items[found]
        best = found[np.lexsort((found, -count))[:limit]]
        return [self._json(int(word)) for word in best if self._items[word]]

    def _place(self, text: str) -> int:
        """How many values come before a text, by their bytes."""
        low, high, wanted = 0, len(self._sorted), text.encode()
        while low < high:
            middle = (low + high) // 2
            if self._sorted[middle].as_py().encode() < wanted:
                low = middle + 1
            else:
                high = middle
        return low

    def _json(self, word: int) -> dict[str, Any]:
        found = self.words[word]
        return {"title": found.value, "words": word_pairs([found]), "items": int(self._items[word])}
