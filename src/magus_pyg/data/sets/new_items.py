"""New rows of an item table, cleaned by the rules that the items of a data set were cleaned by."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from magus_pyg.data.dataset import word_columns
from magus_pyg.data.dataset_options import DatasetOptions, LogOptions
from magus_pyg.data.field_values import FieldEntries, clean_fields, labels_of_bands, resolve_entities, split_texts
from magus_pyg.data.reading.delimited import FileSource
from magus_pyg.data.reading.table_files import FileTable
from magus_pyg.data.sets.field_tables import one_each
from magus_pyg.data.sets.tabular_files import band_numbers
from magus_pyg.data.sets.tabular_options import TabularOptions
from magus_pyg.errors import DataError

__all__ = ["clean_new_items"]

_CALLED = Path("the new items")
_LISTS = (list, tuple, set, frozenset, np.ndarray)


def clean_new_items(
    items: pd.DataFrame, options: DatasetOptions, words: Mapping[str, Iterable[str]]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Clean new items: values that mean none, entities, blanks, too long texts, spelling, and bands of numbers.

    A value that differs from a word in its spelling alone is written as that word. A number gets the band that it lies
    in; outside of all bands it makes no word, and is counted.

    Args:
        items: the rows, as in the source of the data set: its columns of words, titles and ids. Cells are texts (with
            the separator of the options), numbers or lists.
        options: of the data set; those that are no `LogOptions` have no such rules.
        words: word field -> the words that its items have.

    Returns:
        The rows as `extend_relational_graph` takes them, and what was counted.

    Raises:
        DataError: what is no number in a field of bands, or a value that is no text, naming its row and column.
    """
    if not isinstance(options, LogOptions):
        return items, {}
    names = {options.item_key, options.item_id} if isinstance(options, TabularOptions) else set()
    key = next((name for name in ("item_id", *sorted(names)) if name in items.columns), "item_id")
    items = items.rename(columns={key: "item_id"}).reset_index(drop=True)
    groups = {name: tuple(members) for name, members in options.merge_fields.items()}
    columns = [name for name in word_columns(options.word_fields, groups) if name in items.columns]
    separator = options.separator if isinstance(options, TabularOptions) else "|"
    table = FileTable(
        (pa.table({name: _arrow(items[name], name, separator) for name in columns}),),
        _CALLED,
        (FileSource(_CALLED),),
        decimal=options.decimal if isinstance(options, TabularOptions) else ".",
    )
    group_of = {member: name for name, members in groups.items() for member in members}
    entries: dict[str, FieldEntries] = {}
    notes: dict[str, int] = {}
    for name in columns:
        if name not in options.bands:
            entries[name] = table.entries(name, separator, refuse_bar=True)
            continue
        numbers = band_numbers(table, name)
        labels, outside = labels_of_bands(numbers, name, words.get(group_of.get(name, name), ()))
        entries[name] = one_each(labels)
        if outside.any():
            notes[f"values of {name} outside of all bands, such as {numbers[outside][0]:g}"] = int(outside.sum())
    clean = clean_fields(entries, len(items), options, groups, words)
    title = options.title_field
    if title and title not in columns and title in items.columns:
        there = items[title].map(lambda cell: resolve_entities(cell) if isinstance(cell, str) else cell)
        items = items.assign(**{title: there})
    return items.assign(**clean.columns), notes | clean.notes


def _arrow(values: pd.Series, name: str, separator: str) -> pa.Array:
    """A column for Arrow, which knows no columns of lists beside texts: the texts are parted then."""
    cells: list[Any] = values.tolist()
    if any(isinstance(cell, _LISTS) for cell in cells):
        return pa.array([_entries(cell, separator) for cell in cells], pa.list_(pa.string()))
    try:
        return pa.Array.from_pandas(values)
    except pa.ArrowInvalid:  # of several types
        return pa.array([None if pd.isna(cell) else str(cell) for cell in cells], pa.string())
    except pa.ArrowException as error:
        raise DataError(f"{_CALLED}, column {name!r}: {error}") from error


def _entries(cell: Any, separator: str) -> list[str]:
    if isinstance(cell, _LISTS):
        entries = sorted(cell, key=str) if isinstance(cell, set | frozenset) else list(cell)
        return [str(entry) for entry in entries if entry is not None and entry == entry]
    if not isinstance(cell, str):
        return [] if pd.isna(cell) else [str(cell)]
    return split_texts(pa.chunked_array([[cell]]), separator).text.to_pylist()  # type: ignore[no-any-return]
