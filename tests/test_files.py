"""Files that are written whole or not at all, on a disk that fills as well."""

import errno
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from magus_pyg.commands.command_line import guarded
from magus_pyg.commands.simulate import main_simulate
from magus_pyg.commands.train import main_train
from magus_pyg.errors import ConfigError, DataError, GraphError, RunError
from magus_pyg.files import (
    TakenError,
    home_expanded,
    locked,
    parse_json,
    remove_left,
    temporary_folder,
    whole,
    write_json,
    write_text,
)
from magus_pyg.runs import load_run


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """No file can grow beyond `limit` bytes: the system refuses the write as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files_in(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def fail(_: object, error: BaseException) -> None:
    raise error


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "one")
    write_text(path, "two")
    assert files_in(tmp_path) == {"deep/file.txt": 3}


def test_the_old_file_stays_where_the_new_one_fails(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with small_files(1000), pytest.raises(RunError, match=r"the disk is full: .*file\.txt.*MiB are free"):
        write_text(path, "new" * 1000)
    assert path.read_text() == "old"
    assert files_in(tmp_path) == {"file.txt": 3}


def test_other_trouble_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"could not be written.*Permission denied"), whole(tmp_path / "file"):
        raise OSError(errno.EACCES, "Permission denied")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"inner could not be written: .*File exists"):
        write_json(tmp_path / "file" / "inner", {}, DataError)
    with pytest.raises(DataError, match="could not be written"), locked(tmp_path / "file" / "inner", DataError):
        pass
    with pytest.raises(GraphError, match="nothing could not be written"), whole(tmp_path / "nothing", GraphError):
        pass  # nothing was made
    assert files_in(tmp_path) == {"file": 10}


def test_what_the_caller_raises_comes_through(tmp_path: Path) -> None:
    for error in (DataError("mine"), KeyboardInterrupt()):
        with pytest.raises(type(error)), whole(tmp_path / "file") as fresh:
            fail(fresh.write_text("half"), error)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    for names in (["a", "b"], ["c"]):
        with whole(path) as fresh:
            fresh.mkdir()
            for name in names:
                (fresh / name).write_text(name)
            (fresh.parent / "scratch").write_text("goes away")
        assert sorted(files_in(tmp_path)) == [f"folder/{name}" for name in names]
    with pytest.raises(RunError), whole(path) as fresh:
        fail(fresh.mkdir(), OSError("late"))
    with pytest.raises(RunError, match="folder could not be written"):
        write_text(path, "a file cannot take the place of a folder")
    assert files_in(tmp_path) == {"folder/c": 1}


def test_the_old_folder_stays_where_the_new_one_cannot_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, replace = tmp_path / "folder", os.replace
    path.mkdir()
    (path / "old").touch()

    def refuse(source: Path, target: Path) -> None:
        if Path(source).name == "folder" and Path(source) != path:
            raise OSError("no")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(RunError, match="could not be written: no"), whole(path) as fresh:
            fresh.mkdir()
    assert files_in(tmp_path) == {"folder/old": 0}


def test_everybody_may_read_what_everybody_may_read(tmp_path: Path) -> None:
    """safetensors makes files for their owner alone."""
    write_text(tmp_path / "plain", "")
    (tmp_path / "usual").touch()
    with whole(tmp_path / "tensors") as fresh:
        save_file({"a": torch.zeros(1)}, fresh)
    assert len({(tmp_path / name).stat().st_mode for name in ("plain", "usual", "tensors")}) == 1


def test_what_a_killed_writer_left_goes_with_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    code = f"""
import time
from pathlib import Path
from magus_pyg.files import whole
with whole(Path({str(path)!r})) as fresh:
    fresh.write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        write_text(path, "first")  # another writer lives: what it writes is left alone
        (left,) = tmp_path.glob(".file.writing-*")
        assert (left / "file").read_text() == "half"
        writer.kill()
    write_text(tmp_path / "other", "")  # to another place
    assert left.is_dir()
    write_text(path, "second")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "other"]
    assert path.read_text() == "second"


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path, turns = tmp_path / "file", 20

    def count(_: int) -> None:
        with locked(path):
            before = int(path.read_text()) if path.is_file() else 0
            write_text(path, str(before + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(turns)))
    assert path.read_text() == str(turns)


def test_disk_full_while_simulating(tiny_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    before = files_in(run)
    with small_files(4000), pytest.raises(RunError, match=r"the disk is full: .*records\.parquet"):
        main_simulate([f"run={run}"])
    assert files_in(run) == before
    load_run(run)
    main_simulate([f"run={run}"])
    assert (run / "simulations" / "1" / "simulation.json").is_file()


def test_what_is_to_be_new_replaces_nothing(tmp_path: Path) -> None:
    def make(name: str, text: str) -> None:
        with whole(tmp_path / name, new=True) as fresh:
            fresh.mkdir()
            write_text(fresh / "file", text)

    make("0", "0")
    make("1", "1")
    with pytest.raises(TakenError):
        make("0", "again")
    assert files_in(tmp_path) == {"0/file": 1, "1/file": 1}
    assert (tmp_path / "0" / "file").read_text() == "0"


def test_temporary_files_lie_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("TMPDIR", raising=False)
    killed, begun, foreign = (tmp_path / f"magus-pyg-{name}" for name in ("0" * 16, "1" * 16, "mine"))
    for folder in (killed, begun, foreign):
        folder.mkdir()
    for folder in (killed, foreign):
        (folder / ".lock").touch()
    with temporary_folder() as place:
        with tempfile.NamedTemporaryFile(delete=False) as file:
            assert Path(file.name).parent == place == Path(os.environ["TMPDIR"])
        assert set(tmp_path.iterdir()) == {place, begun, foreign}
        remove_left(tmp_path)  # of another process
        assert place.is_dir()
    assert set(tmp_path.iterdir()) == {begun, foreign}
    assert "TMPDIR" not in os.environ
    assert tempfile.gettempdir() == str(tmp_path)
    os.utime(begun, (0, 0))  # it was killed before it had a lock
    remove_left(tmp_path)
    assert set(tmp_path.iterdir()) == {foreign}


def test_disk_full_while_training(tiny_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["dataset.users=60", "dataset.items=160", "dataset.brands=8", "train.epochs=1", "simulation.resamples=50"]
    with small_files(20_000):
        assert guarded(main_train, [*words, f"paths.runs={tmp_path}"]) == 2
    message = capfd.readouterr().err
    assert message.startswith("error: the disk is full: ")
    assert "last.pt" in message
    assert "make room" in message
    assert not list(tmp_path.iterdir())  # no epoch was kept: there is nothing to go on with
    # With room again, it ends as if nothing had happened.
    main_train([*words, f"paths.runs={tmp_path}"])
    (run,) = tmp_path.iterdir()
    pd.testing.assert_frame_equal(load_run(run).records, load_run(tiny_run).records)


def test_a_path_that_cannot_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"the path x{199}… cannot be looked at: File name too long"):
        home_expanded("x" * 5000)
    with pytest.raises(ConfigError, match=r"cannot be looked at: .*embedded null"):
        home_expanded("a\0b")
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "nothing" / "here", tmp_path / "file" / "below"):
        assert home_expanded(path) == path

    def closed(self: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "stat", closed)
    with pytest.raises(ConfigError, match=r"the path .*file cannot be looked at: Permission denied"):
        home_expanded(tmp_path / "file")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "", "{", b"\xff"])
def test_what_is_no_json_is_one_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_json_of_texts_and_bytes():
    assert parse_json('{"a": [1]}') == parse_json(b'{"a": [1]}') == {"a": [1]}
