"""The pages of the site: their blocks print what stands below them, and the reference has all that is promised."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from repository import ROOT
from run_fixtures import TINY
from scripts import load_script

import magus_pyg as mp
from magus_pyg import language, nn, testing
from magus_pyg.commands.report import main_report
from magus_pyg.commands.simulate import main_simulate
from magus_pyg.commands.train import main_train

outputs = load_script("write_outputs")
DOCS = ROOT / "docs"


@pytest.mark.parametrize("page", outputs.PAGES)
def test_each_block_prints_what_stands_below_it(page: str) -> None:
    ran = outputs.run_page(page)
    assert ran.text == (DOCS / page).read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]*\]\(([\w.]+)\)", ran.text)
    assert [name for name in shown if name not in ran.files or not (DOCS / page).with_name(name).is_file()] == []


def test_blocks_that_print_something_else_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "DOCS", tmp_path)
    (tmp_path / "page.md").write_text("```python\nx = 1\n```\n\n```python\nprint(x)\n```\n\n```text\n2\n```\n\nEnd.\n")
    ran = outputs.run_page("page.md")
    assert ran.text == "```python\nx = 1\n```\n\n```python\nprint(x)\n```\n\n```text\n1\n```\n\nEnd.\n"


def test_the_commands_of_a_study_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def words(page: str, command: str) -> list[list[str]]:
        found = re.findall(rf"^python scripts/{command}\.py (.*)$", (DOCS / page).read_text(), re.MULTILINE)
        return [shlex.split(text) for text in found]

    runs = tmp_path / "runs"
    table, _ = words("own_study.md", "train")
    main_train([*table, *TINY, f"paths.runs={runs}"])  # more of the same options as on start.md
    (run,) = runs.iterdir()
    for text in words("own_study.md", "simulate"):
        main_simulate([f"run={run}", *(word for word in text if word != "run=RUN"), "simulation.resamples=50"])
    ((report,),) = words("own_study.md", "report")
    assert report == "runs=runs"
    main_report([f"runs={runs}", f"out={tmp_path / 'reports'}"])
    shown = capsys.readouterr().out
    assert "max_entropy" in shown
    assert "user=noisy" in shown or "noisy" in shown


def test_the_reference_has_every_promised_name() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "api").glob("*.md"))
    named = set(re.findall(r"^::: magus_pyg\.([\w.]+)$", text, re.MULTILINE))
    errors = {name for name in mp.__all__ if name.endswith("Error")}  # the page of errors shows the whole file
    elsewhere = {"session_metrics"}  # with the other functions of its module
    assert set(mp.__all__) - errors - elsewhere - {"__version__"} <= named
    assert {f"nn.{name}" for name in nn.__all__} - {"nn.from_pyg"} <= named
    assert {f"testing.{name}" for name in testing.__all__} <= named
    assert {"language.Language", "language.LanguageOptions", "errors", "nn.from_pyg.from_pyg"} <= named
    assert hasattr(language, "Language")


def test_how_to_cite_is_that_of_the_citation_file() -> None:
    page = (DOCS / "cite.md").read_text(encoding="utf-8")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert f"version = {{{mp.__version__}}}" in page
    (paper,) = citation["references"]
    authors = " and ".join(f"{author['family-names']}, {author['given-names']}" for author in paper["authors"])
    assert authors in page
    assert paper["title"] in page
    assert paper["identifiers"][0]["value"] in page


def test_notebooks_are_jupytexts(tmp_path: Path) -> None:
    jupytext = pytest.importorskip("jupytext", reason="needs the extra [docs]")
    for page in (DOCS / "notebooks").glob("*.md"):
        if page.name == "index.md":
            continue
        cells = jupytext.read(page).cells
        code = [cell.source for cell in cells if cell.cell_type == "code"]
        assert code == [block.rstrip("\n") for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)]
