"""Files that are written whole or not at all, on a disk that fills as well."""

import errno
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from magus_pyg.commands.simulate import main_simulate
from magus_pyg.commands.train import main_train
from magus_pyg.errors import RunError
from magus_pyg.files import write_text, write_whole
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
    def refuse(path: Path) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    with pytest.raises(RunError, match=r"could not be written.*Permission denied"):
        write_whole(tmp_path / "file", refuse)
    assert not list(tmp_path.iterdir())


def test_disk_full_while_simulating(tiny_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    before = files_in(run)
    with small_files(4000), pytest.raises(RunError, match=r"the disk is full: .*records\.parquet"):
        main_simulate([f"run={run}"])
    assert files_in(run) == before
    load_run(run)
    main_simulate([f"run={run}"])
    assert (run / "simulations" / "1" / "simulation.json").is_file()


def test_disk_full_while_training(tiny_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["dataset.users=60", "dataset.items=160", "dataset.brands=8", "train.epochs=1", "simulation.resamples=50"]
    with small_files(20_000), pytest.raises(SystemExit) as caught:
        main_train([*words, f"paths.runs={tmp_path}"])
    assert caught.value.code == 2
    message = capfd.readouterr().err
    assert message.startswith("error: the disk is full: ")
    assert "last.pt" in message
    assert "make room" in message
    (run,) = tmp_path.iterdir()
    assert sorted(files_in(run)) == ["config.yaml", "run.json"]
    with pytest.raises(RunError, match=r"incomplete.*train\.py resume="):
        load_run(run)
    # With room again, the run is gone on with and ends as if nothing had happened.
    main_train([f"resume={run}"])
    pd.testing.assert_frame_equal(load_run(run).records, load_run(tiny_run).records)
