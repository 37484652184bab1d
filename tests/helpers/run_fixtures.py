"""A tiny run, made once through the command's own function, for all tests of run folders and commands."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from magus_pyg.commands.train import main_train

TINY = ["dataset.users=60", "dataset.items=160", "dataset.brands=8", "train.epochs=1", "simulation.resamples=50"]


def train(runs: Path, *words: str) -> Path:
    """Train a tiny model and return the new run folder."""
    before = set(runs.glob("*"))
    main_train([*TINY, f"paths.runs={runs}", *words])
    (path,) = set(runs.glob("*")) - before
    return path


@pytest.fixture(scope="session")
def trainer() -> Callable[..., Path]:
    """`train(runs, *words)`."""
    return train


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder; tests that change it copy it first."""
    return train(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Gives a port that nothing listens on."""

    def find() -> int:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return int(free.getsockname()[1])

    return find
