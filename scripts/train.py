"""Train a base recommender, play sessions with it and print the table: see --help."""

from magus_pyg.experiment.cli import train

if __name__ == "__main__":
    train()
