"""Checks of item tables and logs. What is wrong is a `DataError` that says where; what is odd is counted.

Every function works on whole columns; a line is only looked for once something is known to be wrong. Where problems are
collected (`Findings`), the rows concerned are marked in `Table.rejected` and have values that stand for nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from magus_pyg.data.reading import arrow_texts
from magus_pyg.data.reading.findings import quoted
from magus_pyg.data.reading.table_files import FileTable
from magus_pyg.errors import DataError

__all__ = [
    "Moments",
    "check_columns",
    "identifiers",
    "indices",
    "moments",
    "numbers",
    "parsed_numbers",
    "unique_identifiers",
]

_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # in a second


def check_columns(
    table: FileTable, required: Iterable[str], option: str = "", optional: Mapping[str, str] | None = None
) -> None:
    """Check that a table has the columns that are asked of it.

    Args:
        table: the table.
        required: names of the columns.
        option: what asks for them, for the message.
        optional: columns that a table may lack, and what to do then, for the message.

    Raises:
        DataError: naming the missing columns, those found, and the closest match.
    """
    missing = [name for name in dict.fromkeys(required) if name not in table.columns]
    if not missing:
        return
    close = get_close_matches(missing[0], table.columns, n=1)
    names = ", ".join(repr(name) for name in missing) + (f" (asked for by {option})" if option else "")
    without = "".join(f"; {optional[name]}" for name in missing if optional and name in optional)
    raise DataError(
        f"{table.path}: no column {names}; "
        f"the file has {', '.join(table.columns)}{f'; did you mean {close[0]!r}?' if close else ''}{without}"
    )


def identifiers(table: FileTable, column: str) -> pa.ChunkedArray:
    """A column of ids as texts, [rows], as written: leading zeros and case are kept.

    Whole numbers that Parquet holds as floats (pandas makes them of integers beside missing values) are written without
    a point, as everywhere else. Files of one table may hold their ids as texts and as numbers.

    Raises:
        DataError: at an empty id.
    """
    values = table.texts(column)
    start = 0
    for path, stored in table.pieces(column):
        if arrow_texts.is_list(stored.type):
            raise DataError(f"{path}, column {column!r}: an id is needed, the type is {stored.type}")
        if pa.types.is_floating(stored.type):
            numbers = stored.to_numpy()
            bad = np.zeros(len(table), dtype=bool)
            bad[start : start + len(stored)] = ~np.isfinite(numbers) | (np.floor(numbers) != numbers)
            if bad.any():
                value = values[int(bad.argmax())].as_py()
                table.reject(bad, column, f"{quoted(value)} is no id ({int(bad.sum())} such rows)")
        start += len(stored)
    empty = pc.equal(pc.utf8_trim_whitespace(values), "").to_numpy() & ~table.rejected
    if empty.any():
        table.reject(empty, column, f"the id is empty ({int(empty.sum())} such rows)")
    return values


def unique_identifiers(table: FileTable, column: str, notes: dict[str, int]) -> np.ndarray:
    """The ids of a table with one row an id: object [rows] of texts. Exact copies of a row are left out.

    Args:
        table: the table.
        column: the column of ids.
        notes: the copies are counted here.

    Raises:
        DataError: if the table has no row, at an empty id, and at an id that was there before in another row.
    """
    if len(table) == 0:
        table.findings.problem(f"{table.path} has a header but no row: there is nothing to recommend or to learn from")
    values: np.ndarray = identifiers(table, column).to_pandas().to_numpy(dtype=object)
    repeated = pd.Series(values).duplicated().to_numpy() & ~table.rejected
    if repeated.any():
        copies = _copies(table, values, repeated)
        if copies.any():
            notes[f"exact copies of a row of {table.path.name}, dropped"] = int(copies.sum())
            table.rejected[copies] = True
            repeated &= ~copies
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


def _copies(table: FileTable, ids: np.ndarray, repeated: np.ndarray) -> np.ndarray:
    """Which of the rows with a repeated id are equal to the first row with it in all columns, bool [rows]."""
    rows = np.flatnonzero(pd.Series(ids).isin(ids[repeated]).to_numpy())
    taken = pa.array(rows)
    codes = {}
    for place, column in enumerate(table.columns):
        if table.has_texts(column):
            values = table.texts(column).take(taken).to_pylist()
        else:
            every = [chunk for _, values in table.pieces(column) for chunk in values.chunks]
            starts = np.cumsum([0, *map(len, every)])
            where = np.searchsorted(starts, rows, side="right") - 1
            values = [
                repr(every[chunk][int(row - starts[chunk])].as_py()) for chunk, row in zip(where, rows, strict=True)
            ]
        codes[place] = pd.factorize(pd.Series(values, dtype=object))[0]
    frame = pd.DataFrame(codes)
    first = pd.Series(np.arange(len(rows))).groupby(pd.factorize(ids[rows])[0]).transform("first").to_numpy()
    result = np.zeros(len(table), dtype=bool)
    result[rows] = (frame.to_numpy() == frame.to_numpy()[first]).all(axis=1)
    return np.asarray(result & repeated)


def indices(table: FileTable, column: str, known: np.ndarray, what: str, advice: str = "") -> np.ndarray:
    """The positions of a column's ids in a list of known ids.

    Args:
        table: the table.
        column: the column of ids.
        known: object [K]; of equal ids the first counts.
        what: what the ids stand for, for the message, such as "item of items.csv".
        advice: what else helps, for the message.

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
        if len(known) and unknown.sum() == (~table.rejected).sum() > 1:
            # The wrong column, or the wrong file: how many rows that are says nothing.
            what = f"no row has a known id: {quoted(value)} is no {what}, whose ids are such as {quoted(known[0])}"
            table.reject(unknown, column, f"{what}; name the columns of the same ids")
            return np.full(len(table), -1, dtype=np.int64)
        distinct = len(pc.unique(texts.filter(pa.array(unknown))))
        table.reject(
            unknown,
            column,
            f"{quoted(value)} is no {what} ({int(unknown.sum())} rows with {distinct} such ids); "
            f"add the missing rows or take these out of the log{_with(advice)}",
        )
    return np.asarray(found.fill_null(-1).to_numpy(), dtype=np.int64)


