"""The examples run as they stand."""

import runpy
from pathlib import Path

import pytest

from magus_pyg.experiment import load_run

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_own_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "own_catalogue.py"))
    shown = capsys.readouterr().out
    assert "5 of them items" in shown
    assert "round 1:" in shown
    assert "magus" in shown


def test_own_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["own_run.py", str(tmp_path)])
    runpy.run_path(str(EXAMPLES / "own_run.py"))
    (path,) = tmp_path.iterdir()
    assert load_run(path).magus_options.minus_scale == 0.3
    assert "query_rounds" in capsys.readouterr().out
