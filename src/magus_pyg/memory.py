"""How much memory there is, and work that does not fit refused before it starts."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from magus_pyg.errors import GraphError, MagusError

__all__ = ["available_memory", "require_memory"]

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")

_UNLIMITED = 1 << 60
"""A limit of at least this many bytes is none (the first version of control groups has no other word for that)."""


def available_memory() -> int | None:
    """Bytes of memory that can be had without swapping; None where the system does not tell.

    On Linux also what the control groups of this process leave (containers, SLURM's jobs), and its address space
    (`ulimit -v`).
    """
    with suppress(OSError):
        for line in (_PROC / "meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                there = int(line.split()[1]) * 1024
                return max(0, min([there, *_left_by_groups(), *_left_of_addresses()]))
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _left_by_groups() -> Iterator[int]:
    """What each control group with a limit leaves, from that of this process upwards; file pages can be dropped."""
    with suppress(OSError):
        for line in (_PROC / "self" / "cgroup").read_text(encoding="ascii").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                top, names, dropped = _GROUPS, ("memory.max", "memory.current"), "inactive_file"
            elif "memory" in controllers.split(","):
                top, names = _GROUPS / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
                dropped = "total_inactive_file"
            else:
                continue
            own = top / path.strip("/")
            # In a container the path may be that of the host: then the group is mounted at the top.
            for folder in [own, *(parent for parent in own.parents if parent.is_relative_to(top))]:
                with suppress(OSError, ValueError):  # no limit is "max" or no file
                    limit, used = (int((folder / name).read_text()) for name in names)
                    if limit < _UNLIMITED:
                        yield limit - used + _entry(folder / "memory.stat", dropped)


def _left_of_addresses() -> Iterator[int]:
    """What the limit of this process' address space leaves, where there is one."""
    with suppress(ImportError, OSError):
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            yield limit - int((_PROC / "self" / "statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _entry(path: Path, name: str) -> int:
    """The value of a line `name value` of a file; 0 where there is none."""
    lines = (line.split() for line in path.read_text().splitlines())
    return next((int(value) for key, value in lines if key == name), 0)


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
