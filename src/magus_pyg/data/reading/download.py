"""Fetching an archive once, in a way that a broken or hostile download never looks like a whole one.

Addresses are https, also those that a server sends on to. What comes is bounded in time and size, and so is what it
unpacks to.
"""

import gzip
import hashlib
import http.client
import os
import re
import stat
import time
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

from magus_pyg.errors import DataError
from magus_pyg.files import home_expanded, whole

__all__ = ["cache_folder", "fetch_archive", "fetch_file", "md5"]

#: Schemes of an address that is fetched, and of one that a server sends on to; a file is nobody else's.
_SCHEMES, _SENT_ON = ("https", "file"), ("https",)
#: The largest files that are fetched hold all reviews of a category: some 12 GiB.
_MOST_ARCHIVE, _MOST_FILE = 2**30, 2**35
_MOST_SECONDS = 6 * 3600.0
#: Logs shrink to a third or a tenth; what unpacks to far more is made to fill a disk. A few MiB may be anything.
_MOST_RATIO, _FREE_BYTES = 100, 2**24
_MOST_MEMBERS = 10_000


def cache_folder() -> Path:
    """Where fetched data is kept: the variable MAGUS_CACHE, else XDG_CACHE_HOME/magus_pyg, else ~/.cache/magus_pyg."""
    if os.environ.get("MAGUS_CACHE"):
        return home_expanded(os.environ["MAGUS_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "magus_pyg"


def md5(path: Path) -> str:
    """The MD5 of a file, 32 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def fetch_archive(url: str, checksum: str | None, target: Path, timeout: float = 30.0) -> Path:
    """Fetch a zip archive, check it, and unpack it into `target`, unless that is there already.

    A target that exists is whole, also where two processes fetch at once.

    Args:
        url: address of the archive, https.
        checksum: its MD5, 32 hex digits, or the address of a file that states it, where the archive changes now and
            then; None where the source gives none, so that only the checksums inside it can be compared.
        target: the folder to make; the archive's files lie in it as in the archive.
        timeout: seconds to wait for an answer.

    Raises:
        DataError: if the address does not answer or gives more than an archive may have, or the archive is not the
            expected one, leads outside of its folder, or would unpack to more than its size allows.
    """
    if target.is_dir():
        return target
    with whole(target, DataError) as fresh, _fetching(url, target):
        archive = fresh.with_name(".archive.zip")
        _fetch(url, archive, _MOST_ARCHIVE, timeout)
        found = md5(archive)
        if checksum is not None and "://" in checksum:
            checksum = _stated_md5(checksum, fresh.with_name(".archive.md5"), timeout)
        if checksum is not None and found != checksum:
            raise DataError(
                f"{url} has the MD5 {found} instead of {checksum}: the download was cut off or the file has changed"
            )
        with zipfile.ZipFile(archive) as file:
            _check_members(file.infolist(), archive.stat().st_size, url)
            file.extractall(fresh)
    return target


def fetch_file(url: str, target: Path, timeout: float = 30.0) -> Path:
    """Fetch one gzip file; it gets its name once it was read through to its checksum.

    Args:
        url: address of the file, https.
        target: its path; nothing is fetched where it exists.
        timeout: seconds to wait for an answer.

    Raises:
        DataError: if the address does not answer or gives more than a file may have, or what it gives is no whole gzip
            file, or one that unpacks to more than its size allows.
    """
    if target.is_file():
        return target
    with whole(target, DataError) as fresh, _fetching(url, target):
        _fetch(url, fresh, _MOST_FILE, timeout)
        most, size = _most_unpacked(fresh.stat().st_size), 0
        with gzip.open(fresh) as content:
            while block := content.read(1 << 20):
                size += len(block)
                if size > most:
                    raise DataError(f"{url} unpacks to more than {_MOST_RATIO} times its size: it is no log")
    return target


def _stated_md5(url: str, path: Path, timeout: float) -> str:
    """The MD5 in a file such as "MD5 (name.zip) = <hash>" or "<hash>  name.zip"."""
    _fetch(url, path, 1024, timeout)
    found = re.search(r"\b[0-9a-f]{32}\b", path.read_text(encoding="ascii", errors="replace").lower())
    if found is None:
        raise DataError(f"{url} holds no MD5")
    return found[0]


def _most_unpacked(size: int) -> int:
    return max(_MOST_RATIO * size, _FREE_BYTES)


def _check_members(members: list[zipfile.ZipInfo], size: int, url: str) -> None:
    """Raise DataError for an archive that would leave its folder or fill the disk; it unpacks to what it states."""
    for member in members:
        path = PurePosixPath(member.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in path.parts[0]:
            raise DataError(f"{url} holds {member.filename!r}, which leads outside of its folder: it is not unpacked")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(f"{url} holds the link {member.filename!r}: it is not unpacked")
    stated = sum(member.file_size for member in members)
    if len(members) > _MOST_MEMBERS or stated > _most_unpacked(size):
        raise DataError(
            f"{url} would unpack to {len(members):,} files of {stated:,} bytes from {size:,}: it stays packed, since "
            f"at most {_MOST_MEMBERS:,} files and {_MOST_RATIO} times its size are expected"
        )


@contextmanager
def _fetching(url: str, target: Path) -> Iterator[None]:
    try:
        yield
    except (
        OSError,  # an URLError is one
        EOFError,
        zlib.error,
        zipfile.BadZipFile,
        http.client.HTTPException,
        NotImplementedError,  # a zip with a compression that nobody knows
        RuntimeError,  # an encrypted zip
    ) as error:
        raise DataError(f"{url} could not be fetched into {target}: {error}") from error


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to addresses of the allowed schemes alone."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _check_scheme(newurl, _SENT_ON, f"{req.full_url} sends on to ")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str, schemes: tuple[str, ...], before: str = "") -> None:
    if urlsplit(url).scheme not in schemes:
        raise DataError(f"{before}{url}, which is not {schemes[0]}: nobody can say who answers there")


def _fetch(url: str, path: Path, most: int, timeout: float) -> None:
    """Write what an address gives, all of it, at most `most` bytes and within `_MOST_SECONDS`."""
    _check_scheme(url, _SCHEMES)
    end, size = time.monotonic() + _MOST_SECONDS, 0
    with urllib.request.build_opener(_SafeRedirects).open(url, timeout=timeout) as source, open(path, "wb") as sink:
        text = source.headers.get("Content-Length") or ""
        stated = int(text) if text.isdecimal() else None
        if stated is not None and stated > most:
            raise DataError(f"{url} has {stated:,} bytes, more than the {most:,} that are fetched at most")
        while block := source.read1(1 << 16):  # what has come: a whole block of a slow server may never be there
            size += len(block)
            if size > most:
                raise DataError(f"{url} gives more than the {most:,} bytes that are fetched at most")
            if time.monotonic() > end:
                raise DataError(f"{url} took more than {_MOST_SECONDS:,.0f} s: {size:,} bytes had come by then")
            sink.write(block)
    if stated is not None and size != stated:
        raise DataError(f"{url} was cut off: {size:,} of {stated:,} bytes have come")
