"""The pipeline: train a base recommender, fit agents, play with them, and write the run folder."""

from magus_pyg.experiment.pipeline import simulate_run, train_run

__all__ = ["simulate_run", "train_run"]