def parsed_numbers(texts: pa.ChunkedArray, decimal: str = ".") -> np.ndarray:
    """Numbers written as texts, float64 [rows]; NaN for what is none. "true" and "false" alone are 1 and 0.

    Args:
        texts: the texts; blanks around do not matter.
        decimal: what stands before the fraction.
    """
    if decimal == ".":
        try:
            return np.asarray(pc.cast(texts, pa.float64()).to_numpy(), dtype=np.float64)
        except pa.ArrowInvalid:
            pass  # the slower way below finds out which
    trimmed = pc.utf8_trim_whitespace(texts)
    lower = pc.utf8_lower(trimmed)
    truth = pc.is_in(lower, value_set=pa.array(["true", "false"]))
    if len(truth) and pc.all(truth).as_py():
        return np.asarray(pc.equal(lower, "true").to_numpy(), dtype=np.float64)
    point = re.escape(decimal)
    number = pc.match_substring_regex(trimmed, rf"^[+-]?([0-9]+{point}?[0-9]*|{point}[0-9]+)([eE][+-]?[0-9]+)?$")
    plain = pc.replace_substring(trimmed, decimal, ".") if decimal != "." else trimmed
    return np.asarray(pc.if_else(number, plain, "nan").cast(pa.float64()).to_numpy(), dtype=np.float64)


def numbers(table: FileTable, column: str, what: str = "number", advice: str = "") -> np.ndarray:
    """A column as finite numbers, float64 [rows]; true and false are 1 and 0. `advice` is for the message.

    Raises:
        DataError: at a value that is empty, no number, NaN or infinite.
    """
    result = np.concatenate([_floats(table, column, values, what) for _, values in table.pieces(column)])
    bad = ~np.isfinite(result)
    _reject(table, column, 0, bad, f"is no {what}", advice)
    return np.where(bad, 0.0, result)


