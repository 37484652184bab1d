"""A run played again by several processes: the same rows and results as by one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from repository import ROOT

from magus_pyg.commands.simulate import main_simulate
from magus_pyg.errors import ConfigError, SessionError
from magus_pyg.experiment.pipeline import check_config, simulate_run
from magus_pyg.report import make_console
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.run import load_run
from magus_pyg.runs.schemas import typed

SCRIPT = ROOT / "scripts" / "simulate.py"
PLAY = ["simulation.batch_size=8", "sessions.min_interactions=2"]


def tables(run: Path, number: int) -> tuple[pd.DataFrame, str]:
    """Records and results of a simulation."""
    folder = run / "simulations" / str(number)
    return pd.read_parquet(folder / "records.parquet"), (folder / "results.csv").read_text()


def same(run: Path, one: int, other: int) -> None:
    records, results = tables(run, one)
    again, results_again = tables(run, other)
    pd.testing.assert_frame_equal(again, records)
    assert results_again == results


def test_two_processes_play_as_one(tiny_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    # normalised is fitted in each simulation; what it learned goes to the processes.
    words = [f"run={run}", *PLAY, "agents=[magus,normalised]", "user=noisy"]
    main_simulate(words)
    main_simulate([*words, "simulation.processes=2"])
    same(run, 1, 2)
    assert len(tables(run, 1)[0]) > 100


def test_agents_that_learn_between_sessions_play_the_same(tiny_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    words = [f"run={run}", *PLAY, "agents=[items]", "magus.learn=per_session", "sessions.per_user=2"]
    main_simulate(words)
    main_simulate([*words, "simulation.processes=2"])
    same(run, 1, 2)


def launched(words: list[str], port: int) -> list[subprocess.CompletedProcess[str]]:
    """The command as torchrun starts it, in two processes."""
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), *words],
            env={**os.environ, **place, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    done = []
    for process in running:
        out, err = process.communicate(timeout=120)
        done.append(subprocess.CompletedProcess(words, process.returncode, out, err))
    return done


def test_processes_of_a_launcher_play_as_one(tiny_run: Path, tmp_path: Path, free_port: Callable[[], int]) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    words = [f"run={run}", *PLAY, "agents=[items,normalised]"]
    main_simulate(words)
    first, second = launched(words, free_port())
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "SA@5" in first.stdout
    assert second.stdout == ""
    same(run, 1, 2)
    assert (run / "simulations" / "2" / "agents").is_dir()  # fitted by one, and kept
    assert not (run / "simulations" / "3").exists()


def test_what_is_refused(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"simulation\.processes must be at least 1 \(got 0\)"):
        main_simulate([f"run={tiny_run}", "simulation.processes=0"])
    with pytest.raises(ConfigError, match="dialogues of EAR's protocol are played in one process"):
        check_config(typed(compose_config(["simulation=ear", "simulation.processes=2"])))
    # A launcher says how many there are.
    run = load_run(tiny_run)
    run.config.simulation.processes = 3
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("magus_pyg.simulation.processes.dist.is_initialized", lambda: True)
    with pytest.raises(ConfigError, match="processes=3, but torchrun has started 1 processes"):
        simulate_run(run, run.config, make_console())
    assert not (tiny_run / "simulations").exists()


def test_an_error_in_a_process_is_the_error_of_the_command(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    monkeypatch.setattr("magus_pyg.experiment.pipeline._check_user", lambda config: None)  # nor before they are played
    with pytest.raises(SessionError, match="Not Care with single-target sessions"):
        main_simulate([f"run={run}", *PLAY, "user=not_care", "sessions.max_targets=1", "simulation.processes=2"])
    assert not (run / "simulations").exists()
