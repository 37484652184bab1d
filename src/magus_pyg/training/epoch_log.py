"""Where the rows of a training's history go beside the run's own table: Lightning's loggers, kept on this machine."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from magus_pyg.errors import ConfigError

__all__ = ["LOGGERS", "check_logger", "epoch_log"]

#: `TrainOptions.logger` -> the packages of which one is needed.
LOGGERS: dict[str, tuple[str, ...]] = {
    "none": (),
    "csv": (),
    "tensorboard": ("tensorboard", "tensorboardX"),
    "mlflow": ("mlflow",),
    "wandb": ("wandb",),
}
_PROJECT = "magus_pyg"


def check_logger(name: str) -> None:
    """Raise ConfigError where the package of a logger (a key of `LOGGERS`) is not installed."""
    packages = LOGGERS[name]
    if packages and not any(find_spec(package) for package in packages):
        package = packages[0]
        raise ConfigError(f"train.logger={name} needs {package}: pip install {package}, or set train.logger=csv")


@contextmanager
def epoch_log(
    name: str, folder: Path, settings: Mapping[str, Any]
) -> Iterator[Callable[[Mapping[str, float]], None] | None]:
    """Open a logger for one training.

    Nothing leaves the machine, unless the environment says so: WANDB_MODE where Weights & Biases writes, which is
    offline without it, and MLFLOW_TRACKING_URI where MLflow does.

    Args:
        name: a key of `LOGGERS`.
        folder: of the log files; each training, also a resumed one, has a log of its own there with all its epochs.
        settings: of the run, as plain values: logged as its hyper-parameters.

    Yields:
        What takes the row of an epoch (see `TrainResult.history`), or None for "none".

    Raises:
        ConfigError: its package is not installed.
    """
    check_logger(name)
    if name == "none":
        yield None
        return
    logger = _logger(name, folder)
    logger.log_hyperparams(settings)

    def log(row: Mapping[str, float]) -> None:
        logger.log_metrics({key: value for key, value in row.items() if key != "epoch"}, step=int(row["epoch"]))

    status = "failed"
    try:
        yield log
        status = "success"
    finally:
        logger.finalize(status)
        if name == "wandb":
            logger.experiment.finish(exit_code=int(status == "failed"))


def _logger(name: str, folder: Path) -> Any:
    # Imported here: Lightning's loggers take seconds to import.
    if name == "csv":
        from lightning.pytorch.loggers import CSVLogger

        return CSVLogger(folder, name, flush_logs_every_n_steps=1)
    if name == "tensorboard":
        from lightning.pytorch.loggers import TensorBoardLogger

        return TensorBoardLogger(folder, name, default_hp_metric=False)
    run = folder.parent.name
    if name == "mlflow":
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from lightning.pytorch.loggers import MLFlowLogger

        (folder / name).mkdir(parents=True, exist_ok=True)
        place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder / name).resolve()}/mlflow.db"
        return MLFlowLogger(_PROJECT, run, tracking_uri=place)
    from lightning.pytorch.loggers import WandbLogger

    folder.mkdir(parents=True, exist_ok=True)
    return WandbLogger(run, folder, offline="WANDB_MODE" not in os.environ, project=_PROJECT)
