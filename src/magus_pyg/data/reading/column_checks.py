"""Checks of item tables and logs. What is wrong is a `DataError` that says where; what is odd is counted.

Every function works on whole columns; a line is only looked for once something is known to be wrong. Where problems are
collected (`Findings`), the rows concerned are marked in `Table.rejected` and have values that stand for nothing.
"""

from collections.abc import Iterable
from difflib import get_close_matches

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from magus_pyg.data.reading.table_files import FileTable
from magus_pyg.errors import DataError

__all__ = ["check_columns", "identifiers", "indices", "numbers", "seconds", "unique_identifiers"]


def check_columns(table: FileTable, required: Iterable[str], option: str = "") -> None:
    """Check that a table has the columns that are asked of it.

    Args:
        table: the table.
        required: names of the columns.
        option: what asks for them, for the message.

    Raises:
        DataError: naming the missing columns, those found, and the closest match.
    """
    missing = [name for name in dict.fromkeys(required) if name not in table.columns]
    if not missing:
        return
    close = get_close_matches(missing[0], table.columns, n=1)
    names = ", ".join(repr(name) for name in missing) + (f" (asked for by {option})" if option else "")
    raise DataError(
        f"{table.path}: no column {names}; "
        f"the file has {', '.join(table.columns)}{f'; did you mean {close[0]!r}?' if close else ''}"
    )


def identifiers(table: FileTable, column: str) -> pa.ChunkedArray:
    """A column of ids as texts, [rows], as written: leading zeros and case are kept.

    Whole numbers that Parquet holds as floats (pandas makes them of integers beside missing values) are written without
    a point, as everywhere else.

    Raises:
        DataError: at an empty id.
    """
    stored = table.data.column(column)
    values = table.texts(column)
    if pa.types.is_floating(stored.type):
        try:
            values = pc.fill_null(pc.cast(pc.cast(stored, pa.int64()), pa.string()), "")
        except pa.ArrowInvalid:
            bad = ~np.isfinite(stored.to_numpy()) | (np.floor(stored.to_numpy()) != stored.to_numpy())
            table.reject(bad, column, f"{values[int(bad.argmax())].as_py()!r} is no id ({int(bad.sum())} such rows)")
    empty = pc.equal(pc.utf8_trim_whitespace(values), "").to_numpy()
    if empty.any():
        table.reject(empty, column, f"the id is empty ({int(empty.sum())} such rows)")
    return values


def unique_identifiers(table: FileTable, column: str) -> np.ndarray:
    """The ids of a table with one row an id: object [rows] of texts.

    Raises:
        DataError: if the table has no row, at an empty id, and at an id that was there before.
    """
    if len(table) == 0:
        table.findings.problem(f"{table.path} has a header but no row: there is nothing to recommend or to learn from")
    values: np.ndarray = identifiers(table, column).to_pandas().to_numpy(dtype=object)
    repeated = pd.Series(values).duplicated().to_numpy() & ~table.rejected
    if repeated.any():
        row = int(repeated.argmax())
        first = int((values == values[row]).argmax())
        table.reject(
            repeated,
            column,
            f"the id {values[row]!r} is already on line {table.line(first)} "
            f"({int(repeated.sum())} repeated rows); keep one row for each id",
        )
    return values


def indices(table: FileTable, column: str, known: np.ndarray, what: str) -> np.ndarray:
    """The positions of a column's ids in a list of known ids.

    Args:
        table: the table.
        column: the column of ids.
        known: object [K], distinct ids.
        what: what the ids stand for, for the message, such as "item of items.csv".

    Returns:
        int64 [rows].

    Raises:
        DataError: if some ids are not known, with their count and the first of them.
    """
    texts = identifiers(table, column)
    found = pc.index_in(texts, value_set=pa.array(known, pa.string()))
    unknown = found.is_null().to_numpy() & ~table.rejected
    if unknown.any():
        value = texts[int(unknown.argmax())].as_py()
        distinct = len(pc.unique(texts.filter(pa.array(unknown))))
        table.reject(
            unknown,
            column,
            f"{value!r} is no {what} ({int(unknown.sum())} rows with {distinct} such ids); "
            "add the missing rows or take these out of the log",
        )
    return np.asarray(found.fill_null(-1).to_numpy(), dtype=np.int64)


def numbers(table: FileTable, column: str, what: str = "number") -> np.ndarray:
    """A column as finite numbers, float64 [rows].

    Raises:
        DataError: at a value that is empty, no number, NaN or infinite.
    """
    values = table.data.column(column)
    if pa.types.is_string(values.type):
        try:
            result = pc.cast(values, pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            result = pd.to_numeric(table.texts(column).to_pandas(), errors="coerce").to_numpy(dtype=np.float64)
    elif pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
        result = pc.cast(values, pa.float64(), safe=False).to_numpy()
    else:
        raise DataError(f"{table.path}, column {column!r}: a {what} is needed, the type is {values.type}")
    result = np.asarray(result, dtype=np.float64)
    bad = ~np.isfinite(result)
    if bad.any():
        value = table.texts(column)[int(bad.argmax())].as_py()
        table.reject(bad, column, f"{value!r} is no {what} ({int(bad.sum())} such rows)")
        result = np.where(bad, 0.0, result)
    return result


def seconds(table: FileTable, column: str, form: str = "number") -> np.ndarray:
    """A column of times as whole numbers, int64 [rows].

    Args:
        table: the table.
        column: the column.
        form: "number" (seconds, or any number that grows with time; fractions are cut), "iso" (2014-02-28 or
            2014-02-28T10:00:00, read as UTC), or a pattern of `strptime` such as "%Y%m%d".

    Raises:
        DataError: at a value that is no time of that form.
    """
    values = table.data.column(column)
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        times = pc.cast(pc.cast(values, pa.timestamp("s"), safe=False), pa.int64())
        bad = pc.is_null(times).to_numpy()
        if bad.any():
            table.reject(bad, column, f"the time is empty ({int(bad.sum())} such rows)")
        return np.asarray(times.fill_null(0).to_numpy(), dtype=np.int64)
    if form != "number":
        pattern = "ISO8601" if form == "iso" else form
        parsed = pd.to_datetime(
            pd.Series(table.texts(column).to_pandas(), dtype=object), format=pattern, errors="coerce", utc=True
        )
        bad = parsed.isna().to_numpy()
        if bad.any():
            value = table.texts(column)[int(bad.argmax())].as_py()
            table.reject(bad, column, f"{value!r} is no time of the form {form!r} ({int(bad.sum())} such rows)")
        return np.asarray(parsed.dt.tz_localize(None).to_numpy(dtype="datetime64[s]").astype(np.int64))
    if values.null_count:
        return _whole(table, column)
    try:
        # Straight to integers where that is possible: float64 would round times in nanoseconds.
        return np.asarray(pc.cast(values, pa.int64()).to_numpy(), dtype=np.int64)
    except pa.ArrowInvalid:
        return _whole(table, column)


def _whole(table: FileTable, column: str) -> np.ndarray:
    result = numbers(table, column, "time in seconds")
    bad = np.abs(result) >= 2.0**63
    if bad.any():
        value = table.texts(column)[int(bad.argmax())].as_py()
        table.reject(bad, column, f"{value!r} is no time in seconds (too large)")
        result = np.where(bad, 0.0, result)
    return np.asarray(np.floor(result), dtype=np.int64)
