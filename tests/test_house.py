"""The floors of the package: what scripts/draw_house.py finds in small trees with one fault each, and its drawing."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from repository import ROOT
from scripts import load_script

house = load_script("draw_house")

SOUND = {
    "__init__.py": "from magus_pyg.data import load",
    "ear.py": "from magus_pyg.data import load",
    "errors.py": "class DataError(Exception): ...",
    "data/__init__.py": "from magus_pyg.data.tables import load",
    "data/tables.py": "import os\nfrom magus_pyg.errors import DataError\nfrom . import _parts\nload = 1",
    "data/_parts.py": "part = 1",
    "data/ear.py": "",
    "data/sets/__init__.py": "",
    "data/sets/films.py": "from magus_pyg.data._parts import part\nfrom ..tables import load",
    "graph/__init__.py": "def build() -> None:\n    from magus_pyg.data import load",
    "nn/__init__.py": "",
}


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in {**SOUND, **files}.items():
        path = root / "src" / "magus_pyg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "docs").mkdir()
    return root


def _faults(root: Path, files: dict[str, str]) -> list[str]:
    sources = house.read_sources(_write(root, files) / "src" / "magus_pyg")
    return house.faults(sources, house.read_imports(sources))


def test_a_sound_tree_has_no_faults(tmp_path: Path) -> None:
    assert _faults(tmp_path, {}) == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"data/tables.py": "from magus_pyg.data.sets.films import name"},
            "data/sets/films.py: imports itself by way of data/tables.py -> data/sets/films.py",
        ),
        (
            {"data/tables.py": "def f():\n    import magus_pyg.data.sets.films"},
            "data/sets/films.py: imports itself by way of data/tables.py -> data/sets/films.py",
        ),
        ({"data/tables.py": "import magus_pyg.data.tables"}, "data/tables.py: imports itself by way of data/tables.py"),
        (
            {"data/tables.py": "from magus_pyg.data import load"},
            "data/__init__.py: imports itself by way of data/tables.py -> data/__init__.py",
        ),
        (
            {"data/tables.py": "from magus_pyg.graph import x"},
            "data/tables.py:1: imports graph/__init__.py, a floor above",
        ),
        (
            {"data/tables.py": "def f():\n    from magus_pyg import nn"},
            "data/tables.py:2: imports nn/__init__.py, a floor above",
        ),
        (
            {"data/tables.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..graph import x"},
            "data/tables.py:3: imports graph/__init__.py, a floor above",
        ),
        ({"errors.py": "import magus_pyg.data"}, "errors.py:1: imports data/__init__.py, a floor above"),
        ({"graph/words.py": "from magus_pyg.ear import load"}, "graph/words.py:1: imports ear.py, a floor above"),
        ({"graph/words.py": "from magus_pyg import build"}, "graph/words.py:1: imports __init__.py, a floor above"),
        (
            {"nn/conv.py": "from magus_pyg.graph import x"},
            "nn/conv.py:1: imports graph/__init__.py, a folder of the same floor",
        ),
        (
            {"graph/words.py": "from magus_pyg.data._parts import part"},
            "graph/words.py:1: imports data/_parts.py, a private file outside its folder",
        ),
        (
            {"data/sets/_film.py": "", "data/tables.py": "from magus_pyg.data.sets import _film"},
            "data/tables.py:1: imports data/sets/_film.py, a private file outside its folder",
        ),
        (
            {"data/other.py": "from magus_pyg.data.tables import _load"},
            "data/other.py:1: imports the private name _load of data/tables.py",
        ),
        ({"graph/films.py": ""}, "films.py: a file name that stands twice: data/sets/films.py, graph/films.py"),
        ({"cellar/wine.py": ""}, "cellar/: no floor holds this folder (FLOORS in scripts/draw_house.py)"),
        ({"stray.py": ""}, "stray.py: no file of the ground (GROUND_FILES in scripts/draw_house.py)"),
    ],
)
def test_each_fault_is_found_and_named(tmp_path: Path, files: dict[str, str], message: str) -> None:
    assert message in _faults(tmp_path, files)


def test_check_fails_without_a_drawing_of_this_source_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = _write(tmp_path, {})
    drawing = root / "docs" / "house.svg"
    words = ["--root", str(root)]
    assert house.main([*words, "--check"]) == 1
    assert "docs/house.svg: not the drawing of this source" in capsys.readouterr().err
    assert not drawing.exists()
    assert house.main(words) == 0
    assert house.main([*words, "--check"]) == 0
    (root / "src" / "magus_pyg" / "graph" / "words.py").write_text("import magus_pyg.errors")
    assert house.main([*words, "--check"]) == 1


def test_a_fault_makes_the_check_fail_though_its_drawing_is_new(tmp_path: Path) -> None:
    words = ["--root", str(_write(tmp_path, {"data/tables.py": "import magus_pyg.graph"}))]
    assert house.main(words) == 0
    assert house.main([*words, "--check"]) == 1


def test_the_drawing_shows_each_folder_and_each_import_once(tmp_path: Path) -> None:
    sources = house.read_sources(_write(tmp_path, {}) / "src" / "magus_pyg")
    tree = ET.fromstring(house.draw(sources, house.read_imports(sources)))
    words = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert [words.count(folder) for folder in ("ground", "data", "graph", "nn")] == [2, 2, 2, 2]
    dots = list(tree.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(dots) == 2  # graph -> data, data -> ground


def test_public_names_of_two_files_are_listed(tmp_path: Path) -> None:
    files = {"graph/words.py": "class Word: ...\nshared = 1\n_own = 2", "nn/conv.py": "shared: int = 2\n_own = 2"}
    sources = house.read_sources(_write(tmp_path, files) / "src" / "magus_pyg")
    assert house.public_names_twice(sources) == {"shared": ["graph/words.py", "nn/conv.py"]}


def test_the_page_has_a_section_for_each_folder_from_the_top_down() -> None:
    present = {path.name for path in (ROOT / "src" / "magus_pyg").iterdir() if (path / "__init__.py").is_file()}
    lines = (ROOT / "docs" / "house.md").read_text(encoding="utf-8").splitlines()
    told = [name.strip("`") for line in lines if line.startswith("## ") for name in line[3:].split(", ")]
    floors = [folder for floor in reversed(house.FLOORS) for folder in floor if folder in present]
    assert told == [*floors, house.GROUND]


WHOLE_REPOSITORY = {
    "nn/test_sparse_tensors.py",  # all layers on one kind of input
    "test_examples.py",
    "test_house.py",
    "test_idea_page.py",
    "test_layers_page.py",
    "test_own_data_page.py",
    "test_own_model_page.py",
    "test_packaging.py",
    "test_recorded_benchmarks.py",
    "test_serving_page.py",
    "test_studies.py",
    "test_studies_by_hand.py",
    "test_site.py",
    "test_site_commands.py",
    "test_site_pages.py",
}


def test_tests_lie_where_the_tested_files_lie() -> None:
    """`graph/test_trees.py` and `graph/test_trees_....py` test `graph/trees.py`; `agents/test_agents_....py` all."""
    assert [name for name in sorted(WHOLE_REPOSITORY) if not (ROOT / "tests" / name).is_file()] == []
    stray = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        place = path.relative_to(ROOT / "tests")
        folder = ROOT / "src" / "magus_pyg" / place.parent
        tested = {source.stem.lstrip("_") for source in folder.glob("*.py")} | {folder.name}
        own = place.stem.removeprefix("test_")
        if place.as_posix() in WHOLE_REPOSITORY or any(own == name or own.startswith(f"{name}_") for name in tested):
            continue
        stray.append(place.as_posix())
    assert stray == []
