"""Fields whose values have an order, such as price bands and decades: their words from the least to the greatest."""

import re
from collections.abc import Sequence
from math import ceil

from torch_geometric.data import HeteroData

from magus_pyg.language.lexicon import Lexicons
from magus_pyg.language.tokens import tokens

__all__ = ["end_words", "read_scales"]

_MOST = 32  # values of a field that are bands; more are numbers
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_ORDERED = frozenset({"price", "time", "size", "rating"})


def read_scales(graph: HeteroData, lexicons: Lexicons) -> dict[str, tuple[int, ...]]:
    """The fields with an order: name -> word ids, the least first.

    That are fields of prices, times, sizes and ratings whose values all begin with a number (after the field's name,
    as bands do), or all stand on one scale of a lexicon.

    Args:
        graph: the relational graph.
        lexicons: say which fields these are, and what the scales.
    """
    words = graph.vocabulary.words
    found = {}
    for code, name in enumerate(words.fields):
        ids = (
            [place for place, field in enumerate(words.field.tolist()) if field == code] if _of(name, lexicons) else []
        )
        if 2 <= len(ids) <= _MOST:
            order = _order([words.values[word] for word in ids], name, lexicons)
            if order is not None:
                found[name] = tuple(word for _, word in sorted(zip(order, ids, strict=True)))
    return found


def end_words(scale: Sequence[int], end: str) -> tuple[int, ...]:
    """The words of an end of a scale, "low" or "high": a third of all, the outermost first."""
    size = ceil(len(scale) / 3)
    return tuple(scale[:size]) if end == "low" else tuple(reversed(scale[-size:]))


def _of(name: str, lexicons: Lexicons) -> bool:
    return bool(lexicons.kinds_of(name) & _ORDERED)


def _order(values: Sequence[str], name: str, lexicons: Lexicons) -> list[float] | None:
    numbers = [_NUMBER.match(value.removeprefix(name).strip()) for value in values]
    if all(numbers):
        return [float(number[0]) for number in numbers if number]
    keys = [tokens(value) for value in values]
    for lexicon in lexicons.everything():
        for scale in lexicon.scales:
            if all(key in scale for key in keys):
                return [float(scale.index(key)) for key in keys]
    return None
