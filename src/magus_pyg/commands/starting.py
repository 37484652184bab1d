"""Starts the installed commands and those in `scripts/`: signals are heard before libraries are loaded."""

import os
from functools import partial
from importlib import import_module

from magus_pyg.interrupts import hear_while_loading

__all__ = ["describe", "make_data", "play", "report", "serve", "simulate", "start", "train", "tune"]


def start(name: str) -> None:
    """Run a command by the name of its file; ends the process."""
    hear_while_loading()
    # Read when torch is loaded: threads that wait for work then leave their core to other processes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import_module(f"magus_pyg.commands.{name}").command()


describe = partial(start, "describe")
make_data = partial(start, "make_data")
play = partial(start, "play")
report = partial(start, "report")
serve = partial(start, "serve")
simulate = partial(start, "simulate")
train = partial(start, "train")
tune = partial(start, "tune")
