"""What a machine with a GPU is asked, in one go of less than ten minutes; each step a process with a limit of its own.

    python benchmarks/gpu.py [--out FOLDER]              # on the GPU
    python benchmarks/gpu.py --steps tests sums          # some
    python benchmarks/gpu.py --device cpu --small        # the same steps, small: shows that they run

tests: those that need CUDA. catalogue: rounds over 1,090,390 items (goal: p50 of later rounds of "base" at most 1 ms).
propagation: the bytes that a pass of Eq. (4) has to move, each edge and score once, over its time, beside a copy on the
same device (goal: half of it). sums: `edge_sums.py` at a million nodes. rgat: a step of training by the number of
items, with sampled neighbours. FOLDER/gpu.json holds what each step said, its seconds and whether it ran well.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from _common import add_device, device, machine, measure, use_device
from edge_sums import Inputs, graph_of

from magus_pyg.nn import SignedLabelPropagation

ROOT = Path(__file__).resolve().parents[1]
NODES = {True: 20_000, False: 3_000_000}
_COPIED = 1 << 28


def main() -> None:
    """Run the steps one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="small sizes")
    parser.add_argument("--out", type=Path, help="where gpu.json is written; else it is printed alone")
    parser.add_argument("--steps", nargs="+", help="some of them (default: all)")
    parser.add_argument("--step", choices=["propagation"], help=argparse.SUPPRESS)
    add_device(parser)
    parser.set_defaults(device="cuda")
    arguments = parser.parse_args()
    use_device(arguments.device)
    if arguments.step:
        propagation(NODES[arguments.small])
        return
    kept = []
    with tempfile.TemporaryDirectory() as folder:
        steps = _steps(arguments.device, arguments.small)
        for name in arguments.steps or steps:
            command, limit = steps[name]
            began = time.perf_counter()
            said = Path(folder) / name
            with said.open("w") as output:
                try:
                    code = subprocess.run(
                        [sys.executable, *command], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, timeout=limit
                    ).returncode
                except subprocess.TimeoutExpired:
                    code = None
            entry = {"step": name, "command": " ".join(command), "seconds": time.perf_counter() - began, "code": code}
            kept.append({**entry, "said": said.read_text()[-6000:]})
            ended = "ran out of time" if code is None else f"ended with {code}"
            print(f"== {name}: {ended} after {entry['seconds']:.0f} s\n{kept[-1]['said']}", flush=True)
            if arguments.out:
                arguments.out.mkdir(parents=True, exist_ok=True)
                about = {"machine": machine(), "small": arguments.small, "steps": kept}
                (arguments.out / "gpu.json").write_text(json.dumps(about, indent=1) + "\n")
    if any(entry["code"] for entry in kept):
        raise SystemExit("a step failed")


def _steps(where: str, small: bool) -> dict[str, tuple[list[str], float]]:
    """Name -> the command of a step, and the seconds it may take."""
    on, sizes = ["--device", where], ["--small"] if small else []
    items, nodes = ("3000", str(NODES[True])) if small else ("1090390", "1000000")
    catalogue = ["--items", items, "--variants", "base", "bayes", "--sessions", "4" if small else "40"]
    rgat = ["--only", "training", "--rows", "2000"] if small else ["--only", "growth"]
    return {
        "tests": (
            ["-m", "pytest", "-q", "-m", "cuda", "tests/graph", "tests/models/kernels", "tests/online/catalogue"],
            90,
        ),
        "catalogue": (["benchmarks/catalogue.py", *on, *catalogue], 120),
        "propagation": (["benchmarks/gpu.py", *on, *sizes, "--step", "propagation"], 60),
        "sums": (["benchmarks/edge_sums.py", *on, "--only", "growth", "--growth", nodes], 90),
        "rgat": (["benchmarks/models.py", *on, "--models", "rgat", *rgat], 200),
    }


def propagation(nodes: int) -> None:
    """Print the share of the copy bandwidth that a pass reaches."""
    copied = torch.rand(_COPIED // 4, device=device())
    bandwidth = 2 * copied.nbytes / measure(copied.clone, repeats=5)["seconds"]
    del copied
    y, pos, _, receivers = Inputs.of(graph_of(nodes), "guess")
    layer = SignedLabelPropagation(cached=True)
    took = measure(lambda: layer(y, pos, receivers=receivers), repeats=5)["seconds"]
    # An edge is the number of its sender and of its receiver, read once; scores are read and written once.
    least = pos.nbytes + 2 * y.nbytes
    print(f"copy {bandwidth / 1e9:,.1f} GB/s; a pass over {pos.shape[1]:,} edges {took * 1e3:.2f} ms, "
          f"{least / took / 1e9:,.1f} GB/s, {least / took / bandwidth:.2f} of the copy")  # fmt: skip


if __name__ == "__main__":
    main()
