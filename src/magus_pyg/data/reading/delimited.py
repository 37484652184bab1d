"""Delimited text files by column: everything as text, and the line of whatever cannot be read."""

import csv
import io
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.csv as pacsv

from magus_pyg.data.reading.file_content import arrow_content, open_content
from magus_pyg.data.reading.findings import Findings, listed, quoted
from magus_pyg.errors import DataError

__all__ = ["FileSource", "check_header", "guess_encoding", "read_delimited"]

_BROKEN = (EOFError, OSError, csv.Error, zlib.error)
_UNREADABLE = (pa.ArrowInvalid, UnicodeError, *_BROKEN)
_CHUNK = 1 << 20
_MOST_COLUMNS = 50_000  # half a minute; more is no table of items, users or rows
_BLOCKS = (1 << 20, 1 << 26, (1 << 31) - 1)  # of pyarrow: a record may not reach over two ends of a block
_UNIT = "\x1f"  # the separator of units, which stands in no text


@dataclass(frozen=True)
class FileSource:
    """A file and how it is written.

    Attributes:
        path: the file.
        delimiter: what separates the columns, such as "," or "::"; None for Parquet.
        header: whether the first record holds the names of the columns.
        quoted: whether double quotes surround values.
        encoding: of the text.
        width: columns of the rows that were read, where rows of other widths were left out; else None.
    """

    path: Path
    delimiter: str | None = None
    header: bool = True
    quoted: bool = True
    encoding: str = "utf-8"
    width: int | None = None

    @property
    def text(self) -> bool:
        """Whether it has lines."""
        return self.delimiter is not None

    def line(self, row: int) -> int:
        """The line of a row, from 1, header and blank lines counted."""
        wanted = row + int(self.header)
        position = -1
        with suppress(*_BROKEN):
            for line, fields in self.records():
                position += self.width is None or len(fields) == self.width or (self.header and position < 0)
                if position == wanted:
                    return line
        return wanted + 1

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (first line, fields) of each record that is not blank, the header included."""
        with self._open() as file:
            if self.delimiter is not None and len(self.delimiter) > 1:
                for number, text in enumerate(file, 1):
                    if text.strip():
                        yield number, text.rstrip("\r\n").split(self.delimiter)
                return
            # Its default of 128 KiB a field, which is one for the whole process, is no limit of a file.
            csv.field_size_limit(max(csv.field_size_limit(), _BLOCKS[-1]))
            reader = csv.reader(
                file, delimiter=self.delimiter or ",", quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE
            )
            line = 1
            for fields in reader:
                if fields:
                    yield line, fields
                line = reader.line_num + 1

    def _open(self) -> TextIO:
        return io.TextIOWrapper(open_content(self.path), encoding=self.encoding, newline="")

    def names(self) -> list[str]:
        """The names of the columns in the header line.

        Raises:
            DataError: if the file has no line, or names a column twice.
        """
        for _, fields in self.records():
            fields[0] = fields[0].removeprefix("\ufeff")
            check_header(fields, f"{self.path}, line 1")
            return list(fields)
        raise DataError(f"{self.path} is empty (no line with a value); fetch or write it again")


def check_header(names: Sequence[str], where: str) -> None:
    """Check that no column is named twice, and that there are no more than can be meant.

    Raises:
        DataError: naming the first column that is there twice, or the limit.
    """
    if len(names) > _MOST_COLUMNS:
        raise DataError(
            f"{where}: there are {len(names):,} columns; at most {_MOST_COLUMNS:,} are read: leave out those that no "
            "option names"
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"{where}: the column {repeated[0]!r} is there more than once")


def read_delimited(source: FileSource, names: list[str] | None, findings: Findings) -> tuple[pa.Table, FileSource]:
    """Read a text file, all columns as texts.

    Args:
        source: the file.
        names: the columns of a file without a header line, else None.
        findings: where problems go. Where they are collected, a file that is cut off is read up to there, rows of
            another width are left out, and text of another encoding is read as Latin-1.

    Returns:
        The columns, and the source as it was read in the end.

    Raises:
        DataError: if the file is empty, cut off, no text of its encoding, or has a row of another width.
    """
    try:
        return _read(source, names), source
    except IndexError:
        # pyarrow fails this way on a header without any row.
        return pa.table({name: pa.array([], pa.string()) for name in source.names()}), source
    except DataError:
        raise
    except _UNREADABLE as error:
        findings.problem(_explain(source, len(names) if names else None, error))
        return _read_what_can_be(source, names)


def _read(source: FileSource, names: list[str] | None, content: bytes | None = None, handler: Any = None) -> pa.Table:
    # The header comes first, since a type has to be given for each column: without it ids would become numbers.
    header = names or source.names()
    delimiter = source.delimiter
    if delimiter is not None and len(delimiter) > 1:
        # pyarrow knows delimiters of one character alone.
        content = (_content(source.path) if content is None else content).replace(delimiter.encode(), _UNIT.encode())
        delimiter = _UNIT
    options = pacsv.ReadOptions(column_names=names, encoding=source.encoding, use_threads=handler is None)
    for block in _BLOCKS:
        options.block_size = block
        try:
            return _parsed(source, options, header, delimiter, content, handler)
        except pa.ArrowInvalid as error:
            # The message is all that tells a record that is too long for the block from one that is wrong.
            if "block size" not in str(error) or block == _BLOCKS[-1]:
                raise
    raise AssertionError("the last block returns or raises")


def _parsed(
    source: FileSource,
    options: pacsv.ReadOptions,
    header: list[str],
    delimiter: str | None,
    content: bytes | None,
    handler: Any,
) -> pa.Table:
    return pacsv.read_csv(
        arrow_content(source.path) if content is None else pa.BufferReader(content),
        read_options=options,
        parse_options=pacsv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if source.quoted else False,
            newlines_in_values=source.quoted,
            invalid_row_handler=handler,
        ),
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(header, pa.string())),
    )


def _content(path: Path) -> bytes:
    with open_content(path) as file:
        return bytes(file.read())


def guess_encoding(path: Path) -> str:
    """ "utf-8" if all of the file is, else "latin-1", which reads any bytes."""
    try:
        _content(path).decode()
    except UnicodeError:
        return "latin-1"
    except _BROKEN:
        return "utf-8"  # reading it will say where it is damaged
    return "utf-8"


def _explain(source: FileSource, width: int | None, error: Exception) -> str:
    """Find the line that could not be read, since pyarrow's message seldom names it."""
    last: tuple[int, list[str]] | None = None
    wrong: list[tuple[int, list[str]]] = []
    path = source.path
    try:
        for line, fields in source.records():
            width = width or len(fields)
            if last is not None and len(last[1]) != width:
                wrong.append(last)
            last = line, fields
    except UnicodeError as reason:
        line = (last[0] if last else 0) + 1
        advice = "convert the file, or name its encoding where that can be configured (`dataset.encoding=latin-1`)"
        return f"{path}, after line {line}: the text is not {source.encoding}: {reason}; {advice}"
    except _BROKEN as reason:
        line = last[0] if last else 0
        return f"{path} is cut off or damaged: it can be read up to line {line} ({reason}); fetch or write it again"
    if wrong:
        message = f"{path}, line {wrong[0][0]}: {len(wrong[0][1])} columns instead of {width}: {quoted(wrong[0][1])}"
        return message + (f"; {listed([line for line, _ in wrong])}" if len(wrong) > 1 else "")
    if last is not None and width is not None and len(last[1]) != width:
        found = f"the last row has {len(last[1])} columns instead of {width}: {quoted(last[1])}"
        return f"{path}, line {last[0]}: {found}; the file looks cut off"
    return f"{path} cannot be read: {error}"


def _read_what_can_be(source: FileSource, names: list[str] | None) -> tuple[pa.Table, FileSource]:
    """Read a damaged file: bytes up to the damage, rows of the right width, Latin-1 where it is no UTF-8."""
    content = io.BytesIO()
    with suppress(*_BROKEN), open_content(source.path) as file:
        while chunk := file.read1(_CHUNK):  # type: ignore[attr-defined]
            content.write(chunk)
    whole = content.getvalue()
    try:
        whole.decode(source.encoding)
    except UnicodeError:
        source = replace(source, encoding="latin-1")
    try:
        header = names or source.names()
        source = replace(source, width=len(header))
        return _read(source, names, whole, lambda row: "skip"), source
    except (IndexError, *_UNREADABLE) as error:
        raise DataError(f"nothing of {source.path} can be read: {error}") from error
