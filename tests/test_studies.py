"""studies/: a tenth of the quick form is played, killed and gone on with; pages and CSV agree; nothing is mixed."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import yaml
from repository import ROOT

from magus_pyg.errors import DataError, RunError

STUDIES = ROOT / "studies"
sys.path.insert(0, str(STUDIES))

import _code  # noqa: E402
import _pages  # noqa: E402
import _play  # noqa: E402
import study  # noqa: E402
from _plan import Cell, Training, read_plan  # noqa: E402
from _results import COLUMNS, Results, check_results, missing_steps  # noqa: E402

TENTH = STUDIES / "tenth.yaml"


def play(place: Path, *words: str) -> None:
    study.main(["play", str(TENTH), "--work", str(place / "work"), "--results", str(place / "results"),
                "--jobs", "1", *words])  # fmt: skip


def killed_while_playing(place: Path) -> None:
    """Two processes that play the runs of one base, killed as soon as it is trained."""
    command = [sys.executable, str(STUDIES / "study.py"), "play", str(TENTH), "--work", str(place / "work"),
               "--results", str(place / "results"), "--only", "small-shop/mps"]  # fmt: skip
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}) as process:
        note = place / "work" / "steps" / "small-shop__mps__s0__train.json"
        ends = time.monotonic() + 300
        while not (note.is_file() and '"folder": ""' not in note.read_text()):
            assert process.poll() is None
            assert time.monotonic() < ends, "it is not trained in five minutes"
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The tenth, played after a kill and, in this process, after a stop in the middle of its plays."""
    place = tmp_path_factory.mktemp("study")
    killed_while_playing(place)
    calls: list[str] = []
    real = _play.simulate_run

    def stopped(run: Any, config: Any, console: Any) -> Path:
        calls.append(f"{config.dataset.name}, {config.model.name}, {config.seed}, {config.agents}")
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(run, config, console)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_play, "simulate_run", stopped)
        with pytest.raises(KeyboardInterrupt):
            play(place)
        half = Results.read(place / "results")
        play(place)
    return SimpleNamespace(place=place, folder=place / "results", calls=calls, half=half, plan=read_plan(TENTH))


@pytest.fixture
def results(played: SimpleNamespace) -> Results:
    return Results.read(played.folder)


def test_what_was_killed_and_stopped_goes_on_and_plays_nothing_twice(played: SimpleNamespace, results: Results) -> None:
    trained = {step.training for step in played.plan.steps}
    assert len(played.calls) in (len(played.plan.steps), len(played.plan.steps) + 1)  # one may be of the killed process
    assert played.calls[2] == played.calls[3]  # the play that was stopped is the next
    assert len(set(played.calls)) < len(played.calls)
    assert missing_steps(played.plan, results) == []
    assert len(results.plays) == len(played.plan.steps) + len(trained)
    runs = list((played.place / "work" / "runs").glob("*/*/*/*/run.json"))
    assert len(runs) == len(trained)
    before = len(played.calls)
    play(played.place)
    assert len(played.calls) == before
    assert 0 < len(played.half.plays) < len(results.plays)
    assert check_results(played.plan, played.half, _code.code_hash(), None) == []


def test_figures_are_those_of_the_run_folders(played: SimpleNamespace, results: Results) -> None:
    figures = results.figures.set_index(["part", "scene", "base", "id", "metric"])
    for part, played_as, seeds in (("table1", "swapped", 2), ("table1", "own", 1), ("rounds", "swapped", 1)):
        key, tables = f"small-shop__fm__s{{}}__{part}__{played_as}", []
        for seed in range(seeds):
            note = yaml.safe_load((played.place / "work" / "steps" / f"{key.format(seed)}.json").read_text())
            tables.append(pd.read_csv(played.place / "work" / note["folder"] / "results.csv"))
        for method, rows in pd.concat(tables).groupby("method"):
            name = method if played_as == "own" else f"{method} (relations=swapped)"
            for metric in ("RA@3", "SA@3", "SA@5"):
                found = figures.loc[(part, "", "fm", name, metric)]
                assert found["mean"] == pytest.approx(rows[metric].mean(), abs=1e-5)
                assert found["low"] <= found["mean"] <= found["high"]
                assert found["seeds"] == seeds
    tests = results.tests.set_index(["part", "scene", "base", "metric", "first", "second"])
    for (part, scene, base, metric, first, second), row in tests.iterrows():
        ours, others = (figures.loc[(part, scene, base, name, metric)] for name in (first, second))
        if ours["seeds"] == others["seeds"] == 1:
            assert row["difference"] == pytest.approx(ours["mean"] - others["mean"], abs=2e-5)
    assert ("table1", "", "fm", "SA@3", "magus (relations=swapped)", "crm") in tests.index
    assert ("ear", "truthful", "fm", "AT", "bayes", "items") in tests.index


