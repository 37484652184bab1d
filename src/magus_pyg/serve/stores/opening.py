"""Which store an address means."""

import time
from collections.abc import Callable

from magus_pyg.errors import ConfigError
from magus_pyg.serve.stores.memory_store import MemoryStore
from magus_pyg.serve.stores.store import Store

__all__ = ["open_store"]


def open_store(url: str, clock: Callable[[], float] = time.time) -> Store:
    """Open a store, which is made if it is not there yet.

    Args:
        url: `memory:`, `sqlite:PATH` or a path, or `redis://HOST:PORT/NUMBER` (`rediss://`, `unix://`).
        clock: seconds since 1970.

    Raises:
        ConfigError: another address, or an extra that is not installed.
        StoreError: the store cannot be opened, or is of a later release.
    """
    if url == "memory:":
        return MemoryStore(clock)
    raise ConfigError(f"serve.store={url!r}: there are memory:, sqlite:PATH and redis://HOST:PORT/NUMBER")
