"""The table of a run on terminals of several widths."""

import math
import re

import pandas as pd
import pytest

from magus_pyg.report import queries_text, results_table
from magus_pyg.terminal import Terminal

RESULTS = pd.DataFrame(
    {
        "method": ["items", "magus"],
        "sessions": [12345, 12345],
        **{f"SAC{end}": [0.6 + at, math.nan] for end, at in (("", 0.0), ("_low", -0.1), ("_high", 0.1))},
        **{f"SA@3{end}": [0.5 + at, 0.7 + at] for end, at in (("", 0.0), ("_low", -0.1), ("_high", 0.1))},
        **{f"SA@5{end}": [0.5 + at, 0.7 + at] for end, at in (("", 0.0), ("_low", -0.1), ("_high", 0.1))},
        "query_rounds": [0.0, 0.605],
    }
)  # fmt: skip
SPEEDS = {"items": 6535.4, "magus": 910.2}


def printed(width: int, capsys: pytest.CaptureFixture[str]) -> str:
    terminal = Terminal()
    terminal.width = width
    terminal.print(results_table(RESULTS, SPEEDS, "[/] a title", terminal))
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [40, 50, 60, 70, 80, 90, 120])
def test_figures_are_whole_or_left_out(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(width, capsys)
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    assert "[/] a title" in shown
    assert shown.count("12,345") == 2
    assert set(re.findall(r"\b0\.[\d.–-]+", shown)) <= {
        "0.600",
        "0.500–0.700",
        "0.500",
        "0.400–0.600",
        "0.700",
        "0.600–0.800",
        "0.0",
    }


def test_nothing_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    wide, narrow = printed(120, capsys), printed(50, capsys)
    for shown in (wide, narrow):
        for part in ("SAC", "SA@3", "SA@5", "60.5%", "6,535", "910"):
            assert shown.count(part) == 1
    assert wide.count("magus") == 1
    assert narrow.count("magus") == 2  # each part names the methods
    assert narrow.count("a title") == 1


def test_who_never_asked_is_named_with_what_to_try() -> None:
    shares = {"items": 0.0, "static": 0.0, "magus": 0.0, "magus+": 0.2, "bayes": 0.0}
    first, second = queries_text(shares)
    assert first.startswith("magus never showed a query: what it lists is nearly that of items; try magus=bayes, ")
    assert second.startswith("bayes never showed a query")
    assert queries_text({"magus": 0.004})[0].startswith("magus showed a query in 0.4% of its rounds alone: ")
    assert queries_text({"magus": 0.01, "items": 0.0}) == []
