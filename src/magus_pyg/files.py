"""Writing files and folders whole or not at all, and saying so where a disk is full.

Whatever is written lies in `.<name>.writing-<hex>/` beside its place until it is complete. Such a folder holds a lock
while its writer lives: the next writer to the same place removes those that a killed process has left. The same
goes for the folder `magus-pyg-<hex>` that holds a command's temporary files.
"""

import errno
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from magus_pyg.errors import ConfigError, MagusError, RunError
from magus_pyg.escaping import cut
from magus_pyg.interrupts import remove, removed_after

__all__ = [
    "TakenError",
    "home_expanded",
    "locked",
    "parse_json",
    "remove_left",
    "scratch_folder",
    "temporary_folder",
    "whole",
    "write_json",
    "write_text",
]

_OURS = re.compile(r"(\..+\.writing|magus-pyg)-[0-9a-f]{16}")
_LOCK_SECONDS = 60.0
"""Time in which a living process has locked its new folder."""

_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class TakenError(Exception):
    """What was to be new is there already."""


def home_expanded(path: str | Path) -> Path:
    """A path with `~` or `~name` at its front replaced by that home folder, as it is where there is none.

    Raises:
        ConfigError: a path that this machine cannot even look at: too long, with a NUL, or in a folder that is closed
            to the user.
    """
    found = Path(os.path.expanduser(path))
    try:
        found.stat()
    except (OSError, ValueError) as reason:  # ValueError: a NUL in it
        if not isinstance(reason, OSError) or reason.errno not in _NOT_THERE:
            why = reason.strerror if isinstance(reason, OSError) else reason
            raise ConfigError(f"the path {cut(str(path), 200)} cannot be looked at: {why}") from reason
    return found


@contextmanager
def whole(path: Path, error: type[MagusError] = RunError, *, new: bool = False) -> Iterator[Path]:
    """Make a file or a folder under a temporary name, flush it to the disk, and only then give it its name.

    Args:
        path: the file or folder; an existing one of the same kind is replaced, and missing folders above it are made.
        error: what is raised where it cannot be written.
        new: a folder that is there already is not replaced, unless it is empty.

    Yields:
        The path to make it at, of the same name; what else is left beside it there is removed.

    Raises:
        MagusError: of the class `error`, if it cannot be written. Then, and where the caller itself fails, nothing of
            it is left, and what was there before stays as it was.
        TakenError: with `new`, if there is such a folder by now.
    """
    with _disk_errors(path, error):
        path.parent.mkdir(parents=True, exist_ok=True)
        place = path.with_name(f".{path.name}.writing-{secrets.token_hex(8)}")
        remove_left(path.parent, None if new else path.name)
        with removed_after(place):
            place.mkdir()
            with FileLock(place / ".lock"):
                fresh = place / path.name
                yield fresh
                _flush(fresh, place.stat().st_mode)
                _put(fresh, path, None if new else place / ".before")


def write_text(path: Path, text: str, error: type[MagusError] = RunError) -> None:
    """Write a text file whole or not at all; raises as `whole`."""
    with whole(path, error) as fresh:
        fresh.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any, error: type[MagusError] = RunError) -> None:
    """Write a JSON file whole or not at all; raises as `whole`."""
    write_text(path, json.dumps(values, indent=2) + "\n", error)


def parse_json(text: str | bytes) -> Any:
    """What a JSON text holds, of a file that anybody may have written.

    Raises:
        ValueError: no JSON, or nested more deeply than the parser goes.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


@contextmanager
def locked(path: Path, error: type[MagusError] = RunError, taken: str = "") -> Iterator[None]:
    """Hold the right to write a file or folder; others wait, or are told so.

    Raises:
        MagusError: of the class `error`, if the lock `.<name>.lock` beside it cannot be made; with the message `taken`,
            unless that is "", if another holds it.
    """
    place = path.with_name(f".{path.name}.lock")
    with _disk_errors(path, error):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place)
        try:
            lock.acquire(timeout=0 if taken else -1)
        except Timeout:
            raise error(taken) from None
    try:
        if not taken:
            yield
        elif place.exists():
            with removed_after(place):  # nobody waits for it
                yield
        else:
            raise error(taken)  # whoever held it was just about to end, and has taken the lock away
    finally:
        lock.release()


@contextmanager
def scratch_folder(above: Path | None = None) -> Iterator[Path]:
    """A folder among the temporary files, or in the folder `above`, removed at the end.

    Those that killed processes left there are removed first.
    """
    place = (above or Path(tempfile.gettempdir())) / f"magus-pyg-{secrets.token_hex(8)}"
    remove_left(place.parent)
    with removed_after(place):
        place.mkdir(mode=0o700)
        with FileLock(place / ".lock"):
            yield place


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A `scratch_folder` for all temporary files of this process and those it starts, whatever library makes them."""
    before, outer = tempfile.tempdir, os.environ.get("TMPDIR")
    with scratch_folder() as place:
        try:
            tempfile.tempdir = os.environ["TMPDIR"] = str(place)
            yield place
        finally:
            tempfile.tempdir = before
            os.environ.pop("TMPDIR", None)
            if outer is not None:
                os.environ["TMPDIR"] = outer


def remove_left(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes left in a folder: places of ours, of that name if any, whose lock nobody holds."""
    try:
        names = os.listdir(folder)
    except OSError:
        return  # it is not there yet, or no folder
    for place in [
        folder / entry
        for entry in names
        if _OURS.fullmatch(entry) and (name is None or entry.startswith(f".{name}.writing-"))
    ]:
        with suppress(OSError, Timeout):
            found, lock = place.lstat(), place / ".lock"
            if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
                continue
            if not lock.exists() and (any(place.iterdir()) or time.time() - found.st_mtime < _LOCK_SECONDS):
                continue  # not of ours, or of a process that has just begun
            with FileLock(lock, timeout=0):
                remove(place)


def _flush(path: Path, mode: int) -> None:
    if path.is_dir():
        for entry in path.iterdir():
            _flush(entry, mode)
        return
    path.chmod(mode & 0o666)  # some libraries make files that their owner alone may read
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _put(fresh: Path, path: Path, before: Path | None) -> None:
    if before is None:
        try:
            fresh.rename(path)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise TakenError(path) from error
            raise
        return
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
