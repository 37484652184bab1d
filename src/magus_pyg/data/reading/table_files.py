"""Reading CSV and Parquet files by column, with errors that say where a bad value stands."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from magus_pyg.data.reading.delimited import FileSource, read_delimited
from magus_pyg.data.reading.findings import Findings, listed
from magus_pyg.errors import DataError

__all__ = ["SUFFIXES", "FileTable", "find_table", "read_table"]

SUFFIXES: tuple[str, ...] = (".csv.gz", ".csv", ".parquet")
_FIRST = 5


@dataclass(frozen=True, eq=False)
class FileTable:
    """The columns of one file, or of all files of a folder one after the other, and the way back to their lines.

    Attributes:
        data: the columns as read. CSV columns are all text, so that ids keep their leading zeros.
        path: the file or the folder.
        sources: the files, in order.
        counts: rows of each file.
        findings: where problems go.
        rejected: bool [rows], the rows that a check reported where problems are collected.
    """

    data: pa.Table
    path: Path
    sources: tuple[FileSource, ...] = ()
    counts: tuple[int, ...] = ()
    findings: Findings = field(default_factory=Findings)
    rejected: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        # A frozen dataclass lets its own __post_init__ write only this way.
        object.__setattr__(self, "rejected", np.zeros(len(self), dtype=bool))

    def __len__(self) -> int:
        return int(self.data.num_rows)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.data.column_names)

    def texts(self, column: str) -> pa.ChunkedArray:
        """A column as texts, [rows]. Lists become values joined by "|"; a missing value becomes ""."""
        values = self.data.column(column)
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
            values = pc.binary_join(values.cast(pa.list_(pa.string())), "|")
        elif not pa.types.is_string(values.type):
            values = values.cast(pa.string())
        return pc.fill_null(values, "") if values.null_count else values

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
        ends = np.cumsum(self.counts)
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
) -> FileTable:
    """Read a .parquet file, a delimited text file, compressed (.gz) or not, or a folder of such files.

    Args:
        path: the file, or a folder whose files (in the order of their names) are one table.
        delimiter: what separates the columns of a text file, one character.
        column_names: names of the columns of a text file without a header line.
        quoted: whether double quotes may surround values.
        encoding: encoding of a text file.
        findings: where problems go; the first is raised if None.

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
        if file.suffix == ".parquet":
            part, source = _read_parquet(file), FileSource(file)
        else:
            source = FileSource(file, delimiter, names is None, quoted, encoding)
            part, source = read_delimited(source, names, findings)
        if parts and set(part.column_names) != set(parts[0].column_names):
            differ = sorted(set(part.column_names) ^ set(parts[0].column_names))
            raise DataError(f"{file} has other columns than {paths[0].name}: {', '.join(map(repr, differ))} differ")
        parts.append(part.select(parts[0].column_names) if parts else part)
        sources.append(source)
    data = parts[0] if len(parts) == 1 else pa.concat_tables(parts, promote_options="permissive")
    return FileTable(data, path, tuple(sources), tuple(part.num_rows for part in parts), findings)


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
        return pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is no whole Parquet file (cut off or damaged): {error}") from error
