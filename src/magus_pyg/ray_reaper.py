"""Ends the processes of a Ray that was started for one command, whatever ends the command.

Ray's own processes see for themselves that they are left alone, which takes seconds, or half a minute where all of it
is killed at once. They are known by a mark in their environment (on Linux; elsewhere none is found). Imports nothing
that takes time, as it is run by an interpreter of its own: `ray_reaper.py PLACE` waits until its standard input ends.
"""

import os
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


def marked(place: str) -> list[int]:
    """The processes that run with the mark of a folder in their environment, other than this one."""
    mark, found = os.fsencode(f"{MARK}={place}"), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or is of another user
            if mark in path.read_bytes().split(b"\0") and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
    return found


def end_marked(place: str) -> None:
    """End the processes that are `marked`, and those that they start meanwhile; there is none when this returns."""
    while running := marked(place):
        for number in running:
            with suppress(OSError):
                os.kill(number, signal.SIGKILL)
        time.sleep(0.01)


if __name__ == "__main__":
    sys.stdin.read()
    end_marked(sys.argv[1])
