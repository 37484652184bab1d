"""Words: the (field, value) pairs of the items' key fields (Definition 3.1, App. C.2)."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch

from magus_pyg.errors import DataError, GraphError
from magus_pyg.graph._cells import distinct_cells, flat_cells
from magus_pyg.graph._texts import Texts
from magus_pyg.graph.vocabulary import Vocabulary, Word, Words
from magus_pyg.ragged import Ragged

__all__ = ["Vocabulary", "Word", "WordTable", "build_word_table"]

logger = logging.getLogger(__name__)

_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class WordTable:
    """The words of a catalogue and which item has which.

    Attributes:
        words: [W] words, ordered by field, then by value; decoded when they are read.
        item_words: [I] rows of word ids (int64), ascending within a row.
        dropped: the words left out because more than `max_share` of the items carry them.
        dropped_items: how many items carry each of them.
        wordless: the number of items without any word left.
    """

    words: Words
    item_words: Ragged
    dropped: tuple[Word, ...] = ()
    wordless: int = 0
    dropped_items: tuple[int, ...] = ()


def build_word_table(
    items: pd.DataFrame,
    word_fields: Sequence[str],
    merge_fields: Mapping[str, Sequence[str]] | None = None,
    max_share: float = 1.0,
    separator: str = "|",
) -> WordTable:
    """Collect the words of an item table.

    Args:
        items: I rows with one column a field; several values of a field are a list (list, tuple, set or array), which
            holds words as they are, or a text that joins them by `separator`. Missing and blank values make no word.
        word_fields: the key fields, in the order in which their words are numbered.
        merge_fields: merged field -> fields of the table whose equal values are one word, for example the levels of
            a category tree. A merged field stands where the first of its fields stands in `word_fields` (its own
            name may stand there as well).
        max_share: words carried by more than this share of the items are left out and logged.
        separator: the text between several values of a field that is a text.

    Raises:
        DataError: if a field is missing in the table, named twice, or holds what is no word.
        GraphError: if `max_share` is not in (0, 1].
    """
    if not 0.0 < max_share <= 1.0:
        raise GraphError(f"max_share must be in (0, 1], got {max_share}")
    if isinstance(word_fields, str):
        raise DataError(f"word_fields must be a list of fields, got the text {word_fields!r}")
    groups = _field_groups(list(items.columns), word_fields, merge_fields or {})

    if not separator:
        raise GraphError("separator must not be empty: it parts the values of a field")
    item_parts, word_parts, texts, offset = [], [], [], 0
    for _, columns in groups:
        item, code, values = _field_values(items, columns, separator)
        item_parts.append(item)
        word_parts.append(code + offset)
        texts.append(values)
        offset += len(values)
    n_items, n_words = len(items), max(offset, 1)
    field = np.repeat(np.arange(len(texts), dtype=np.int32), [len(values) for values in texts])
    # One entry for every (item, word), ascending by item, then word: a value repeated within an item is one word.
    key = np.concatenate([item * n_words + word for item, word in zip(item_parts, word_parts, strict=True)] or [_NONE])
    del item_parts, word_parts
    key.sort()
    key = key[np.diff(key, prepend=-1) != 0]
    item, word = key // n_words, (key % n_words).astype(np.int32)
    del key

    words = Words(tuple(name for name, _ in groups), field, _joined(texts))
    item_words = Ragged.from_pairs(torch.from_numpy(item), torch.from_numpy(word.astype(np.int64)), n_items)
    carriers = np.bincount(word, minlength=offset)
    return leave_out(words, item_words, carriers, carriers / max(n_items, 1) > max_share)


def leave_out(words: Words, item_words: Ragged, carriers: np.ndarray, out: np.ndarray) -> WordTable:
    """The table of a catalogue without the words that too many items carry.

    Args:
        words: [W].
        item_words: [I] rows of word ids, ascending within a row, with or without the words that are left out.
        carriers: int64 [W], how many items carry each word.
        out: bool [W], the words to leave out.
    """
    dropped = tuple(words[position] for position in np.flatnonzero(out).tolist())
    if dropped:
        shares = (carriers[out] / max(len(item_words), 1)).tolist()
        named = ", ".join(f"{w.field}={w.value} ({part:.0%})" for w, part in zip(dropped, shares, strict=True))
        logger.info("Left out %d word(s) by max_share: %s", len(dropped), named)
        kept = torch.from_numpy(~out)
        entry = kept[item_words.index]
        number = (kept.cumsum(0) - 1)[item_words.index[entry]]
        item_words = Ragged.from_pairs(item_words.row[entry], number, len(item_words))
        values = Texts.of(words.values.arrow().take(pa.array(np.flatnonzero(~out))))
        words = Words(words.fields, words.field[~out], values)
    wordless = int((item_words.lengths == 0).sum())
    if wordless:
        logger.info("%d of %d items have no word; they are nodes without queries", wordless, len(item_words))
    return WordTable(words, item_words, dropped, wordless, tuple(carriers[out].tolist()))


def join_words(tables: Sequence[Words]) -> tuple[Words, list[np.ndarray]]:
    """The distinct words of several tables, and the number of each of their words among all.

    Args:
        tables: words of the same fields, ordered by field, then by value.

    Returns:
        `(words, numbers)`: the words in that order, and for each table int64 [its words], ascending.
    """
    fields = tables[0].fields
    starts = [np.searchsorted(words.field, np.arange(len(fields) + 1)) for words in tables]
    texts = [words.values.arrow() for words in tables]
    numbers: list[list[np.ndarray]] = [[_NONE] for _ in tables]
    values, offset = [], 0
    for code in range(len(fields)):
        parts = [text[start[code] : start[code + 1]] for text, start in zip(texts, starts, strict=True)]
        rank, distinct = _in_order(pa.concat_arrays(parts))
        ends = np.cumsum([len(part) for part in parts])
        for number, ranks in zip(numbers, np.split(rank + offset, ends[:-1]), strict=True):
            number.append(ranks)
        values.append(distinct)
        offset += len(distinct)
    field = np.repeat(np.arange(len(values), dtype=np.int32), [len(distinct) for distinct in values])
    return Words(fields, field, _joined(values)), [np.concatenate(number) for number in numbers]


def _in_order(values: pa.StringArray) -> tuple[np.ndarray, pa.StringArray]:
    """The rank of every value, int64 [n], and the distinct values, ascending by bytes: the order of code points."""
    encoded = values.dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    return rank[encoded.indices.to_numpy()], encoded.dictionary.take(pa.array(order))


def _joined(texts: list[pa.Array]) -> Texts:
    return Texts.of(pa.concat_arrays(texts) if texts else pa.array([], pa.string()))


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


def _field_values(items: pd.DataFrame, columns: list[str], separator: str) -> tuple[np.ndarray, np.ndarray, pa.Array]:
    """All (item, value) entries of some columns, blanks left out.

    Returns:
        `(item, code, values)`: int64 [E], int64 [E], and the distinct values, ascending; `code` numbers them.
    """
    entries = [_column_entries(items[column], column, separator) for column in columns]
    codes, distinct = _in_order(pa.concat_arrays([pc.utf8_trim_whitespace(values) for _, _, values in entries]))
    blank = int(len(distinct) > 0 and not distinct[0].as_py())  # the least of all
    starts = np.cumsum([0, *(len(values) for _, _, values in entries)])
    item = np.concatenate([rows for rows, _, _ in entries])
    code = np.concatenate([codes[place + start] for (_, place, _), start in zip(entries, starts, strict=False)]) - blank
    return item[code >= 0], code[code >= 0], distinct[blank:]


def _column_entries(values: pd.Series, column: str, separator: str) -> tuple[np.ndarray, np.ndarray, pa.Array]:
    """The entries of a column: int64 [E] items, int64 [E] places in the last, and texts, some of them blank.

    A list holds words as they are; a text is parted by the separator. Every distinct text is taken apart once, whatever
    the number of items that have it.
    """
    listed = flat_cells(values)
    if listed is not None:
        item, flat = listed
        place, texts = distinct_cells(flat, column)
        return item[place >= 0], place[place >= 0], texts
    place, cells = distinct_cells(values, column)
    parts = pc.split_pattern(cells, separator)
    lengths = pc.list_value_length(parts).to_numpy().astype(np.int64)
    item = np.flatnonzero(place >= 0)
    cell = place[item]
    count = lengths[cell]
    # Entry e of an item is entry e of its cell.
    inside = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    start = np.cumsum(lengths) - lengths
    return np.repeat(item, count), np.repeat(start[cell], count) + inside, pc.list_flatten(parts)
