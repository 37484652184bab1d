"""Make a synthetic catalogue and log of the size of Tmall or Alipay: see --help."""

import os

# Read when torch is loaded: threads that wait for work then leave their core to other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from magus_pyg.commands.make_data import command

if __name__ == "__main__":
    command()
