"""Ends the processes of a Ray that was started for one command, whatever ends the command.

Ray's own processes see for themselves that they are left alone, which takes seconds, or half a minute where all of it
is killed at once. They are known by a mark in their environment (on Linux; elsewhere none is found). Imports nothing
that takes time, as it is run by an interpreter of its own: `ray_reaper.py PLACE` waits until its standard input ends,
and removes the folder too.
"""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["MARK", "SCRIPT", "end_marked", "marked"]

MARK = "MAGUS_RAY"
"""The variable whose value is the folder of a Ray."""

SCRIPT = __file__
"""This file, to be run."""

_PATIENCE = 5.0
"""Seconds in which a killed process ends, unless it waits for a disk or a driver."""

_FIRST, _LONGEST = 0.01, 0.5
"""Seconds until it is looked again, which grow: to look reads the environment of every process."""


def marked(place: str) -> list[int]:
    """The processes that run with the mark of a folder in their environment, other than this one."""
    mark, found = os.fsencode(f"{MARK}={place}"), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or is of another user
            if mark in path.read_bytes().split(b"\0") and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
    return found


def end_marked(place: str) -> list[int]:
    """End the processes that are `marked`, and those that they start meanwhile.

    Returns:
        Those that are left after some seconds, since nothing ends them as long as they wait for a device; mostly none.
    """
    end, pause = time.monotonic() + _PATIENCE, _FIRST
    while running := marked(place):
        for number in running:
            with suppress(OSError):  # it has ended meanwhile
                os.kill(number, signal.SIGKILL)
        if time.monotonic() > end:
            break
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST)
    return running


if __name__ == "__main__":
    sys.stdin.read()
    left = end_marked(sys.argv[1])
    # Errors do not count: who made the folder removes it too, and else the next command that makes one there does.
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    if left:
        sys.exit(f"processes of Ray did not end: {', '.join(map(str, left))}")
