"""Words: the (field, value) pairs of the items' key fields (Definition 3.1, App. C.2)."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from magus_pyg.errors import DataError, GraphError
from magus_pyg.ragged import Ragged

__all__ = ["Vocabulary", "Word", "WordTable", "build_word_table"]

logger = logging.getLogger(__name__)


class Word(NamedTuple):
    """A word: the value of a field. People are shown the value alone (`str(word)`)."""

    field: str
    value: str

    def __str__(self) -> str:
        return self.value


class Vocabulary:
    """The words and item ids of a graph, with look-ups in both directions.

    Args:
        words: [W], ordered by field, then by value; a word's id is its position.
        item_ids: [I] texts; an item's node is its position.
    """

    def __init__(self, words: Sequence[Word], item_ids: Sequence[str]) -> None:
        self.words = tuple(words)
        self.item_ids = tuple(item_ids)

    def __repr__(self) -> str:
        return f"Vocabulary(words={len(self.words)}, items={len(self.item_ids)})"

    @cached_property
    def item_index(self) -> pd.Index:
        """From item id to node."""
        index: pd.Index = pd.Index(np.array(self.item_ids, dtype=object), dtype=object)
        return index

    @cached_property
    def by_word(self) -> dict[tuple[str, str], int]:
        """From (field, value) to word id."""
        return {(word.field, word.value): position for position, word in enumerate(self.words)}

    @cached_property
    def by_value(self) -> dict[str, list[int]]:
        """From a value to the ids of all words that have it."""
        ids: dict[str, list[int]] = {}
        for position, word in enumerate(self.words):
            ids.setdefault(word.value, []).append(position)
        return ids

    def word_id(self, word: str | tuple[str, str]) -> int:
        """The id of a word given as a value or as (field, value).

        Raises:
            GraphError: if no item has the word, if several fields have the value, or if it is no word at all.
        """
        if not isinstance(word, str):
            if not isinstance(word, tuple | list) or len(word) != 2:
                raise GraphError(f"a word is a value or a pair (field, value), got {word!r}")
            field, value = word
            if (field, value) not in self.by_word:
                fields = sorted({known.field for known in self.words})
                raise GraphError(f"unknown word {value!r} in field {field!r}; the graph's fields are {fields}")
            return self.by_word[(field, value)]
        ids = self.by_value.get(word, [])
        if not ids:
            raise GraphError(f"unknown word {word!r}: no item of the graph has it")
        if len(ids) > 1:
            fields = [self.words[position].field for position in ids]
            raise GraphError(f"word {word!r} is ambiguous: it stands in the fields {fields}; give (field, {word!r})")
        return ids[0]


@dataclass(frozen=True)
class WordTable:
    """The words of a catalogue and which item has which.

    Attributes:
        words: [W] words, ordered by field, then by value.
        item_words: [I] rows of word ids, ascending within a row.
        dropped: the words left out because more than `max_share` of the items carry them.
        wordless: the number of items without any word left.
    """

    words: tuple[Word, ...]
    item_words: Ragged
    dropped: tuple[Word, ...] = ()
    wordless: int = 0


def build_word_table(
    items: pd.DataFrame,
    word_fields: Sequence[str],
    merge_fields: Mapping[str, Sequence[str]] | None = None,
    max_share: float = 1.0,
    separator: str = "|",
) -> WordTable:
    """Collect the words of an item table.

    Args:
        items: I rows with one column a field; several values of a field are joined by `separator`. Missing and blank
            values make no word.
        word_fields: the key fields, in the order in which their words are numbered.
        merge_fields: merged field -> fields of the table whose equal values are one word, for example the levels of
            a category tree. A merged field stands where the first of its fields stands in `word_fields` (its own
            name may stand there as well).
        max_share: words carried by more than this share of the items are left out and logged.
        separator: the text between several values of a field.

    Raises:
        DataError: if a field is missing in the table, or named twice.
        GraphError: if `max_share` is not in (0, 1].
    """
    if not 0.0 < max_share <= 1.0:
        raise GraphError(f"max_share must be in (0, 1], got {max_share}")
    if isinstance(word_fields, str):
        raise DataError(f"word_fields must be a list of fields, got the text {word_fields!r}")
    groups = _field_groups(list(items.columns), word_fields, merge_fields or {})

    item_parts, word_parts, offset = [], [], 0
    words: list[Word] = []
    for field, columns in groups:
        item, value = _field_values(items, columns, separator)
        code, values = pd.factorize(value, sort=True)
        item_parts.append(item)
        word_parts.append(code + offset)
        words.extend(Word(field, str(text)) for text in values)
        offset += len(values)
    n_items = len(items)
    item = np.concatenate(item_parts) if item_parts else np.zeros(0, dtype=np.int64)
    word = np.concatenate(word_parts) if word_parts else np.zeros(0, dtype=np.int64)
    # One entry for every (item, word), ascending by item, then word: a value repeated within an item is one word.
    key = np.unique(item * max(len(words), 1) + word)
    item, word = key // max(len(words), 1), key % max(len(words), 1)

    share = np.bincount(word, minlength=len(words)) / max(n_items, 1)
    too_common = share > max_share
    dropped = tuple(words[position] for position in np.flatnonzero(too_common))
    if dropped:
        named = ", ".join(f"{w.field}={w.value} ({share[p]:.0%})" for p, w in enumerate(words) if too_common[p])
        logger.info("Left out %d word(s) that more than %.0f%% of the items carry: %s",
                    len(dropped), 100 * max_share, named)  # fmt: skip
        keep = ~too_common[word]
        renumbered = np.cumsum(~too_common) - 1
        item, word = item[keep], renumbered[word[keep]]
        words = [w for position, w in enumerate(words) if not too_common[position]]
    item_words = Ragged.from_pairs(torch.from_numpy(item), torch.from_numpy(word.astype(np.int64)), n_items)
    wordless = int((item_words.lengths == 0).sum())
    if wordless:
        logger.info("%d of %d items have no word; they are nodes without queries", wordless, n_items)
    return WordTable(tuple(words), item_words, dropped, wordless)


def _field_groups(
    columns: list[str], word_fields: Sequence[str], merge_fields: Mapping[str, Sequence[str]]
) -> list[tuple[str, list[str]]]:
    """The word fields in order, each with the table's columns it is made of."""
    member_of: dict[str, str] = {}
    for name, members in merge_fields.items():
        if isinstance(members, str):
            raise DataError(f"merge_fields[{name!r}] must be a list of fields, got the text {members!r}")
        for member in members:
            if member_of.setdefault(member, name) != name:
                raise DataError(f"field {member!r} is merged into both {member_of[member]!r} and {name!r}")
    groups: dict[str, list[str]] = {}
    for field in word_fields:
        name = field if field in merge_fields else member_of.get(field, field)
        groups.setdefault(name, list(merge_fields[name]) if name in merge_fields else [field])
    for name, members in groups.items():
        for member in members:
            if member not in columns:
                raise DataError(f"word field {member!r} (of {name!r}) is no column of the item table: {columns}")
    return list(groups.items())


def _field_values(items: pd.DataFrame, columns: list[str], separator: str) -> tuple[np.ndarray, np.ndarray]:
    """All (item, value) entries of some columns, blanks left out; int64 [E] and texts [E]."""
    item_parts, value_parts = [], []
    for column in columns:
        values = items[column]
        present = values.notna().to_numpy()
        texts = values[present].astype(str).reset_index(drop=True)
        exploded = texts.str.split(separator, regex=False).explode().str.strip()
        exploded = exploded[exploded.notna() & (exploded != "")]
        item_parts.append(np.flatnonzero(present)[exploded.index.to_numpy(dtype=np.int64)])
        value_parts.append(exploded.to_numpy(dtype=object))
    return np.concatenate(item_parts).astype(np.int64), np.concatenate(value_parts)
