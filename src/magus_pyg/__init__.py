"""Recommend queries and items together over several rounds (MAGUS), on PyTorch Geometric."""

from magus_pyg._version import __version__

__all__ = ["__version__"]
