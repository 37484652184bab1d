import os
from contextlib import suppress

from magus_pyg.errors import GraphError


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


def require_memory(needed: int, what: str, advice: str) -> None:
    """Refuse work that the memory cannot hold before it starts.

    Raises:
        GraphError: with the estimate, what is there, and the setting to change.
    """
    available = available_memory()
    if available is not None and needed > available:
        raise GraphError(
            f"{what} would take about {needed / 2**30:.1f} GiB, and {available / 2**30:.1f} GiB are available; {advice}"
        )
