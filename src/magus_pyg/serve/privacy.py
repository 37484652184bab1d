"""Who people are in the store and the log: names that only the key in the service's folder makes from their ids."""

import os
import secrets
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

from magus_pyg.data.pseudonyms import KEY_BYTES, pseudonym, read_pseudonym_key
from magus_pyg.errors import StoreError

__all__ = ["KEY_FILE", "People"]

KEY_FILE = "people.key"
"""In the folder of the service. Machines that share a store have the same one; whoever deletes it makes all names those
of strangers, for good."""


class People:
    """The names of people.

    Args:
        folder: of the service, with the key; one is made where there is none.

    Raises:
        StoreError: the key cannot be written.
        DataError: the key cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / KEY_FILE
        if not path.exists():
            _make_key(path)
        self._key = read_pseudonym_key(path)

    def name(self, user_id: str) -> str:
        """The `user_hash` of a person."""
        return pseudonym(self._key, user_id)

    def known_as(self, user_id: str, known: Container[str]) -> str | None:
        """The id that a run has of a person: their own, or their name where the run learned of them from what was
        served; None where it knows neither."""
        return next((found for found in (user_id, self.name(user_id)) if found in known), None)


def _make_key(path: Path) -> None:
    """Make a key that its owner alone may read; where another process is faster, its key stays."""
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    except OSError as error:
        raise StoreError(f"the key {path} could not be written: {error}; check the folder") from error
