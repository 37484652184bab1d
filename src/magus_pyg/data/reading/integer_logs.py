"""Logs of whole numbers, tens of millions of rows: comma-separated, without quotes, with or without a header line.

pyarrow reads a block of lines at a time with all cores. Only a block that it refuses is looked at line by line.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from magus_pyg.data.reading.file_content import require_to_read
from magus_pyg.data.reading.findings import Findings
from magus_pyg.data.reading.line_blocks import BLOCK, BadRows, LineBlock, line_blocks
from magus_pyg.errors import DataError

__all__ = ["ColumnRule", "IntegerLog", "LogLayout", "read_integers", "whole_number"]

#: The value of a field that is empty.
EMPTY = -1

_TEXT = 4
"""Bytes of memory for a byte of text, until the data set is made of it."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class ColumnRule:
    """What the values of a column must be.

    Attributes:
        column: the column.
        bad: int64 [rows] to bool [rows], True where a value cannot be used.
        what: completes "value ...", such as "is no action".
        drop: whether such rows are counted and dropped instead of reported.
    """

    column: str
    bad: Callable[[np.ndarray], np.ndarray]
    what: str
    drop: bool = False


@dataclass(frozen=True)
class LogLayout:
    """The columns of a log of whole numbers.

    Attributes:
        columns: their names, in the order they have without a header line.
        aliases: other names in header lines, in lower case -> the column.
        optional: columns that may be empty in a row, which gives `EMPTY`.
        dtypes: column -> smaller type than int32, where its rule keeps it in range.
        rules: what values must be.
    """

    columns: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    dtypes: Mapping[str, type] = field(default_factory=dict)
    rules: tuple[ColumnRule, ...] = ()


@dataclass(frozen=True)
class IntegerLog:
    """A log of n rows.

    Attributes:
        columns: name -> integers [n].
        notes: what was counted: rows and lines that were left out.
    """

    columns: dict[str, np.ndarray]
    notes: dict[str, int]


def read_integers(path: Path, layout: LogLayout, findings: Findings, size: int = BLOCK) -> IntegerLog:
    """Read a log of whole numbers.

    A first line whose first field is no number names the columns; a later line of such names (files that were put
    together from several) is counted and left out.

    Args:
        path: the file.
        layout: its columns.
        findings: where problems go; where they are collected, rows with problems are left out.
        size: bytes to read at once.

    Raises:
        DataError: a file that is missing, empty or cut off, and the first row that cannot be used.
    """
    if path.is_file():  # else the first block says so
        require_to_read(path, _TEXT)
    reader = _Reader(path, layout, findings)
    for block in line_blocks(path, findings, size):
        reader.take(block)
    reader.tally.report()
    columns = {}
    for name in layout.columns:
        # One column after the other, so that no more than one is there twice.
        columns[name] = np.concatenate(reader.parts.pop(name) or [np.empty(0, np.int32)])
    return IntegerLog(columns, reader.notes)


