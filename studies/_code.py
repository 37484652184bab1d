"""What decides a figure, as short hashes: the code from data to agents, the files of a data set, the settings.

Comments, docstrings and the layout of the source change no figure, so they change no hash.
"""

import ast
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from magus_pyg.errors import DataError
from magus_pyg.runs.config import Config

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "magus_pyg"

#: Folders and files whose code decides what is played: from the data to the agents, and what puts them together.
DECIDING = (
    "data", "graph", "nn", "simulation", "models", "training", "agents", "dialogues",
    "ragged.py", "random.py", "runs/run_inputs.py", "runs/population.py",
    "experiment/preparing.py", "experiment/agents_by_name.py", "experiment/agent_plays.py",
    "experiment/dialogue_runs.py",
)  # fmt: skip

_DIGITS = 12


def short_hash(*parts: str) -> str:
    """The first digits of the SHA-256 of some texts, each of which ends where it ends."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()[:_DIGITS]


@cache
def code_hash() -> str:
    """Of the code that decides figures, by content: comments, docstrings and layout do not count."""
    return hash_of_source(SOURCE)


def hash_of_source(source: Path) -> str:
    """`code_hash` of a folder that holds the package.

    Raises:
        DataError: a folder or file of `DECIDING` that is not there.
    """
    parts = []
    for name in DECIDING:
        place = source / name
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        if not files or not files[0].is_file():
            raise DataError(f"{place} is not there: name what decides figures in DECIDING of studies/_code.py")
        for file in files:
            tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
            parts += [file.relative_to(source).as_posix(), json.dumps(_plain(tree))]
    return short_hash(*parts)


def _plain(node: Any) -> Any:
    """A syntax tree as lists, without places, texts that stand for themselves, and what is empty.

    What is empty is left out, since later versions of Python have more such fields.
    """
    if isinstance(node, ast.AST):
        found: list[Any] = [type(node).__name__]
        for name, value in ast.iter_fields(node):
            plain = None if name in ("ctx", "kind", "type_comment") else _plain(value)
            if plain not in (None, []):
                found.append([name, plain])
        return found
    if isinstance(node, list):
        return [_plain(entry) for entry in node if not _is_docstring(entry)]
    return node if node is None else repr(node)


def _is_docstring(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def data_hash(folder: Path) -> str:
    """Of the files in the folder of a data set; what describes them (.md) does not count.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not there: --data names the folder of the data sets")
    return short_hash(*_contents(folder))


@cache
def _contents(folder: Path) -> tuple[str, ...]:
    return tuple(_names_and_digests(folder))


def _names_and_digests(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".md" and not path.name.startswith("."):
            yield path.relative_to(folder).as_posix()
            with path.open("rb") as file:
                yield hashlib.file_digest(file, "sha256").hexdigest()


def settings_hash(config: Config) -> str:
    """Of all settings of a run or a play but where its files lie and where it is worked on."""
    values = OmegaConf.to_container(OmegaConf.structured(config))
    assert isinstance(values, dict)
    kept = {key: value for key, value in values.items() if key not in ("paths", "resume", "engine", "ray")}
    return short_hash(json.dumps(kept, sort_keys=True))
