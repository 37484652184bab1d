"""Whether any item fits all that a person said, and what stands in the way where none does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.graph import Word, n_items, words_of
from magus_pyg.online.node_play import Told
from magus_pyg.simulation.answers import AnsweredList, Said

__all__ = ["Fit", "Without", "fit_of", "has_wishes"]


@dataclass(frozen=True)
class Without:
    """One of the things that were said, and how many items fit all the others.

    Attributes:
        words: its words; of several words that were told any one.
        liked: whether it is wanted.
        items: how many fit without it.
        is_choice: whether any one of the words would do.
    """

    words: tuple[Word, ...]
    liked: bool
    items: int
    is_choice: bool = False


@dataclass(frozen=True)
class Fit:
    """How many items fit all that was said.

    Attributes:
        items: how many have every word that is wanted and none that is not.
        without: where none does, the things without which some would, the one that excludes most first.
    """

    items: int
    without: tuple[Without, ...] = ()


@dataclass(frozen=True)
class _Wish:
    """Something that was said.

    Attributes:
        words: its words; of several words that were told any one.
        liked: whether it is wanted.
        fits: bool [I], the items that fit.
        is_choice: as of `Without`.
    """

    words: tuple[Word, ...]
    liked: bool
    fits: Tensor
    is_choice: bool


def has_wishes(history: Sequence[AnsweredList | Told]) -> bool:
    """Whether anything was told or clicked."""
    return any(isinstance(event, Told) or event.clicked is not None for event in history)


def fit_of(
    graph: HeteroData,
    history: Sequence[AnsweredList | Told],
    offered: Tensor,
    items_of: Callable[[int], Tensor],
) -> Fit:
    """How many items fit all that was told, and the queries that were clicked; what was said last of a node counts.

    Words of one field that were told together, of which no item has two, are taken for a choice: the price bands of
    "cheap". Queries that were passed over are no wish.

    Args:
        graph: the relational graph.
        history: what was said.
        offered: bool [I], the items to choose from.
        items_of: the items that contain a node, int64.
    """
    wishes: dict[object, _Wish] = {}
    for event in history:
        for nodes, words, liked in _wishes(graph, event, items_of):
            held = torch.zeros_like(offered)
            for node in nodes:
                if node >= 0:
                    held[items_of(node)] = True
            key = nodes if max(nodes) >= 0 else words
            wishes.pop(key, None)
            wishes[key] = _Wish(words, liked, held if liked else ~held, len(nodes) > 1)
    listed = list(wishes.values())
    missed = torch.zeros(offered.shape, dtype=torch.int64)
    for wish in listed:
        missed += ~wish.fits
    count = int((offered & (missed == 0)).sum())
    if count or not listed:
        return Fit(count)
    nearly = offered & (missed == 1)
    left = [Without(one.words, one.liked, int((nearly & ~one.fits).sum()), one.is_choice) for one in listed]
    return Fit(0, tuple(sorted((one for one in left if one.items), key=lambda one: -one.items)))


def _wishes(
    graph: HeteroData, event: AnsweredList | Told, items_of: Callable[[int], Tensor]
) -> list[tuple[tuple[int, ...], tuple[Word, ...], bool]]:
    """The nodes, words and liking of each thing that was said."""
    if isinstance(event, AnsweredList):
        first = n_items(graph)
        said = zip(event.shown, event.said(first), strict=True)
        return [((node,), words_of(graph, node), True) for node, one in said if node >= first and one == Said.CLICKED]
    found: list[tuple[tuple[int, ...], tuple[Word, ...], bool]] = []
    for word, liked, node in zip(event.words, event.liked, event.nodes, strict=True):
        last = found[-1] if found else None
        if last and liked and last[2] and last[1][0].field == word.field and not _meet(last[0], node, items_of):
            found[-1] = ((*last[0], node), (*last[1], word), True)
        else:
            found.append(((node,), (word,), liked))
    return found


def _meet(nodes: Sequence[int], node: int, items_of: Callable[[int], Tensor]) -> bool:
    """Whether some item contains a node and one of the others."""
    if node < 0:
        return False
    items = items_of(node)
    return any(other >= 0 and bool(torch.isin(items_of(other), items).any()) for other in nodes)
