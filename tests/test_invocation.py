"""Names of the commands as they were typed."""

import shlex
import subprocess
from pathlib import Path

import pytest

from magus_pyg.invocation import as_called, command_name, shell_words


@pytest.mark.parametrize(
    ("running", "name"),
    [
        ("scripts/train.py", "python scripts/make_data.py"),
        ("/a b/scripts/train.py", "python '/a b/scripts/make_data.py'"),
        ("somewhere/train.py", "magus-make-data"),
        ("notebook.py", "magus-make-data"),
        ("", "magus-make-data"),
    ],
)
def test_the_command_that_was_typed(running: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [running])
    assert command_name("make_data") == name
    assert as_called("  make_data.py shape=tmall") == f"  {name} shape=tmall"


def test_an_installed_command_with_its_folder_where_it_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/opt/env/bin/magus-train"])
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert command_name("play") == "/opt/env/bin/magus-play"
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert command_name("play") == "magus-play"


def test_inside_the_folder_of_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scripts").mkdir()
    monkeypatch.chdir(tmp_path / "scripts")
    monkeypatch.setattr("sys.argv", ["train.py"])
    assert command_name("play") == "python play.py"


@pytest.mark.parametrize(
    "word", ["run=plain", "user=a b", "x='\"$(id)`id`", "run=\x1b[31m/\u202e\n'\\", "-", "run=[b]"]
)
def test_words_go_through_a_shell_as_they_are(word: str) -> None:
    line = shell_words(word)
    assert line.isprintable()
    done = subprocess.run(
        ["bash", "-c", f"printf %s {line}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert done.stdout.decode() == word
    assert word != "run=plain" or shlex.split(line) == [word]


def test_a_path_that_is_no_utf_8_goes_through_a_shell() -> None:
    line = shell_words("run=\udcffx")
    assert line == r"$'run=\xffx'"
    done = subprocess.run(["bash", "-c", f"printf %s {line}"], capture_output=True, check=True)
    assert done.stdout == b"run=\xffx"
