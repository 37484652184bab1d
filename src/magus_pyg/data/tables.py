"""Reading CSV and Parquet files by column, with errors that say where a bad value stands."""

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from magus_pyg.errors import DataError

__all__ = ["SUFFIXES", "Table", "find_table", "read_table"]

SUFFIXES: tuple[str, ...] = (".csv.gz", ".csv", ".parquet")


@dataclass(frozen=True)
class Table:
    """The columns of one file, and the way back from a row to its line.

    Attributes:
        data: the columns as read. CSV columns are all text, so that ids keep their leading zeros.
        path: the file.
        delimiter: what separates the columns; None for Parquet.
        header: whether line 1 holds the names of the columns.
        quoted: whether double quotes surround values.
        encoding: of the text.
    """

    data: pa.Table
    path: Path
    delimiter: str | None = None
    header: bool = True
    quoted: bool = True
    encoding: str = "utf-8"

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

    def where(self, row: int, column: str | None = None) -> str:
        """Where a row stands, for messages: file, line (or row, in Parquet) and column."""
        place = f"{self.path}, "
        place += f"row {row + 1}" if self.delimiter is None else f"line {self.line(row)}"
        return place if column is None else f"{place}, column {column!r}"

    def line(self, row: int) -> int:
        """The line of a row, from 1, header and blank lines counted. Reads the file again: for messages only."""
        if self.delimiter is None:
            return row + 1
        wanted = row + int(self.header)
        for position, (line, _) in enumerate(_records(self)):
            if position == wanted:
                return line
        return wanted + 1


def find_table(folder: Path, name: str) -> Path | None:
    """The file of a table in a folder: `name` with the first of `SUFFIXES` that exists, or None.

    Raises:
        DataError: if there are several.
    """
    found = [folder / f"{name}{suffix}" for suffix in SUFFIXES if (folder / f"{name}{suffix}").is_file()]
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
) -> Table:
    """Read a .parquet file, or a delimited text file, compressed (.gz) or not.

    Args:
        path: the file.
        delimiter: what separates the columns of a text file.
        column_names: names of the columns of a text file without a header line.
        quoted: whether double quotes may surround values.
        encoding: encoding of a text file.

    Raises:
        DataError: if the file is missing, empty, cut off, or has a row with another number of columns.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}; check the folder's name (`paths.data=` or the variable MAGUS_DATA)")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes); fetch or write it again")
    if path.suffix == ".parquet":
        try:
            return Table(pq.read_table(path), path)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{path} is no whole Parquet file (cut off or damaged): {error}") from error
    names = list(column_names) if column_names is not None else None
    table = Table(pa.table({}), path, delimiter, names is None, quoted, encoding)
    try:
        # The header comes first, since a type has to be given for each column: without it ids would become numbers.
        header = names or _header(table)
        data = pacsv.read_csv(
            path,
            read_options=pacsv.ReadOptions(column_names=names, encoding=encoding),
            parse_options=pacsv.ParseOptions(
                delimiter=delimiter, quote_char='"' if quoted else False, newlines_in_values=quoted
            ),
            convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(header, pa.string())),
        )
    except IndexError:
        # pyarrow fails this way on a header without any row.
        data = pa.table({name: pa.array([], pa.string()) for name in _header(table)})
    except (pa.ArrowInvalid, OSError, EOFError, UnicodeDecodeError) as error:
        raise _explain(table, len(names) if names else None, error) from error
    repeated = [name for name in data.column_names if data.column_names.count(name) > 1]
    if repeated:
        raise DataError(f"{path}, line 1: the column {repeated[0]!r} is there more than once")
    return Table(data, path, delimiter, names is None, quoted, encoding)


def _open(table: Table) -> TextIO:
    if table.path.suffix == ".gz":
        return gzip.open(table.path, "rt", encoding=table.encoding, newline="")
    return open(table.path, encoding=table.encoding, newline="")


def _records(table: Table) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, fields) of each record that is not blank, the header included."""
    delimiter = table.delimiter or ","
    with _open(table) as file:
        reader = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if table.quoted else csv.QUOTE_NONE)
        line = 1
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1


def _header(table: Table) -> list[str]:
    for _, fields in _records(table):
        fields[0] = fields[0].removeprefix("\ufeff")
        return list(fields)
    raise DataError(f"{table.path} is empty (no line with a value); fetch or write it again")


def _explain(table: Table, width: int | None, error: Exception) -> DataError:
    """Find the line that could not be read, since pyarrow's message seldom names it."""
    last: tuple[int, list[str]] | None = None
    try:
        for line, fields in _records(table):
            width = width or len(fields)
            if last is not None and len(last[1]) != width:
                return DataError(f"{table.path}, line {last[0]}: {len(last[1])} columns instead of {width}: {last[1]}")
            last = line, fields
    except UnicodeDecodeError as reason:
        line = (last[0] if last else 0) + 1
        return DataError(f"{table.path}, after line {line}: the text is not {table.encoding}: {reason}")
    except (EOFError, OSError, csv.Error, gzip.BadGzipFile) as reason:
        line = last[0] if last else 0
        return DataError(
            f"{table.path} is cut off or damaged: it can be read up to line {line} ({reason}); fetch or write it again"
        )
    if last is not None and width is not None and len(last[1]) != width:
        return DataError(
            f"{table.path}, line {last[0]}: the last row has {len(last[1])} columns instead of {width}: "
            f"{last[1]}; the file looks cut off"
        )
    return DataError(f"{table.path} cannot be read: {error}")
