"""Play the sessions of a trained run again, without training: see --help."""

from magus_pyg.commands.starting import start

if __name__ == "__main__":
    start("simulate")
