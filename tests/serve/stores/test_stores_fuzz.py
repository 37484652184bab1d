"""Random programs of calls: SQLite and Redis answer as the memory does."""

from pathlib import Path

import pytest
from fuzz_stores import fuzz
from redis_server import RedisServer, need_redis_server
from store_records import Clock

from magus_pyg.serve.stores.memory_store import MemoryStore
from magus_pyg.serve.stores.redis_store import RedisStore
from magus_pyg.serve.stores.sqlite_store import SqliteStore


@pytest.mark.parametrize("seed", [0, 1])
def test_sqlite(tmp_path: Path, seed: int) -> None:
    clock = Clock()
    stores = [MemoryStore(clock), SqliteStore(tmp_path / "store", clock)]
    assert len(fuzz(stores, clock, seed, 600)) == 17  # each call was made
    stores[1].close()


def test_redis(tmp_path: Path) -> None:
    need_redis_server()
    server, clock = RedisServer(tmp_path), Clock()
    try:
        stores = [MemoryStore(clock), RedisStore(server.url, clock)]
        assert len(fuzz(stores, clock, 2, 600)) == 17
        stores[1].close()
    finally:
        server.kill()
