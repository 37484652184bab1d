"""Reading files: found, fetched, parsed by column, with errors that say where a bad value stands.

What the columns of a set mean is not known here but in `sets`.
"""
