"""Fetching an archive once, in a way that a broken download never looks like a whole one."""

import gzip
import hashlib
import os
import shutil
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from magus_pyg.errors import DataError
from magus_pyg.files import whole

__all__ = ["cache_folder", "fetch_archive", "fetch_file", "md5"]


def cache_folder() -> Path:
    """Where fetched data is kept: the variable MAGUS_CACHE, else XDG_CACHE_HOME/magus_pyg, else ~/.cache/magus_pyg."""
    if os.environ.get("MAGUS_CACHE"):
        return Path(os.environ["MAGUS_CACHE"]).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "magus_pyg"


def md5(path: Path) -> str:
    """The MD5 of a file, 32 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def fetch_archive(url: str, checksum: str | None, target: Path, timeout: float = 30.0) -> Path:
    """Fetch a zip archive, check it, and unpack it into `target`, unless that is there already.

    A target that exists is whole, also where two processes fetch at once.

    Args:
        url: address of the archive.
        checksum: its MD5, 32 hex digits; None where the archive changes now and then, so that only the checksums inside
            it can be compared.
        target: the folder to make; the archive's files lie in it as in the archive.
        timeout: seconds to wait for an answer.

    Raises:
        DataError: if the address does not answer, or the archive is not the expected one.
    """
    if target.is_dir():
        return target
    with whole(target, DataError) as fresh, _fetching(url, target):
        archive = fresh.with_name(".archive.zip")
        _fetch(url, archive, timeout)
        found = md5(archive)
        if checksum is not None and found != checksum:
            raise DataError(
                f"{url} has the MD5 {found} instead of {checksum}: the download was cut off or the file has changed"
            )
        with zipfile.ZipFile(archive) as file:
            file.extractall(fresh)
    return target


def fetch_file(url: str, target: Path, timeout: float = 30.0) -> Path:
    """Fetch one gzip file; it gets its name once it was read through to its checksum.

    Args:
        url: address of the file.
        target: its path; nothing is fetched where it exists.
        timeout: seconds to wait for an answer.

    Raises:
        DataError: if the address does not answer, or what it gives is no whole gzip file.
    """
    if target.is_file():
        return target
    with whole(target, DataError) as fresh, _fetching(url, target):
        _fetch(url, fresh, timeout)
        with gzip.open(fresh) as content:
            while content.read(1 << 24):
                pass
    return target


@contextmanager
def _fetching(url: str, target: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:  # an URLError is an OSError
        raise DataError(f"{url} could not be fetched into {target}: {error}") from error


def _fetch(url: str, path: Path, timeout: float) -> None:
    with urllib.request.urlopen(url, timeout=timeout) as source, open(path, "wb") as sink:
        shutil.copyfileobj(source, sink)
