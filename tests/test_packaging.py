"""What the packaging files name is there: packages, commands, versions, paths, hooks."""

import re
import runpy
import subprocess
import sys
from configparser import ConfigParser

import pytest
import yaml
from packaging.requirements import Requirement
from repository import HELPERS, ROOT

import magus_pyg
from magus_pyg import __version__


def test_every_package_is_installed() -> None:
    options = ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    named = set(options["options"]["packages"].split())
    source = ROOT / "src"
    found = {".".join(path.parent.relative_to(source).parts) for path in source.rglob("__init__.py")}
    assert named == found | {"magus_pyg.conf"}  # the settings come from conf/, beside src/


def test_every_script_is_a_command_of_the_installed_package() -> None:
    options = ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = options["options.entry_points"]["console_scripts"].split("\n")
    installed = {tuple(line.split(" = ")) for line in lines if line}
    commands = {path.stem for path in (ROOT / "src" / "magus_pyg" / "commands").glob("*.py")}
    commands = {name for name in commands if (ROOT / "scripts" / f"{name}.py").is_file()}
    assert "make_data" in commands
    expected = {(f"magus-{name.replace('_', '-')}", f"magus_pyg.commands.starting:{name}") for name in commands}
    assert installed == expected


def test_no_withdrawn_version_of_lightning_is_allowed() -> None:
    options = ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    allowed = [Requirement(line) for line in options["options"]["install_requires"].split("\n") if line]
    (lightning,) = (entry for entry in allowed if entry.name == "lightning")
    assert [version for version in ("2.6.1", "2.6.2", "2.6.3", "2.6.6") if version in lightning.specifier] == [
        "2.6.1",
        "2.6.6",
    ]


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == "MIT"
    names = [author["family-names"] for author in citation["references"][0]["authors"]]
    assert names == ["Jin", "Chen", "Zhang", "Yu", "Wang"]


def test_the_paths_that_the_guide_for_contributors_names_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:src|docs|conf|scripts|tests|benchmarks|studies)/[\w./]*)`", text)
    assert len(paths) > 15
    assert [path for path in paths if "..." not in path and not (ROOT / path).exists()] == []


def test_the_hooks_are_those_of_the_environment() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [entry["repo"] for entry in hooks["repos"]] == ["local"]  # nothing is downloaded
    assert {hook["language"] for hook in hooks["repos"][0]["hooks"]} == {"system"}
    assert [hook["id"] for hook in hooks["repos"][0]["hooks"]] == ["ruff", "ruff-format", "mypy", "house"]


def test_names_of_the_package_are_loaded_where_they_are_used() -> None:
    code = "import sys, magus_pyg; print(magus_pyg.DataError.__module__, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "magus_pyg.errors False\n"
    assert all(getattr(magus_pyg, name) is not None for name in magus_pyg.__all__)
    assert set(magus_pyg.__all__) <= set(dir(magus_pyg))
    with pytest.raises(AttributeError, match="has no attribute 'Catalog'"):
        _ = magus_pyg.Catalog


def test_the_extra_all_is_what_people_use() -> None:
    options = ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = options["options.extras_require"]
    (everything,) = (Requirement(line) for line in extras["all"].split("\n") if line)
    assert everything.name == "magus-pyg"
    assert everything.extras == set(extras) - {"all", "bench", "docs", "sparse", "test"}


def test_every_direct_dependency_is_pinned_to_a_version_that_is_allowed() -> None:
    options = ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    wanted = [options["options"]["install_requires"], *options["options.extras_require"].values()]
    for entry in (Requirement(line) for text in wanted for line in text.split("\n") if line):
        if entry.name != "magus-pyg":
            assert pinned[entry.name] in entry.specifier, entry


def test_a_typed_project_of_somebody_else_runs(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(HELPERS / "typed_project.py"), run_name="__main__")
    refused, shown = capsys.readouterr().out.splitlines()
    assert refused
    assert shown.endswith("(3,)")
