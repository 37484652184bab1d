"""Run a benchmark that prints what it measures, and put that into RESULTS.md as it was printed.

    python benchmarks/record.py convs
    python benchmarks/record.py sparse --columns 1 32 --rounds 3

Words after the name go to the benchmark. Where it fails, the page stays as it is.
"""

import shlex
import subprocess
import sys
from pathlib import Path

from _common import RESULTS, put

PRINTED = ("convs", "ear", "edge_sums", "extend", "online", "rivals", "sparse", "trees")


def heading_of(name: str) -> str:
    """The heading of the section of RESULTS.md that names a benchmark.

    Raises:
        SystemExit: there is no such section.
    """
    for line in RESULTS.read_text(encoding="utf-8").splitlines():
        if line.startswith("## ") and f"`benchmarks/{name}.py`" in line:
            return line.removeprefix("## ")
    raise SystemExit(f"{RESULTS} has no section that names benchmarks/{name}.py: add its heading")


def main() -> None:
    """See the file."""
    name, *words = sys.argv[1:] or [""]
    if name not in PRINTED:
        raise SystemExit(f"name one of {', '.join(PRINTED)} (got {name!r}); others write what they measure themselves")
    heading = heading_of(name)
    command = [sys.executable, str(Path(__file__).with_name(f"{name}.py")), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    if process.returncode:
        raise SystemExit(f"{name}.py ended with {process.returncode}: nothing was written")
    said = shlex.join(["python", f"benchmarks/{name}.py", *words])
    printed = "\n".join(lines).strip("\n").replace("```", "'''").splitlines()
    put(heading, f"{name}: written by benchmarks/record.py", ["```text", f"$ {said}", *printed, "```"])


if __name__ == "__main__":
    main()
