"""The pipeline: train a base recommender, fit agents, play with them, and write the run folder.

Each step is a floor below (`training`, `agents`, `simulation`, `runs`); tables of finished runs are made in `report`.
The search of settings and learning between sessions are here too.
"""

from magus_pyg.experiment.pipeline import simulate_run, train_run

__all__ = ["simulate_run", "train_run"]
