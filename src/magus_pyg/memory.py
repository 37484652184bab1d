"""How much memory there is, and work that does not fit refused before it starts."""

import os
from contextlib import suppress

from magus_pyg.errors import GraphError, MagusError

__all__ = ["available_memory", "require_memory"]


def available_memory() -> int | None:
    """Bytes of memory that can be had without swapping; None where the system does not tell."""
    with suppress(OSError), open("/proc/meminfo", encoding="ascii") as lines:  # Linux; elsewhere the C library knows
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def require_memory(needed: int, what: str, advice: str, error: type[MagusError] = GraphError) -> None:
    """Refuse work that the memory cannot hold before it starts.

    Args:
        needed: bytes, about.
        what: would take them.
        advice: the setting to change.
        error: what is raised.

    Raises:
        MagusError: of the class `error`, with the estimate and what is there.
    """
    available = available_memory()
    if available is not None and needed > available:
        raise error(
            f"{what} would take about {needed / 2**30:.1f} GiB, and {available / 2**30:.1f} GiB are available; {advice}"
        )
