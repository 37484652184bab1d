"""What lies in the folder of a play: the one place that writes its files, and the one that reads them with all checks.

The folder has a list of its files, written last: what is listed there is whole.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import pandas as pd
import yaml
from omegaconf import OmegaConf
from safetensors.torch import save_file
from torch import Tensor

from magus_pyg._version import __version__
from magus_pyg.errors import RunError
from magus_pyg.escaping import csv_text, unquoted, yaml_text
from magus_pyg.files import parse_json, whole, write_json, write_text
from magus_pyg.runs.config import Config
from magus_pyg.runs.schemas import from_container, schema_names, typed

__all__ = ["FORMAT", "PlayFolder"]

#: The format that is written. Format 1, of release 0.1.0, has the sizes of a run's files alone, and no list of those of
#: a simulation; it is read as well.
FORMAT = 2
_READ = (1, 2)
# Files that a play need not have.
_OTHERS = ("agents/*.safetensors", "*-tried.csv", "*-columns.arrow")
# A configuration of ours takes some 3 KB and has four levels.
_MOST_CHARACTERS, _MOST_LEVELS = 2**18, 20


class PlayFolder:
    """The folder of a simulation inside a run folder, and what the folder of a run has in common with it.

    Args:
        path: the folder.
    """

    info_name = "simulation.json"

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.info = self.path / self.info_name
        self.config = self.path / "config.yaml"
        self.records = self.path / "records.parquet"
        self.results = self.path / "results.csv"
        self.agents = self.path / "agents"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @property
    def advice(self) -> str:
        """What to do about a damaged file."""
        return "copy the folder again, or simulate again"

    @property
    def required(self) -> list[Path]:
        """The files without which the folder is not whole."""
        return [self.config, self.records, self.results]

    def write_config(self, config: Config) -> None:
        """Write the configuration."""
        write_text(self.config, yaml_text(OmegaConf.to_yaml(OmegaConf.structured(config))))

    def write_play(
        self,
        records: pd.DataFrame,
        results: pd.DataFrame,
        states: Mapping[str, Mapping[str, Tensor]],
        tried: Mapping[str, pd.DataFrame],
    ) -> None:
        """Write what was played, what agents have learned, and the tables of what they tried meanwhile, by agent."""
        for name, state in states.items():
            tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
            with whole(self.agents / f"{name}.safetensors") as fresh:
                save_file(tensors, fresh, {"agent": name})
        for name, table in tried.items():
            write_text(self.path / f"{name}-tried.csv", csv_text(table))
        with whole(self.records) as fresh:
            records.to_parquet(fresh, index=False)
        write_text(self.results, csv_text(results))

    def write_info(self, config: Config, values: Mapping[str, Any], state: str = "complete") -> None:
        """Write the list of the files, after all of them.

        Args:
            config: of the play.
            values: what else is to be kept.
            state: "training" until all is there: then nothing is listed yet.
        """
        others = (path for pattern in _OTHERS for path in sorted(self.path.glob(pattern)))
        paths = [*self.required, *others]
        listed = {
            str(path.relative_to(self.path)): {"size": path.stat().st_size, "sha256": _sha256(path)}
            for path in (paths if state == "complete" else [])
        }
        info = {"format": FORMAT, "version": __version__, "state": state, "schemas": schema_names(config)}
        write_json(self.info, {**info, **values, "files": listed})

    def read_info(self) -> dict[str, Any]:
        """Read the list of the files and what was noted beside it, by whatever release.

        Raises:
            RunError: no such folder, a damaged file, or a format that this release does not know.
        """
        if not self.info.is_file():
            self.raise_missing()
        with self.reading(self.info):
            info: dict[str, Any] = parse_json(self.info.read_text(encoding="utf-8"))
            if not isinstance(info, dict):
                raise TypeError("it holds no keys")
            if self.info_name == PlayFolder.info_name and "format" not in info:
                info = {"format": 1, "version": "0.1.0", "state": "complete", "files": {}, **info}
            found, version, _ = info["format"], info.get("version"), dict(info["files"])
        if type(found) is not int or found not in _READ:
            raise RunError(
                f"{self.path} has version {found} of the run format, by magus-pyg {version}; this package, "
                f"{__version__}, reads {' and '.join(map(str, _READ))}: install magus-pyg=={version} to read it, or "
                "train again"
            )
        return info

    def raise_missing(self) -> NoReturn:
        """Raise the RunError of a folder without its list of files."""
        raise RunError(f"{self.path} is cut off: its simulation did not end. Delete it, or simulate again")

    def check(self, info: Mapping[str, Any], paths: Iterable[Path] | None = None) -> None:
        """Check that the play has ended, and that files are as they were written.

        Args:
            info: what `read_info` gave.
            paths: the files to look at; all if None.

        Raises:
            RunError: naming the file that is missing, cut off, changed, or of another folder.
        """
        with self.reading(self.info):
            dict(info["seconds"])
            names = [str(path.relative_to(self.path)) for path in paths or self.required]
            if info["format"] == 1:  # a simulation of that format lists nothing
                names = [name for name in names if name in info["files"]]
            if paths is None:
                names += info["files"]
            listed = {name: _expected(name, info["files"][name]) for name in names}
        for name, (size, digest) in listed.items():
            path = self.path / name
            if not path.is_file():
                raise RunError(f"{path} is missing; {self.advice}")
            found = path.stat().st_size
            if found != size:
                raise RunError(f"{path} has {found} bytes instead of {size}: it is cut off or changed; {self.advice}")
            if digest is not None and _sha256(path) != digest:
                raise RunError(
                    f"{path} is not what was written (its SHA-256 is not the one in {self.info.name}): it is changed, "
                    f"or of another run; {self.advice}"
                )
        foreign = [path for path in self.agents.glob("*.safetensors") if f"agents/{path.name}" not in info["files"]]
        if foreign and paths is None:
            raise RunError(f"{foreign[0]} is not in {self.info}: it is of another run; take it away")

    def read_values(self) -> dict[str, Any]:
        """Read the configuration as plain values, as they stand: nothing in it is resolved.

        Raises:
            RunError: a missing or damaged file, or one that is more than a configuration of ours can be.
        """
        with self.reading(self.config, "cannot be read"):
            text = self.config.read_text(encoding="utf-8")
            _check_plain(text)
            values = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
            if not isinstance(values, dict) or not values:
                raise ValueError("it holds no keys")
            return {str(key): value for key, value in values.items()}

    def read_config(self, info: Mapping[str, Any]) -> Config:
        """Read the configuration; `info` is what `read_info` gave.

        Raises:
            RunError: as `read_values`, or keys and values that this release does not have.
        """
        values = self.read_values()
        with self.reading(self.config, "cannot be read"):
            missing = [group for group in info["schemas"] if group not in values]
            if missing:
                raise KeyError(missing[0])
            return typed(from_container(values, info["schemas"]))

    def read_records(self, columns: list[str] | None = None) -> pd.DataFrame:
        """Read the record table, or some of its columns; RunError where it cannot be read."""
        with self.reading(self.records):
            records = pd.read_parquet(self.records, columns=columns)
            # Parquet gives lists back as arrays.
            for column in [name for name in ("shown", "kinds") if name in records]:
                records[column] = [list(row) for row in records[column]]
            return records

    def read_results(self) -> pd.DataFrame:
        """Read the table of results, a row an agent; RunError where it cannot be read."""
        with self.reading(self.results):
            return unquoted(pd.read_csv(self.results))

    @contextmanager
    def reading(self, path: Path, what: str = "is cut off or damaged") -> Iterator[None]:
        """Whatever goes wrong inside a file of the folder is one RunError that names the file."""
        try:
            yield
        except RunError:
            raise
        except Exception as error:  # each format, and each reader of one, has errors of its own
            told = f"it lacks {error}" if isinstance(error, KeyError) else (str(error).splitlines() or [""])[0]
            raise RunError(f"{path} {what} ({type(error).__name__}: {told}); {self.advice}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _expected(name: str, entry: Any) -> tuple[int, str | None]:
    """Size and SHA-256 of a file in the list; format 1 has the size alone."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise ValueError(f"{name} is outside of the folder")
    return (entry, None) if isinstance(entry, int) else (int(entry["size"]), str(entry["sha256"]))


def _check_plain(text: str) -> None:
    """Raise ValueError for a text that would grow when it is read, or that asks for values of the machine."""
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"it has {len(text):,} characters, more than {_MOST_CHARACTERS:,}")
    level = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > _MOST_LEVELS:
            raise ValueError(f"line {event.start_mark.line + 1}: there are more than {_MOST_LEVELS} levels")
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"line {event.start_mark.line + 1}: it refers to another place (*{event.anchor})")
        if isinstance(event, yaml.ScalarEvent) and "${" in event.value:
            raise ValueError(f"line {event.start_mark.line + 1}: {event.value!r} is no value, but asks for one")
