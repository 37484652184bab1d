"""Finding and loading the data set of a configuration."""

import os
from pathlib import Path

from magus_pyg.data import RecDataset, TabularOptions, check_dataset, load_dataset
from magus_pyg.errors import ConfigError
from magus_pyg.files import home_expanded
from magus_pyg.runs.config import Config

__all__ = ["check_data", "load_data"]


def check_data(config: Config) -> None:
    """Raise ConfigError for a data set that could not be read by its options, before anything is read."""
    if isinstance(config.dataset, TabularOptions) and not config.dataset.path:
        raise ConfigError("dataset=tabular needs the folder of the tables: add dataset.path=... to the command")
    check_dataset(config.dataset)


def load_data(config: Config, data_root: Path | str | None = None) -> RecDataset:
    """Load the data set of a configuration.

    Args:
        config: the configuration.
        data_root: the folder of the data sets; `paths.data`, else the variable MAGUS_DATA, if None.

    Raises:
        ConfigError: a tabular data set without a path.
        DataError: if the data is not there or cannot be used.
    """
    given = data_root or config.paths.data or os.environ.get("MAGUS_DATA") or None
    root = None if given is None else home_expanded(given)
    if root is not None and not root.is_dir() and data_root is None and os.environ.get("MAGUS_DATA"):
        root = home_expanded(os.environ["MAGUS_DATA"])  # the run was moved to another machine
    check_data(config)
    return load_dataset(config.dataset, root)
