"""What a file is, by its first bytes whatever its name, and its content, decompressed."""

import gzip
import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from magus_pyg.errors import DataError
from magus_pyg.memory import require_memory

__all__ = ["arrow_content", "is_gzip", "is_parquet", "open_content", "refuse_foreign", "require_to_read", "utf16"]

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_BLOCK, _MOST = 1 << 18, 1 << 24
"""Bytes of a gzip file that are looked at to see how many it holds, and of what they hold."""

_FOREIGN = {
    b"PK\x03\x04": "a zip archive, or an Excel file",
    b"\xd0\xcf\x11\xe0": "an Excel file",
    b"\xfd7zXZ\x00": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"ARROW1": "an Arrow (Feather) file",
    b"SQLite format 3\x00": "an SQLite file",
}


def _head(path: Path, unpacked: bool = False) -> bytes:
    with open(path, "rb") as file:
        head = file.read(16)
        if not unpacked or not head.startswith(_GZIP):
            return head
        file.seek(0)
        try:
            return gzip.GzipFile(fileobj=file).read(16)
        except (EOFError, OSError, zlib.error):
            return b""  # reading it will say where it is damaged


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed by gzip."""
    return _head(path).startswith(_GZIP)


def is_parquet(path: Path) -> bool:
    """Whether a file, or what is compressed in it, is Parquet; also what is called so and is no text."""
    head = _head(path, unpacked=True)
    return head.startswith(_PARQUET) or (path.suffix == ".parquet" and b"\0" in head and not utf16(path))


def utf16(path: Path) -> bool:
    """Whether a text starts with the mark of UTF-16, as spreadsheets write "Unicode text"."""
    return _head(path, unpacked=True)[:2] in (b"\xff\xfe", b"\xfe\xff")


def refuse_foreign(path: Path) -> None:
    """Check that a file may be a table.

    Raises:
        DataError: if its first bytes are those of a format that is not read.
    """
    head = _head(path)
    for mark, what in _FOREIGN.items():
        if head.startswith(mark):
            raise DataError(f"{path} is {what}: unpack it, or write it as CSV (.csv, .csv.gz) or Parquet")


def require_to_read(path: Path, each: float, size: int | None = None) -> None:
    """Refuse a file that the memory does not hold as a table.

    Args:
        path: the file.
        each: bytes of memory that a byte of it takes while it is read, about.
        size: bytes of its content, where that is known; those of the file, unpacked, if None.

    Raises:
        DataError: with the estimate.
    """
    if size is None:
        size = _unpacked(path) if is_gzip(path) else path.stat().st_size
    advice = "give a part of its rows or columns, or a machine with more memory"
    require_memory(int(each * size), f"reading {path}", advice, DataError)


def _unpacked(path: Path) -> int:
    """Bytes that a gzip file holds, about.

    Its last four bytes tell how many, but of its last member alone and without multiples of 4 GiB, and nothing where it
    is cut off (RFC 1952): they are believed where its beginning is packed about as closely.
    """
    size, held = path.stat().st_size, 0
    with open(path, "rb") as file:
        rest = block = file.read(_BLOCK)
        file.seek(max(0, size - 4))
        told = int.from_bytes(file.read(4), "little")
    with suppress(zlib.error):  # reading it will say where it is damaged
        while rest and held < _MOST:
            member = zlib.decompressobj(wbits=31)
            held += len(member.decompress(rest, _MOST))
            rest = member.unused_data or member.unconsumed_tail
    guess = size * held // max(1, len(block) - len(rest))
    return told if guess <= 2 * told and told <= 2 * guess else guess


def open_content(path: Path) -> BinaryIO:
    """The bytes of a file, decompressed."""
    return cast(BinaryIO, gzip.open(path, "rb")) if is_gzip(path) else open(path, "rb")


def arrow_content(path: Path) -> pa.NativeFile:
    """The same for pyarrow, which takes names of files that are no UTF-8 as bytes alone."""
    file = pa.OSFile(os.fsencode(path))
    return pa.CompressedInputStream(file, "gzip") if is_gzip(path) else file
