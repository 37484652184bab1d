"""Scoring in blocks, so that what is held at once fits the memory, or the cache."""

__all__ = ["slices"]


def slices(n: int, size: int) -> list[slice]:
    """0..n-1 in slices of a size; the last one may be smaller."""
    return [slice(start, min(n, start + size)) for start in range(0, n, size)]
