"""The examples run as they stand."""

import re
import runpy
from pathlib import Path

import pytest
from repository import ROOT

from magus_pyg.runs import load_run

EXAMPLES = ROOT / "examples"


def test_own_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "own_catalogue.py"))
    shown = capsys.readouterr().out
    assert "5 of them items" in shown
    assert "round 1:" in shown
    # Words are what its people decide by: who asks finds more.
    items, magus, bayes = (agents_row(shown, name) for name in ("items", "magus", "bayes"))
    assert items["query_rounds"] == 0
    assert magus["query_rounds"] > 0.2
    assert items["SA@5"] < 0.65 < magus["SA@5"] < 0.9 < bayes["SA@5"]


def test_own_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["own_run.py", str(tmp_path)])
    runpy.run_path(str(EXAMPLES / "own_run.py"))
    (path,) = tmp_path.iterdir()
    assert load_run(path).magus_options.minus_scale == 0.3
    assert "query_rounds" in capsys.readouterr().out


def agents_row(shown: str, agent: str) -> dict[str, float]:
    """The figures of an agent in a printed table."""
    lines = [line.split() for line in shown.splitlines()]
    names = next(line for line in lines if line[:2] == ["agent", "sessions"])
    values = next(line for line in lines if line[:1] == [agent])
    return {name: float(value) for name, value in zip(names[1:], values[1:], strict=True)}


def test_lightgcn(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "lightgcn.py"))
    shown = capsys.readouterr().out
    items, magus = agents_row(shown, "items"), agents_row(shown, "magus")
    assert items["sessions"] == magus["sessions"] == 149  # one user has no positive in the test part
    # Three of 30 at random hold one of the (two on average) targets in a fifth of the sessions.
    assert items["SAC"] > 0.4
    assert magus["SA@5"] > 0.85


def test_scikit_factorisation(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn", reason="the factorisation is scikit-learn's")
    runpy.run_path(str(EXAMPLES / "scikit_factorisation.py"))
    shown = capsys.readouterr().out
    assert agents_row(shown, "items")["SAC"] > 0.35
    assert agents_row(shown, "magus")["SA@5"] > 0.8
    assert "to user 0:" in shown


def test_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["shop.py", str(tmp_path)])
    runpy.run_path(str(EXAMPLES / "shop.py"), run_name="__main__")
    shown = capsys.readouterr().out
    assert "a session that was open goes on: True" in shown
    found = [int(count) for count in re.findall(r"(\d+) of (?:10|40) customers found", shown)]
    assert len(found) == 3
    assert sum(found) > 20  # of 90
    assert {path.name for path in (tmp_path / "reports").iterdir()} >= {"served.csv", "served.md"}
