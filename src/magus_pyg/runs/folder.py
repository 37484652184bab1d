"""What lies in a run folder, how it is written, and how it is read back with all its checks."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from omegaconf import OmegaConf
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg._version import __version__
from magus_pyg.errors import ConfigError, RunError
from magus_pyg.files import whole, write_json, write_text
from magus_pyg.graph import save_graph
from magus_pyg.runs.config import Config
from magus_pyg.runs.schemas import from_container, schema_names, typed

__all__ = ["FORMAT", "RunFolder", "read_config"]

#: Version of the layout; raised whenever older folders can no longer be read.
FORMAT = 1


class RunFolder:
    """A run folder and its files.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.info = self.path / "run.json"
        self.model = self.path / "model.safetensors"
        self.checkpoints = self.path / "checkpoints"
        self.graph = self.path / "graph.safetensors"
        self.population = self.path / "population.safetensors"
        self.agents = self.path / "agents"
        self.records = self.path / "records.parquet"
        self.results = self.path / "results.csv"
        self.history = self.path / "history.csv"
        self.simulations = self.path / "simulations"

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @classmethod
    def create(cls, config: Config) -> "RunFolder":
        """Make a new folder `<time>-<dataset>-<model>-<magus>-s<seed>` among the runs.

        Raises:
            RunError: if it cannot be made.
        """
        parts = (time.strftime("%Y%m%d-%H%M%S"), config.dataset.name, config.model.name, config.magus.name)
        name = "-".join(part.replace("/", "_") for part in parts) + f"-s{config.seed}"
        parent = Path(config.paths.runs).expanduser()
        for attempt in range(1000):
            path = parent / (f"{name}-{attempt + 1}" if attempt else name)
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise RunError(f"the run folder {path} cannot be made ({error}); set paths.runs=...") from error
            return cls(path)
        raise RunError(f"{parent} holds a thousand runs named {name}")

    def write_config(self, config: Config, path: Path | None = None) -> None:
        """Write a configuration as YAML, by default that of the run."""
        write_text(path or self.config, OmegaConf.to_yaml(OmegaConf.structured(config)))

    def write_info(self, config: Config, state: str, values: Mapping[str, Any]) -> None:
        """Write run.json; with the state "complete" it also lists the files, so it is written last.

        Args:
            config: of the run.
            state: "training" until all is there, then "complete".
            values: what else is to be kept.
        """
        complete = state == "complete"
        names = [self.config, self.model, self.graph, self.population, self.records, self.results, self.history]
        files = [*names, *sorted(self.agents.glob("*.safetensors"))] if complete else []
        info = {
            "format": FORMAT,
            "version": __version__,
            "state": state,
            "schemas": schema_names(config),
            **values,
            "files": {str(path.relative_to(self.path)): path.stat().st_size for path in files},
        }
        write_json(self.info, info)

    def write_graph(self, graph: HeteroData) -> None:
        """Write the graph."""
        with whole(self.graph) as fresh:
            save_graph(graph, fresh)

    def write_agent(self, name: str, state: Mapping[str, Tensor], folder: Path | None = None) -> None:
        """Write what an agent has learned, by default for the run itself."""
        tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
        with whole((folder or self.agents) / f"{name}.safetensors") as fresh:
            save_file(tensors, fresh, {"agent": name})

    def write_tables(self, records: pd.DataFrame, results: pd.DataFrame, folder: Path | None = None) -> None:
        """Write records.parquet and results.csv, by default those of the run itself."""
        place = folder or self.path
        with whole(place / "records.parquet") as fresh:
            records.to_parquet(fresh, index=False)
        write_text(place / "results.csv", results.to_csv(index=False))

    def read_info(self) -> dict[str, Any]:
        """Read run.json.

        Raises:
            RunError: no run, a damaged file, or a run of another version of the format or the package.
        """
        if not self.path.is_dir():
            raise RunError(f"there is no run folder {self.path}; train.py prints the path of a run at its end")
        if not self.info.is_file():
            raise RunError(f"{self.path} is no run folder: it has no run.json")
        try:
            info: dict[str, Any] = json.loads(self.info.read_text(encoding="utf-8"))
            found, version = info["format"], info["version"]
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{self.info} is cut off or damaged ({error}); train again") from error
        if found != FORMAT:
            raise RunError(
                f"{self.path} has version {found} of the run format, by magus-pyg {version}; this package reads "
                f"{FORMAT}: install magus-pyg=={version} to read it, or train again"
            )
        if version != __version__:
            raise RunError(
                f"{self.path} was written by magus-pyg {version}, and this is {__version__}: install "
                f"magus-pyg=={version} to read it, or train again"
            )
        return info

    def check_complete(self, info: Mapping[str, Any]) -> None:
        """Raise RunError unless the run has ended and all its files are there, whole."""
        if info.get("state") != "complete":
            raise RunError(
                f"{self.path} is incomplete: its training or simulation did not end. "
                f"Go on with train.py resume={self.path}"
            )
        for name, size in info["files"].items():
            path = self.path / name
            if not path.is_file():
                raise RunError(f"{path} is missing; copy the run folder again, or use train.py resume={self.path}")
            if path.stat().st_size != size:
                raise RunError(
                    f"{path} has {path.stat().st_size} bytes instead of {size}: it is cut off or changed. Copy the run "
                    f"folder again, or use train.py resume={self.path}"
                )

    def read_tables(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Records, results and the history of training; RunError where one cannot be read."""
        path = self.records
        try:
            records = pd.read_parquet(self.records)
            # Parquet gives lists back as arrays.
            for column in [name for name in ("shown", "kinds") if name in records]:
                records[column] = [list(row) for row in records[column]]
            path = self.results
            results = pd.read_csv(self.results)
            path = self.history
            return records, results, pd.read_csv(self.history)
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise RunError(f"{path} is damaged ({error}); use train.py resume={self.path}") from error

    def read_agents(self) -> dict[str, dict[str, Tensor]]:
        """What the agents have learned, by name; RunError where a file cannot be read."""
        states = {}
        for path in sorted(self.agents.glob("*.safetensors")):
            try:
                with safe_open(path, framework="pt") as file:
                    states[path.stem] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
            except (SafetensorError, OSError) as error:
                raise RunError(f"{path} is damaged ({error}); use train.py resume={self.path}") from error
        return states


def read_config(folder: RunFolder, info: Mapping[str, Any]) -> Config:
    """The configuration of a run.

    Raises:
        RunError: a missing or damaged file, or keys that this version does not have.
    """
    try:
        values = OmegaConf.to_container(OmegaConf.create(folder.config.read_text(encoding="utf-8")))
        if not isinstance(values, dict):
            raise ConfigError("it holds no keys")
        return typed(from_container({str(key): value for key, value in values.items()}, info["schemas"]))
    except Exception as error:  # YAML, OmegaConf and the options raise unrelated classes
        raise RunError(f"{folder.config} cannot be read ({str(error).splitlines()[0]}); train again") from error
