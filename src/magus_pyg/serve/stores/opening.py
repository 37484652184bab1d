"""Which store an address means."""

import time
from collections.abc import Callable
from pathlib import Path

from magus_pyg.errors import ConfigError
from magus_pyg.files import home_expanded
from magus_pyg.serve.stores.memory_store import MemoryStore
from magus_pyg.serve.stores.store import Store

__all__ = ["open_store"]

_REDIS = ("redis://", "rediss://", "unix://")


def open_store(url: str | Path, clock: Callable[[], float] = time.time, make: bool = True) -> Store:
    """Open a store.

    Args:
        url: `memory:`, `sqlite:PATH` or a path, or `redis://HOST:PORT/NUMBER` (`rediss://`, `unix://`).
        clock: seconds since 1970.
        make: whether it is made where it is not there yet.

    Raises:
        ConfigError: another address, or an extra that is not installed.
        StoreError: the store cannot be opened, is of another release, or is not there and is not to be made.
    """
    if url == "memory:":
        return MemoryStore(clock)
    try:
        if isinstance(url, str) and url.startswith(_REDIS):
            from magus_pyg.serve.stores.redis_store import RedisStore

            return RedisStore(url, clock, make)
        from magus_pyg.serve.stores.sqlite_store import SqliteStore
    except ImportError as error:
        raise ConfigError(f"{error}: install magus-pyg with the extra [serve]") from error
    path = str(url).removeprefix("sqlite:")
    if not path or (isinstance(url, str) and ":" in path.partition("/")[0]):
        raise ConfigError(f"no store has the address {url!r}: there are memory:, sqlite:PATH and redis://HOST:PORT/0")
    return SqliteStore(home_expanded(path), clock, make)
