"""Run folders read back, and every way in which one can be cut off or mixed up."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from run_folders import records, write_run, write_simulation

from magus_pyg.commands.simulate import main_simulate
from magus_pyg.errors import RunError
from magus_pyg.report import read_plays
from magus_pyg.report.plays import check_log


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = write_run(tmp_path / "a-shop-fm", {"items": [1, 0, 3], "bayes": [2, 2, 0]})
    return path


def test_a_run_and_its_simulations(run: Path) -> None:
    write_simulation(run, 2, {"items": [1, 0]}, simulation__rounds=2)
    write_simulation(run, 10, {"magus": [1, 1, 1]}, magus__negative="signed", magus__hops=2)
    plays = read_plays(run)
    assert [(play.method, play.folder.name) for play in plays] == [
        ("items", "a-shop-fm"), ("bayes", "a-shop-fm"), ("items", "2"), ("magus", "10"),
    ]  # fmt: skip
    items, bayes, again, magus = plays
    assert (items.dataset, items.model, items.seed, items.variation) == ("shop", "fm", 0, "")
    assert (items.training_seconds, items.fit_seconds, items.play_seconds, items.speed) == (60.0, 0.0, 0.5, 500.0)
    assert (bayes.fit_seconds, bayes.play_seconds) == (6.0, 2.0)
    assert (again.play_seconds, again.speed, again.environment) == (0.25, 800.0, {"device": "GPU"})
    assert again.settings["simulation.rounds"] == 2
    assert again.settings["simulation.at"] == "[3, 5]"
    assert magus.variation == "hops=2, negative=signed"
    assert magus.play_seconds == 0.0  # not noted
    assert len(items.log) == 1 + 5 + 3
    assert set(items.log["agent"]) == {"items"}


def test_a_simulation_can_be_named_alone(run: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        write_simulation(run, number, {"items": [1, number, 0]})
    second = run / "simulations" / "2"
    (play,) = read_plays(second)
    assert (play.run, play.folder, play.training_seconds) == (run, second, 60.0)
    for runs in (run / "simulations", f"{tmp_path}/*/simulations/*", [second.with_name("1"), second]):
        assert [play.folder.name for play in read_plays(runs)] == ["1", "2"]
    both = [play.folder.name for play in read_plays([second, run])]  # each once
    assert both == ["2", "a-shop-fm", "a-shop-fm", "1"]
    (second / "simulation.json").unlink()
    with pytest.raises(RunError, match="2 is cut off: its simulation did not end"):
        read_plays(second)


def test_how_runs_are_named(run: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "b-shop-fm", {"items": [1]}, seed=1)
    (tmp_path / "multirun.yaml").write_text("a: 1\n")
    (tmp_path / "notes").mkdir()
    expected = [run, run, other]
    for runs in (
        f"{run},{other}",
        [run, other],
        [str(run), f"{tmp_path}/b-*"],
        f"{tmp_path}/*",
        str(tmp_path),
        tmp_path,
    ):
        assert [play.run for play in read_plays(runs)] == expected
    assert [play.run for play in read_plays(f"{run},{tmp_path}/*")] == expected  # each once
    for runs, message in [
        ("", "no run folders are named"),
        (f"{tmp_path}/c-*", "there is no such run folder"),
        (str(tmp_path / "notes"), "has no run.json"),
        (f"{tmp_path}/n*", "there is no such run folder"),
    ]:
        with pytest.raises(RunError, match=message):
            read_plays(runs)


def change(path: Path, text: str, by: str) -> None:
    held = path.read_text()
    assert text in held
    path.write_text(held.replace(text, by))


def test_a_cut_off_run_is_named_with_advice(run: Path) -> None:
    change(run / "run.json", '"complete"', '"training"')
    with pytest.raises(RunError, match=r"a-shop-fm is cut off: .* resume="):
        read_plays(run)
    with pytest.raises(RunError, match="is cut off"):
        read_plays(f"{run.parent}/*")
    (run / "run.json").unlink()
    with pytest.raises(RunError, match="was cut off before its training began"):
        read_plays(f"{run.parent}/*")


@pytest.mark.parametrize("name", ["records.parquet", "results.csv", "config.yaml"])
def test_a_cut_off_file_is_named(run: Path, name: str) -> None:
    content = (run / name).read_bytes()
    (run / name).write_bytes(content[:-7])
    with pytest.raises(RunError, match=rf"{name} has {len(content) - 7} bytes instead of {len(content)}"):
        read_plays(run)
    (run / name).unlink()
    with pytest.raises(RunError, match=rf"{name} is missing"):
        read_plays(run)


def test_a_damaged_run_json(run: Path) -> None:
    text = (run / "run.json").read_text()
    (run / "run.json").write_text(text[: len(text) // 2])
    with pytest.raises(RunError, match=r"run.json is cut off or damaged"):
        read_plays(run)
    (run / "run.json").write_text("[]")
    with pytest.raises(RunError, match="holds no keys"):
        read_plays(run)
    values = json.loads(text)
    del values["data"]
    (run / "run.json").write_text(json.dumps(values))
    with pytest.raises(RunError, match="it lacks 'data'"):
        read_plays(run)


def test_a_cut_off_simulation(run: Path) -> None:
    folder = write_simulation(run, 1, {"items": [1, 0, 3]})
    (folder / "results.csv").write_text("method\n")
    with pytest.raises(RunError, match=r"results.csv is cut off or damaged"):
        read_plays(run)
    (folder / "records.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunError, match=r"records.parquet is cut off or damaged"):
        read_plays(run)
    (folder / "simulation.json").write_text("{}")
    with pytest.raises(RunError, match="lacks 'seconds'"):
        read_plays(run)
    (folder / "simulation.json").unlink()
    with pytest.raises(RunError, match="simulations/1 is cut off"):
        read_plays(folder)
    assert {play.folder for play in read_plays(run)} == {run}  # the rest is reported


def test_a_damaged_configuration(run: Path) -> None:
    folder = write_simulation(run, 1, {"items": [1, 0, 3]})
    (folder / "config.yaml").write_text("seed: 0\nmodel: [")
    with pytest.raises(RunError, match=r"config.yaml cannot be read"):
        read_plays(run)
    (folder / "config.yaml").write_text("seed: 0\n")
    with pytest.raises(RunError, match=r"config.yaml is damaged: it has no dataset.name"):
        read_plays(run)


def test_dialogues_are_passed_over(run: Path, tmp_path: Path) -> None:
    ear = write_run(tmp_path / "ear", {"items": [1, 0]}, simulation={"rounds": 15, "list_length": 10, "refusals": True})
    pd.DataFrame({"agent": ["items"]}).to_parquet(ear / "records.parquet")
    info = json.loads((ear / "run.json").read_text())
    info["files"]["records.parquet"] = (ear / "records.parquet").stat().st_size
    (ear / "run.json").write_text(json.dumps(info))
    assert {play.run for play in read_plays(tmp_path)} == {run}
    with pytest.raises(RunError, match="hold dialogues of EAR's protocol alone"):
        read_plays(ear)


def test_results_and_records_of_different_plays(run: Path) -> None:
    folder = write_simulation(run, 1, {"items": [1, 0, 3]})
    (folder / "results.csv").write_text("method,sessions\nmagus,3\n")
    with pytest.raises(RunError, match=r"results.csv is of magus and records.parquet of items"):
        read_plays(run)
    (folder / "results.csv").write_text("method,sessions\nitems,4\n")
    with pytest.raises(RunError, match=r"3 sessions in records.parquet and 4 in results.csv"):
        read_plays(run)


def test_merged_records_are_refused() -> None:
    first = records([2, 0, 1])
    check_log(first, "here")
    check_log(first.sample(frac=1, random_state=0), "here")
    check_log(first.iloc[:0], "here")
    check_log(pd.concat([first, records([0, 1, 2], rounds=3)]), "here")  # a run of three rounds beside one of five
    for log, message in [
        (pd.concat([first, first]), r"here: session 0 has round 1 where round 2 should be"),
        (pd.concat([first, records([5])]), r"session 0 has round 1 where round 2 should be"),
        (first.drop(index=0), "session 0 has round 2 where round 1 should be"),
        (first.iloc[:-2], "session 1 does not end"),
        (first.assign(user=range(len(first))), "session 0 has several values of user"),
        (first.assign(n_candidates=range(len(first))), "several values of n_candidates"),
    ]:
        with pytest.raises(RunError, match=message):
            check_log(log, "here")


def test_real_run_folders(tiny_run: Path, tmp_path: Path) -> None:
    """What the commands write is what reports read."""
    run = shutil.copytree(tiny_run, tmp_path / "run")
    main_simulate(
        [f"run={run}", "agents=[magus]", "user=noisy", "user.p=0.2", "magus.negative=signed", "simulation.rounds=3"]
    )
    plays = read_plays(tmp_path)
    assert [play.method for play in plays] == ["items", "magus", "magus"]
    assert all(play.play_seconds > 0 and play.speed > 0 and play.training_seconds > 0 for play in plays)
    assert all(play.environment["device"] and play.data["items"] == 160 for play in plays)
    assert (plays[2].settings["user.p"], plays[2].settings["simulation.rounds"]) == (0.2, 3)
    assert (plays[1].variation, plays[2].variation) == ("", "negative=signed")
