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


def test_gains_are_differences_of_one_run(results: pd.DataFrame) -> None:
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


def test_only_the_rows_of_the_runs_are_written(results: pd.DataFrame) -> None:
    table = next(table for table in pages.TABLES if table.rows is pages.gain_rows)
    other = "| other | fm | 0 | +0.1 | +0.1 | +0.1 | +0.1 |"
    old = "| shop | fm | 0 | +0.9 | +0.9 | +0.9 | +0.9 |"
    again = "| shop | fm | 1 | +0.8 | +0.8 | +0.8 | +0.8 |"
    text = f"before\n{table.header}\n|---|\n{other}\n{old}\n{again}\n\nafter\n"
    new = "| shop | fm | 0 | +0.125 | +0.125 | +0.400 | +0.400 |"
    assert table.written(text, results) == f"before\n{table.header}\n|---|\n{other}\n{new}\n\nafter\n"
    assert table.written(table.written(text, results), results) == table.written(text, results)


def test_the_page_of_the_repository_has_the_tables(tmp_path: Path, tiny_run: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "results.md"
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    page.write_text(text, encoding="utf-8")
    pages.main([str(tiny_run), "--root", str(tmp_path)])
    assert page.read_text(encoding="utf-8") == text  # it played neither MAGUS+ nor the Bayesian variant


def test_a_page_without_the_table_is_named(results: pd.DataFrame) -> None:
    with pytest.raises(SystemExit, match=r"docs/results\.md has no table with the header"):
        pages.TABLES[0].written("# magus_pyg\n", results)
