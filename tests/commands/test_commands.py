"""The commands from end to end, in this process and as scripts."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from repository import ROOT

from magus_pyg.commands.simulate import main_simulate
from magus_pyg.commands.train import main_train
from magus_pyg.errors import ConfigError, DataError, ModelError, RunError
from magus_pyg.runs import load_run
from magus_pyg.simulation import RECORD_COLUMNS, summarize

Trainer = Callable[..., Path]


def test_train_writes_a_whole_run_folder(tiny_run: Path) -> None:
    assert sorted(path.name for path in tiny_run.iterdir()) == [
        "checkpoints", "config.yaml", "graph.safetensors", "history.csv", "item-columns.arrow", "model.safetensors",
        "population.safetensors", "records.parquet", "results.csv", "run.json",
    ]  # fmt: skip
    assert tiny_run.name.endswith("-synthetic-fm-base-s0")
    run = load_run(tiny_run)
    assert list(run.records.columns) == list(RECORD_COLUMNS)
    assert list(run.results["method"]) == ["items", "magus"]
    assert list(run.results.columns[:6]) == ["dataset", "model", "method", "seed", "sessions", "users"]
    for name in ("SAC", "RA@3", "SA@3", "RA@5", "SA@5"):
        assert {name, f"{name}_low", f"{name}_high"} <= set(run.results.columns)
    assert len(run.history) == 1
    # The tables come from the records alone.
    log = run.records[run.records["agent"] == "magus"]
    again = summarize(log, [3, 5], resamples=50)
    assert again["SA@5"].item() == pytest.approx(run.results["SA@5"].iloc[1], abs=0)
    assert run.info["sessions"] == log["session"].nunique() == run.results["sessions"].iloc[0]
    assert {"data", "graph", "training", "session graphs", "items", "magus"} <= set(run.info["seconds"])
    assert run.info["peak_memory"] > 2**20


def test_same_seed_same_rows_and_another_seed_others(tiny_run: Path, tmp_path: Path, trainer: Trainer) -> None:
    first = load_run(tiny_run).records
    pd.testing.assert_frame_equal(first, load_run(trainer(tmp_path)).records)
    other = load_run(trainer(tmp_path, "seed=1", "magus=none")).records
    assert set(other["agent"]) == {"items"}
    assert not first[first["agent"] == "items"].reset_index(drop=True).equals(other)


def test_simulating_again_gives_the_same_rows(tiny_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_run, tmp_path / "run")
    main_simulate([f"run={copy}"])
    main_simulate(
        [f"run={copy}", "simulation.rounds=2", "simulation.list_length=5", "agents=[magus]", "magus.clamp=true"]
    )
    first, second = (copy / "simulations" / number for number in ("1", "2"))
    pd.testing.assert_frame_equal(_records(first), load_run(copy).records)
    assert (first / "results.csv").read_text() == (copy / "results.csv").read_text()
    changed = _records(second)
    assert set(changed["agent"]) == {"magus"}
    assert changed["round"].max() <= 2
    assert changed["shown"].map(len).max() == 5
    assert yaml.safe_load((second / "config.yaml").read_text())["magus"]["clamp"] is True
    assert "SA@2" in pd.read_csv(second / "results.csv").columns


def _records(folder: Path) -> pd.DataFrame:
    records = pd.read_parquet(folder / "records.parquet")
    for column in ("shown", "kinds"):
        records[column] = [list(row) for row in records[column]]
    return records


def test_what_simulate_refuses(tiny_run: Path, tmp_path: Path) -> None:
    for words, message in [
        ([], "run=... is missing"),
        ([f"run={tmp_path}"], "no run.json"),
        ([f"run={tmp_path / 'nowhere'}"], "no run folder"),
        ([f"run={tiny_run}", "model.dim=3"], "belongs to the trained run"),
        ([f"run={tiny_run}", "dataset=ml-100k"], "belongs to the trained run"),
        ([f"run={tiny_run}", "simulation.round=3"], "did you mean 'simulation.rounds'"),
        ([f"run={tiny_run}", "user=noisi"], "user has no option"),
        ([f"run={tiny_run}", "--round"], "unknown flag"),
    ]:
        with pytest.raises((ConfigError, RunError), match=message):
            main_simulate(words)
    assert not (tiny_run / "simulations").exists()


def test_several_seeds_in_turn(tmp_path: Path, trainer: Trainer) -> None:
    words = ["dataset.users=40", "dataset.items=60", "train.epochs=1", "simulation.resamples=20"]
    main_train(["-m", "seed=0,1", "magus=none", f"paths.runs={tmp_path}", *words])
    assert sorted(path.name[-2:] for path in tmp_path.glob("*-synthetic-*")) == ["s0", "s1"]


def test_resumed_training_equals_one_in_a_stretch(tmp_path: Path, trainer: Trainer) -> None:
    whole = load_run(trainer(tmp_path / "whole", "train.epochs=3"))
    path = trainer(tmp_path / "parts", "train.epochs=2")
    main_train([f"resume={path}", "train.epochs=3"])
    resumed = load_run(path)
    assert list(resumed.history["epoch"]) == [0, 1, 2]
    pd.testing.assert_frame_equal(
        whole.history.drop(columns="seconds"), resumed.history.drop(columns="seconds"), check_exact=True
    )
    pd.testing.assert_frame_equal(whole.records, resumed.records)
    with pytest.raises(ConfigError, match="belongs to the trained run"):
        main_train([f"resume={path}", "seed=4"])
    with pytest.raises(RunError, match=r"train\.lr"):
        main_train([f"resume={path}", "train.lr=0.5"])


def test_scripts_as_a_person_runs_them(tmp_path: Path) -> None:
    words = ["dataset.users=40", "dataset.items=60", "train.epochs=1", "simulation.resamples=20"]
    done = _script(tmp_path, "train.py", *words)
    assert done.returncode == 0, done.stderr
    for part in ("magus-pyg", "threads", "items", "magus", "SA@3", "rounds with", "peak memory", "run folder: runs/"):
        assert part in done.stdout
    (run,) = (tmp_path / "runs").iterdir()
    assert f"next: python {ROOT / 'scripts' / 'play.py'} run=runs/{run.name} user=" in done.stdout
    assert f"  or: python {ROOT / 'scripts' / 'serve.py'} run=runs/{run.name}\n" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]  # Hydra leaves nothing behind


def test_a_mistake_is_one_message_and_code_2(tmp_path: Path) -> None:
    done = _script(tmp_path, "train.py", "dataset.uzers=3")
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no key 'dataset.uzers', did you mean 'dataset.users'?")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_help_lists_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main_train(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert "dataset: alipay, amazon, amazon-beauty" in shown
    assert "schema" not in shown
    main_train(["--cfg", "job", "seed=3"])
    assert yaml.safe_load(capsys.readouterr().out)["seed"] == 3


def test_data_errors_leave_nothing_behind(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    words = ["dataset=tabular", "dataset.word_fields=[brand]", f"paths.runs={runs}"]
    for more, error, message in [
        ([], ConfigError, "dataset.path"),
        ([f"dataset.path={tmp_path / 'nowhere'}"], DataError, "nowhere"),
    ]:
        with pytest.raises(error, match=message):
            main_train([*words, *more])
    assert not runs.exists()


def test_sessions_are_counted_before_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["dataset.users=40", "dataset.items=60", "train.epochs=1", f"paths.runs={tmp_path / 'runs'}"]
    for more in ("sessions.min_interactions=10000", "simulation=ear", "magus=bayes"):
        more_words = [more] if "sessions" in more else [more, "sessions.min_interactions=10000"]
        if more == "simulation=ear":
            more_words = [more, "user=impatient"]
        with pytest.raises((ConfigError, DataError)):
            main_train([*words, *more_words])
        assert "trained" not in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_training_that_fails_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object, **named: object) -> None:
        raise ModelError("no loss")

    monkeypatch.setattr("magus_pyg.experiment.pipeline.fit", fails)
    with pytest.raises(ModelError, match="no loss"):
        main_train(["dataset.users=40", "dataset.items=60", f"paths.runs={tmp_path}"])
    assert not list(tmp_path.iterdir())


def test_readers_that_leave(tmp_path: Path) -> None:
    command = f"{sys.executable} {ROOT / 'scripts' / 'train.py'} --help"
    piped = ["bash", "-c", f"{command} | head -c 1; exit ${{PIPESTATUS[0]}}"]
    done = subprocess.run(piped, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.stderr) == ("T", "")
    closed = ["bash", "-c", f"{command} | true"]
    done = subprocess.run(closed, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert "BrokenPipe" not in done.stderr


def _script(folder: Path, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / name), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.real_data
def test_movielens_from_end_to_end(real_data_root: Path, tmp_path: Path) -> None:
    if not (real_data_root / "ml-100k").is_dir():
        pytest.skip(f"needs ml-100k in {real_data_root}")
    words = ["train.epochs=1", "simulation.resamples=50", f"paths.runs={tmp_path}", f"paths.data={real_data_root}"]
    main_train(["dataset=ml-100k", "model=fm", "magus=base", *words])
    (path,) = tmp_path.iterdir()
    run = load_run(path)
    assert list(run.results["method"]) == ["items", "magus"]
    # Of 730 users with a positive in the last fifth of their rows, 9 have none after those of one time at its border.
    assert run.results["sessions"].tolist() == [721, 721]
    assert run.dataset().n_items == 1682
