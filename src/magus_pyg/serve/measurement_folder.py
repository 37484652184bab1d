"""The folder in which several workers count together: it has to be known before anything that measures is imported."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["MULTIPROC_VARIABLE", "share_measurements"]

MULTIPROC_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable in which prometheus_client looks for the folder when it is imported."""


@contextmanager
def share_measurements(workers: int) -> Iterator[None]:
    """Let so many workers count together, in a folder that goes at the end; one counts in its memory."""
    if workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="magus-measured-") as folder:
        os.environ[MULTIPROC_VARIABLE] = folder
        try:
            yield
        finally:
            del os.environ[MULTIPROC_VARIABLE]
