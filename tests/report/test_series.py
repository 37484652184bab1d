"""The points of figures, by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from run_folders import records, write_run, write_simulation
from safetensors.numpy import save_file

from magus_pyg.errors import ConfigError, RunError
from magus_pyg.report import pool_plays, read_plays
from magus_pyg.report.series import (
    SERIES_COLUMNS,
    fitted_error_rate,
    length_series,
    noise_series,
    round_series,
    success_rounds,
    success_series,
    time_series,
    unplanned_rounds,
)


def points(table: pd.DataFrame, series: str, metric: str) -> dict[float, float]:
    chosen = table[(table["series"] == series) & (table["metric"] == metric) & ~table["planned"]]
    return dict(zip(chosen["x"], chosen["mean"], strict=True))


def test_over_rounds(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"items": [1, 2, 3, 0]})
    table = round_series(pool_plays(read_plays(tmp_path)), resamples=50)
    assert tuple(table.columns) == SERIES_COLUMNS
    assert points(table, "items", "SA@K") == {2: 0.5, 3: 0.75, 4: 0.75, 5: 0.75}
    assert points(table, "items", "RA@K")[2] == pytest.approx((1 + 1 / 2) / 4)
    assert points(table, "items", "RA@K")[5] == pytest.approx((1 + 1 / 2 + 1 / 3) / 4)
    assert (table["low"] <= table["mean"]).all()
    assert (table["mean"] <= table["high"]).all()


def test_planners_have_points_where_they_planned(tmp_path: Path) -> None:
    log = pd.concat([records([2, 3], "bayes", rounds=3), records([5, 4], "bayes", rounds=5)], ignore_index=True)
    write_run(tmp_path / "a", {"items": [1, 0], "bayes": log})
    pools = pool_plays(read_plays(tmp_path))
    table = round_series(pools, resamples=50)
    assert points(table, "bayes", "SA@K") == {3: 1.0, 5: 1.0}
    assert len(points(table, "items", "SA@K")) == 4
    assert [unplanned_rounds(pool, (2, 3, 4, 5)) for pool in pools] == [[2, 4], []]


def test_over_lengths(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"items": [1, 0, 3, 0]})
    write_simulation(run, 1, {"items": [1, 4, 3, 3]}, simulation__list_length=5)
    write_simulation(run, 2, {"items": [0, 0, 0, 1]}, simulation__list_length=2)
    table = length_series(pool_plays(read_plays(tmp_path), ["simulation.list_length"]), resamples=50)
    assert points(table, "items", "SA@3") == {2: 0.25, 3: 0.5, 5: 0.75}
    assert list(table.loc[table["metric"] == "SA@3", "x"]) == [2, 3, 5]
    assert points(table, "items", "RA@3")[2] == 0.25


def test_the_round_of_success() -> None:
    log = pd.concat([records([2, 0, 5], "bayes"), records([1, 1, 0], "bayes", rounds=3)])
    assert success_rounds(log, 5)["round"].tolist() == [2.0, np.inf, 5.0]
    assert success_rounds(log, 3)["round"].tolist() == [1.0, 1.0, np.inf]
    assert success_rounds(log, 5)["user"].tolist() == [0, 1, 2]


def test_over_candidates(tmp_path: Path) -> None:
    log = pd.concat([records([3, 0], "bayes", rounds=3), records([4, 2], "bayes")], ignore_index=True)
    run = write_run(tmp_path / "a", {"items": [1, 0], "bayes": log})
    write_simulation(run, 1, {"items": [0, 3]}, simulation__candidates=100)
    write_simulation(run, 2, {"items": [0, 5]}, simulation__candidates="all")
    write_simulation(run, 3, {"items": [0, 0]}, sessions__candidates=1000)  # of 200 items
    plays = [play for play in read_plays(tmp_path) if play.folder.name != "3"]
    table = success_series(pool_plays(plays, ["sessions.candidates"]), resamples=50)
    items = table[table["series"] == "items"]
    assert {panel: part["mean"].tolist() for panel, part in items.groupby("panel")} == {
        "30": [0.5, 0.5, 0.5, 0.5, 0.5], "100": [0, 0, 0.5, 0.5, 0.5], "all": [0, 0, 0, 0, 0.5],
    }  # fmt: skip
    bayes = table[table["series"] == "bayes"]
    assert bayes.loc[~bayes["planned"], "mean"].tolist() == [0, 0.5, 0.5, 1, 1]
    assert bayes.loc[bayes["planned"], ["x", "mean"]].values.tolist() == [[3, 0.5]]
    (pool,) = pool_plays([play for play in read_plays(tmp_path) if play.folder.name == "3"], ["sessions.candidates"])
    assert set(success_series([pool], resamples=50)["panel"]) == {"all"}


def noisy(p: float) -> dict[str, object]:
    return {"name": "noisy", "p": p}


def fit_rate(folder: Path, rate: float) -> None:
    (folder / "agents").mkdir()
    save_file({"error_rate": np.array(rate)}, folder / "agents" / "bayes.safetensors")


def test_over_noise_with_the_error_rate_halved_and_doubled(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"items": [1, 0], "bayes": [1, 1]})
    fit_rate(run, 0.1)
    write_simulation(run, 1, {"items": [1, 0], "bayes": [1, 0]}, user=noisy(0.1))
    bayes = {"name": "bayes", "error_rate": 0.05}
    write_simulation(run, 2, {"bayes": [0, 0]}, user=noisy(0.1), magus=bayes)
    write_simulation(run, 3, {"bayes": [0, 1]}, user=noisy(0.1), magus=bayes | {"error_rate": 0.2})
    write_simulation(run, 4, {"bayes": [1, 0]}, user=noisy(0.1), magus=bayes | {"error_rate": 0.3})
    # Another seed, where 0 was fitted: its fitted play is half and double at once.
    other = write_run(tmp_path / "b", {"items": [0, 0], "bayes": [0, 0]}, seed=1, user=noisy(0.1))
    fit_rate(other, 0.0)
    table = noise_series(read_plays(tmp_path), (3,), resamples=50)
    assert points(table, "items", "SA@3") == {0.0: 0.5, 0.1: 0.25}
    assert points(table, "bayes", "SA@3") == {0.0: 1.0, 0.1: 0.25}
    assert points(table, "bayes, ½ error rate", "SA@3") == {0.1: 0.0}
    assert points(table, "bayes, 2× error rate", "SA@3") == {0.1: 0.25}
    assert points(table, "bayes, error_rate=0.3", "SA@3") == {0.1: 0.5}
    assert set(table.loc[table["series"] == "bayes, 2× error rate", "seeds"]) == {2}
    # A simulation that fits for itself goes by its own rate.
    fit_rate(run / "simulations" / "4", 0.15)
    table = noise_series([play for play in read_plays(run) if play.folder.name != "3"], (3,), resamples=50)
    assert points(table, "bayes, 2× error rate", "SA@3") == {0.1: 0.5}


def test_a_noisy_user_who_never_errs_is_a_truthful_one(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"items": [1, 0]})
    write_simulation(run, 1, {"items": [1, 0]}, user=noisy(0.0))
    assert points(noise_series(read_plays(tmp_path), (3,), resamples=50), "items", "SA@3") == {0.0: 0.5}


def test_fitted_rates(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"bayes": [1, 0]})
    (play,) = read_plays(run)
    assert fitted_error_rate(play) is None
    fit_rate(run, 0.03)
    assert fitted_error_rate(play) == 0.03
    (run / "agents" / "bayes.safetensors").write_bytes(b"cut")
    with pytest.raises(RunError, match=r"bayes.safetensors is damaged"):
        fitted_error_rate(play)


def test_times(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"items": [1, 0], "bayes": [1, 0]})
    write_run(tmp_path / "b", {"items": [1, 0], "bayes": [1, 0]}, seed=1, seconds={"training": 20.0, "fit bayes": 2.0})
    table = time_series(pool_plays(read_plays(tmp_path))).set_index("method")
    assert table.loc["bayes", ["base_seconds", "fit_seconds", "session_ms"]].tolist() == [40.0, 4.0, 2.0]
    assert table.loc["items", "fit_seconds"] == 0.0
    write_run(tmp_path / "c", {"items": [1, 0]}, seed=2, environment={"device": "GPU"})
    with pytest.raises(ConfigError, match=r"ran on different devices \(CPU \(x86_64\); CPU \(x86_64\), GPU\)"):
        time_series(pool_plays(read_plays(tmp_path)))
    assert time_series([]).empty
