"""Tables and figures from run folders: see --help."""

from magus_pyg.commands.starting import start

if __name__ == "__main__":
    start("report")
