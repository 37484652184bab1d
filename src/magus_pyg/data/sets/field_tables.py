"""Item and user tables of data sets in their original files: ids, titles, and fields with clean values."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from magus_pyg.data.dataset import exact_column
from magus_pyg.data.dataset_options import LogOptions
from magus_pyg.data.field_values import FieldEntries, band_labels, clean_fields, joined
from magus_pyg.data.reading.column_checks import parsed_numbers
from magus_pyg.errors import ConfigError

__all__ = ["field_table", "one_each"]


def one_each(texts: np.ndarray) -> FieldEntries:
    """The entries of a field with at most one value a row: object [rows] of texts."""
    return FieldEntries(np.arange(len(texts)), pa.array(texts, pa.string()))


def field_table(
    key: str,
    ids: np.ndarray,
    fields: Mapping[str, FieldEntries],
    options: LogOptions,
    notes: dict[str, int],
    labels: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """A table of items or users.

    Args:
        key: "item_id" or "user_id".
        ids: object [rows] of texts.
        fields: field -> its entries. A field of `options.bands` holds numbers, where it holds any value.
        options: the rules of values.
        notes: what is counted is added here.
        labels: columns that are no fields, such as titles: object [rows] of texts, kept as they are.

    Raises:
        ConfigError: if options name fields that there are not.
    """
    if key == "item_id":
        for option, names in (("bands", options.bands), ("empty_values", options.empty_values)):
            unknown = [name for name in names if name not in fields and name != "*"]
            if unknown:
                known = ", ".join(fields)
                raise ConfigError(f"{option} names {unknown[0]!r}, no field of {options.name!r}; choose from {known}")
    entries, exact = dict(fields), dict(labels or {})
    for name, count in options.bands.items():
        if name in entries:
            exact[exact_column(name)] = joined(entries[name].row, entries[name].text, len(ids))
            entries[name] = _bands(name, entries[name], len(ids), count, notes)
    clean = clean_fields(entries, len(ids), options, options.merge_fields)
    notes.update(clean.notes)
    return pd.DataFrame({key: ids, **exact, **clean.columns})


def _bands(name: str, entries: FieldEntries, n_rows: int, count: int, notes: dict[str, int]) -> FieldEntries:
    """The first number of each row as its band. These sets are known to hold other texts there: they are counted."""
    texts = pd.Series(entries.text.to_pandas(), dtype=object)
    numbers = parsed_numbers(pa.chunked_array([entries.text]))
    strange = ~np.isfinite(numbers) & (texts.str.strip() != "").to_numpy(dtype=bool)
    if strange.any():
        notes[f"values of {name} that are no number, left out"] = int(strange.sum())
    good = np.flatnonzero(np.isfinite(numbers))
    row, first = np.unique(entries.row[good], return_index=True)
    values = np.full(n_rows, np.nan)
    values[row] = numbers[good][first]
    return one_each(band_labels(values, count, name))
