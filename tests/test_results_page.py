"""scripts/write_results.py: rows of run folders in the tables of the pages, and nothing else changed."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from repository import ROOT


def _load() -> ModuleType:
    spec = spec_from_file_location("write_results", ROOT / "scripts" / "write_results.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


pages = _load()


def result(method: str, seed: int, success: float, asked: float, label: str | None = None) -> dict[str, object]:
    metrics: dict[str, object] = {}
    for name in ("SAC", "RA@3", "SA@3", "SA@5"):
        value = float("nan") if name == "SAC" and method != "items" else success
        metrics |= {name: value, f"{name}_low": value - 0.02, f"{name}_high": value + 0.04}
    return {
        "dataset": "shop", "model": "fm", "method": method, "label": label or method, "seed": seed, "run": "no folder",
        "sessions": 1200, "query_rounds": asked, **metrics,
    }  # fmt: skip


@pytest.fixture
def results() -> pd.DataFrame:
    return pd.DataFrame(
        [
            result("bayes", 0, 0.9, 0.75),
            result("magus+", 0, 0.75, 0.5),
            result("magus", 0, 0.625, 0.125),
            result("magus", 0, 0.5, 0.25, "magus, signed"),
            result("items", 0, 0.5, 0.0),
            result("items", 1, 0.25, 0.0),
        ]
    )


def test_rows_are_means_over_the_seeds_with_half_their_intervals(results: pd.DataFrame) -> None:
    assert pages.short_rows(results) == [
        ["shop, fm", "items", *["0.375 ± 0.030"] * 3, "0 %"],
        ["shop, fm", "magus", *["0.625 ± 0.030"] * 3, "12 %"],
        ["shop, fm", "magus+", *["0.750 ± 0.030"] * 3, "50 %"],
        ["shop, fm", "bayes", *["0.900 ± 0.030"] * 3, "75 %"],
    ]
    long = pages.long_rows(results)
    assert long[0] == ["shop", "fm", "items", "2", "1,200", *["0.375 ± 0.030"] * 4, "0 %"]
    assert long[2] == ["shop", "fm", "magus, signed", "1", "1,200", "-", *["0.500 ± 0.030"] * 3, "25 %"]
    assert pages.gain_rows(results) == [["shop", "fm", "0", "+0.125", "+0.125", "+0.400", "+0.400"]]


TRIED = ["feature", "shrink", "shrink_minus", "minus_scale", "refusal", "raw", "sessions", "SA@3", "SA@5", "objective"]


def test_stages_and_choice_of_weights(tmp_path: Path) -> None:
    tried = [
        ["dot", 0.0, 1.0, 0.5, 0.1, False, 60, 0.9, 0.98, 1.1],
        ["dot", 0.0, 1.0, 1.0, 0.1, False, 60, 0.8, 0.96, 1.0],
        ["dot", 0.0, 0.3, 1.0, 0.0, False, 60, 0.7, 0.84, 0.9],
        ["dot", 0.0, 0.0, 1.0, 0.0, True, 60, 0.5, 0.6, 0.7],
        ["dot", 0.0, 0.0, 1.0, 0.0, False, 60, 0.6, 0.74, 0.8],
    ]
    table = pd.DataFrame(tried, columns=TRIED)
    results = pd.DataFrame([result("magus+", 3, 0.5, 0.5)]).assign(run=str(tmp_path))
    chosen = [["shop", "fm", "3", "dot", "0", "1", "0.1", "0.5", "0.900 / 0.980", "0.600 / 0.740"]]
    for stored in (table, table.drop(columns="sessions")):  # which runs of before the race do not have
        stored.to_csv(tmp_path / "magus+-tried.csv", index=False)
        assert pages.stage_rows(results) == [["shop", "fm", "1", "0.670", "0.770", "0.880", "0.940"]]
        assert pages.chosen_rows(results) == chosen


def test_a_form_that_lost_a_race_is_not_the_chosen_one(tmp_path: Path) -> None:
    tried = [
        ["dot", 0.0, 1.0, 0.5, 0.1, False, 500, 0.9, 0.98, 0.94],
        ["dot", 0.0, 0.0, 1.0, 0.0, False, 500, 0.6, 0.74, 0.67],
        ["dot", 0.0, 0.3, 1.0, 0.3, False, 167, 0.97, 0.99, 0.98],  # on sessions that were easier
        ["cosine", 0.0, 0.3, 1.0, 0.0, False, 167, 0.7, 0.84, 0.77],
    ]
    pd.DataFrame(tried, columns=TRIED).to_csv(tmp_path / "magus+-tried.csv", index=False)
    results = pd.DataFrame([result("magus+", 3, 0.5, 0.5)]).assign(run=str(tmp_path))
    chosen = [["shop", "fm", "3", "dot", "0", "1", "0.1", "0.5", "0.900 / 0.980", "0.600 / 0.740"]]
    assert pages.chosen_rows(results) == chosen
    assert pages.stage_rows(results) == []  # no stage but the last was judged on all sessions


def test_only_the_rows_of_the_runs_are_written(tmp_path: Path, tiny_run: Path) -> None:
    (tmp_path / "docs").mkdir()
    before = {}
    for name in ("README.md", "docs/results.md"):
        before[name] = (ROOT / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(before[name], encoding="utf-8")
    pages.main([str(tiny_run), "--root", str(tmp_path)])
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == before["README.md"]  # it has no such row
    old, new = (
        text.split("\n") for text in (before["docs/results.md"], (tmp_path / "docs/results.md").read_text("utf-8"))
    )
    assert [line for line in new if line not in old] == [
        f"| {' | '.join(row)} |" for row in pages.long_rows(pages.read_results([str(tiny_run)]))
    ]
    gone = [line for line in old if line not in new]
    assert gone
    assert all(line.startswith("| synthetic | fm | ") for line in gone)
    pages.main([str(tiny_run), "--root", str(tmp_path)])
    assert (tmp_path / "docs/results.md").read_text(encoding="utf-8") == "\n".join(new)


def test_a_page_without_the_table_is_named(results: pd.DataFrame) -> None:
    with pytest.raises(SystemExit, match=r"README\.md has no table with the header"):
        pages.TABLES[0].written("# magus_pyg\n", results)
