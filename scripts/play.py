"""Answer the lists of a trained run yourself: see --help."""

from magus_pyg.commands.starting import start

if __name__ == "__main__":
    start("play")
