"""Large text files in blocks of whole lines: bounded memory, exact line numbers, gzip or not."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from magus_pyg.data.reading.file_content import is_gzip, refuse_foreign
from magus_pyg.data.reading.findings import Findings, listed
from magus_pyg.data.reading.reading_progress import reading
from magus_pyg.errors import DataError

__all__ = ["BLOCK", "BadRows", "LineBlock", "line_blocks"]

BLOCK = 16 * 2**20
_BOM = b"\xef\xbb\xbf"
_FIRST = 5


@dataclass(frozen=True)
class LineBlock:
    """Some whole lines of a file.

    Attributes:
        path: the file.
        first: the number of the first line, from 1.
        data: the bytes; the last line may lack its end.
        last: whether the file ends here.
    """

    path: Path
    first: int
    data: bytes
    last: bool

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield (number, line) of the lines that are not blank, without ends and blanks around."""
        for number, line in enumerate(self.data.split(b"\n"), self.first):
            stripped = line.strip()
            if stripped:
                yield number, stripped

    def text(self) -> str:
        """The lines as UTF-8.

        Raises:
            DataError: at other bytes, with their line.
        """
        try:
            return self.data.decode()
        except UnicodeDecodeError as error:
            line = self.first + self.data.count(b"\n", 0, error.start)
            raise DataError(
                f"{self.path}, line {line}: the text is not utf-8: {error.reason}; convert the file"
            ) from error


class BadRows:
    """Bad rows by kind: the first is raised, or all are counted and reported in one message a kind.

    Args:
        findings: where problems go.
    """

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self._found: dict[str, tuple[str, int, list[int]]] = {}

    def add(self, path: Path, line: int, kind: str, what: str, count: int = 1) -> None:
        """Report one bad row, or the first of several.

        Args:
            path: the file.
            line: where the row stands.
            kind: what such rows have in common.
            what: what is wrong with this one; its column may come first.
            count: how many rows there are.

        Raises:
            DataError: unless problems are collected.
        """
        message = f"{path}, line {line}{what}"
        if not self.findings.collect:
            self.findings.problem(message)
        first, before, lines = self._found.setdefault(kind, (message, 0, []))
        self._found[kind] = (first, before + count, [*lines, line][:_FIRST])

    def report(self) -> None:
        """Hand the counted kinds on."""
        for message, count, lines in self._found.values():
            self.findings.problem(f"{message}; {listed(lines, count)}" if count > 1 else message)
        self._found.clear()


def line_blocks(path: Path, findings: Findings, size: int = BLOCK) -> Iterator[LineBlock]:
    """Read a text file in blocks of whole lines; a byte order mark at its start is left out.

    Args:
        path: the file; decompressed if its bytes are those of gzip.
        findings: where problems go; where they are collected, a damaged file ends before the damage.
        size: bytes to read at once.

    Raises:
        DataError: a file that is missing, empty or cut off.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes); fetch or write it again")
    refuse_foreign(path)
    line, rest, anything = 1, b"", False
    with open(path, "rb") as raw, reading(path) as done:
        file = gzip.GzipFile(fileobj=raw) if is_gzip(path) else raw
        while True:
            try:
                chunk = file.read(size)
            except (EOFError, OSError, zlib.error) as error:
                findings.problem(
                    f"{path} is cut off or damaged: it can be read up to line {line + rest.count(bytes([10])) - 1} "
                    f"({error}); fetch or write it again"
                )
                return
            done(raw.tell())
            data = rest + chunk
            if line == 1 and data.startswith(_BOM):
                data = data[len(_BOM) :]
            end = len(data) if not chunk else data.rfind(b"\n") + 1
            rest = data[end:]
            if end:
                anything = anything or bool(data[:end].strip())
                yield LineBlock(path, line, data[:end], last=not chunk)
                line += data.count(b"\n", 0, end)
            if not chunk:
                break
    if not anything:
        raise DataError(f"{path} is empty (no line with a value); fetch or write it again")
