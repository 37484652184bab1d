"""Whole runs of train.py at the sizes of Tmall and Alipay, and how time and memory grow with the log.

Each run is `scripts/make_data.py` and `scripts/train.py` on what that made, in processes of their own; the rows are
synthetic, in the shape of the paper's (App. C.1). A run is a row of whole.csv: its command, versions, sizes, steps of
an epoch, seconds by stage as run.json has them, peak memory, and what the agents reach. What is there is not run again.

    python benchmarks/whole.py play --shape tmall --scale 0.01 0.03 0.1 0.3 1 --folder FOLDER
    python benchmarks/whole.py play --models gru din --scale 1 --settings train.epochs=1 train.epoch_steps=1000
    python benchmarks/whole.py write        # tables and exponents into docs/scale.md and RESULTS.md

FOLDER keeps the logs, what was read of them, and the run folders: 8 GB for one full size. Seconds are wall time.
"""

import argparse
import json
import math
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _common import RESULTS, accelerator, add_device, machine, machines_of, put_between, row, use_device

from magus_pyg.data.synthetic.shapes import SHAPES
from magus_pyg.training.checkpoint import read_checkpoint

ROOT = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_name("whole.csv")
PAGE = ROOT / "docs" / "scale.md"
PART = "whole: written by benchmarks/whole.py"
SETTINGS = ["magus=bayes"]
TWO_EPOCHS = "train.epochs=2"
AGENTS = ("items", "magus", "bayes")
METRICS = ("RA@3", "SA@3", "RA@5", "SA@5")
KEY = ["shape", "scale", "model", "settings"]
SECONDS = "seconds: "
# What a table shows -> the stages of run.json that it sums.
STAGES: dict[str, tuple[str, ...]] = {
    "making the log": ("making",),
    "reading": ("data",),
    "graph": ("graph",),
    "training": ("training",),
    "judging the base recommender": ("judging",),
    "fitting bayes": ("fit bayes",),
    "sessions and their graphs": ("sessions", "session graphs"),
    "playing items": ("items",),
    "playing magus": ("magus",),
    "playing bayes": ("bayes",),
    "table and run folder": ("summary", "writing"),
}

# What a table shows of whole processes -> its column.
WHOLE = (
    ("train.py in all, s", "wall"),
    ("its processor, s", "processor"),
    ("its peak GB", "peak GB"),
    ("peak GB of making the log", "peak GB of making"),
)


