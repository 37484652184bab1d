"""Items side by side: a row a feature, with those marked in which they differ."""

from collections.abc import Sequence
from dataclasses import dataclass

from magus_pyg.graph import Word
from magus_pyg.serve.pages.page_views import Card, column_name, short

__all__ = ["Row", "comparison"]


@dataclass(frozen=True)
class Row:
    """A feature.

    Attributes:
        name: of the feature.
        values: of each item, "" for none.
        differs: whether they are not all the same.
    """

    name: str
    values: tuple[str, ...]
    differs: bool


def comparison(cards: Sequence[Card], words: Sequence[Sequence[Word]]) -> list[Row]:
    """What items have, side by side: their word fields in the order in which they first occur, then other columns. Of
    numbers whose bands are words an item's own is told.

    Args:
        cards: the items.
        words: the words of each.
    """
    features: list[dict[str, list[str]]] = []
    for card, listed in zip(cards, words, strict=True):
        own: dict[str, list[str]] = {}
        for word in listed:
            own.setdefault(column_name(word.field), []).append(short(word.value))
        features.append(own | {name: [value] for name, value in card.details})
    fields = [column_name(word.field) for listed in words for word in listed]
    names = dict.fromkeys([*fields, *(name for own in features for name in own)])
    return [_row(name, [own.get(name, []) for own in features]) for name in names]


def _row(name: str, values: Sequence[Sequence[str]]) -> Row:
    return Row(name, tuple(map(", ".join, values)), len(set(map(frozenset, values))) > 1)
