"""`report.py` from end to end."""

import shutil
import warnings
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
import yaml
from run_folders import write_run, write_simulation

from magus_pyg.commands.report import command as report
from magus_pyg.commands.report import main_report
from magus_pyg.errors import ConfigError, RunError
from magus_pyg.report.report_files import FIGURES, ReportOptions
from magus_pyg.runs.schemas import conf_folder

N = 40


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two seeds with FM and one with RGAT; users who do not care, lists of other lengths, noise, more candidates."""
    folder = tmp_path / "runs"
    for seed in (0, 1):
        run = write_run(
            folder / f"fm-{seed}", {"items": [1, 0] * 20, "magus": [2, 3] * 20, "bayes": [1] * N}, seed=seed
        )
        write_simulation(run, 1, {"items": [0, 0] * 20, "magus": [3, 3] * 20}, seed=seed, user={"name": "not_care"},
                         sessions__min_targets=2)  # fmt: skip
        write_simulation(run, 2, {"items": [1, 1] * 20}, seed=seed, simulation__list_length=5)
        write_simulation(run, 3, {"items": [1, 0] * 20}, seed=seed, user={"name": "noisy", "p": 0.1})
        write_simulation(run, 4, {"items": [0, 0] * 20}, seed=seed, simulation__candidates=100)
        write_simulation(run, 5, {"magus": [1, 1] * 20}, seed=seed, magus__negative="signed")
    write_run(folder / "rgat", {"items": [1, 0] * 20, "magus": [2, 3] * 20}, model={"name": "rgat"}, train__epochs=3)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_table_1(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    main_report([f"runs={runs}", "table=1", f"out={out}"])
    assert names(out) == ["table1.csv", "table1.md", "table1.tex", "table1.txt"]
    shown = capsys.readouterr().out
    text = (out / "table1.txt").read_text()
    assert shown.startswith(text)
    assert shown.splitlines()[-4:] == [str(out / f"table1.{ending}") for ending in ("txt", "csv", "md", "tex")]
    table = pd.read_csv(out / "table1.csv")
    assert table["row"].drop_duplicates().tolist() == [
        "FM+MAGUS", "FM+MAGUS (negative=signed)", "FM+bayes", "FM, items", "RGAT+MAGUS", "RGAT, items",
    ]  # fmt: skip
    assert table["metric"].drop_duplicates().tolist() == ["SAC", "RA@3", "SA@3", "SA@5"]
    assert set(table.loc[table["model"] == "fm", "seeds"]) == {2}
    main_report([f"runs={runs}", "table=1", f"out={out}", "variations=false",
                 "methods=[items,magus]", "models=[fm]", "formats=[csv]", "at=[2]", "against=floor"])  # fmt: skip
    table = pd.read_csv(out / "table1.csv")
    assert table["row"].drop_duplicates().tolist() == ["FM+MAGUS", "FM, items"]
    assert table["metric"].drop_duplicates().tolist() == ["SAC", "RA@2", "SA@2"]


def test_table_3_is_of_users_who_do_not_care(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_report([f"runs={runs}", "table=3", f"out={tmp_path / 'out'}", "min_targets=2", "formats=[csv]"])
    table = pd.read_csv(tmp_path / "out" / "table3.csv")
    assert table["metric"].drop_duplicates().tolist() == ["RA@3", "SA@3", "SA@5"]
    assert table["row"].drop_duplicates().tolist() == ["FM+MAGUS", "FM, items"]
    assert "not care user" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("figure", "words", "stem"),
    [
        ("3", [], "figure3"),
        ("4", [], "figure4"),
        ("6", [], "figure6"),
        ("candidates", [], "candidates"),
        ("noise", ["at=[3]"], "noise"),
    ],
)
def test_figures(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], figure: str, words: list[str], stem: str
) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    # Simulations tell no device here: times are compared on one machine alone.
    runs_word = f"runs={runs}/rgat" if figure == "6" else f"runs={runs}"
    main_report([runs_word, f"figure={figure}", f"out={out}", "resamples=50", *words])
    assert names(out) == [f"{stem}.csv", f"{stem}.png", f"{stem}.svg"]
    assert all(path.stat().st_size > 100 for path in out.iterdir())
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == str(out / f"{stem}.csv")
    if figure == "3":
        assert (
            "bayes plans for the rounds left and has no point at K = 2, 3, 4: play it with simulation.at=[2,3,4,5]"
            in shown
        )
    if figure in ("3", "4", "noise", "candidates"):
        assert set(pd.read_csv(out / f"{stem}.csv")["model"]) == {"FM"}
        assert "FM on shop (2 seeds of 40 sessions)" in shown


def test_what_is_refused(runs: Path, tmp_path: Path) -> None:
    for words, message in [
        ([], r"runs=\.\.\. is missing"),
        ([f"runs={runs}", "table=2"], "there is no table 2; there are 1, 3"),
        ([f"runs={runs}", "figure=5"], "there is no figure '5'"),
        ([f"runs={runs}", "table=one"], "table='one': the value must be"),
        ([f"runs={runs}", "tabel=1"], "there is no key 'tabel', did you mean 'table'"),
        ([f"runs={runs}", "table=1,3"], "has several values"),
        ([f"runs={runs}", "table=1", "formats=[pdf]"], "formats must be one or more, each one of text, csv, .*pdf"),
        ([f"runs={runs}", "table=1", "formats=[]"], "formats must be one or more"),
        ([f"runs={runs}", "table=1", "resamples=0"], "resamples must be at least 1"),
        ([f"runs={runs}", "table=1", "at=[0]"], "at must be one or more, each at least 1"),
        ([f"runs={runs}", "table=1", "user=drifting"], "no play has user=drifting"),
        ([f"runs={runs}", "figure=candidates", "models=[rgat,fm]"], r"choose with models=\[...\]"),
        ([f"runs={runs}", "-m"], "unknown flag"),
    ]:
        with pytest.raises(ConfigError, match=message):
            main_report(words)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="could not be written"):
        main_report([f"runs={runs}", "table=3", f"out={tmp_path / 'file' / 'out'}"])
    write_run(tmp_path / "only" / "a", {"magus": [1] * N}, magus__negative="signed")
    with pytest.raises(RunError, match="no plays without variations"):
        main_report([f"runs={tmp_path}/only", "table=1", "variations=false"])


def test_a_folder_of_mixed_runs(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What fits is reported, and each folder that does not is named with the reason."""
    write_simulation(runs / "fm-0", 6, {"items": [1] * N}, sessions__min_targets=3)
    write_simulation(runs / "fm-0", 7, {"items": [1] * N}, simulation__refusals=True)
    cut = write_simulation(runs / "fm-0", 8, {"items": [1] * N})
    (cut / "records.parquet").write_bytes(b"cut off")
    write_run(runs / "other", {"items": [1] * N}, fingerprint="other", seed=7)
    write_run(runs / "twice", {"items": [0, 1] * 20, "magus": [2, 3] * 20, "bayes": [1] * N})
    (runs / "begun").mkdir()
    (runs / "begun" / "config.yaml").write_text("{}")
    out = tmp_path / "out"
    main_report([f"runs={runs}", f"out={out}"])
    assert names(out) == sorted(f"table{n}.{end}" for n in (1, 3) for end in ("csv", "md", "tex", "txt"))
    lines = capsys.readouterr().out.splitlines()
    told = {line.rpartition(": ")[2]: line for line in lines if line.startswith("left out of")}
    for folder, what in {
        runs / "fm-0/simulations/6": "left out of table 1, as shop: sessions.min_targets is 3, not 1",
        runs / "fm-0/simulations/7": "left out of the report, as dialogues of EAR's protocol",
        runs / "fm-0/simulations/8": "left out of the report, as ",
        runs / "other": "left out of table 1, as shop is other data there than in",
        runs / "fm-0": f"left out of table 1, as {runs}/twice holds a later play of items and seed 0",
        runs / "begun": "left out of the report, as ",
    }.items():
        assert told[str(folder)].startswith(what), told
    table = pd.read_csv(out / "table1.csv")
    assert set(table["row"]) > {"FM+MAGUS", "FM+bayes", "FM, items", "RGAT, items"}
    with pytest.raises(RunError, match=r"records\.parquet"):  # what is named has to be whole
        main_report([f"runs={cut}", "table=1"])
    shutil.rmtree(out)
    main_report([f"runs={runs}/rgat", f"out={out}", "formats=[csv]"])
    assert names(out) == ["table1.csv"]
    assert "no table 3: no play has user=not_care" in capsys.readouterr().out