def main() -> None:
    """Run what is missing, or write what was run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("play", "write"))
    parser.add_argument("--shape", choices=SHAPES, default="tmall")
    parser.add_argument("--scale", nargs="+", type=float, default=[0.01, 0.03, 0.1, 0.3, 1.0])
    parser.add_argument("--models", nargs="+", default=["fm"])
    parser.add_argument("--folder", type=Path, default=Path("whole"), help="for logs, caches and runs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", type=Path, default=TABLE, help="where rows are kept")
    parser.add_argument("--settings", nargs="+", default=[TWO_EPOCHS], help=f"of train.py; default {TWO_EPOCHS}")
    add_device(parser)
    arguments = parser.parse_args()
    use_device(arguments.device)
    if arguments.what == "write":
        write(pd.read_csv(arguments.table, keep_default_na=False, na_values=[""]))
        return
    for model in arguments.models:
        for scale in arguments.scale:
            table = pd.read_csv(arguments.table) if arguments.table.exists() else pd.DataFrame(columns=KEY)
            wanted = [arguments.shape, scale, model, shlex.join(arguments.settings)]
            if (table[KEY] == wanted).all(axis=1).any():
                print(
                    f"{arguments.table} has {' '.join(map(str, wanted))}: nothing to play; --table names another file"
                )
            else:
                one = play(arguments.shape, scale, model, arguments.settings, arguments.folder, arguments.threads)
                pd.concat([table, pd.DataFrame([one])]).to_csv(arguments.table, index=False, float_format="%.6g")


# ---------------------------------------------------------------- runs


def play(shape: str, scale: float, model: str, settings: list[str], folder: Path, threads: int) -> dict[str, Any]:
    """Make the log if it is not there, run, and read what the run says of itself."""
    folder = folder.absolute()
    log, runs = folder / f"{shape}-{scale:g}", folder / "runs" / f"{shape}-{scale:g}-{model}"
    runs.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MAGUS_CACHE": str(folder / "cache")}
    made = folder / f"{shape}-{scale:g}.json"
    if not log.is_dir() or not made.is_file():
        words = [f"shape={shape}", f"scale={scale:g}", f"out={log}"]
        took, peak, said = _process([str(ROOT / "scripts" / "make_data.py"), *words], environment, runs / "making.txt")
        asked = [word for word in shlex.split(said.splitlines()[-1]) if word.startswith("dataset")]
        made.write_text(json.dumps({"making": took["wall"], "peak": peak, "words": asked}))
    making = json.loads(made.read_text())
    own = [*making["words"], f"model={model}", *SETTINGS, *settings, f"train.accelerator={accelerator()}"]
    before = set(runs.iterdir())
    train = [str(ROOT / "scripts" / "train.py"), *own, f"paths.runs={runs}"]
    took, peak, said = _process(train, environment, runs / "train.txt")
    run = next(path for path in set(runs.iterdir()) - before if path.is_dir())
    shown = ["dataset=tabular dataset.path=LOG ...", f"model={model}", *SETTINGS, *settings]
    found = {
        **dict(zip(KEY, (shape, scale, model, shlex.join(settings)), strict=True)),
        "command": f"make_data.py shape={shape} scale={scale:g} out=LOG; train.py {' '.join(shown)}",
        **_of_run(run, (runs / "train.txt").read_text() + said),
        f"{SECONDS}making": making["making"],
        "wall": took["wall"],
        "processor": took["processor"],
        "peak GB": peak,
        "peak GB of making": making["peak"],
    }
    print(" ".join(f"{key}={found[key]}" for key in (*KEY, "wall", "peak GB")), flush=True)
    return found


def _process(command: list[str], environment: dict[str, str], said: Path) -> tuple[Any, float, str]:
    """Seconds of wall and processor, peak GB (Linux) and the standard output of a Python script that runs well."""
    start = time.perf_counter()
    with said.open("w") as errors, said.with_suffix(".out").open("w") as output:
        process = subprocess.Popen([sys.executable, *command], stdout=output, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{shlex.join(command)} ended with {os.waitstatus_to_exitcode(status)}: see {said}")
    took = {"wall": time.perf_counter() - start, "processor": usage.ru_utime + usage.ru_stime}
    return took, usage.ru_maxrss / 2**20, said.with_suffix(".out").read_text()


def _of_run(run: Path, said: str) -> dict[str, Any]:
    """What a run folder, and what its command said, tell of sizes, steps, stages and success."""
    about = json.loads((run / "run.json").read_text())
    results = pd.read_csv(run / "results.csv").set_index("method")
    epochs = len(pd.read_csv(run / "history.csv"))
    sizes = re.search(r"([\d,]+)\s+queries\s+of\s+[\d,]+\s+words,\s+([\d,]+)\s+R\+\s+edges", said)
    assert sizes is not None, said
    bounded = re.search(r"an\s+epoch\s+ends\s+after\s+[\d,]+\s+of\s+the\s+([\d,]+)\s+steps", said)
    queries, edges = (int(number.replace(",", "")) for number in sizes.groups())
    return {
        "versions": "; ".join(f"{name} {about['environment'][name]}" for name in ("magus-pyg", "torch", "python")),
        "machine": machine(),
        "threads": int(about["environment"]["threads"]),
        **{key: about["data"][key] for key in ("users", "items", "rows")},
        "queries": queries,
        "R+ edges": edges,
        "epochs": epochs,
        "steps an epoch": _steps(run) // epochs,
        "steps of all rows": None if bounded is None else int(bounded[1].replace(",", "")),
        "AUC": about["base"]["test"]["auc"],
        "sessions": about["sessions"],
        **{f"{metric} {agent}": results.loc[agent, metric] for metric in METRICS for agent in AGENTS},
        **{f"{name} sessions/s": about["sessions_per_second"][name] for name in AGENTS},
        **{SECONDS + stage: took for stage, took in about["seconds"].items()},
    }


def _steps(run: Path) -> int:
    """Steps that the training took, from its checkpoint; tables that are updated row by row count none."""
    states = read_checkpoint(run / "checkpoints")["optimizer"]["state"].values()
    return max(int(state["step"]) for state in states if "step" in state)


# ---------------------------------------------------------------- the pages


def write(table: pd.DataFrame) -> None:
    """The tables of what was run: growth and full sizes into docs/scale.md, every run into RESULTS.md."""
    table = table.sort_values(["shape", "model", "scale"], ascending=[False, True, True], ignore_index=True)
    runs = [{str(key): value for key, value in one.items()} for one in table.to_dict("records")]
    put_between(PAGE, PART, [_measured(runs), "", *_growth(runs), "", *_full_sizes(runs)])
    put_between(RESULTS, PART, [_measured(runs), "", *_details(runs), "", *_success(runs)])


def _measured(runs: list[dict[str, Any]]) -> str:
    told = "other work beside it. Seconds are wall time, and rows are synthetic, in the shape of the paper's."
    return f"{machines_of(runs)}; {told}"


def _growth(runs: list[dict[str, Any]]) -> list[str]:
    """A stage a row and a scale a column, for the shape and model of most scales, with its exponent in the rows."""
    kinds = [(one["shape"], one["model"], one["settings"]) for one in runs]
    shape, model, settings = max(dict.fromkeys(kinds), key=kinds.count)
    runs = [one for one, kind in zip(runs, kinds, strict=True) if kind == (shape, model, settings)]
    head = [f"{one['scale']:g} of {shape}" for one in runs]
    lines = [
        f"{model}, `{settings} {' '.join(SETTINGS)}`, by the size of the log; the exponent is the slope of a line's "
        "logarithm in that of the rows, by least squares. Beyond a million queries (`dataset.max_queries`) those of "
        "one item alone are left out:",
        "",
        row("", *head, "exponent"),
        row(*["---"] * (len(head) + 2)),
    ]
    sizes = [float(one["rows"]) for one in runs]
    for name in ("users", "items", "rows", "R+ edges", "sessions"):
        lines.append(row(name, *(f"{one[name]:,.0f}" for one in runs), _slope(sizes, [one[name] for one in runs])))
    for name in STAGES:
        took = [_stage(one, name) for one in runs]
        lines.append(row(f"{name}, s", *map(_number, took), _slope(sizes, took)))
    for name, key in WHOLE:
        values = [one[key] for one in runs]
        lines.append(row(name, *(f"{value:,.1f}" for value in values), _slope(sizes, values)))
    return lines


def _slope(sizes: list[float], values: list[float]) -> str:
    if len(sizes) < 2 or min(values) <= 0.0:
        return "-"
    return f"{np.polyfit(np.log(sizes), np.log(values), 1)[0]:.2f}"


def _full_sizes(runs: list[dict[str, Any]]) -> list[str]:
    """The largest run of each shape and model."""
    largest = {(one["shape"], one["model"]): one for one in runs}
    most = max(one["scale"] for one in runs)
    stages = ["reading", "training", "judging the base recommender", "fitting bayes", "playing bayes"]
    head = ("log", "model", "steps of an epoch, epochs", *(f"{name}, s" for name in stages), "in all, min", "peak GB")
    size = "the full size" if most == 1.0 else f"{most:g} of the full size"
    lines = [f"Runs at {size}:", "", row(*head), row(*["---"] * len(head))]
    for one in largest.values():
        if one["scale"] == most:
            cells = [_number(_stage(one, name)) for name in stages]
            named = (f"{one['shape']}, {one['rows']:,} rows", one["model"], _epochs(one))
            lines.append(row(*named, *cells, f"{one['wall'] / 60:,.0f}", f"{one['peak GB']:.1f}"))
    bounded = "Where `train.epoch_steps` bounds an epoch, its steps stand beside those that all rows take"
    return [*lines, "", f"{bounded}; reading is the first start's where the log had not been read before."]


def _details(runs: list[dict[str, Any]]) -> list[str]:
    """A run a line: sizes, time and memory."""
    head = ("log", "model, settings", "users", "items", "queries", "R+ edges", "steps of an epoch, epochs", "AUC",
            "min", "processor min", "peak GB")  # fmt: skip
    lines = [row(*head), row(*["---"] * len(head))]
    for one in runs:
        sizes = (f"{one[name]:,}" for name in ("users", "items", "queries", "R+ edges"))
        cost = (f"{one['wall'] / 60:,.1f}", f"{one['processor'] / 60:,.1f}", f"{one['peak GB']:.2f}")
        named = f"{one['shape']} {one['scale']:g}, {one['rows']:,} rows"
        lines.append(row(named, f"{one['model']}, {one['settings']}", *sizes, _epochs(one), f"{one['AUC']:.4f}", *cost))
    return lines


def _success(runs: list[dict[str, Any]]) -> list[str]:
    """Table 1's rows."""
    head = ("log", "model", "sessions", *(f"{metric} {agent}" for metric in METRICS for agent in AGENTS))
    lines = ["The rows of Table 1:", "", row(*head), row(*["---"] * len(head))]
    for one in runs:
        reached = (f"{one[f'{metric} {agent}']:.3f}" for metric in METRICS for agent in AGENTS)
        lines.append(row(f"{one['shape']} {one['scale']:g}", one["model"], f"{one['sessions']:,}", *reached))
    return lines


def _epochs(one: dict[str, Any]) -> str:
    every = one.get("steps of all rows", math.nan)
    share = "" if math.isnan(every) else f" of {every:,.0f} ({one['steps an epoch'] / every:.0%})"
    return f"{one['steps an epoch']:,}{share}, {one['epochs']}"


def _stage(one: dict[str, Any], name: str) -> float:
    return float(sum(one[SECONDS + stage] for stage in STAGES[name]))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100.0 else f"{value:,.1f}"


if __name__ == "__main__":
    main()
