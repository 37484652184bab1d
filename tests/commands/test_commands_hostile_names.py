"""Hostile names taken through describe, train, play and report: what is written and printed stays text."""

import csv
import io
import re
import unicodedata
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from magus_pyg.commands.describe import main_describe
from magus_pyg.commands.play import main_play
from magus_pyg.commands.report import main_report
from magus_pyg.commands.train import main_train
from magus_pyg.invocation import shell_words
from magus_pyg.runs import load_run

WORDS = (
    "[/]", "[bold]x[/bold]", ":smile:", "\x1b[31mred\x1b[0m", "a\x07b", "cr\rover", "\u202ertl\u2066", "=1+1", "+cmd",
    "-2-3", "@SUM(A1)", "<script>alert(1)</script>", "a&b", r"\input{x}", "$\\frac{1}{2}$", "$x", "50%_#^~{}", "`code`",
    "[l](http://e.x)", "../../x", "'\";--", "x" * 10_000,
)  # fmt: skip
FIELD, USER = "=[/]\x1b[1m$f$<b>|\u202e", "[/u]\x1b[31m=$u$"
FOLDER = "=[bold]d$\x1b[31m\u202e'`|&<i>"
NAME = "=[bold]d$x'`|&<i>"  # of the data set: names folders, so control characters are refused


def quoted(text: str) -> str:
    """A text as a quoted value of the grammar of settings."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 items and 30 users with names that are orders somewhere."""
    folder = tmp_path_factory.mktemp("data") / FOLDER
    folder.mkdir()
    generator = np.random.default_rng(0)
    ids = [f"{WORDS[k % len(WORDS)][:200]}{k}" for k in range(60)]
    fields = {"brand": [WORDS[k % len(WORDS)] for k in range(60)], FIELD: [WORDS[(k * 7) % 5] for k in range(60)]}
    pd.DataFrame({"item_id": ids, **fields}).to_csv(folder / "items.csv", index=False, quoting=csv.QUOTE_ALL)
    rows = [
        (f"{USER}{user}", ids[item], int(generator.integers(1, 6)), time)
        for user in range(30)
        for time, item in enumerate(generator.permutation(60)[:40])
    ]
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp"])
    log.to_csv(folder / "interactions.csv", index=False, quoting=csv.QUOTE_ALL)
    return folder


@pytest.fixture
def words(shop: Path) -> list[str]:
    return [
        "dataset=tabular", f"dataset.path={quoted(str(shop))}", f"dataset.name={quoted(NAME)}",
        f"dataset.word_fields=[brand,{quoted(FIELD)}]",
    ]  # fmt: skip


def raw_signs(text: str) -> set[str]:
    """The control characters, marks of direction and halves of surrogate pairs of a text, but for its line ends."""
    return {sign for sign in text if sign != "\n" and unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


def test_hostile_names(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    def printed() -> str:
        told.append("\n".join(capsys.readouterr()))
        return told[-1]

    main_describe(words)
    assert "[bold]d$" in printed()
    runs = tmp_path / "runs [bold]\x1b[1m$x$"
    main_train([*words, "train.epochs=1", "simulation.resamples=20", "model.dim=4", f"paths.runs={quoted(str(runs))}"])
    shown = printed()
    (path,) = runs.iterdir()
    assert shell_words(f"run={path}") in shown
    run = load_run(path)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n?1\n\x1b[2J\n1\n"))
    main_play([f"run={path}", f"user={run.user_ids[0]}"])
    assert "round 2 of 5" in printed()
    out = tmp_path / "out"
    for what in ("table=1", "figure=3", "figure=6", "figure=7"):
        main_report([f"runs={path}", what, f"out={out}", "resamples=20", "test=bootstrap"])
        printed()
    assert [raw_signs(text) for text in told] == [set()] * len(told)

    texts = [file for file in [*out.iterdir(), *path.rglob("*")] if file.suffix in _TEXTS]
    assert {file.suffix for file in texts} == _TEXTS
    for file in texts:
        text = file.read_text(encoding="utf-8")
        assert raw_signs(text) == set(), file.name
        if file.suffix == ".csv":
            cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
            assert [cell for cell in cells if cell[:1] in "=+@" and cell] == []
        if file.suffix == ".svg":
            ET.fromstring(text)
            assert "<i>" not in text
        if file.suffix == ".md":
            table = [line for line in text.splitlines() if line.startswith("|")]
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
            assert "<i>" not in text
        if file.suffix == ".tex":
            assert r"{[}bold{]}d\$x'`|\&$<$i$>$" in text


_TEXTS = {".csv", ".json", ".md", ".svg", ".tex", ".txt", ".yaml"}
