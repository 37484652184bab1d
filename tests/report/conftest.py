"""A tiny run, trained once through the command's own function."""

from pathlib import Path

import pytest

from magus_pyg.experiment.cli import main_train

TINY = ["dataset.users=60", "dataset.items=160", "dataset.brands=8", "train.epochs=1", "simulation.resamples=50"]


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of the agents items and magus; tests that change it copy it first."""
    folder = tmp_path_factory.mktemp("reported")
    main_train([*TINY, f"paths.runs={folder}"])
    (path,) = folder.iterdir()
    return path
