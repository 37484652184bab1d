"""benchmarks/record.py: what a benchmark prints, in the section of RESULTS.md that names it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

PAGE = "# Results\n\n## Layers (`benchmarks/convs.py`)\n\nWhat is measured.\n\n## More\n\nOther.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the script, a benchmark that prints its words, and a page with its section."""
    for name in ("record.py", "_common.py"):
        shutil.copy(ROOT / "benchmarks" / name, tmp_path / name)
    (tmp_path / "convs.py").write_text(
        "import sys\nprint('| a |', *sys.argv[1:])\nprint('```')\nsys.exit(len(sys.argv) > 3)"
    )
    (tmp_path / "RESULTS.md").write_text(PAGE, encoding="utf-8")
    return tmp_path


def record(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(folder / "record.py"), *words], capture_output=True, text=True, check=False
    )


def test_what_is_printed_stands_in_the_section_and_is_replaced(folder: Path) -> None:
    for word in ("one", "two"):
        assert record(folder, "convs", "--only", word).returncode == 0
        text = (folder / "RESULTS.md").read_text(encoding="utf-8")
        block = f"```text\n$ python benchmarks/convs.py --only {word}\n| a | --only {word}\n'''\n```"
        mark = "convs: written by benchmarks/record.py"
        assert text == PAGE.replace("\n\n## More", f"\n\n<!-- {mark} -->\n{block}\n<!-- end of {mark} -->\n\n## More")


def test_a_benchmark_that_fails_or_is_not_one_changes_nothing(folder: Path) -> None:
    for words, told in (
        (("convs", "a", "b", "c"), "convs.py ended with 1: nothing was written"),
        (("graph",), "name one of convs, ear"),
        ((), "name one of convs, ear"),
        (("trees",), "has no section that names benchmarks/trees.py"),
    ):
        ended = record(folder, *words)
        assert ended.returncode == 1
        assert told in ended.stderr
        assert (folder / "RESULTS.md").read_text(encoding="utf-8") == PAGE
