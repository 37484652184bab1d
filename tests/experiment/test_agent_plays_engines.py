"""A run played again by the workers of Ray: the same rows and results as by one process."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from magus_pyg.agents.methods import METHODS
from magus_pyg.commands.simulate import main_simulate
from magus_pyg.engines import RayEngine
from magus_pyg.errors import ConfigError, SessionError
from magus_pyg.experiment.pipeline import check_config
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.schemas import typed

PLAY = ["simulation.batch_size=8", "sessions.min_interactions=2"]


def tables(run: Path, number: int) -> tuple[pd.DataFrame, str]:
    """Records and results of a simulation."""
    folder = run / "simulations" / str(number)
    return pd.read_parquet(folder / "records.parquet"), (folder / "results.csv").read_text()


def same(run: Path, words: list[str]) -> pd.DataFrame:
    """Simulate in one process and by workers; the records, which are the same."""
    words = [f"run={run}", *PLAY, *words]
    main_simulate(words)
    main_simulate([*words, "engine=ray"])
    records, results = tables(run, 1)
    again, results_again = tables(run, 2)
    pd.testing.assert_frame_equal(again, records)
    assert results_again == results
    return records


def test_workers_play_as_one(
    tiny_run: Path, tmp_path: Path, workers: RayEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    monkeypatch.setitem(METHODS, "magus", replace(METHODS["magus"], plans=True))
    # normalised is fitted in each simulation, by workers too; an agent that plans plays a run of its own for each K.
    records = same(run, ["agents=[magus,normalised]", "user=noisy"])
    assert len(records) > 100
    assert records.groupby("agent")["horizon"].nunique().to_dict() == {"magus": 2, "normalised": 1}


def test_agents_that_learn_between_sessions_play_the_same(tiny_run: Path, tmp_path: Path, workers: RayEngine) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    same(run, ["agents=[items]", "magus.learn=per_session", "sessions.per_user=2"])


def test_whole_catalogues_are_played_without_session_graphs(
    tiny_run: Path, tmp_path: Path, workers: RayEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    monkeypatch.setattr("magus_pyg.experiment.agent_plays.split_sessions", None)
    records = same(run, ["agents=[items,magus]", "simulation.candidates=all", "user=noisy"])
    assert records["n_candidates"].min() > 30


def test_what_is_refused(tiny_run: Path) -> None:
    with pytest.raises(ConfigError, match=r"engine must be one of process, ray, did you mean 'ray'\? \(got 'rays'\)"):
        main_simulate([f"run={tiny_run}", "engine=rays"])
    with pytest.raises(ConfigError, match=r"engine=ray: dialogues of EAR's protocol are played in one process"):
        check_config(typed(compose_config(["simulation=ear", "engine=ray"])))
    assert not (tiny_run / "simulations").exists()


def test_an_error_of_a_worker_is_the_error_of_the_command(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: RayEngine
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    monkeypatch.setattr("magus_pyg.experiment.pipeline._check_user", lambda config: None)  # nor before they are played
    with pytest.raises(SessionError, match="Not Care with single-target sessions"):
        main_simulate([f"run={run}", *PLAY, "user=not_care", "sessions.max_targets=1", "engine=ray"])
    assert not (run / "simulations").exists()
