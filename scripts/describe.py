"""Describe a data set, and check its files: see --help."""

from magus_pyg.commands.starting import start

if __name__ == "__main__":
    start("describe")
