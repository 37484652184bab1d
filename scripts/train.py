"""Train a base recommender, play sessions with it and print the table: see --help."""

import os

# Read when torch is loaded: threads that wait for work then leave their core to other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from magus_pyg.commands.train import command

if __name__ == "__main__":
    command()
