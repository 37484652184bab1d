"""What is printed: no markup, no control characters, signs that every output can show, no bars in files."""

import ast
import io
import logging
import sys

import pytest
from repository import ROOT
from rich.progress import BarColumn
from rich.table import Table

from magus_pyg.terminal import Terminal, complain, say

HOSTILE = "[/] [bold]x[/bold] :smile: \x1b[31m\r\u202e"
HARMLESS = r"[/] [bold]x[/bold] :smile: \x1b[31m\r\u202e"


def test_texts_titles_and_cells_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.print(HOSTILE)
    terminal.say(HOSTILE)
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    terminal.print(table)
    shown = capsys.readouterr().out
    assert shown.count(HARMLESS) == 5
    assert shown.replace("\n", "").isprintable()


def test_lines_stay_whole_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().print("word " * 1000)
    Terminal().say("x" * 200_000)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_no_bar_and_no_spinner_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    with terminal.bar(BarColumn()) as bar, terminal.status("reading"):
        bar.update(bar.add_task("x", total=2), advance=1)
        terminal.print("between")
    assert capsys.readouterr().out == "between\n"


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(quiet=True).print("x")
    assert capsys.readouterr().out == ""


def test_say_and_complain(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"{HOSTILE}\nnext")
    complain(HOSTILE)
    assert capsys.readouterr() == (f"{HARMLESS}\nnext\n", f"{HARMLESS}\n")


def test_signs_that_an_encoding_lacks_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", out)
    say("0.1–0.2 ± 3 … ⊥ 漢 \udcff")
    Terminal().print("0.1–0.2")
    assert out.buffer.getvalue().splitlines() == [rb"0.1-0.2 +- 3 ... _|_ \u6f22 \udcff", b"0.1-0.2"]  # type: ignore[attr-defined]


def test_logs_are_printed_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("magus_pyg.tested")
    level = logger.level
    with Terminal().logs("magus_pyg.tested"):
        logger.info("%s", HOSTILE)
    logger.warning("later")
    assert capsys.readouterr().out == HARMLESS + "\n"
    assert logger.level == level
    assert logger.handlers == []


#: What only one place may call, and which.
_ALONE = {
    "print": {"terminal.py"},
    "Console": {"terminal.py"},
    "Progress": {"terminal.py"},
    "to_csv": {"escaping.py"},
    "from_markup": set[str](),
    "savefig": {"report/figures/style.py"},
}


def test_one_place_prints_and_one_escapes() -> None:
    package = ROOT / "src" / "magus_pyg"
    stray = []
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            named = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            if named == "write" and owner in ("sys.stdout", "sys.stderr"):
                stray.append(f"{place}:{node.lineno} {owner}.write")
            # `console.print` is the terminal's own.
            if named in _ALONE and place not in _ALONE[named] and not (named == "print" and owner):
                stray.append(f"{place}:{node.lineno} {named}")
    assert stray == []
