"""Search settings of a base recommender by the AUC of its validation rows: see --help."""

from magus_pyg.commands.starting import start

if __name__ == "__main__":
    start("tune")
