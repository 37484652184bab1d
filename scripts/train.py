"""Train a base recommender, play sessions with it and print the table: see --help."""

from magus_pyg.commands.starting import start

if __name__ == "__main__":
    start("train")
