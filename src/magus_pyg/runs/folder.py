"""What lies in a run folder: the play of its training, the model and the graph, and the plays of later simulations.

A run folder holds the play of its training; `simulations/<number>/` inside it holds that of each later simulation. Each
has a list of its files (`run.json`, `simulation.json`), written last: what is listed there is whole.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
from safetensors import safe_open
from torch import Tensor

from magus_pyg.errors import RunError
from magus_pyg.files import TakenError, home_expanded, locked, remove_left, whole
from magus_pyg.interrupts import told_if_stopped
from magus_pyg.invocation import command_name, shell_words
from magus_pyg.runs.config import Config
from magus_pyg.runs.play_folder import PlayFolder

__all__ = ["RunFolder"]


class RunFolder(PlayFolder):
    """The folder of a run.

    Args:
        path: the folder.
    """

    info_name = "run.json"

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.model = self.path / "model.safetensors"
        self.checkpoints = self.path / "checkpoints"
        self.graph = self.path / "graph.safetensors"
        self.population = self.path / "population.safetensors"
        self.item_columns = self.path / "item-columns.arrow"
        self.history = self.path / "history.csv"
        self.logs = self.path / "logs"

    @staticmethod
    def check_place(config: Config) -> None:
        """Raise RunError where no run folder can be made among the runs; makes nothing."""
        parent = home_expanded(config.paths.runs)
        try:
            above = next((path for path in (parent, *parent.absolute().parents) if path.exists()), parent)
            writable = above.is_dir() and os.access(above, os.W_OK | os.X_OK)
        except OSError as error:  # such as a name that is too long
            raise RunError(f"paths.runs={str(parent)!r} cannot be a folder ({error.strerror})") from error
        if not config.paths.runs or not writable:
            raise RunError(f"no run folder can be made in paths.runs={str(parent)!r}: {above} is no folder to write to")

    @classmethod
    def create(cls, config: Config, values: Mapping[str, Any] | None = None) -> "RunFolder":
        """Make a new folder `<time>-<dataset>-<model>-<magus>-s<seed>` among the runs, whose training has begun.

        What killed processes have left among the runs is removed.

        Args:
            config: of the run.
            values: as of `write_info`; None leaves the folder empty.

        Raises:
            RunError: if it cannot be made.
        """
        parts = (time.strftime("%Y%m%d-%H%M%S"), config.dataset.name, config.model.name, config.magus.name)
        name = "-".join(part.replace("/", "_") for part in parts) + f"-s{config.seed}"
        parent = home_expanded(config.paths.runs)
        for inner in ("*", "*/checkpoints", "*/agents", "*/simulations"):
            for place in parent.glob(inner):
                remove_left(place)

        def write(fresh: Path) -> None:
            if values is not None:
                cls(fresh).write_config(config)
                cls(fresh).write_info(config, values, "training")

        try:
            return cls(_write_new((parent / (f"{name}-{i + 1}" if i else name) for i in range(1000)), write))
        except RunError as error:
            raise RunError(f"the run folder {parent / name} cannot be made ({error}); set paths.runs=...") from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the right to train the run and to write its files.

        Raises:
            RunError: another process holds it, or there is no such folder.
        """
        if not self.path.is_dir():
            self.raise_missing()
        taken = f"{self.path} is being trained by another process: wait for its end, or stop it"
        with locked(self.checkpoints / "training", taken=taken), told_if_stopped(f"go on with {self._resuming}"):
            yield

    @property
    def advice(self) -> str:
        """What to do about a damaged file."""
        return f"copy the run folder again, or use {self._resuming}"

    @property
    def _resuming(self) -> str:
        return f"{command_name('train')} {shell_words(f'resume={self.path}')}"

    @property
    def required(self) -> list[Path]:
        """The files without which the folder is not whole."""
        return [self.config, self.model, self.graph, self.population, self.records, self.results, self.history]

    @property
    def simulations(self) -> list[PlayFolder]:
        """The folders of the simulations that have ended, by number."""
        folders = [path.parent for path in (self.path / "simulations").glob(f"[!.]*/{PlayFolder.info_name}")]
        return [PlayFolder(path) for path in sorted(folders, key=lambda path: (len(path.name), path.name))]

    def write_simulation(
        self,
        config: Config,
        records: pd.DataFrame,
        results: pd.DataFrame,
        states: Mapping[str, Mapping[str, Tensor]],
        tried: Mapping[str, pd.DataFrame],
        values: Mapping[str, Any],
    ) -> Path:
        """Write a simulation whole or not at all, as the next number; the arguments as of `write_play`, `write_info`.

        Returns:
            Its folder.
        """
        places = (self.path / "simulations" / str(number) for number in range(1, 100_000))
        return _write_new(places, lambda fresh: _write_play(fresh, config, records, results, states, tried, values))

    def write_learning(self, config: Config, records: pd.DataFrame, results: pd.DataFrame) -> Path:
        """Write the plays of successive sessions as `learning/`, whole or not at all, in place of those before.

        Returns:
            Its folder.
        """
        with whole(self.path / "learning") as fresh:
            fresh.mkdir()
            _write_play(fresh, config, records, results, {}, {}, {"seconds": {}})
        return self.path / "learning"

    def raise_missing(self) -> NoReturn:
        """As the base class; also where there is no folder at all."""
        if not self.path.is_dir():
            raise RunError(
                f"there is no run folder {self.path}; {command_name('train')} prints the path of a run at its end"
            )
        if self.config.is_file():
            raise RunError(
                f"{self.path} has no run.json: it was cut off before its training began. Delete it, or train again"
            )
        raise RunError(f"{self.path} is no run folder: it has no run.json")

    def check(self, info: Mapping[str, Any], paths: Iterable[Path] | None = None) -> None:
        """As the base class; also that the data set is named."""
        if info.get("state") != "complete":
            raise RunError(
                f"{self.path} is cut off: it is incomplete, since its training or simulation did not end. Go on with "
                + self._resuming
            )
        with self.reading(self.info):
            str(info["data"]["fingerprint"])
        super().check(info, paths)

    def read_history(self) -> pd.DataFrame:
        """Read the history of the training, a row an epoch; RunError where it cannot be read."""
        with self.reading(self.history):
            return pd.read_csv(self.history)

    def read_agents(self) -> dict[str, dict[str, Tensor]]:
        """What the agents have learned, by name; RunError where a file cannot be read."""
        states = {}
        for path in sorted(self.agents.glob("*.safetensors")):
            with self.reading(path), safe_open(path, framework="pt") as file:
                states[path.stem] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        return states


def _write_play(path: Path, config: Config, *play: Any) -> None:
    folder = PlayFolder(path)
    folder.write_config(config)
    folder.write_play(*play[:-1])
    folder.write_info(config, play[-1])


def _write_new(paths: Iterable[Path], write: Callable[[Path], None]) -> Path:
    """Write the first of some folders that is not there yet, whole or not at all."""
    for path in paths:
        if not path.exists():
            with suppress(TakenError), whole(path, new=True) as fresh:
                fresh.mkdir()
                write(fresh)
                return path
    raise RunError("there are too many of its name; delete some")
