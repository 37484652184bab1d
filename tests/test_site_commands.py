"""Every command and every block of code on a page: known to a test, and the commands valid as they stand there."""

import copy
import functools
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from doc_pages import blocks
from repository import ROOT
from scripts import load_script

from magus_pyg import Catalogue, load_run
from magus_pyg.commands import make_data, report, serve
from magus_pyg.commands.command_line import take_words, with_own_conf
from magus_pyg.errors import ConfigError
from magus_pyg.runs import overrides

DOCS = ROOT / "docs"
PAGES = {
    **{path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*.md"))},
    **{name: ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "benchmarks/RESULTS.md")},
}
OWN_TESTS = {
    "layers.md": "test_layers_page.py",
    "own_data.md": "test_own_data_page.py",
    "own_model.md": "test_own_model_page.py",
    "play.md": "commands/test_play_page.py",
    "serving.md": "test_serving_page.py",
    "testing.md": "testing/test_testing_page.py",
    "README.md": "test_site_commands.py",
    "scale.md": "test_site_commands.py",
}
"""Pages whose blocks a file of tests runs; those of `write_outputs.PAGES` are run by test_site_pages.py."""

_NAMES = "train|simulate|serve|describe|report|tune|play|make_data|make-data"
_WORD = r"""--config-dir +\w+|-[\w-]+|"[^"\n]+"|\+?[\w.]+=[^\s`|#]*|\.\.\."""
_COMMAND = re.compile(rf"(?:python scripts/|\bmagus-)({_NAMES})(?:\.py)?((?: +(?:{_WORD}))*)")
_FILE = re.compile(r"\bpython3? ((?:benchmarks|examples|scripts|studies)/\w+\.py)")
_TOOLS = ("python3 -m venv", "python -m pip", ". .venv/", ".venv/bin/", "pytest", "ruff", "mkdocs", ".ci/run")
_PLACEHOLDERS = {"dataset=D": "dataset=synthetic", "model=M": "model=fm", "seed=S": "seed=0", "model=net": "model=fm"}


def _commands(text: str) -> list[tuple[str, str]]:
    """(name, words) of each command in a text."""
    return [(found[1].replace("-", "_"), found[2].strip()) for found in _COMMAND.finditer(text)]


def _configured(words: list[str]) -> None:
    commands = overrides.single_commands([word for word in words if word != "-m"]) if "-m" in words else [words]
    for command in commands[:: max(len(commands) - 1, 1)]:  # of several the first and the last
        overrides.compose_config(command)


def _tuned(words: list[str]) -> None:
    _configured(take_words(words, ("trials", "minutes", "vary", "study", "out"))[1])


CHECKS: dict[str, Callable[[list[str]], Any]] = {
    "train": _configured,
    "simulate": _configured,
    "describe": _configured,
    "play": _configured,
    "tune": _tuned,
    "serve": serve.service_config,
    "report": report._report_options,
    "make_data": make_data.parse_words,
}
LEFT_OUT: dict[str, tuple[str, ...]] = {
    "train": ("resume",), "simulate": ("run",), "describe": (), "play": ("run", "user"), "tune": (),
    "serve": ("run", "export"), "report": (), "make_data": (),
}  # fmt: skip


@pytest.fixture
def own_conf(tmp_path: Path) -> Path:
    """The folder of settings that docs/own_data.md makes."""
    (found,) = re.findall(r"cat > conf/(\S+) <<'END'\n(.*?)END", (DOCS / "own_data.md").read_text(), re.DOTALL)
    path = tmp_path / found[0]
    path.parent.mkdir(parents=True)
    path.write_text(found[1], encoding="utf-8")
    return tmp_path


def test_each_command_is_valid(own_conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    composed = functools.lru_cache(overrides._compose)  # the same options are read once
    monkeypatch.setattr(overrides, "_compose", lambda words, own: copy.deepcopy(composed(tuple(words), own)))
    found: dict[tuple[str, ...], str] = {}  # the command -> a page it stands on
    for page, path in PAGES.items():
        for name, text in _commands(path.read_text(encoding="utf-8")):
            words = [_PLACEHOLDERS.get(word, word) for word in shlex.split(text) if word not in ("...", "--help")]
            if "--config-dir" in words:
                words[words.index("--config-dir") + 1] = str(own_conf)
                words = with_own_conf(words)
            # What names a run or a person, and what has no value on the page.
            words = [word for word in words if word.partition("=")[0] not in LEFT_OUT[name] and word[-4:] != "=..."]
            if words:
                found.setdefault((name, *words), page)
    assert len({name for name, *_ in found}) == len(CHECKS)
    for (name, *words), page in found.items():
        try:
            CHECKS[name](words)
        except ConfigError as error:
            pytest.fail(f"{page}: {name} {' '.join(words)}: {error}")


def test_every_file_that_a_page_runs_is_there() -> None:
    named = {name for path in PAGES.values() for name in _FILE.findall(path.read_text(encoding="utf-8"))}
    assert len(named) > 30
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_no_block_is_left_out() -> None:
    """Python is run by a test, a line for a shell is a command that is checked, other languages are shown alone."""
    run = set(load_script("write_outputs").PAGES) | set(OWN_TESTS)
    left_out = []
    for page, path in PAGES.items():
        for language, text in re.findall(r"^```(\w*)\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.M):
            if language == "python" and page not in run:
                left_out.append(f"{page}: {text.splitlines()[0]}")
            elif language == "sh" and page not in ("own_data.md", "serving.md"):  # run whole
                left_out += [
                    f"{page}: {line}"
                    for line in text.splitlines()
                    if not (line.startswith(_TOOLS) or _commands(line) or _FILE.match(line))
                ]
            elif language not in ("python", "sh", "text", "json", "yaml", "bibtex"):
                left_out.append(f"{page}: a block of {language or 'no language'}")
    assert left_out == []
    for page, test in OWN_TESTS.items():
        text = (ROOT / "tests" / test).read_text(encoding="utf-8")
        assert page in text or Path(page).stem in text, f"{test} does not name {page}"


def test_the_block_of_the_readme_prints_lists(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGES["README.md"].read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(block, "README.md", "exec"), {})
    first, second = capsys.readouterr().out.splitlines()
    assert first == "['Alpro milk', 'Oatly milk']"
    assert second == "['Oatly barista milk', 'Alpro cheese']"


def test_the_block_of_an_index_of_items(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("usearch", reason="needs the extra [retrieval]")
    monkeypatch.chdir(tmp_path)
    run = load_run(tiny_run)
    items = torch.tensor([0, 1])
    names: dict[str, Any] = {"run": run, "user_id": run.user_ids[0], "items": items,
             "catalogue": Catalogue.from_run(run), "vectors": run.model.item_embedding(items)}  # fmt: skip
    (block,) = blocks("scale.md", "python")
    exec(compile(block, "scale.md", "exec"), names)
    assert 100 < len(names["candidates"]) <= 160  # less those that the user has touched
    assert len(names["retriever"]) == 158


def test_each_benchmark_is_listed_with_its_command() -> None:
    listed = re.findall(r"`python (benchmarks/(\w+)\.py)", PAGES["benchmarks/README.md"].read_text(encoding="utf-8"))
    scripts = {
        path.stem
        for path in (ROOT / "benchmarks").glob("[a-z]*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert {stem for _, stem in listed} == scripts