def test_pages_and_csv_agree(played: SimpleNamespace, tmp_path: Path) -> None:
    words = [str(TENTH), "--results", str(played.folder)]
    study.main(["write", *words])
    study.main(["write", *words, "--check"])
    page = (played.folder / "study.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith("| FM+bayes |"))
    figures = Results.read(played.folder).figures.set_index(["part", "base", "id", "metric"])
    found = figures.loc[("table1", "fm", "bayes", "SA@5")]
    assert f"{found['mean']:.3f} ± {(found['high'] - found['low']) / 2:.3f}" in row
    assert f"the hash {_code.code_hash()}" in page
    plays = Results.read(played.folder).plays
    trained = plays[(plays["part"] == "") & (plays["base"] == "fm")].mean(numeric_only=True)
    reached = [figures.loc[("table1", "fm", method, "SA@3")]["mean"] for method in ("items", "bayes")]
    zoo = page[page.index("## Model zoo") :].splitlines()
    (row,) = [line for line in zoo if line.startswith("| small-shop | fm | 0.")]
    assert f"| {trained['AUC']:.4f} | {trained['Recall@20']:.4f} | {trained['NDCG@20']:.4f} |" in row
    assert all(f"| {share:.3f} |" in row for share in reached)
    assert (played.folder / "figures" / "study-lengths.svg").is_file()
    claims = (played.folder / "reproduces.md").read_text(encoding="utf-8")
    assert claims.count("\n### ") == len(played.plan.claims)
    assert "Not played yet." in claims  # the sequential bases
    for name in ("study.md", "reproduces.md", "readme.md"):
        other = tmp_path / name
        text = (played.folder / name).read_text(encoding="utf-8")
        other.write_text(re.sub(r"(?<=\| )([+-]?)0\.", r"\g<1>1.", text, count=1), encoding="utf-8")
        with pytest.raises(RunError, match=f"{name} is not what .* says"):
            study.main(["write", *words, "--check", "--into", str(other)])
        study.main(["write", *words, "--into", str(other)])
        study.main(["write", *words, "--check", "--into", str(other)])


def changed(played: SimpleNamespace, tmp_path: Path, name: str, change: Any) -> Path:
    """A copy of the results with one file changed."""
    for kind in COLUMNS:
        table = pd.read_csv(played.folder / f"{kind}.csv", dtype=str, keep_default_na=False)
        (change(table) if kind == name else table).to_csv(tmp_path / f"{kind}.csv", index=False)
    return tmp_path


def test_a_changed_figure_or_play_is_found(played: SimpleNamespace, tmp_path: Path) -> None:
    def other_code(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(code=["0" * 12, *table["code"][1:]])

    folder = changed(played, tmp_path, "plays", other_code)
    with pytest.raises(RunError, match="mixes figures of the codes 000000000000 and"):
        study.main(["write", str(TENTH), "--results", str(folder)])
    with pytest.raises(RunError, match=r"plays\.csv has it of other code \(000000000000, not "):
        study.main(["status", str(TENTH), "--results", str(folder)])
    folder = changed(played, tmp_path, "figures", lambda table: table.assign(plays="f" * 12))
    with pytest.raises(RunError, match=r"figures\.csv, table1, small-shop, fm: its rows are not of the plays"):
        study.main(["write", str(TENTH), "--results", str(folder)])


def test_a_file_of_another_version_is_refused(played: SimpleNamespace, tmp_path: Path) -> None:
    folder = changed(played, tmp_path, "figures", lambda table: table.assign(format="1"))
    with pytest.raises(DataError, match=r"figures\.csv is of another version: it has format 1"):
        Results.read(folder)
    folder = changed(played, tmp_path, "tests", lambda table: table.drop(columns="p"))
    with pytest.raises(DataError, match=r"tests\.csv is of another version: it has the columns"):
        Results.read(folder)
    (folder / "figures.csv").unlink()
    with pytest.raises(DataError, match=r"figures\.csv is missing beside plays\.csv"):
        Results.read(folder)
    (folder / "plays.csv").unlink()  # written last: nothing was written whole
    assert Results.read(folder).plays.empty


def test_missing_plays_are_named(played: SimpleNamespace, results: Results, capsys: pytest.CaptureFixture[str],
                                 tmp_path: Path) -> None:  # fmt: skip
    cell = Cell("table1", "", "small-shop", "rgcn")
    left = results.without([cell], [Training("small-shop", "rgcn", 0)])
    left.write(tmp_path)
    study.main(["status", str(TENTH), "--results", str(tmp_path)])
    assert "missing: small-shop/rgcn/s0: table1/raw, table1/swapped" in capsys.readouterr().out
    text = _pages.filled(
        "<!-- study: tables table1 -->\n<!-- end of study: tables table1 -->", _pages.Study(played.plan, left)
    )
    assert "Not played yet: small-shop/rgcn/s0/table1/raw, small-shop/rgcn/s0/table1/swapped." in text
    nothing = left.without(list(played.plan.cells), [step.training for step in left.steps()])
    assert [len(table) for table in (nothing.plays, nothing.figures, nothing.tests)] == [0, 0, 0]
    assert "Not played yet." in _pages.filled(
        "<!-- study: claims -->\n<!-- end of study: claims -->", _pages.Study(played.plan, nothing)
    )


def test_other_code_and_other_settings_are_not_mixed(
    played: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = (played.folder / "plays.csv").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(study, "code_hash", lambda: "0" * 12)
        with pytest.raises(RunError, match="nothing is mixed: play with --drop-stale") as told:
            play(played.place)
        assert "small-shop/fm/s0/train: plays.csv has it of other code (" in str(told.value)
    values = yaml.safe_load(TENTH.read_text(encoding="utf-8"))
    values["words"].append("simulation.rounds=4")
    values["extends"] = str(STUDIES / "quick.yaml")
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(values), encoding="utf-8")
    words = [str(other), "--work", str(played.place / "work"), "--results", str(played.folder), "--jobs", "1"]
    with pytest.raises(RunError, match=r"plays\.csv has it of other settings"):
        study.main(["play", *words])
    assert (played.folder / "plays.csv").read_bytes() == before
    fewer = yaml.safe_load(TENTH.read_text(encoding="utf-8")) | {"extends": str(STUDIES / "quick.yaml")}
    fewer["order"] = fewer["order"][:3]
    other.write_text(yaml.safe_dump(fewer), encoding="utf-8")
    with pytest.raises(RunError, match=r"plays\.csv has it, and the plan has not"):
        study.main(["play", *words])


def test_stale_rows_are_dropped_when_that_is_asked_for(
    played: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = changed(played, tmp_path, "plays", lambda table: table)
    monkeypatch.setattr(study, "code_hash", lambda: "0" * 12)
    words = ["--work", str(tmp_path / "work"), "--results", str(folder), "--jobs", "1", "--minutes", "0"]
    study.main(["play", str(TENTH), *words, "--drop-stale"])
    assert Results.read(folder).plays.empty
    assert Results.read(folder).figures.empty


def test_a_folder_of_work_has_one_player(played: SimpleNamespace) -> None:
    with study.locked(played.place / "work" / "study", taken="x"), pytest.raises(RunError, match="by another process"):
        play(played.place)


def test_files_of_a_cell_that_were_written_in_part_are_made_again(played: SimpleNamespace, results: Results) -> None:
    cell = Cell("ear", "truthful", "small-shop", "fm")
    plays = (played.folder / "plays.csv").read_bytes()
    left = results.without([cell])
    Results(left.plays, results.figures, left.tests).write(played.folder)  # a kill before tests and plays were written
    play(played.place)
    assert (played.folder / "plays.csv").read_bytes() == plays
    assert len(Results.read(played.folder).tests) == len(results.tests)


# ---------------------------------------------------------------- hashes, settings, claims


def test_an_unknown_section_is_named(played: SimpleNamespace, results: Results) -> None:
    about = _pages.Study(played.plan, results)
    for name in ("table1", "tables table9"):
        with pytest.raises(DataError, match=f"there is no section '{name}'"):
            _pages.filled(f"<!-- study: {name} -->\n<!-- end of study: {name} -->", about)
    with pytest.raises(DataError, match="has no place of a study"):
        _pages.write_pages(played.plan, results, played.folder, [ROOT / "LICENSE"])


@pytest.mark.parametrize("name", sorted(path.name for path in (STUDIES / "results").glob("*")))
def test_pages_of_the_studies_that_are_kept_are_those_of_their_csv(name: str) -> None:
    study.main(["write", str(STUDIES / f"{name}.yaml"), "--check"])
