"""Whether processes still run (on Linux)."""

import time
from collections.abc import Iterable
from pathlib import Path


def lives(pid: int) -> bool:
    """Whether a process runs: one that has ended may keep its number until somebody asks how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def outliving(pids: Iterable[int], patience: float) -> list[int]:
    """Those that still run after some seconds: the end of a process takes a moment."""
    end = time.monotonic() + patience
    while running := [pid for pid in pids if lives(pid)]:
        if time.monotonic() > end:
            break
        time.sleep(0.02)
    return running
