"""Play the sessions of a trained run again, without training: see --help."""

import os
import signal

# While libraries are loaded, Ctrl-C ends the process at once, without a trace.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
# Read when torch is loaded: threads that wait for work then leave their core to other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from magus_pyg.commands.simulate import command

if __name__ == "__main__":
    command()
