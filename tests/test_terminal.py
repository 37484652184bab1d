"""What is printed: no markup, no control characters, signs that every output can show, no bars in files."""

import ast
import io
import logging
import shlex
import sys
import threading
from collections.abc import Callable

import pytest
from repository import ROOT
from rich.console import Console
from rich.table import Table

from magus_pyg.terminal import Stage, Terminal, complain, say

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


def test_a_stage_is_a_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    with terminal.stage("counting", 2) as outer:
        outer.step()
        terminal.print("between")
        with terminal.stage("[/] \x1b reading"):
            pass
    assert capsys.readouterr().out.splitlines() == ["counting", "between", r"[/] \x1b reading"]
    with pytest.raises(ValueError, match="stops"), terminal.stage("counting"):
        raise ValueError("stops")
    assert Stage._running == []


def test_a_stage_tells_how_far_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magus_pyg.terminal._EVERY", 0.01)
    clock = [0.0]
    monkeypatch.setattr("magus_pyg.terminal.time.monotonic", lambda: clock[0])

    def wait_for(line: str) -> None:
        shown = ""
        for _ in range(500):
            shown += capsys.readouterr().out
            if line in shown.splitlines():
                return
            threading.Event().wait(0.01)
        raise AssertionError(shown)

    with Terminal().stage("training", 400, "epoch", 40, "at most") as stage:
        stage.step(40, "validation loss 0.4")
        wait_for("training: epoch 1 of 10, 0:00, validation loss 0.4")
        clock[0] = 6.0
        stage.step(40)
        # Two of ten epochs in six seconds; a stage that is gone on with counts what is new alone.
        wait_for("training: epoch 2 of 10, 0:06 of at most 0:30, validation loss 0.4")
    with Terminal().stage("fitting") as stage:
        clock[0] = 10.0
        wait_for("fitting, 0:04")
        stage.reach(0, 4)
        clock[0] = 3610.0
        stage.reach(2, 4, "objective 0.9")
        wait_for("fitting: 2 of 4, 1:00:04 of about 2:00:04, objective 0.9")  # what was before counts as it was


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[int], Terminal]:
    """Terminals of some width on standard output."""

    def make(width: int) -> Terminal:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        monkeypatch.setenv("TERM", "xterm")
        terminal = Terminal()
        terminal.width = width
        return terminal

    return make


def test_entries_of_a_list_go_on_under_their_text(
    screen: Callable[[int], Terminal], capsys: pytest.CaptureFixture[str]
) -> None:
    screen(40).entry("  12  ", "Calalund Velvet mugs, 11.19 (Calalund [b]household[/b] mugs \x1b)")
    assert capsys.readouterr().out.splitlines() == [
        "  12  Calalund Velvet mugs, 11.19",
        "      (Calalund [b]household[/b] mugs",
        r"      \x1b)",
    ]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_stage_on_a_terminal_is_one_line_that_goes(
    width: int,
    screen: Callable[[int], Terminal],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr("magus_pyg.terminal.time.monotonic", lambda: clock[0])
    terminal = screen(width)
    with terminal.stage("training", 400, "epoch", 40, "at most") as stage:
        stage.step(83, "validation loss 0.4795, best 0.4790 (1)")
        clock[0] += 8.3
        line = render(stage._line(), width)
    assert len(line) == 1
    assert len(line[0].rstrip()) <= width
    assert "epoch 2/10" in line[0]
    if width >= 80:
        assert "0:08 of at most 0:40" in line[0]
        assert "validation loss 0.4795, best 0.479" in line[0]
    shown = capsys.readouterr().out
    assert shown.rstrip().endswith("\x1b[2K")  # the line is wiped


def render(line: object, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    console.print(line)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_a_command_is_never_broken(screen: Callable[[int], Terminal], capsys: pytest.CaptureFixture[str]) -> None:
    parts = ("python scripts/play.py", "run=" + "r" * 60, "user='a b'")
    whole = " ".join(parts)
    Terminal().command("next: ", *parts)
    assert capsys.readouterr().out == f"next: {whole}\n"
    screen(120).command("next: ", *parts)
    assert capsys.readouterr().out == f"next: {whole}\n"
    screen(80).command("next: ", *parts)
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines] == [f"next: {parts[0]} \\", f"{parts[1]} \\", parts[2]]
    joined = "\n".join(lines).removeprefix("next: ")
    assert shlex.split(joined.replace("\\\n", " ")) == shlex.split(whole)


def test_a_note_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    with terminal.logs("magus_pyg.tested"):
        for _ in range(2):
            terminal.note("no user gets a validation session")
            logging.getLogger("magus_pyg.tested").info("no user gets a validation session")
            terminal.note("another")
    assert capsys.readouterr().out == "no user gets a validation session\nanother\n"


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
        logger.info("%s", HOSTILE)  # once is enough
    logger.warning("later")
    assert capsys.readouterr().out == HARMLESS + "\n"
    assert logger.level == level
    assert logger.handlers == []


#: What only one place may call, and which.
_ALONE = {
    "print": {"terminal.py"},
    "Console": {"terminal.py"},
    "Live": {"terminal.py"},
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
