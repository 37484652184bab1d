"""The table of EAR's protocol on Last.fm in docs/results.md, from stored results.

Trains, fits and plays as `examples/ear_lastfm.py` does, a cell (recipe, base, history, noise, refusals) after the other
in the order of their worth. A cell that ear_table.csv holds is not played again, so that it can be stopped and called
again; scores are kept in --out. What was tried on validation dialogues before the choice is in ear_validation.csv.

    python benchmarks/ear_table.py play [--out FOLDER] [--minutes 14] [--cells 1] [--data FOLDER]
    python benchmarks/ear_table.py write
"""

import argparse
import importlib
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from _common import put_between, row

ROOT = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_name("ear_table.csv")
TRIED = Path(__file__).with_name("ear_validation.csv")
PAGE = ROOT / "docs" / "results.md"
SEED, EPOCHS, FIT_DIALOGUES = 0, 40, 1500


class Cell(NamedTuple):
    """What agents are fitted and played for."""

    recipe: str
    base: str
    history: str
    noise: float
    refusals: bool


#: What is played; first what the choice on validation is judged by.
CELLS = (
    Cell("default", "train", "known", 0.0, True),
    Cell("default", "train", "train", 0.0, True),
    Cell("bpr", "all", "known", 0.0, True),
    Cell("default", "train", "known", 0.0, False),
    Cell("default", "train", "known", 0.1, True),
    Cell("default", "train", "known", 0.1, False),
    Cell("bpr", "train", "known", 0.0, True),
    Cell("bpr", "all", "known", 0.0, False),
    Cell("bpr", "all", "known", 0.1, True),
    Cell("bpr", "all", "known", 0.1, False),
)


def main() -> None:
    """Play cells, or write what was played."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("play", "write"))
    parser.add_argument("--out", type=Path, default=Path("ear_table"), help="scores of what was trained")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no cell is begun after them")
    parser.add_argument("--cells", type=int, default=len(CELLS), help="the first so many")
    parser.add_argument("--data", type=Path, default=os.environ.get("MAGUS_DATA"), help="folder that holds lastfm-ear")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "write":
        write()
    elif arguments.data is None:
        sys.exit("give --data or set MAGUS_DATA")
    else:
        play(arguments.data, arguments.out, arguments.cells, time.monotonic() + 60.0 * arguments.minutes)


def stored() -> pd.DataFrame:
    """A row a cell and agent; none before the first play."""
    return pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=list(Cell._fields))


def play(data: Path, out: Path, count: int, ends: float) -> None:
    """Play the cells that the table lacks, until `ends` (of `time.monotonic`)."""
    sys.path[:0] = [str(ROOT / "examples")]
    example = importlib.import_module("ear_lastfm")
    log = example.load_log(data, SEED)
    out.mkdir(parents=True, exist_ok=True)

    def scores(recipe: str, base: str) -> torch.Tensor:
        path = out / f"{recipe}-{base}.pt"
        if not path.exists():
            torch.save(log.scores(recipe, base, EPOCHS, SEED), path)
        found: torch.Tensor = torch.load(path)
        return found

    for cell in CELLS[:count]:
        before = stored()
        if cell in set(before[list(Cell._fields)].itertuples(index=False, name=None)) or time.monotonic() > ends:
            continue
        test = log.dialogues["test"]
        if cell.history == "train":
            test = replace(test, history=log.dialogues["validation"].known)
        chosen_on, plays = example.choices(log, cell.base, cell.history, FIT_DIALOGUES)
        rows = []
        for agent in example.fitted_agents(chosen_on, scores(cell.recipe, plays), cell.noise, cell.refusals, SEED):
            figures = example.measured(agent, test, scores(cell.recipe, cell.base), cell.noise, SEED)
            del figures["dialogues/s"]  # of one machine
            rows.append({**cell._asdict(), "agent": agent.name, "dialogues": len(test), **figures})
        pd.concat([before, pd.DataFrame(rows)], ignore_index=True).to_csv(TABLE, index=False, float_format="%.4f")
        print(cell, *rows, sep="\n  ", flush=True)


def write() -> None:
    """docs/results.md from the two tables."""
    table = stored()
    heads = [
        "recipe",
        "base",
        "drawn on",
        "p",
        "refusals",
        "agent",
        "SR@5",
        "SR@10",
        "SR@15 (95 %)",
        "AT (95 %)",
        "hDCG",
    ]
    lines = [row(*heads), row(*["---"] * len(heads))]
    for line in table.to_dict("records"):
        sure = [f"{line[n]:.3f} ({line[f'{n}_low']:.3f}–{line[f'{n}_high']:.3f})" for n in ("SR@15", "AT")]
        told = [line[n] for n in ("recipe", "base", "history")] + [f"{line['noise']:g}"]
        told += ["used" if line["refusals"] else "ignored", line["agent"]]
        lines.append(row(*told, f"{line['SR@5']:.3f}", f"{line['SR@10']:.3f}", *sure, f"{line['hDCG']:.3f}"))
    put_between(PAGE, "EAR's protocol: written by benchmarks/ear_table.py", lines)
    tried = pd.read_csv(TRIED)
    heads = ["base", "belief, plan", "mean log-likelihood", "SR@15", "AT"]
    lines = [row(*heads), row(*["---"] * len(heads))]
    for line in tried.to_dict("records"):
        figures = ["-" if pd.isna(line[n]) else f"{line[n]:.3f}" for n in ("log_likelihood", "SR@15", "AT")]
        lines.append(row(line["base"], line["belief"], *figures))
    put_between(PAGE, "EAR's protocol, tried: written by benchmarks/ear_table.py", lines)


if __name__ == "__main__":
    main()
