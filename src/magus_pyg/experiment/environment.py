"""What a run ran on: versions, machine, wall time by stage, memory."""

import importlib.metadata
import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from magus_pyg._version import __version__

__all__ = ["Stopwatch", "describe_environment", "peak_memory"]

_PACKAGES = ("torch", "torch-geometric", "lightning", "hydra-core", "numpy", "pandas", "pyarrow", "safetensors")


def describe_environment() -> dict[str, str]:
    """Versions, device and threads, as texts."""
    found = {"magus-pyg": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        found[package] = importlib.metadata.version(package)
    cuda = torch.cuda.is_available()
    found["device"] = torch.cuda.get_device_name() if cuda else f"CPU ({platform.machine()})"
    found["cores"] = str(os.cpu_count() or 1)
    found["threads"] = str(torch.get_num_threads())
    found["system"] = f"{platform.system()} {platform.release()}"
    return found


def peak_memory() -> int:
    """The most memory this process has held so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB, macOS in bytes


class Stopwatch:
    """Wall times of named stages, in seconds: `with watch("graph"): ...`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a stage; a stage that is entered again goes on counting."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - began)

    def add(self, stage: str, seconds: float) -> None:
        """Note time that a stage took elsewhere."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
