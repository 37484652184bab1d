"""Names that stand for people in what is kept of them: HMAC-SHA256 of their ids, with a key that never leaves its file.

Without the key nobody can tell whose a name is, nor try out ids; with it, what is kept and a log of ids fit together.
"""

import hmac
from pathlib import Path

import numpy as np

from magus_pyg.errors import DataError

__all__ = ["KEY_BYTES", "pseudonym", "pseudonyms", "read_pseudonym_key"]

KEY_BYTES = 32
_LETTERS = 32
"""Hexadecimal, so 128 bits: two of a billion people share a name once in 10²⁰ shops."""


def pseudonym(key: bytes, user_id: str) -> str:
    """The name of a person, 32 hexadecimal digits."""
    return hmac.digest(key, user_id.encode("utf-8", "surrogatepass"), "sha256").hex()[:_LETTERS]


def pseudonyms(key: bytes, user_ids: np.ndarray) -> np.ndarray:
    """The names of many people: texts [U] to texts [U]."""
    return np.array([pseudonym(key, user_id) for user_id in user_ids.tolist()], dtype=object)


def read_pseudonym_key(path: Path) -> bytes:
    """The key of a file that `serve.privacy` has made.

    Raises:
        DataError: no such file, or one that holds no key.
    """
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise DataError(
            f"the key to the names of people cannot be read: {path}: {error.strerror}; it lies in the folder of the "
            "service, beside the log of what was served"
        ) from error
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise DataError(f"{path} holds no key to the names of people: {2 * KEY_BYTES} hexadecimal digits")
    return key