class _Reader:
    def __init__(self, path: Path, layout: LogLayout, findings: Findings) -> None:
        self.path, self.layout = path, layout
        self.tally = BadRows(findings)
        self.order: list[str] | None = None
        self.parts: dict[str, list[np.ndarray]] = {name: [] for name in layout.columns}
        self.notes: dict[str, int] = {}

    def take(self, block: LineBlock) -> None:
        """Read a block and keep its rows."""
        if self.order is None:
            block = self._start(block)
        if not block.data.strip():
            return
        # pyarrow reads 0x10 as a number; in a block that holds an "x" something is wrong.
        plain = not any(mark in block.data for mark in (b"x", b"X"))
        table = (self._fast(block, pa.int64()) or self._fast(block, pa.float64())) if plain else None
        columns, lines = self._by_line(block) if table is None else (table, None)
        kept = self._checked(block, columns, lines)
        for name, values in columns.items():
            chosen = values if kept is None else values[kept]
            small = chosen.size == 0 or int(chosen.max()) <= np.iinfo(np.int32).max
            self.parts[name].append(chosen.astype(self.layout.dtypes.get(name, np.int32 if small else np.int64)))

    def _start(self, block: LineBlock) -> LineBlock:
        """Find the order of the columns; a header line is taken off."""
        number, line = next(block.lines(), (block.first, b""))
        fields = _fields(line)
        if not fields[0] or whole_number(fields[0]) is not None:
            self.order = list(self.layout.columns)
            return block
        names = [self._column(name) for name in fields]
        missing = [name for name in self.layout.columns if name not in names]
        if missing:
            wanted = ", ".join(self.layout.columns)
            raise DataError(
                f"{self.path}, line {number}: the header {','.join(fields)} lacks {', '.join(missing)}; there must be "
                f"{wanted}"
            )
        self.order = [name or f"column {place}" for place, name in enumerate(names)]
        skipped = number - block.first + 1
        rest = block.data.split(b"\n", skipped)
        return LineBlock(block.path, number + 1, rest[skipped] if len(rest) > skipped else b"", block.last)

    def _column(self, name: str) -> str | None:
        lower = name.lower()
        named = [column for column in self.layout.columns if column.lower() == lower]
        return named[0] if named else self.layout.aliases.get(lower)

    def _fast(self, block: LineBlock, kind: pa.DataType) -> dict[str, np.ndarray] | None:
        assert self.order is not None, "the order of the columns is found first"
        try:
            table = pacsv.read_csv(
                pa.BufferReader(block.data),
                read_options=pacsv.ReadOptions(column_names=self.order),
                parse_options=pacsv.ParseOptions(quote_char=False),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(self.order, kind), null_values=[""],
                    include_columns=list(self.layout.columns),
                ),
            )  # fmt: skip
        except (pa.ArrowInvalid, pa.ArrowKeyError):
            return None
        columns = {}
        for name in self.layout.columns:
            values = table.column(name)
            if values.null_count:
                if name not in self.layout.optional:
                    return None
                values = pc.fill_null(values, EMPTY)
            array = values.to_numpy()
            with np.errstate(invalid="ignore"):
                whole = array.astype(np.int64)
            if pa.types.is_floating(kind) and not np.array_equal(whole, array):
                return None
            columns[name] = whole
        return columns

    def _by_line(self, block: LineBlock) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Read the lines of a block one by one, and report those that cannot be read."""
        assert self.order is not None, "the order of the columns is found first"
        width, rows, numbers = len(self.order), [], []
        places = [self.order.index(name) for name in self.layout.columns]
        lines = list(block.lines())
        for number, line in lines:
            fields = _fields(line)
            if any(fields) and all(self._column(name) is not None for name in fields if name):
                self._note("header lines inside the log, left out")
                continue
            if len(fields) != width:
                cut = block.last and number == lines[-1][0]
                what = f": the last row has {len(fields)} columns instead of {width}" if cut else ""
                what = what or f": {len(fields)} columns instead of {width}"
                self.tally.add(block.path, number, "width", f"{what}: {fields}{'; the file looks cut off' * cut}")
                continue
            values = [self._value(block, number, name, fields[place]) for name, place in zip(
                self.layout.columns, places, strict=True)]  # fmt: skip
            if None not in values:
                rows.append(values)
                numbers.append(number)
        table = np.array(rows, dtype=np.int64).reshape(-1, len(places))
        return dict(zip(self.layout.columns, table.T, strict=True)), np.array(numbers, dtype=np.int64)

    def _value(self, block: LineBlock, line: int, name: str, text: str) -> int | None:
        if not text and name in self.layout.optional:
            return EMPTY
        value = whole_number(text)
        if value is None:
            self.tally.add(block.path, line, f"number {name}", f", column {name!r}: {text!r} is no whole number")
        return value

    def _checked(self, block: LineBlock, columns: dict[str, np.ndarray], lines: np.ndarray | None) -> np.ndarray | None:
        """Which rows keep to the rules, bool [rows]; None for all."""
        kept: np.ndarray | None = None
        for rule in self.layout.rules:
            bad = rule.bad(columns[rule.column])
            if kept is not None:
                bad = bad & kept
            if not bad.any():
                continue
            rows = np.flatnonzero(bad)
            if rule.drop:
                self._note(f"rows whose {rule.column} {rule.what}, dropped", rows.size)
            else:
                if lines is None:
                    lines = np.array([number for number, _ in block.lines()], dtype=np.int64)
                for place, row in enumerate(rows[:5]):
                    value = int(columns[rule.column][row])
                    what = f", column {rule.column!r}: {value} {rule.what}"
                    count = rows.size - len(rows[:5]) + 1 if place == 0 else 1
                    self.tally.add(block.path, int(lines[row]), f"rule {rule.column} {rule.what}", what, count)
            kept = ~bad if kept is None else kept & ~bad
        return kept

    def _note(self, what: str, more: int = 1) -> None:
        self.notes[what] = self.notes.get(what, 0) + more


def _fields(line: bytes) -> list[str]:
    return [text.strip().strip('"') for text in line.decode("latin-1").split(",")]


def whole_number(text: str) -> int | None:
    """A whole number written as a text, or None; "2661.0" is one, as pandas writes columns with empty fields."""
    if _WHOLE.fullmatch(text):
        return int(text)
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else None
