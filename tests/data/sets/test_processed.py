"""Processed files: kept, found again, made again when something changes, never half-written."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from raw_logs import write_tmall

from magus_pyg.data import Findings, RecDataset, Tmall, TmallOptions, load_dataset
from magus_pyg.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_tmall(tmp_path / "data", 600, 20, 40)


@pytest.fixture
def processed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The logs that were processed, in turn."""
    calls: list[Path] = []
    process = Tmall.process

    def counted(self: Tmall, findings: Findings) -> object:
        calls.append(self.raw_paths[0])
        return process(self, findings)

    monkeypatch.setattr(Tmall, "process", counted)
    return calls


def assert_same(first: RecDataset, second: RecDataset) -> None:
    assert first.fingerprint == second.fingerprint
    assert first.notes == second.notes
    for name in ("user", "item", "time", "label", "part", "action"):
        a, b = getattr(first, name), getattr(second, name)
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)
    for name in ("items", "users", "searched"):
        a, b = getattr(first, name), getattr(second, name)
        assert a.equals(b)
        assert a.dtypes.tolist() == b.dtypes.tolist()
    assert (first.actions, first.ordered) == (second.actions, second.ordered)


def test_read_back_the_same(root, processed):
    first = load_dataset(TmallOptions(), root)
    second = load_dataset(TmallOptions(), root)
    assert len(processed) == 1
    assert_same(first, second)
    dataset = Tmall(root)
    assert sorted(path.name for path in dataset.processed_dir.iterdir()) == sorted(
        [*dataset.processed_file_names, "log.action.npy"]
    )
    assert dataset.raw_file_names == [path.name for path in dataset.raw_paths]
    assert dataset.raw_dir == root / "tmall"


def test_what_needs_no_processing(root, processed):
    load_dataset(TmallOptions(), root)
    other = TmallOptions(name="other", word_fields=["cat_id"], profile_fields=["age"], max_words=2, max_share=0.5)
    data = load_dataset(other, root)
    assert len(processed) == 1
    assert (data.name, data.word_fields, data.max_words, data.profile_fields) == ("other", ("cat_id",), 2, ("age",))
    # Another time stamp, the same content.
    os.utime(root / "tmall" / "user_log_format1.csv", (1, 1))
    load_dataset(TmallOptions(), root)
    load_dataset(TmallOptions(), root)
    assert len(processed) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda root, patch: {"force_reload": True},
        lambda root, patch: {"positive_actions": ["cart"]},
        lambda root, patch: {"min_user_rows": 5},
        lambda root, patch: {"spelling": "keep"},
        lambda root, patch: {"empty_values": {"brand_id": ["brand_1"]}},
        lambda root, patch: patch.setattr(Tmall, "version", 99),
        lambda root, patch: patch.setattr("magus_pyg.data.sets.raw_dataset.PREPARED_FORMAT", 99),
        lambda root, patch: write_tmall(root, 600, 20, 40, seed=1) and None,
    ],
)
def test_what_is_processed_again(root, processed, monkeypatch, change: Callable[..., dict[str, object] | None]):
    load_dataset(TmallOptions(), root)
    changes = change(root, monkeypatch) or {}
    data = load_dataset(TmallOptions(**changes), root)
    assert len(processed) == 2
    expected = Tmall(root, TmallOptions(**changes)).load(Findings(collect=True))
    assert_same(data, expected)


def test_one_changed_byte_of_the_same_length_and_time(root, processed):
    path = root / "tmall" / "user_log_format1.csv"
    load_dataset(TmallOptions(), root)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    text = path.read_text()
    path.write_text(text[:-2] + str(3 - int(text[-2])) + "\n")
    os.utime(path, ns=times)
    load_dataset(TmallOptions(), root)
    assert len(processed) == 2


def test_processing_twice_gives_the_same_bytes(root):
    folder = Tmall(root).processed_dir
    load_dataset(TmallOptions(), root)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    load_dataset(TmallOptions(force_reload=True), root)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert len(first) == 10


@pytest.mark.parametrize("step", [(Path, "write_text"), (np, "save"), (pq, "write_table"), (os, "replace")])
def test_interrupted_writing_leaves_nothing(root, monkeypatch, step):
    with monkeypatch.context() as patch:
        patch.setattr(*step, interrupt)
        with pytest.raises(KeyboardInterrupt):
            Tmall(root).load()
    folder = Tmall(root).processed_dir
    assert [path.name for path in folder.parent.iterdir()] == [f".{folder.name}.lock"]
    assert load_dataset(TmallOptions(), root).user.size == 600


def interrupt(*arguments: object, **options: object) -> None:
    raise KeyboardInterrupt


def test_what_a_killed_process_left_is_removed(root):
    folder = Tmall(root).processed_dir
    left = folder.with_name(f".{folder.name}.writing-0123456789abcdef")
    left.mkdir(parents=True)
    (left / ".lock").touch()
    (left / "log.user.npy").write_bytes(b"half")
    load_dataset(TmallOptions(), root)
    assert not left.exists()
    assert folder.is_dir()


def test_damaged_processed_files_are_made_again(root, processed, caplog):
    first = load_dataset(TmallOptions(), root)
    folder = Tmall(root).processed_dir
    for name, damage in [
        ("log.item.npy", lambda data: data[:-5]),
        ("items.parquet", lambda data: data[:-5] + b"xxxxx"),
        ("meta.json", lambda data: b"{"),
    ]:
        path = folder / name
        path.write_bytes(damage(path.read_bytes()))
        assert_same(load_dataset(TmallOptions(), root), first)
    assert len(processed) == 4
    assert "are damaged" in caplog.text


def test_a_cache_that_cannot_be_written(root, monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MAGUS_CACHE", str(tmp_path / "file"))
    assert load_dataset(TmallOptions(), root).user.size == 600
    assert "processed files cannot be kept in" in caplog.text
    monkeypatch.setenv("MAGUS_CACHE", str(tmp_path / "cache"))

    def full(*arguments: object, **options: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(np, "save", full)
    assert load_dataset(TmallOptions(), root).user.size == 600
    assert not list((tmp_path / "cache" / "processed").glob("tmall*"))


def test_raw_files_that_change_meanwhile_are_not_kept(root, monkeypatch, caplog):
    process = Tmall.process

    def slow(self: Tmall, findings: Findings) -> object:
        prepared = process(self, findings)
        os.utime(self.raw_paths[0], (5, 5))
        return prepared

    monkeypatch.setattr(Tmall, "process", slow)
    load_dataset(TmallOptions(), root)
    assert "changed while they were read" in caplog.text
    assert not Tmall(root).processed_dir.exists()


def test_errors_keep_nothing(root):
    path = root / "tmall" / "user_log_format1.csv"
    path.write_text(path.read_text() + "1,2\n")
    for _ in range(2):
        with pytest.raises(DataError, match="line 602"):
            load_dataset(TmallOptions(), root)
    assert not Tmall(root).processed_dir.exists()


def test_the_class_as_it_stands_in_a_script(root):
    dataset = Tmall(root, force_reload=True)
    assert dataset.load().n_users == 20
    assert repr(dataset).startswith(f"Tmall({str(root)!r}, TmallOptions(name='tmall'")
    assert Tmall(str(root)).load().n_users == 20
