"""Writing files and folders whole or not at all, and saying so where a disk is full.

Whatever is written lies in `.<name>.writing-<hex>/` beside its place until it is complete. Such a folder holds a lock
while its writer lives: the next writer to the same place removes those that a killed process has left.
"""

import errno
import glob
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from magus_pyg.errors import MagusError, RunError

__all__ = ["locked", "whole", "write_json", "write_text"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def whole(path: Path, error: type[MagusError] = RunError) -> Iterator[Path]:
    """Make a file or a folder under a temporary name, flush it to the disk, and only then give it its name.

    Args:
        path: the file or folder; an existing one of the same kind is replaced, and missing folders above it are made.
        error: what is raised where it cannot be written.

    Yields:
        The path to make it at, of the same name; what else is left beside it there is removed.

    Raises:
        MagusError: of the class `error`, if it cannot be written. Then, and where the caller itself fails, nothing of
            it is left, and what was there before stays as it was.
    """
    with _disk_errors(path, error):
        path.parent.mkdir(parents=True, exist_ok=True)
        place = path.with_name(f".{path.name}.writing-{secrets.token_hex(8)}")
        _remove_left(path)
        place.mkdir()
        try:
            with FileLock(place / ".lock"):
                fresh = place / path.name
                yield fresh
                _flush(fresh, place.stat().st_mode)
                _put(fresh, path, place / ".before")
        finally:
            shutil.rmtree(place, ignore_errors=True)


def write_text(path: Path, text: str, error: type[MagusError] = RunError) -> None:
    """Write a text file whole or not at all; raises as `whole`."""
    with whole(path, error) as fresh:
        fresh.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any, error: type[MagusError] = RunError) -> None:
    """Write a JSON file whole or not at all; raises as `whole`."""
    write_text(path, json.dumps(values, indent=2) + "\n", error)


@contextmanager
def locked(path: Path, error: type[MagusError] = RunError) -> Iterator[None]:
    """Hold the right to write a file or folder; others wait.

    Raises:
        MagusError: of the class `error`, if the lock `.<name>.lock` beside it cannot be made.
    """
    with _disk_errors(path, error):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _remove_left(path: Path) -> None:
    """Remove what killed processes left of `path`: that whose lock nobody holds."""
    for lock in path.parent.glob(f".{glob.escape(path.name)}.writing-*/.lock"):
        with suppress(OSError, Timeout), FileLock(lock, timeout=0):
            shutil.rmtree(lock.parent, ignore_errors=True)


def _flush(path: Path, mode: int) -> None:
    if path.is_dir():
        for entry in path.iterdir():
            _flush(entry, mode)
        return
    path.chmod(mode & 0o666)  # some libraries make files that their owner alone may read
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _put(fresh: Path, path: Path, before: Path) -> None:
    if not (fresh.is_dir() and path.is_dir()):
        os.replace(fresh, path)
        return
    os.replace(path, before)
    try:
        os.replace(fresh, path)
    except BaseException:
        os.replace(before, path)
        raise


@contextmanager
def _disk_errors(path: Path, kind: type[MagusError]) -> Iterator[None]:
    """Turn what goes wrong with the disk while `path` is written into an error that says what to do."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        # Libraries in other languages keep the system's words, but not its number.
        number = error.errno if isinstance(error, OSError) else None
        if number in _FULL or any(os.strerror(code).lower() in str(error).lower() for code in _FULL):
            raise kind(f"the disk is full: {path} could not be written: {error}. {_room(path)}") from error
        raise kind(f"{path} could not be written: {error}; check the folder and its permissions") from error


def _room(path: Path) -> str:
    place = next((parent for parent in [path, *path.parents] if parent.is_dir()), Path("."))
    free = shutil.disk_usage(place.resolve()).free
    return f"{free / 2**20:.1f} MiB are free there: make room, or choose another folder"
