"""The checkpoint of a training that is under way: one file, replaced whole at the end of every epoch."""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from magus_pyg.errors import RunError
from magus_pyg.files import whole

__all__ = ["CHECKPOINT", "check_matches", "has_checkpoint", "read_checkpoint", "write_checkpoint"]

#: Name of the file in the checkpoint folder.
CHECKPOINT = "last.pt"
_MAGIC = b"magus_pyg checkpoint 1 "


def has_checkpoint(folder: Path) -> bool:
    """True where the folder holds a whole epoch."""
    return (folder / CHECKPOINT).is_file()


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors and plain values) so that a process killed at any moment leaves the old or the new file.

    The first line holds the format and the SHA-256 of the rest, so that damage is never taken for weights.

    Raises:
        RunError: if it cannot be written, for example on a full disk; the old file is kept.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    head = _MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n"
    with whole(folder / CHECKPOINT) as fresh, fresh.open("wb") as file:
        file.writelines([head, content])


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """Read the checkpoint of a folder, onto the CPU.

    Raises:
        RunError: no checkpoint, a damaged file, or one of another format.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise RunError(f"no checkpoint at {path}; train without resume")
    head, _, content = path.read_bytes().partition(b"\n")
    if not head.startswith(_MAGIC):
        raise RunError(
            f"{path} starts with {head[:40]!r}, not with {_MAGIC!r}: it is of another version, damaged or no "
            "checkpoint; delete it and train again"
        )
    if head[len(_MAGIC) :] != hashlib.sha256(content).hexdigest().encode():
        raise RunError(f"{path} is damaged: its content is not what was written; delete it and train again")
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


def check_matches(folder: Path, state: dict[str, Any], expected: dict[str, Any]) -> None:
    """Raise RunError, naming each difference, unless the checkpoint was made for `expected`.

    Args:
        folder: where `state` was read.
        state: the checkpoint; its "identity" is a dict like `expected`.
        expected: what the training to go on with is: model, options, data, seed.
    """
    found: dict[str, Any] = state.get("identity", {})
    keys = [key for key in {**expected, **found} if found.get(key) != expected.get(key)]
    if keys:
        differences = "; ".join(f"{key} is {found.get(key)!r} there, {expected.get(key)!r} here" for key in keys)
        raise RunError(
            f"the checkpoint {folder / CHECKPOINT} belongs to another training: {differences}; "
            "use the same settings and data, or another folder"
        )
