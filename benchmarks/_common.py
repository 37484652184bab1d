"""Timing and peak memory of one case a process, so that no case sees what another left behind; on the CPU or a GPU."""

import argparse
import ctypes
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypedDict

import torch

RESULTS = Path(__file__).with_name("RESULTS.md")
BAYES_PAGE = Path(__file__).resolve().parents[1] / "docs" / "bayes.md"

_device = torch.device("cpu")


class Figures(TypedDict):
    """Seconds of the best run, see `seconds`, and MB of memory the runs took beyond what was there before them."""

    seconds: float
    peak_mb: float


def peak_resident_mb() -> float:
    """The most memory this process has held so far, in MB (Linux)."""
    return _status("VmHWM")


def held_mb() -> float:
    """The memory this process holds now, without mapped files and what it has freed, in MB (Linux, glibc)."""
    ctypes.CDLL(None).malloc_trim(0)
    return _status("RssAnon")


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no line {name}: memory is only measured on Linux")


def device() -> torch.device:
    """What `--device` says."""
    return _device


def on_device() -> AbstractContextManager[object]:
    """Tensors are made on it within; costs nothing on the CPU."""
    return nullcontext() if _device.type == "cpu" else _device


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option `--device`, for `use_device`."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda or another; auto: a GPU where there is one")


def use_device(name: str) -> None:
    """Measure on the device of this name from now on.

    Raises:
        SystemExit: for a device that is not there.
    """
    global _device
    there = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    found = torch.device(name if name != "auto" else "cpu" if there is None else there.type)
    if found.type != "cpu" and (there is None or there.type != found.type):
        raise SystemExit(f"--device={name}: torch sees {'no accelerator' if there is None else there} here")
    _device = found


def moved(value: Any) -> Any:
    """A tensor, a model or a graph on the device that is measured."""
    return value.to(_device)


def accelerator() -> str:
    """What `train.accelerator` calls the device."""
    return "gpu" if _device.type == "cuda" else _device.type


def generator(seed: int = 0) -> torch.Generator:
    """A seeded generator for what is made now."""
    return torch.Generator(torch.get_default_device()).manual_seed(seed)


def seconds() -> float:
    """A clock: on the CPU its time, summed over threads, without the work of others on the machine; else wall time.

    On a GPU all work that was asked for is waited for.
    """
    if _device.type == "cpu":
        return time.process_time()
    torch.accelerator.synchronize()
    return time.perf_counter()


def peak_mb() -> float:
    """The most memory held so far, in MB: of the process, or on the GPU."""
    if _device.type == "cpu":
        return peak_resident_mb()
    return torch.accelerator.max_memory_allocated() / 2**20


def measure(step: Callable[[], object], repeats: int) -> Figures:
    """Run `step` `repeats` times, after once to warm up where that is more than once."""
    before = peak_mb()
    if repeats > 1:
        step()
    taken = []
    for _ in range(repeats):
        start = seconds()
        step()
        taken.append(seconds() - start)
    return Figures(seconds=min(taken), peak_mb=peak_mb() - before)


def run_in_process(script: str, case: str, threads: int) -> Figures | None:
    """Run `script --case case` in a process of its own; None where it died, for example of lack of memory."""
    command = [sys.executable, script, "--case", case, "--threads", str(threads), "--device", str(_device)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        print(f"case {case!r} ended with {result.returncode}: {result.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    figures: Figures = json.loads(result.stdout.splitlines()[-1])
    return figures


def parse_cases(parser: argparse.ArgumentParser, run_case: Callable[[str], object]) -> argparse.Namespace | None:
    """The options of a benchmark that runs its cases in processes of their own, with threads and device set.

    None where this is such a process: its figures are printed then.
    """
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    add_device(parser)
    parser.add_argument("--case", help="run one case in this process and print its figures as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    use_device(options.device)
    if options.case is None:
        return options
    print(json.dumps(run_case(options.case)))
    return None


def row(*cells: object) -> str:
    """A row of a table in Markdown."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def put(heading: str, part: str, lines: Sequence[str]) -> None:
    """Write lines into a section of RESULTS.md, in the place of what that part had there.

    Args:
        heading: of the section, made at the end where there is none.
        part: its name in the marks around the lines.
        lines: Markdown.
    """
    text = RESULTS.read_text(encoding="utf-8")
    head = f"## {heading}\n"
    if head not in text:
        text = f"{text.rstrip()}\n\n{head}"
    before, _, rest = text.partition(head)
    own, mark, after = rest.partition("\n## ")
    start, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    block = "\n".join([start, *lines, end])
    if start in own:
        own = own[: own.index(start)] + block + own[own.index(end) + len(end) :]
    else:
        own = f"{own.rstrip()}\n\n{block}\n"
    RESULTS.write_text(f"{before}{head}{own}{mark}{after}", encoding="utf-8")


def put_between(page: Path, part: str, lines: Sequence[str]) -> None:
    """Write lines between the marks of a part of a page.

    Args:
        page: holds the marks `<!-- part -->` and `<!-- end of part -->`, each on a line of its own.
        part: its name.
        lines: Markdown.

    Raises:
        SystemExit: the page has no such marks.
    """
    text = page.read_text(encoding="utf-8")
    start, end = f"<!-- {part} -->\n", f"<!-- end of {part} -->\n"
    if start not in text or end not in text:
        raise SystemExit(f"{page} has no part {part!r}: put the lines {start.strip()} and {end.strip()} there")
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    page.write_text("".join([before, start, *(f"{line}\n" for line in lines), end, after]), encoding="utf-8")


def machine() -> str:
    """One line that says what the figures were measured on."""
    name = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
            break
    there = "" if _device.type == "cpu" else f"{_device_name()} (wall time and memory of it), "
    return f"{there}{name}, torch {torch.__version__}"


def machines_of(entries: Iterable[Mapping[str, Any]]) -> str:
    """The machines that stored figures are of, each once, with the threads where an entry has them."""
    told = (one["machine"] + (f", {one['threads']} thread(s)" if "threads" in one else "") for one in entries)
    return "; ".join(dict.fromkeys(told))


def _device_name() -> str:
    return torch.cuda.get_device_name() if _device.type == "cuda" else str(_device)
