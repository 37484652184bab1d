"""Make a synthetic catalogue and log of the size of Tmall or Alipay: see --help."""

from magus_pyg.commands.starting import start

if __name__ == "__main__":
    start("make_data")
