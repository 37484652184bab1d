"""Make a synthetic catalogue and log of the size of Tmall or Alipay: see --help."""

import os
import sys

# Read when torch is loaded: threads that wait for work then leave their core to other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from magus_pyg.data.scale_files import main_make_data
from magus_pyg.experiment.cli import guarded

if __name__ == "__main__":
    sys.exit(guarded(main_make_data, sys.argv[1:]))
