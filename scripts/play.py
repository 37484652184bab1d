"""Answer the lists of a trained run yourself: see --help."""

from magus_pyg.experiment.cli import play

if __name__ == "__main__":
    play()
