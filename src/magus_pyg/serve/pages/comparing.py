"""Items side by side: a row a feature, with those marked in which they differ."""

from collections.abc import Sequence
from dataclasses import dataclass

from magus_pyg.graph import Word
from magus_pyg.serve.pages.page_views import Card, short

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
    """What items have, side by side: their word fields in the order in which they first occur, then other columns.

    Args:
        cards: the items.
        words: the words of each.
    """
    fields = dict.fromkeys(word.field for listed in words for word in listed)
    rows = [
        _row(field, [[word.value for word in listed if word.field == field] for listed in words]) for field in fields
    ]
    details = [dict(card.details) for card in cards]
    names = dict.fromkeys(name for columns in details for name in columns)
    return rows + [_row(name, [[columns[name]] if name in columns else [] for columns in details]) for name in names]


def _row(name: str, values: Sequence[Sequence[str]]) -> Row:
    differs = len({frozenset(listed) for listed in values}) > 1
    return Row(short(name.replace("_", " ")), tuple(", ".join(map(short, listed)) for listed in values), differs)
