"""The commands: one a file, each a console script."""
