"""Reading CSV and Parquet files by column, with errors that say where a bad value stands."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from magus_pyg.data.field_values import FieldEntries, joined, split_texts
from magus_pyg.data.reading import arrow_texts
from magus_pyg.data.reading.delimited import FileSource, check_header, read_delimited
from magus_pyg.data.reading.file_content import (
    arrow_content,
    is_gzip,
    is_parquet,
    refuse_foreign,
    require_to_read,
    utf16,
)
from magus_pyg.data.reading.findings import Findings, listed
from magus_pyg.errors import DataError

__all__ = ["SUFFIXES", "FileTable", "find_table", "read_table"]

SUFFIXES: tuple[str, ...] = (".csv.gz", ".csv", ".parquet")
_FIRST = 5
_NONE = pa.array([], pa.string())
_TEXT, _VALUE, _DECODED = 6, 40, 5
"""Bytes of memory for a byte of text, for a value of Parquet and for a byte of its values, until the data set is made
of them."""

_SAMPLE = 4096

_POINT_ZERO = r"^[+-]?[0-9]+\.0$"


@dataclass(frozen=True, eq=False)
class FileTable:
    """The columns of one file, or of all files of a folder one after the other, and the way back to their lines.

    Attributes:
        parts: the columns of each file as read, under the same names; types may differ. CSV columns are all text, so
            that ids keep their leading zeros.
        path: the file or the folder.
        sources: the files, in order.
        findings: where problems go.
        decimal: what stands before the fraction of a number that is written as a text.
        rejected: bool [rows], the rows to leave out: copies, and those that a check reported where problems are
            collected.
    """

    parts: tuple[pa.Table, ...]
    path: Path
    sources: tuple[FileSource, ...] = ()
    findings: Findings = field(default_factory=Findings)
    decimal: str = "."
    rejected: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        # A frozen dataclass lets its own __post_init__ write only this way.
        object.__setattr__(self, "rejected", np.zeros(len(self), dtype=bool))

    def __len__(self) -> int:
        return sum(part.num_rows for part in self.parts)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.parts[0].column_names)

    def pieces(self, column: str) -> Iterator[tuple[Path, pa.ChunkedArray]]:
        """A column file by file, with the file; neighbours of one type are one piece, under the first of them."""
        first = 0
        chunks: list[pa.ChunkedArray] = []
        for place, part in enumerate(self.parts):
            values = part.column(column)
            if chunks and values.type != chunks[0].type:
                yield self.sources[first].path, _together(chunks)
                first, chunks = place, []
            chunks.append(values)
        yield self.sources[first].path, _together(chunks)

    def has_texts(self, column: str) -> bool:
        """Whether all values of a column read as texts."""
        return all(arrow_texts.has_texts(part.schema.field(column).type) for part in self.parts)

    def texts(self, column: str) -> pa.ChunkedArray:
        """A column as texts, [rows]. Lists become values joined by "|"; a missing value becomes "".

        Raises:
            DataError: a type whose values are no texts.
        """
        chunks: list[pa.Array] = []
        for path, values in self.pieces(column):
            if arrow_texts.is_list(values.type):
                row, entries = self._listed(path, column, values)
                chunks.append(
                    pa.array(joined(row, pa.concat_arrays([_NONE, *entries.chunks]), len(values)), pa.string())
                )
            else:
                chunks.extend(self._texts(path, column, values).chunks)
        return pa.chunked_array(chunks, pa.string())

    def entries(self, column: str, separator: str, refuse_bar: bool = False) -> FieldEntries:
        """The values of a column, several a row: a list's own, and those that `separator` parts in a text.

        Args:
            column: the column.
            separator: what stands between the values of a text.
            refuse_bar: whether a text that holds "|" is an error where the separator is another.

        Raises:
            DataError: a type whose values are no texts.
        """
        rows, texts, start = [np.zeros(0, dtype=np.int64)], [_NONE], 0
        for path, values in self.pieces(column):
            if arrow_texts.is_list(values.type):
                row, found = self._listed(path, column, values)
                rows.append(row + start)
                texts.extend(found.chunks)
            else:
                cells = self._texts(path, column, values)
                if refuse_bar and separator != "|":
                    self._check_no_bar(column, cells, separator, start)
                split = split_texts(cells, separator)
                rows.append(split.row + start)
                texts.append(split.text)
            start += len(values)
        return FieldEntries(np.concatenate(rows), pa.concat_arrays(texts))

    def _texts(self, path: Path, column: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
        with self._named(path, column):
            texts = pc.fill_null(arrow_texts.texts_of(values), "")
        blank = pc.equal(texts, "")
        if arrow_texts.is_text(values.type) and pc.any(blank).as_py():
            # Whole numbers beside a gap: pandas holds them as floats, and writes a point.
            whole = pc.match_substring_regex(texts, _POINT_ZERO)
            if pc.all(pc.or_(whole, blank)).as_py():
                return pc.replace_substring(texts, ".0", "")
        return texts

    def _listed(self, path: Path, column: str, values: pa.ChunkedArray) -> tuple[np.ndarray, pa.ChunkedArray]:
        with self._named(path, column):
            return arrow_texts.list_entries(values)

    @contextmanager
    def _named(self, path: Path, column: str) -> Iterator[None]:
        try:
            yield
        except DataError as error:
            raise DataError(f"{path}, column {column!r}: {error}") from error

    def _check_no_bar(self, column: str, texts: pa.ChunkedArray, separator: str, start: int) -> None:
        bad = np.zeros(len(self), dtype=bool)
        bad[start : start + len(texts)] = pc.match_substring(texts, "|").to_numpy()
        if bad.any():
            value = texts[int(bad.argmax()) - start].as_py()
            advice = f"replace it (the separator here is {separator!r})"
            self.reject(bad, column, f"{value!r} holds '|', which joins values inside the package; {advice}")

    def reject(self, bad: np.ndarray, column: str, what: str) -> None:
        """Report rows with a bad value; the message names the first of them, and counts them.

        Args:
            bad: bool [rows].
            column: where the values stand.
            what: what is wrong, with the first bad value.

        Raises:
            DataError: unless problems are collected.
        """
        rows = np.flatnonzero(bad)
        message = f"{self.where(int(rows[0]), column)}: {what}"
        if self.findings.collect and len(rows) > 1:
            message += f"; {listed(self.lines(rows[:_FIRST]), len(rows))}"
        self.findings.problem(message)
        self.rejected[rows] = True

    def where(self, row: int, column: str | None = None) -> str:
        """Where a row stands, for messages: file, line (or row, in Parquet) and column."""
        source, inside = self._source(row)
        place = f"{source.path}, " + (f"line {source.line(inside)}" if source.text else f"row {inside + 1}")
        return place if column is None else f"{place}, column {column!r}"

    def line(self, row: int) -> int:
        """The line of a row in its file, from 1, header and blank lines counted; the row itself in Parquet. Reads the
        file again: for messages only."""
        source, inside = self._source(row)
        return source.line(inside) if source.text else inside + 1

    def lines(self, rows: Sequence[int] | np.ndarray) -> list[int]:
        """`line` of several rows."""
        return [self.line(int(row)) for row in rows]

    def _source(self, row: int) -> tuple[FileSource, int]:
        ends = np.cumsum([part.num_rows for part in self.parts])
        place = int(np.searchsorted(ends, row, side="right"))
        return self.sources[place], row - int(ends[place - 1] if place else 0)


def find_table(folder: Path, name: str) -> Path | None:
    """The file or folder of a table, or None.

    Args:
        folder: where to look.
        name: a file or folder inside, or the name of a file without its suffix.

    Raises:
        DataError: if there are several.
    """
    found = [folder / f"{name}{suffix}" for suffix in SUFFIXES if (folder / f"{name}{suffix}").is_file()]
    if name and (folder / name).exists():
        found.append(folder / name)
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{folder} holds several files for {name!r}: {names}; keep one of them")
    return found[0] if found else None


def read_table(
    path: Path,
    delimiter: str = ",",
    column_names: Sequence[str] | None = None,
    quoted: bool = True,
    encoding: str = "utf-8",
    findings: Findings | None = None,
    encodings: Mapping[str, str] | None = None,
    decimal: str = ".",
) -> FileTable:
    """Read a Parquet file, a delimited text file, compressed by gzip or not, or a folder of such files.

    What a file is its first bytes say, whatever its suffix.

    Args:
        path: the file, or a folder whose files (in the order of their names) are one table.
        delimiter: what separates the columns of a text file, one character.
        column_names: names of the columns of a text file without a header line.
        quoted: whether double quotes may surround values.
        encoding: encoding of a text file.
        findings: where problems go; the first is raised if None.
        encodings: file name -> its own encoding.
        decimal: what stands before the fraction of a number.

    Raises:
        DataError: if the file is missing, empty, cut off, or has a row with another number of columns.
    """
    findings = findings if findings is not None else Findings()
    paths = _files(path)
    names = list(column_names) if column_names is not None else None
    parts: list[pa.Table] = []
    sources: list[FileSource] = []
    for file in paths:
        if not file.is_file():
            advice = "check the folder's name (`paths.data=` or the variable MAGUS_DATA)"
            raise DataError(f"there is no file {file}; {advice}")
        if file.stat().st_size == 0:
            raise DataError(f"{file} is empty (0 bytes); fetch or write it again")
        refuse_foreign(file)
        if is_parquet(file):
            part, source = _read_parquet(file), FileSource(file)
        else:
            own = (encodings or {}).get(file.name, encoding)
            own = "utf-16" if own == "utf-8" and utf16(file) else own
            require_to_read(file, _TEXT)
            source = FileSource(file, delimiter, names is None, quoted, own)
            part, source = read_delimited(source, names, findings)
        if parts and set(part.column_names) != set(parts[0].column_names):
            differ = sorted(set(part.column_names) ^ set(parts[0].column_names))
            raise DataError(f"{file} has other columns than {paths[0].name}: {', '.join(map(repr, differ))} differ")
        parts.append(part.select(parts[0].column_names) if parts else part)
        sources.append(source)
    return FileTable(tuple(parts), path, tuple(sources), findings, decimal)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith((".", "_")))
    strange = [file.name for file in files if not file.name.endswith(SUFFIXES)]
    if strange or not files:
        held = f"it holds {strange[0]}" if strange else "it is empty"
        raise DataError(
            f"the folder {path} must hold {', '.join(SUFFIXES)} files alone, since they are one table; {held}"
        )
    return files


def _read_parquet(path: Path) -> pa.Table:
    try:
        content = arrow_content(path)
        if is_gzip(path):
            require_to_read(path, 1)
        file = pq.ParquetFile(pa.BufferReader(content.read()) if is_gzip(path) else content)
        check_header(file.schema_arrow.names, str(path))
        _require_values(path, file)
        table = file.read()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last from a name of a column
        raise DataError(f"{path} is no whole Parquet file (cut off or damaged): {error}") from error
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            column.validate(full=True)  # Parquet does not look whether its texts are UTF-8
        except pa.ArrowInvalid as error:
            raise DataError(f"{path}, column {name!r}, holds what is no text: {error}; write it as UTF-8") from error
    return table


def _require_values(path: Path, file: pq.ParquetFile) -> None:
    """Refuse a Parquet file that the memory does not hold as a table: by what it says of itself and by its first rows,
    since a text that is there many times is written once."""
    held = file.metadata
    written = sum(held.row_group(place).total_byte_size for place in range(held.num_row_groups))
    require_to_read(path, 1, max(_VALUE * held.num_rows * held.num_columns, _DECODED * written))
    for rows in file.iter_batches(_SAMPLE):
        decoded = sum(_together([pa.chunked_array([column])]).nbytes for column in rows.columns)
        require_to_read(path, _DECODED * decoded / len(rows), held.num_rows)
        return


def _together(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    chunks = [chunk for column in columns for chunk in column.chunks]
    return arrow_texts.decoded(pa.chunked_array(chunks, columns[0].type))