def _floats(table: FileTable, column: str, values: pa.ChunkedArray, what: str) -> np.ndarray:
    types, kind = pa.types, values.type
    if arrow_texts.is_text(kind):
        return parsed_numbers(pc.fill_null(values.cast(pa.string()), ""), table.decimal)
    if types.is_boolean(kind):
        values = values.cast(pa.uint8())
    elif not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind)):
        raise DataError(f"{table.path}, column {column!r}: a {what} is needed, the type is {kind}")
    return np.asarray(pc.cast(values, pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _reject(table: FileTable, column: str, first: int, bad: np.ndarray, what: str, advice: str = "") -> None:
    """Report rows of a piece of a column that starts at row `first`, with their count and the first bad value."""
    if bad.any():
        rows = np.zeros(len(table), dtype=bool)
        rows[first : first + len(bad)] = bad
        value = quoted(table.texts(column)[int(rows.argmax())].as_py())
        table.reject(rows, column, f"{value} {what} ({int(bad.sum())} such rows){_with(advice)}")


def _with(advice: str) -> str:
    return f"; {advice}" if advice else ""


@dataclass(frozen=True)
class Moments:
    """Times in whole seconds and what is left of them.

    Attributes:
        seconds: int64 [rows].
        fraction: int64 [rows], which orders the times within a second; None where all are whole.
    """

    seconds: np.ndarray
    fraction: np.ndarray | None = None


def moments(table: FileTable, column: str, form: str = "number", advice: str = "") -> Moments:
    """A column of times.

    Args:
        table: the table.
        column: the column.
        form: "number" (seconds, or any number that grows with time), "iso" (2014-02-28 or 2014-02-28T10:00:00, read as
            UTC where it names no zone), or a pattern of `strptime` such as "%Y%m%d". Columns that Parquet knows to be
            times are read as they are, in whatever unit.
        advice: what helps where a value is of another form, for the message.

    Raises:
        DataError: at a value that is no time of that form, and where one file has moments and another has numbers.
    """
    seconds: list[np.ndarray] = []
    fractions: list[np.ndarray | None] = []
    clocks: dict[bool, str] = {}
    first = 0
    for path, values in table.pieces(column):
        clock = pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)
        clocks.setdefault(clock or form != "number", f"{path} ({values.type})")
        if len(clocks) > 1:
            raise DataError(
                f"column {column!r} has moments in {clocks[True]} and numbers in {clocks[False]}: write it in one way"
            )
        read = _stored if clock else _numbers_of_time if form == "number" else _written
        whole, rest = read(table, column, form, values, first, advice)
        seconds.append(whole)
        fractions.append(rest if rest is not None and rest.any() else None)
        first += len(values)
    if all(rest is None for rest in fractions):
        return Moments(np.concatenate(seconds))
    parts = [np.zeros_like(whole) if rest is None else rest for whole, rest in zip(seconds, fractions, strict=True)]
    return Moments(np.concatenate(seconds), np.concatenate(parts))


def _stored(
    table: FileTable, column: str, form: str, values: pa.ChunkedArray, first: int, advice: str
) -> tuple[np.ndarray, np.ndarray | None]:
    _reject(table, column, first, values.is_null().to_numpy(), "is no time")
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s"))
    ticks = pc.fill_null(pc.cast(values, pa.int64()), 0).to_numpy()
    return _parted(ticks, values.type.unit)


def _parted(ticks: np.ndarray, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """Whole seconds, and what is left in nanoseconds."""
    seconds, rest = np.divmod(ticks.astype(np.int64), _TICKS[unit])
    return seconds, rest * (_TICKS["ns"] // _TICKS[unit])


def _written(
    table: FileTable, column: str, form: str, values: pa.ChunkedArray, first: int, advice: str
) -> tuple[np.ndarray, np.ndarray | None]:
    texts = pc.fill_null(arrow_texts.texts_of(values), "")
    pattern = "ISO8601" if form == "iso" else form
    # pandas takes "now" and "today" for times of any form.
    dated = pc.if_else(pc.match_substring_regex(texts, "[0-9]"), texts, "")
    parsed = pd.to_datetime(pd.Series(dated.to_pandas(), dtype=object), format=pattern, errors="coerce", utc=True)
    bad = parsed.isna().to_numpy()
    _reject(table, column, first, bad, f"is no time of the form {form!r}", advice)
    naive = parsed.dt.tz_localize(None)
    return _parted(np.where(bad, 0, naive.to_numpy().astype(np.int64)), naive.dt.unit)


def _numbers_of_time(
    table: FileTable, column: str, form: str, values: pa.ChunkedArray, first: int, advice: str
) -> tuple[np.ndarray, np.ndarray | None]:
    texts = arrow_texts.is_text(values.type)
    values = values.cast(pa.string()) if texts else values
    try:
        # Straight to integers where that is possible: float64 would round times in nanoseconds. Arrow reads 0x10 as 16.
        if not values.null_count and not (texts and pc.any(pc.match_substring(values, "x", ignore_case=True)).as_py()):
            return np.asarray(pc.cast(values, pa.int64()).to_numpy(), dtype=np.int64), None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass  # fractions, or values that are none
    result = _floats(table, column, values, "time in seconds")
    bad = ~np.isfinite(result)
    _reject(table, column, first, bad, "is no time in seconds", advice)
    large = np.abs(result) >= 2.0**63
    _reject(table, column, first, large & ~bad, "is no time in seconds, too large")
    result = np.where(bad | large, 0.0, result)
    whole = np.floor(result)
    # Not negative, so their bits are in the order of their values.
    return whole.astype(np.int64), (result - whole + 0.0).view(np.int64)
