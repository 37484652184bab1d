"""Cells of a table in pandas as texts: what a value of any type is called when it is a word, an id or a title."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from magus_pyg.errors import DataError

__all__ = ["cell_text", "column_texts", "distinct_cells", "flat_cells", "is_missing"]

_LISTS = (list, tuple, np.ndarray, set, frozenset, pd.Series, pa.ListScalar)
_EXACT = 2.0**53


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: None, NaN, NaT or NA."""
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def cell_text(value: Any) -> str:
    """A single value as a text. Whole numbers have no point: beside a gap pandas holds them as floats.

    Raises:
        DataError: a list, a dict, or bytes that are no UTF-8.
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return str(int(number) if abs(number) < _EXACT and number.is_integer() else value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"bytes that are no text: {error}") from error
    if isinstance(value, (*_LISTS, dict)):
        raise DataError(f"a {type(value).__name__} where a single value is needed: {str(value)[:60]}")
    return str(value)


def distinct_cells(values: pd.Series, column: str) -> tuple[np.ndarray, pa.Array]:
    """The distinct cells of a column as texts, and which of them each row has, int64 [I], -1 where missing.

    Raises:
        DataError: a cell that is no single value, or no Unicode.
    """
    try:
        if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) != "string":
            values = values.map(cell_text, na_action="ignore")  # 1, 1.0 and True are one key, but not one text
        place, cells = pd.factorize(values)
        written = cells.dtype == object or isinstance(cells.dtype, pd.StringDtype)
        texts = pa.array(pd.Series(cells).astype(str) if written else list(map(cell_text, cells)), pa.string())
        texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts  # where there are none
        return place.astype(np.int64, copy=False), texts
    except UnicodeEncodeError as error:
        raise DataError(f"column {column!r} of the item table holds a text that is no Unicode: {error}") from error
    except DataError as error:
        raise DataError(f"column {column!r} of the item table holds {error}") from error


def column_texts(values: pd.Series, column: str) -> pa.Array:
    """The texts of a column, [I]; "" where a value is missing.

    Raises:
        DataError: a cell that is no single value, or no Unicode.
    """
    place, texts = distinct_cells(values, column)
    return pa.concat_arrays([texts, pa.array([""], pa.string())]).take(pa.array(np.where(place < 0, len(texts), place)))


def flat_cells(values: pd.Series) -> tuple[np.ndarray, pd.Series] | None:
    """The entries of cells that are lists, as int64 [E] rows and [E] values; a cell that is none is one entry. None
    where no cell is a list."""
    if values.dtype != object and not isinstance(values.dtype, pd.ArrowDtype):
        return None
    if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "string":
        return None  # told without looking at each cell in Python
    cells: Sequence[Any] = values.to_list()
    if not any(isinstance(cell, _LISTS) for cell in cells):
        return None
    entries = [_entries(cell) for cell in cells]
    row = np.repeat(np.arange(len(entries)), [len(found) for found in entries])
    flat = np.empty(len(row), dtype=object)
    flat[:] = [entry for found in entries for entry in found]
    return row, pd.Series(flat, dtype=object)


def _entries(cell: Any) -> Sequence[Any]:
    if isinstance(cell, pa.ListScalar):
        return cell.as_py() or []
    if isinstance(cell, set | frozenset):
        return sorted(cell, key=str)
    if isinstance(cell, pd.Series | np.ndarray):
        return cast(list[Any], cell.tolist())
    return cell if isinstance(cell, list | tuple) else [cell]
