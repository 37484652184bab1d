"""Timing and peak memory of one case a process, so that no case sees what another left behind."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import torch


class Figures(TypedDict):
    """CPU seconds of the best run, and MB of memory the runs took beyond what was there before them.

    CPU time is summed over threads; unlike wall time it leaves out the work of others on the machine.
    """

    seconds: float
    peak_mb: float


def peak_resident_mb() -> float:
    """The most memory this process has held so far, in MB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no line VmHWM: peak memory is only measured on Linux")


def measure(step: Callable[[], object], repeats: int) -> Figures:
    """Run `step` `repeats` times, after once to warm up where that is more than once."""
    before = peak_resident_mb()
    if repeats > 1:
        step()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        step()
        seconds.append(time.process_time() - start)
    return Figures(seconds=min(seconds), peak_mb=peak_resident_mb() - before)


def run_in_process(script: str, case: str, threads: int) -> Figures | None:
    """Run `script --case case` in a process of its own; None where it died, for example of lack of memory."""
    command = [sys.executable, script, "--case", case, "--threads", str(threads)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        print(f"case {case!r} ended with {result.returncode}: {result.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    figures: Figures = json.loads(result.stdout.splitlines()[-1])
    return figures


def parse_cases(parser: argparse.ArgumentParser, run_case: Callable[[str], object]) -> argparse.Namespace | None:
    """The options of a benchmark that runs its cases in processes of their own, with the threads set.

    None where this is such a process: its figures are printed then.
    """
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    parser.add_argument("--case", help="run one case in this process and print its figures as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.case is None:
        return options
    print(json.dumps(run_case(options.case)))
    return None


def row(*cells: object) -> str:
    """A row of a table in Markdown."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def machine() -> str:
    """One line that says what the figures were measured on."""
    name = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
            break
    return f"{name}, torch {torch.__version__}"
