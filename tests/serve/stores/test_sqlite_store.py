"""The SQLite store: the contract of all stores, its file, and what happens where the file cannot be used."""

import sqlite3
import stat
from pathlib import Path

import pytest
from store_contract import StoreContract
from store_records import Clock, Opener, reply, row, rows_of, session

from magus_pyg.errors import StoreError
from magus_pyg.serve.stores import Outcome, StoredSession, open_store
from magus_pyg.serve.stores.sqlite_store import SqliteStore


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Opener:
        return lambda clock: SqliteStore(tmp_path / "serve" / "sessions ?#%.sqlite", clock)


def test_its_owner_alone_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "serve" / "store.sqlite"
    with_log = SqliteStore(path)
    with_log.create(session(expires=9e99))
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["store.sqlite", "store.sqlite-shm", "store.sqlite-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with_log.close()


def test_what_was_erased_is_in_none_of_its_files(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.sqlite", Clock())
    secret, place = "5ec2e7" * 6, "Unter den Linden"
    store.create(session(user_hash=secret, start={"text": place}), [row(user_hash=secret, words=[["street", place]])])

    def traces() -> set[str]:
        content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        return {text for text in (secret, place) if text.encode() in content}

    assert traces() == {secret, place}
    store.erase_user(secret)
    assert traces() == set()
    store.close()


def test_a_full_disk_keeps_nothing_of_a_write(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.sqlite", Clock())
    store.create(session())
    with store._engine.connect() as connection:  # the pool gives this connection to the next call
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    large = session(answers=["x" * 100_000])
    with pytest.raises(StoreError, match="full; make room"):
        store.replace(large, 0, [row()], reply())
    assert (store.load("s"), rows_of(store), store.find_reply("a", "k")) == (session(), [], None)
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert store.replace(large, 0, [row()], reply()) == Outcome.DONE
    store.close()


def test_a_file_that_another_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magus_pyg.serve.stores.sqlite_store._SET_UP", ("PRAGMA busy_timeout = 20",))
    store = SqliteStore(tmp_path / "store.sqlite", Clock())
    store.create(session())
    other = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked; another process"):
        store.replace(session(answers=["x"]), 0, [row()])
    other.execute("ROLLBACK")
    other.close()
    assert store.replace(session(answers=["y"]), 0, [row()]) == Outcome.DONE
    store.close()


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be one" * 50, None])
def test_a_file_of_something_else(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "store.sqlite"
    if content is None:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE mine (a)")
        other.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes() if content else None
    with pytest.raises(StoreError, match=r"store\.sqlite"):
        SqliteStore(path)
    assert before is None or path.read_bytes() == before


def test_a_store_of_a_later_release(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "store.sqlite").close()
    with sqlite3.connect(tmp_path / "store.sqlite") as file:
        file.execute("PRAGMA user_version = 2")
    file.close()
    with pytest.raises(StoreError, match="format 2, and this release reads 1"):
        SqliteStore(tmp_path / "store.sqlite")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file" / "store.sqlite", tmp_path):
        with pytest.raises(StoreError, match="could not be used"):
            SqliteStore(path)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.sqlite", Clock())
    store.create(session())
    with store._engine.connect() as connection:
        connection.exec_driver_sql("UPDATE sessions SET body = '{\"session_id\": 1}'")
    with pytest.raises(StoreError, match="damaged StoredSession"):
        store.load("s")
    store.close()


def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "store.sqlite", Clock())
    first.create(session(), [row()])
    first.close()
    second = open_store(f"sqlite:{tmp_path / 'store.sqlite'}", Clock())
    assert isinstance(second.load("s"), StoredSession)
    assert second.replace(session(), 0, [row()]) == Outcome.DONE
    assert [entry.number for entry in rows_of(second)] == [1, 2]
    second.close()
