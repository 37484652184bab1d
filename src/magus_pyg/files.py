"""Writing files whole or not at all, and saying so where a disk is full."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from magus_pyg.errors import MagusError, RunError

__all__ = ["disk_errors", "write_json", "write_text", "write_whole"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file under a temporary name, flush it to the disk, and only then give it its name.

    Args:
        path: the file; an existing one is replaced.
        write: writes to the path it is called with, which has the same name in a temporary folder beside `path`.

    Raises:
        RunError: if the file cannot be written; nothing of it is left, an existing file stays as it was.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=".writing-"))
        try:
            temporary = folder / path.name
            write(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; raises RunError as `write_whole`."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a JSON file whole or not at all; raises RunError as `write_whole`."""
    write_text(path, json.dumps(values, indent=2) + "\n")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what goes wrong with the disk while `path` is written into a RunError that says what to do."""
    try:
        yield
    except MagusError as error:
        # A floor below has noticed it first; what is missing is what to do about it.
        if isinstance(error.__cause__, OSError | SafetensorError) and _is_full(error.__cause__):
            raise RunError(f"the disk is full: {error}. {_room(path)}") from error
        raise
    except (OSError, SafetensorError) as error:
        if _is_full(error):
            raise RunError(f"the disk is full: {path} was not written ({error}). {_room(path)}") from error
        raise RunError(f"{path} could not be written ({error}); check the folder and its permissions") from error


def _is_full(error: BaseException) -> bool:
    # Libraries in other languages keep the system's words, but not its number.
    number = error.errno if isinstance(error, OSError) else None
    return number in _FULL or any(os.strerror(code).lower() in str(error).lower() for code in _FULL)


def _room(path: Path) -> str:
    place = next((parent for parent in [path, *path.parents] if parent.is_dir()), Path("."))
    free = shutil.disk_usage(place.resolve()).free
    return f"{free / 2**20:.1f} MiB are free there: make room, or choose another folder with paths.runs=..."
