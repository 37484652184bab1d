"""The log as Parquet: a mirror of the store, whole files, gone on with where it was cut off."""

import stat
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from served_logs import SERVED, answer, export, keep

from magus_pyg.data import SyntheticOptions
from magus_pyg.data.reading.served_files import read_served
from magus_pyg.errors import DataError, StoreError
from magus_pyg.serve.served_log import Exported
from magus_pyg.serve.stores import Event, LogRow
from magus_pyg.serve.stores.memory_store import MemoryStore

FIRST = SyntheticOptions()


@pytest.fixture(autouse=True)
def short_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magus_pyg.serve.served_log._ROWS_A_FILE", 10)
    monkeypatch.setattr("magus_pyg.serve.served_log._PAGE", 3)


def numbers(folder: Path, name: str = "answers") -> list[int]:
    return read_served(folder / "log", name)["number"].to_pylist()  # type: ignore[no-any-return]


def test_rows_as_they_were_logged(tmp_path: Path) -> None:
    store = MemoryStore()
    full = answer(
        "s", ["7", "brand:Acme+tag:red"], 1, not_care=[0], time=SERVED + 0.125, round=2, user_hash="h",
        recommendation_id="r", experiment="e", arm="b", edition="2", run="run", variant="bayes", list_length=6,
        rounds=10,
    )  # fmt: skip
    told = LogRow("words", "\ud800 ü", SERVED, words=[["tag", "red"]], liked=False)
    keep(store, [full, told], [Event("e1", "purchase", "7", SERVED, "r", "s", "h")])
    assert export(store, tmp_path, FIRST) == Exported(2, 1, 2, 0)
    first, second = read_served(tmp_path / "log", "answers").to_pylist()
    words = [{"field": "brand", "value": "Acme"}, {"field": "tag", "value": "red"}]
    assert first == {
        "number": 1, "time": SERVED + 0.125, "kind": "answer", "session_id": "s", "user_hash": "h",
        "recommendation_id": "r", "round": 2, "clicked": 1, "not_care": [0], "words": [], "liked": None,
        "shown": [{"item_id": "7", "words": None}, {"item_id": None, "words": words}], "experiment": "e", "arm": "b",
        "edition": "2", "run": "run", "variant": "bayes", "list_length": 6, "rounds": 10,
    }  # fmt: skip
    assert (second["session_id"], second["words"], second["liked"]) == ("\\ud800 ü", words[1:], False)
    assert read_served(tmp_path / "log", "events").to_pylist() == [
        {"number": 1, "time": SERVED, "event_id": "e1", "kind": "purchase", "item_id": "7", "session_id": "s",
         "user_hash": "h", "recommendation_id": "r"},
    ]  # fmt: skip
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o700


def test_an_empty_store(tmp_path: Path) -> None:
    assert export(MemoryStore(), tmp_path, FIRST) == Exported(0, 0, 0, 0)
    assert numbers(tmp_path) == numbers(tmp_path, "events") == []


def test_new_rows_are_added_and_whole_files_stay(tmp_path: Path) -> None:
    store = MemoryStore()
    keep(store, [answer("s", ["7"], 0)] * 25)
    assert export(store, tmp_path, FIRST) == Exported(25, 0, 3, 0)
    files = sorted((tmp_path / "log" / "answers").iterdir())
    assert [path.name for path in files] == [f"{first:012d}.parquet" for first in (1, 11, 21)]
    before = [path.stat().st_ino for path in files]
    assert export(store, tmp_path, FIRST) == Exported(25, 0, 0, 0)
    keep(store, [answer("s", ["7"], 0)] * 7)
    assert export(store, tmp_path, FIRST) == Exported(32, 0, 2, 0)
    assert numbers(tmp_path) == list(range(1, 33))
    assert [path.stat().st_ino for path in files[:2]] == before[:2]


def test_what_leaves_the_store_leaves_the_files(tmp_path: Path) -> None:
    store = MemoryStore()
    rows = [answer("s", ["7"], 0, time=SERVED + at, user_hash="h" if at in (12, 24) else None) for at in range(25)]
    keep(store, rows)
    export(store, tmp_path, FIRST)
    store.erase_user("h")
    # A row goes and another comes: as many as before. (The session of the erased rows is that of all.)
    assert numbers(tmp_path) == list(range(1, 26))
    keep(store, [answer("t", ["7"], 0, time=SERVED + 99)] * 10)
    exported = export(store, tmp_path, FIRST)
    assert exported.answers == 10
    assert numbers(tmp_path) == list(range(26, 36))
    store.purge(SERVED + 100)
    assert export(store, tmp_path, FIRST) == Exported(0, 0, 0, 2)
    assert numbers(tmp_path) == []


def test_a_row_that_goes_while_another_comes_is_seen(tmp_path: Path) -> None:
    store = MemoryStore()
    keep(store, [answer(f"s{at}", ["7"], 0, time=SERVED + at) for at in range(4)])
    export(store, tmp_path, FIRST)
    store.purge(SERVED + 1)
    keep(store, [answer("t", ["7"], 0, time=SERVED + 9)])
    assert export(store, tmp_path, FIRST) == Exported(4, 0, 1, 0)
    assert numbers(tmp_path) == [2, 3, 4, 5]


def test_an_export_that_was_cut_off_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    keep(store, [answer("s", ["7"], 0)] * 25)
    reading = store.read_rows

    def failing(after: int, limit: int) -> list[LogRow]:
        if after >= 13:
            raise StoreError("the store is down")
        return reading(after, limit)

    monkeypatch.setattr(store, "read_rows", failing)
    with pytest.raises(StoreError, match="is down"):
        export(store, tmp_path, FIRST)
    assert numbers(tmp_path) == list(range(1, 11))
    assert [path.name for path in (tmp_path / "log" / "answers").iterdir()] == ["000000000001.parquet"]
    monkeypatch.setattr(store, "read_rows", reading)
    damaged = tmp_path / "log" / "answers" / "000000000001.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    assert export(store, tmp_path, FIRST) == Exported(25, 0, 3, 0)
    assert numbers(tmp_path) == list(range(1, 26))


def test_a_folder_of_something_else_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "letter.txt").write_text("mine")
    with pytest.raises(DataError, match="holds other things"):
        export(MemoryStore(), tmp_path, FIRST)
    (tmp_path / "log" / "letter.txt").unlink()
    (tmp_path / "log").rmdir()
    (tmp_path / "log").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        export(MemoryStore(), tmp_path, FIRST)


def test_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    store = MemoryStore()
    keep(store, [answer("s", ["7"], 0)])
    export(store, tmp_path, FIRST)
    path = tmp_path / "log" / "answers" / "000000000001.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["arm"]), path)
    with pytest.raises(DataError, match="has not the columns"):
        numbers(tmp_path)
