"""What the page knows of the shop beside its graph: columns of items, kinds of things, suggestions."""

import threading
from collections.abc import Mapping, Sequence

from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.graph import Word, find_query, n_items
from magus_pyg.graph.titles import harmless_text
from magus_pyg.serve.service import Service

__all__ = ["ServedShop"]

_SUGGESTED, _ALIKE = 12, 4
_TELLING = 3
"""Signs from which on the beginning of a word says something."""
_KINDS = 50_000
"""Words whose items are remembered."""
_SHARE = 0.12
"""A word on a larger share of the items says too little of what a thing is."""


class _Words:
    """What is made of one graph, when it is first asked for."""

    def __init__(self, graph: HeteroData, held_by: Tensor) -> None:
        self.graph, self.held_by = graph, held_by
        self._held: dict[Word, int] = {}

    def items(self, word: Word) -> int:
        """How many items have a word."""
        if word not in self._held:
            if len(self._held) > _KINDS:
                self._held.clear()
            node = find_query(self.graph, [word])
            self._held[word] = 0 if node is None else int(self.held_by[node - n_items(self.graph)])
        return self._held[word]


class ServedShop:
    """The shop of a service, as `ShopData` asks for it.

    Args:
        service: the service.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._lock = service, threading.Lock()
        self._words: _Words | None = None

    def columns(self, item_id: str) -> Mapping[str, str]:
        """See `ShopData`."""
        return {name: str(cell) for name, cell in self._service.changes.columns(item_id).items() if _says(cell)}

    def kind(self, words: Sequence[Word]) -> Word | None:
        """The word that most items have, of those that not too many have."""
        now = self._now()
        most = _SHARE * n_items(now.graph)
        return min(words, key=lambda word: (now.items(word) > most, -now.items(word)), default=None)

    def suggest(self, prefix: str = "") -> list[str]:
        """Words that begin as somebody types; with nothing typed those to begin with."""
        return [harmless_text(word.value) for word in self._begin(prefix, _SUGGESTED)]

    def alike(self, unread: str) -> list[Word]:
        """Words that begin as what was not understood of a text, a few for each part of it that was to be wanted."""
        reader = self._service.languages.of(self._now().graph).reader
        wanted = (part for part in reader.read(unread).unknown if " " not in part)  # others stand after a negation
        found = [word for part in wanted if len(part) >= _TELLING for word in self._begin(part, _ALIKE)]
        return list(dict.fromkeys(found))[:_SUGGESTED]

    def _begin(self, prefix: str, most: int) -> list[Word]:
        found = self._service.changes.newest.suggestions.find(prefix, most)
        return [Word(**pair) for word in found for pair in word["words"]]

    def _now(self) -> _Words:
        """Of the graph that new sessions play on."""
        newest = self._service.changes.newest
        with self._lock:
            if self._words is None or self._words.graph is not newest.graph:
                index = newest.catalogue(self._service.default_variant).index
                self._words = _Words(newest.graph, index.held_by)
            return self._words


def _says(cell: object) -> bool:
    """Whether a cell holds something."""
    return cell is not None and cell == cell and str(cell).strip() != ""  # what is no number is not equal to itself