def test_tables_of_other_rounds(tmp_path: Path) -> None:
    for rounds, expected in ((10, ["SAC", "RA@3", "SA@3", "SA@5", "SA@10"]), (4, ["SAC", "RA@3", "SA@3", "SA@4"]),
                             (2, ["SAC", "RA@2", "SA@2"])):  # fmt: skip
        found = {"items": [1, 0] * 20, "magus": [2, 0] * 20}
        write_run(tmp_path / f"run{rounds}", found, simulation__rounds=rounds)
        main_report([f"runs={tmp_path}/run{rounds}", "table=1", f"out={tmp_path}/out", "formats=[csv]"])
        table = pd.read_csv(tmp_path / "out" / "table1.csv")
        assert table["metric"].drop_duplicates().tolist() == expected


def test_figure_4_of_one_length(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        main_report([f"runs={runs}/rgat", "figure=4", f"out={tmp_path}/out", "resamples=50"])
    assert names(tmp_path / "out") == ["figure4.csv", "figure4.png", "figure4.svg"]
    assert set(pd.read_csv(tmp_path / "out" / "figure4.csv")["x"]) == {3}
    assert "All plays have lists of 3, so there are points and no lines" in capsys.readouterr().out


def test_help_and_codes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    main_report(["--help"])
    assert "magus-report runs=RUNS [table=1|3]" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["report.py", "table=1"])
    with pytest.raises(SystemExit) as stopped:
        report()
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: runs=... is missing")


def test_every_key_is_written_out_with_a_comment() -> None:
    text = (conf_folder() / "report.yaml").read_text()
    values = yaml.safe_load(text)
    assert set(values) == {field.name for field in fields(ReportOptions)}
    assert values == {**vars(ReportOptions())}
    commented = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all("  # " in line for line in commented)
    assert set(FIGURES) == {"3", "4", "6", "7", "candidates", "noise"}


def test_figure_7(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    main_report([f"runs={tiny_run}", "figure=7", f"out={tmp_path}"])
    assert names(tmp_path) == ["figure7.png", "figure7.svg"]
    assert f"of {tiny_run}, MAGUS: " in capsys.readouterr().out
