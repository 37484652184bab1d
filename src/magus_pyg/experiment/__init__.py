"""The pipeline: train, simulate, write the run folder; and reading a run back."""

from magus_pyg.experiment.config import (
    BaseVariant,
    Config,
    NoneVariant,
    PathOptions,
    SimulationOptions,
    UserOptions,
    VariantOptions,
)
from magus_pyg.experiment.pipeline import simulate_run, train_run
from magus_pyg.experiment.run import Run, load_run

__all__ = [
    "BaseVariant",
    "Config",
    "NoneVariant",
    "PathOptions",
    "Run",
    "SimulationOptions",
    "UserOptions",
    "VariantOptions",
    "load_run",
    "simulate_run",
    "train_run",
]
