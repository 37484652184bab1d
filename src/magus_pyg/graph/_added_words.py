"""The words of a graph and of items that are added to it, in one numbering (Definition 3.1, App. C.2)."""

import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import GraphError
from magus_pyg.graph._merging import OldCombinations, find_words, merge_words, positions, select_words
from magus_pyg.graph.access import improves_edges, n_items, n_nodes
from magus_pyg.graph.settings import GraphSettings
from magus_pyg.graph.vocabulary import Vocabulary, Word, Words
from magus_pyg.graph.words import WordTable
from magus_pyg.ragged import Ragged

logger = logging.getLogger(__name__)

NAMED = 5
"""Of many things that are wrong, as many are named."""


class OldGraph:
    """The parts of the graph before, on the CPU."""

    def __init__(self, graph: HeteroData) -> None:
        self.vocabulary: Vocabulary = graph.vocabulary
        self.n_items, self.n_nodes, self.max_words = n_items(graph), n_nodes(graph), int(graph.max_words)
        self.ptr, self.index = graph.word_ptr.cpu(), graph.word_index.cpu()
        self.part, self.whole = improves_edges(graph).cpu()
        sizes = self.ptr[self.n_items + 1 :] - self.ptr[self.n_items : -1]
        short = int(torch.searchsorted(sizes, self.max_words, right=True))  # ascending; longer ones were searched
        counts = torch.bincount(sizes[:short], minlength=1)[1:].tolist()
        self.first_long = self.n_items + short
        self.of_items = int(torch.searchsorted(self.whole, self.n_items))
        word, edge, words, parts = int(self.ptr[self.n_items]), self.of_items, [], []
        for size, count in enumerate(counts, 1):
            words.append(self.index[word : word + count * size].view(count, size))
            width = 2**size - 2
            parts.append(self.part[edge : edge + count * width].view(count, width))
            word, edge = word + count * size, edge + count * width
        self.combinations = OldCombinations(counts, words, parts, self.n_items)

    @property
    def item_words(self) -> Ragged:
        """[I] rows."""
        ptr = self.ptr[: self.n_items + 1]
        return Ragged(ptr, self.index[: int(ptr[-1])])

    @cached_property
    def long_words(self) -> Ragged:
        """[L] rows: the words of the searched queries that are nodes of their own."""
        ptr = self.ptr[self.first_long :]
        return Ragged(ptr - ptr[0], self.index[int(ptr[0]) :])


@dataclass(frozen=True)
class AllWords:
    """The words of all items.

    Attributes:
        words: [W'].
        old: int64 [W], the number of each word of the graph before; None: as before.
        new: int64, the number of each word of the new items, ascending.
        item_words: rows of the new items' words, by their places in `new`.
        second: whether a new word has the value of an old one, in another field.
        dropped: the words left out, and how many items carry each.
    """

    words: Words
    old: Tensor | None
    new: Tensor
    item_words: Ragged
    second: bool
    dropped: tuple[tuple[Word, int], ...]

    def renumber(self, index: Tensor) -> Tensor:
        """Words of the graph before by their new numbers."""
        return index if self.old is None else self.old[index]


def add_words(old: OldGraph, table: WordTable, settings: GraphSettings, keep: bool) -> AllWords:
    """The words of old and new items, those left out by `max_share` apart."""
    before, count = old.vocabulary.words, len(table.words)
    place, found = find_words(before, table.words)
    carriers = np.bincount(table.item_words.index.numpy(), minlength=count)
    out = np.zeros(count, dtype=bool)
    dropped = []
    for word, others in settings.dropped:
        here = table.words.find(*word)
        if here is not None:
            out[here] = True
        dropped.append((word, others + (0 if here is None else int(carriers[here]))))
    if settings.max_share < 1.0:
        total = old.n_items + len(table.item_words)
        if not keep:
            held = np.bincount(old.item_words.index.numpy(), minlength=len(before))
            held[place[found]] += carriers[found]
            _check_shares(before, held / total, dropped, total, settings.max_share)
        common = ~found & ~out & (carriers / total > settings.max_share)
        dropped += [(table.words[number], int(carriers[number])) for number in np.flatnonzero(common).tolist()]
        out |= common
        order = {name: place for place, name in enumerate(before.fields)}
        dropped.sort(key=lambda entry: (order[entry[0].field], entry[0].value.encode()))
    rows, inside = table.item_words, ~out
    words, place, found = table.words, place[inside], found[inside]
    if out.any():
        logger.info("left out %d word(s) of the new items by max_share=%s", int(out.sum()), settings.max_share)
        kept = torch.from_numpy(inside)
        rank = kept.cumsum(0) - 1
        entry = kept[rows.index]
        rows = Ragged.from_pairs(rows.row[entry], rank[rows.index[entry]], len(rows))
        words = select_words(words, inside)
    fresh = select_words(words, ~found)
    if not len(fresh):
        return AllWords(before, None, torch.from_numpy(place), rows, False, tuple(dropped))
    of_old, of_fresh = positions(len(before), place[~found])
    number = np.empty(len(words), dtype=np.int64)
    number[found], number[~found] = of_old[place[found]], of_fresh
    second = bool((before.values.positions(fresh.values) >= 0).any())
    merged = merge_words(before, Words(before.fields, fresh.field, fresh.values), place[~found])
    moved = None if of_old.size == 0 or of_old[-1] == of_old.size - 1 else torch.from_numpy(of_old)
    return AllWords(merged, moved, torch.from_numpy(number), rows, second, tuple(dropped))


def _check_shares(
    words: Words, share: np.ndarray, dropped: list[tuple[Word, int]], total: int, max_share: float
) -> None:
    """Raise where a build of all items would leave out other words than the build before."""
    common = np.flatnonzero(share > max_share).tolist()
    changed = [(words[number], share[number], "leave it out") for number in common]
    changed += [(word, many / total, "take it in") for word, many in dropped if not many / total > max_share]
    if changed:
        named = ", ".join(f"{w.field}={w.value} ({part:.0%}: {what})" for w, part, what in changed[:NAMED])
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        raise GraphError(
            f"with the new items max_share={max_share} chooses other words: a build of all would change {named}{more}; "
            "build the graph again from the joined table, or pass common_words='keep' to go on with the words chosen "
            "before"
        )
