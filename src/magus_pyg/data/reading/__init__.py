"""Reading files: found, fetched, parsed by column, with errors that say where a bad value stands."""
