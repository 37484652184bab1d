"""Play the sessions of a trained run again, without training: see --help."""

from magus_pyg.experiment.cli import simulate

if __name__ == "__main__":
    simulate()
