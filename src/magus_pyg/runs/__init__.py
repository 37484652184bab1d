"""Run folders: the typed configuration of a run, its files, reading a run back, scores of guests, an index of items.

What is trained and played is decided in `experiment`; tables are made of the records in `report`.
"""

from magus_pyg.runs.config import Config, PathOptions
from magus_pyg.runs.run import Run, load_run

__all__ = ["Config", "PathOptions", "Run", "load_run"]
