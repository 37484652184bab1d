"""The words and item ids of a graph, kept as bytes and decoded when they are read."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, overload

import numpy as np

from magus_pyg.errors import GraphError
from magus_pyg.graph._texts import Texts

__all__ = ["Vocabulary", "Word", "Words"]

_SMALL = 100_000  # words up to which a dict of them costs nothing worth saving


class Word(NamedTuple):
    """A word: the value of a field. People are shown the value alone (`str(word)`)."""

    field: str
    value: str

    def __str__(self) -> str:
        return self.value


class Words(Sequence[Word]):
    """An immutable sequence of W words; equal to any sequence of the same words.

    Args:
        fields: the names of the fields.
        field: int32 [W], the field of each word.
        values: [W] texts.

    Raises:
        ValueError: if the parts do not fit together.
    """

    def __init__(self, fields: Sequence[str], field: np.ndarray, values: Texts) -> None:
        self.fields, self.field, self.values = tuple(fields), field, values
        if field.size != len(values):
            raise ValueError(f"{field.size} fields of {len(values)} words")
        if field.size and not 0 <= field.min() <= field.max() < len(self.fields):
            raise ValueError(f"a word of field {field.max()}, and there are {len(self.fields)} fields")

    @classmethod
    def of(cls, words: Sequence[Word]) -> "Words":
        """The words of a list."""
        if isinstance(words, Words):
            return words
        fields = {name: place for place, name in enumerate(dict.fromkeys(word.field for word in words))}
        codes = np.array([fields[word.field] for word in words], dtype=np.int32)
        return cls(tuple(fields), codes, Texts.of([word.value for word in words]))

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, place: int) -> Word: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Word, ...]: ...
    def __getitem__(self, place: int | slice) -> Word | tuple[Word, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        return Word(self.fields[self.field[place]], self.values[place])

    def __iter__(self) -> Iterator[Word]:
        names = (self.fields[code] for code in self.field.tolist())
        return (Word(name, value) for name, value in zip(names, self.values, strict=True))

    def __contains__(self, word: object) -> bool:
        return isinstance(word, tuple) and len(word) == 2 and self.find(*word) is not None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence) and not isinstance(other, str):
            return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Words({len(self)}, fields={list(self.fields)})"

    def find(self, field: str, value: object) -> int | None:
        """The position of a word, or None."""
        if not isinstance(value, str):
            return None
        found = (place for place in self.values.find_all(value) if self.fields[self.field[place]] == field)
        return next(found, None)


class Vocabulary:
    """The words and item ids of a graph, with look-ups in both directions.

    Args:
        words: [W], ordered by field, then by value; a word's id is its position.
        item_ids: [I] texts; an item's node is its position.
    """

    def __init__(self, words: Sequence[Word], item_ids: Sequence[str]) -> None:
        self.words = Words.of(words)
        self.item_ids = Texts.of(item_ids)

    def __repr__(self) -> str:
        return f"Vocabulary(words={len(self.words)}, items={len(self.item_ids)})"

    @cached_property
    def by_word(self) -> dict[tuple[str, str], int]:
        """From (field, value) to word id."""
        return {(word.field, word.value): position for position, word in enumerate(self.words)}

    @cached_property
    def by_value(self) -> dict[str, list[int]]:
        """From a value to the ids of all words that have it."""
        ids: dict[str, list[int]] = {}
        for position, value in enumerate(self.words.values):
            ids.setdefault(value, []).append(position)
        return ids

    def find(self, word: str | tuple[str, str]) -> list[int]:
        """The ids of all words with a value, or of the one word with a field and a value; none if unknown."""
        small = len(self.words) <= _SMALL
        if isinstance(word, str):
            return self.by_value.get(word, []) if small else self.words.values.find_all(word)
        found = self.by_word.get(word) if small else self.words.find(*word)
        return [] if found is None else [found]

    def word_id(self, word: str | tuple[str, str]) -> int:
        """The id of a word given as a value or as (field, value).

        Raises:
            GraphError: if no item has the word, if several fields have the value, or if it is no word at all.
        """
        if not isinstance(word, str):
            if not isinstance(word, tuple | list) or len(word) != 2:
                raise GraphError(f"a word is a value or a pair (field, value), got {word!r}")
            field, value = word
            ids = self.find((field, value))
            if not ids:
                fields = sorted({self.words.fields[code] for code in np.unique(self.words.field).tolist()})
                raise GraphError(f"unknown word {value!r} in field {field!r}; the graph's fields are {fields}")
            return ids[0]
        ids = self.find(word)
        if not ids:
            raise GraphError(f"unknown word {word!r}: no item of the graph has it")
        if len(ids) > 1:
            fields = [self.words[position].field for position in ids]
            raise GraphError(f"word {word!r} is ambiguous: it stands in the fields {fields}; give (field, {word!r})")
        return ids[0]
