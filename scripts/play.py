"""Answer the lists of a trained run yourself: see --help."""

import os

# Read when torch is loaded: threads that wait for work then leave their core to other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from magus_pyg.commands.play import command

if __name__ == "__main__":
    command()
