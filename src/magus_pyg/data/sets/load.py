"""One door for all data sets: the class of the options says which loader reads them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from magus_pyg.data.dataset import RecDataset
from magus_pyg.data.dataset_options import DatasetOptions, check_dataset_options
from magus_pyg.data.reading.findings import Findings, current_findings
from magus_pyg.data.reading.served_files import read_source
from magus_pyg.data.sets.alipay import Alipay
from magus_pyg.data.sets.amazon import Amazon
from magus_pyg.data.sets.movielens import MovieLens1M, MovieLens100k, MovieLensLatestSmall
from magus_pyg.data.sets.raw_dataset import RawDataset
from magus_pyg.data.sets.served import first_options, join_served
from magus_pyg.data.sets.served_options import ServedOptions, check_served
from magus_pyg.data.sets.tabular import check_tabular, load_tabular
from magus_pyg.data.sets.tabular_options import TabularOptions
from magus_pyg.data.sets.tmall import Tmall
from magus_pyg.data.synthetic.shop import SyntheticOptions, check_synthetic, load_synthetic
from magus_pyg.errors import ConfigError
from magus_pyg.files import home_expanded

__all__ = ["check_dataset", "first_dataset", "load_dataset", "register_dataset"]

Loader = Callable[[Any, Path | None, Findings], RecDataset]


def _raw(dataset: type[RawDataset[Any]]) -> Loader:
    return lambda options, root, findings: dataset(root, options).load(findings)


def _load_served(options: ServedOptions, root: Path | None, findings: Findings) -> RecDataset:
    check_served(options)
    first, known_root = first_dataset(options), read_source(options.folder)["data_root"]
    return join_served(options, first, load_dataset(first, root or known_root, findings))


def _check_of(dataset: type[RawDataset[Any]]) -> Callable[[Any], None]:
    return lambda options: dataset(None, options).check()


_RAW: tuple[type[RawDataset[Any]], ...] = (MovieLens100k, MovieLens1M, MovieLensLatestSmall, Tmall, Alipay, Amazon)
_LOADERS: dict[type[DatasetOptions], Loader] = {
    SyntheticOptions: lambda options, root, findings: load_synthetic(options, root),
    TabularOptions: load_tabular,
    ServedOptions: _load_served,
    **{dataset.options_class: _raw(dataset) for dataset in _RAW},
}
_CHECKS: dict[type[DatasetOptions], Callable[[Any], None]] = {
    DatasetOptions: check_dataset_options,
    SyntheticOptions: check_synthetic,
    TabularOptions: check_tabular,
    ServedOptions: check_served,
    **{dataset.options_class: _check_of(dataset) for dataset in _RAW},
}


def check_dataset(options: DatasetOptions) -> None:
    """Raise ConfigError, naming the option and its value, for options that `load_dataset` would refuse unread."""
    next(_CHECKS[kind] for kind in type(options).__mro__ if kind in _CHECKS)(options)


def first_dataset(options: DatasetOptions) -> DatasetOptions:
    """The options of the data set itself: of a log of what was served, those of the data set that it goes on from.

    Raises:
        DataError: a log that cannot be read, or goes on from a data set that is not known here.
    """
    if not isinstance(options, ServedOptions):
        return options
    return first_options(options, {kind.__name__: kind for kind in _LOADERS})


def register_dataset(options: type[DatasetOptions], loader: Callable[[Any, Path | None], RecDataset]) -> None:
    """Let `load_dataset` read another kind of data set.

    Args:
        options: its class of options, a subclass of `DatasetOptions`.
        loader: called with the options and the data root (None if none is known).
    """
    _LOADERS[options] = lambda options, root, findings: loader(options, root)


def load_dataset(
    options: DatasetOptions, data_root: Path | str | None = None, findings: Findings | None = None
) -> RecDataset:
    """Load, check, filter and split a data set.

    Args:
        options: `SyntheticOptions`, `TabularOptions`, `ServedOptions`, those of a `RawDataset`, or a registered class.
        data_root: the folder of the data sets; None means the environment variable MAGUS_DATA, if it is set.
        findings: where problems of the files go; `current_findings()` if None, which raises the first.

    Raises:
        ConfigError: at options that have no such value, or of an unknown class.
        DataError: at a missing folder or at data that cannot be used.
    """
    if data_root is None:
        data_root = os.environ.get("MAGUS_DATA") or None
    root = home_expanded(data_root) if data_root is not None else None
    for kind in type(options).__mro__:
        if kind in _LOADERS:
            return _LOADERS[kind](options, root, findings if findings is not None else current_findings())
    known = ", ".join(kind.__name__ for kind in _LOADERS)
    raise ConfigError(f"no data set is read from {type(options).__name__}; there are {known}")
