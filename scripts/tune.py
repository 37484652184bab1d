"""Search settings of a base recommender by the AUC of its validation rows: see --help."""

import os

# Read when torch is loaded: threads that wait for work then leave their core to other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from magus_pyg.commands.tune import command

if __name__ == "__main__":
    command()
