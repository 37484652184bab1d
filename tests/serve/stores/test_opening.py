"""Which store an address means."""

from pathlib import Path

import pytest

from magus_pyg.errors import ConfigError, StoreError
from magus_pyg.serve.stores import open_store
from magus_pyg.serve.stores.memory_store import MemoryStore
from magus_pyg.serve.stores.sqlite_store import SqliteStore


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_store("memory:"), MemoryStore)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    given = {
        f"sqlite:{tmp_path}/a": "a",
        "sqlite:b": "b",
        "c/d": "c/d",
        "sqlite:~/e": "home/e",
        str(tmp_path / "f:g"): "f:g",
    }
    for url, path in given.items():
        store = open_store(url)
        assert isinstance(store, SqliteStore)
        assert (tmp_path / path).is_file()
        store.close()
    store = open_store(tmp_path / "h")
    assert isinstance(store, SqliteStore)
    store.close()


def test_a_store_that_has_to_be_there(tmp_path: Path) -> None:
    path = tmp_path / "serve" / "store"
    with pytest.raises(StoreError, match=f"there is no store '{path}'"):
        open_store(path, make=False)
    assert not path.parent.exists()
    path.parent.mkdir()
    path.write_bytes(b"")
    with pytest.raises(StoreError, match="there is no store"):
        open_store(path, make=False)
    open_store(path).close()
    open_store(path, make=False).close()


@pytest.mark.parametrize("url", ["", "sqlite:", "mysql://host/db", "http://127.0.0.1", "memory", "sqlite:\x00"])
def test_what_is_no_address(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if url == "memory":  # a path
        open_store(url).close()
        return
    with pytest.raises(ConfigError):
        open_store(url)
