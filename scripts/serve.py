"""Put people behind a trained run, over HTTP: see --help."""

from magus_pyg.commands.starting import start

if __name__ == "__main__":
    start("serve")
