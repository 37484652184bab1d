"""The key to the names of people: made once, by whoever comes first, and for its owner alone."""

import stat
import threading
from pathlib import Path

import pytest

from magus_pyg.data.pseudonyms import pseudonym, read_pseudonym_key
from magus_pyg.errors import DataError, StoreError
from magus_pyg.serve.privacy import KEY_FILE, People


def test_a_key_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "serve"
    people = People(folder)
    path = folder / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert people.name("anna") == pseudonym(read_pseudonym_key(path), "anna") == People(folder).name("anna")
    assert People(tmp_path).name("anna") != people.name("anna")
    assert [entry.name for entry in folder.iterdir()] == [KEY_FILE]


def test_workers_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    names: list[str] = []
    gate = threading.Barrier(8)

    def start() -> None:
        gate.wait()
        names.append(People(tmp_path / "serve").name("anna"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(names), len(set(names))) == (8, 1)


def test_what_a_run_knows_of_a_person(tmp_path: Path) -> None:
    people = People(tmp_path)
    assert people.known_as("anna", ["anna", people.name("anna")]) == "anna"
    assert people.known_as("anna", {people.name("anna"), "berta"}) == people.name("anna")
    assert people.known_as("anna", ["berta"]) is None


def test_a_key_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("no key")
    with pytest.raises(DataError, match="hexadecimal"):
        People(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="could not be written"):
        People(tmp_path / "file" / "serve")
