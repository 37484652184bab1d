"""Describe a data set, and check its files: see --help."""

import os

# Read when torch is loaded: threads that wait for work then leave their core to other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from magus_pyg.commands.describe import command

if __name__ == "__main__":
    command()
