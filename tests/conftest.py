"""Fixtures for all tests: two small catalogues worded after Figs. 1 and 2, the real data, devices, Hypothesis."""

import os
from collections.abc import Iterator
from pathlib import Path

# Before torch is loaded: threads that wait must not spin, or tests crawl where other processes share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pandas as pd
import pytest
import torch
from catalogues import apple_table, milk_table
from hypothesis import HealthCheck, settings

from magus_pyg.engines import RayEngine, RayOptions

_QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("dev", deadline=None, max_examples=25, suppress_health_check=_QUIET)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


pytest_plugins = ["run_fixtures"]

# One thread for the tiny tensors of these tests: more would only wait for each other on a busy machine.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def workers() -> Iterator[RayEngine]:
    """One local Ray of two workers for all tests; with `engine=ray` commands in this process use it too."""
    engine = RayEngine(RayOptions(workers=2))
    engine.reach()
    yield engine
    engine.close()


@pytest.fixture
def milk() -> pd.DataFrame:
    """Three kinds of milk and a piece of beef (Fig. 1); words in `catalogues.MILK_FIELDS`."""
    return milk_table()


@pytest.fixture
def apple() -> pd.DataFrame:
    """Item A (macbook pro grey), item B (airpods), item C (iphone pro) of Fig. 2; words in `APPLE_FIELDS`."""
    return apple_table()


@pytest.fixture(scope="session")
def real_data_root() -> Path:
    """The folder of the real data sets; the test is skipped where it is absent."""
    root = Path(os.environ.get("MAGUS_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not root.is_dir():
        pytest.skip(f"needs the real data sets in {root} (set MAGUS_DATA to their folder)")
    return root


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a CUDA device where there is none."""
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="needs a CUDA device, and torch sees none")
    for item in items:
        if "cuda" in item.keywords:
            item.add_marker(skip)
