"""Time and memory of whole runs on a catalogue of many words an item, of the shape of LastFM with all its tags.

1,090 users with 52,551 rows, 3,646 items with about 12 of 388 tags each: 1.7 million combinations of three tags, nearly
all of which one item alone holds. The log is made here, with tastes that the tags tell; each run of train.py is a
process of its own, whose times (wall, and processor over all threads) and peak memory are printed.

    python benchmarks/many_words.py                          # magus=plus and magus=bayes as they are, then all agents
    python benchmarks/many_words.py --runs plus -- dataset.min_support=1
    python benchmarks/many_words.py --runs plus bayes --write    # and puts the table into RESULTS.md
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _common import accelerator, add_device, machine, put, row, use_device

ROOT = Path(__file__).resolve().parents[1]
USERS, ITEMS, ROWS, WORDS, GENRES = 1_090, 3_646, 52_551, 388, 24

_ALL = "items,static,recurrent,max_entropy,crm,ear,magus,normalised,magus+,bayes"
RUNS = {
    "plus": ["magus=plus"],
    "bayes": ["magus=bayes"],
    "all": ["magus=plus", f"agents=[{_ALL}]"],
}
"""What each run adds to the defaults."""


def main() -> None:
    """Make the log, run, and print a row a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--threads", type=int, default=2, help="torch threads (default 2)")
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    parser.add_argument("--keep", type=Path, help="folder for the log and the runs (default: a temporary one)")
    parser.add_argument("more", nargs="*", help="further overrides, after --")
    add_device(parser)
    arguments = parser.parse_args()
    use_device(arguments.device)
    head = ["run", "queries", "R+ edges", "minutes", "CPU minutes", "peak GB", "result"]
    table = [f"{machine()}, {arguments.threads} thread(s), other work beside it.", "", row(*head), "|---" * 7 + "|"]
    print(*table, sep="\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        make_log(folder / "log")
        for name in arguments.runs:
            table.append(_run(name, folder, [*RUNS[name], *arguments.more], arguments.threads))
            print(table[-1], flush=True)
    if arguments.write:
        put("Many words an item (`benchmarks/many_words.py`)", "many words", table)


def _run(name: str, folder: Path, overrides: list[str], threads: int) -> str:
    command = [
        *(sys.executable, str(ROOT / "scripts" / "train.py"), "dataset=tabular", f"dataset.path={folder / 'log'}"),
        *("dataset.name=many-words", "dataset.word_fields=[tag]", "dataset.positive=all", "dataset.rating=''"),
        *(f"paths.runs={folder / 'runs'}", f"train.accelerator={accelerator()}", *overrides),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    output = folder / f"{name}.txt"
    start = time.perf_counter()
    with output.open("w") as written:
        process = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    minutes = (time.perf_counter() - start) / 60
    said = output.read_text()
    sizes = re.search(r"([\d,]+) queries of [\d,]+\s+words,\s+([\d,]+)\s+R\+", said)
    queries, edges = sizes.groups() if sizes else ("?", "?")
    result = "done" if status == 0 else f"ended with {os.waitstatus_to_exitcode(status)}: {said[-200:]!r}"
    processor = (usage.ru_utime + usage.ru_stime) / 60
    return row(name, queries, edges, f"{minutes:.1f}", f"{processor:.1f}", f"{usage.ru_maxrss / 2**20:.2f}", result)


def make_log(folder: Path) -> None:
    """Write interactions.csv and items.csv: users and items have genres, tags go with genres, and all are skewed."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    genre = random.integers(GENRES, size=ITEMS)
    # A tag belongs to a genre or, the most frequent ones, to all of them.
    frequency = np.arange(1, WORDS + 1.0) ** -0.4
    home = random.integers(GENRES, size=WORDS)
    home[:8] = -1
    fits = np.where((home == genre[:, None]) | (home < 0), 5.0, 1.0) * frequency
    size = np.clip(random.gamma(2.0, 6.0, ITEMS).round(), 1, 40).astype(int)
    # The best `size` of independent exponential races are a draw without repetition by these weights.
    order = np.argsort(random.exponential(size=fits.shape) / fits, axis=1)
    tags = ["|".join(f"tag{word}" for word in sorted(order[item, : size[item]])) for item in range(ITEMS)]
    pd.DataFrame({"item_id": np.arange(ITEMS), "tag": tags}).to_csv(folder / "items.csv", index=False)

    taste = random.dirichlet(np.full(GENRES, 0.15), size=USERS)
    popularity = random.permutation(np.arange(1, ITEMS + 1.0) ** -0.6)
    rows = np.maximum(random.multinomial(ROWS - 10 * USERS, random.dirichlet(np.full(USERS, 8.0))) + 10, 1)
    users, items = [], []
    for user in range(USERS):
        weight = (taste[user, genre] + 0.05 / GENRES) * popularity
        users.append(np.full(rows[user], user))
        items.append(np.argsort(random.exponential(size=ITEMS) / weight)[: rows[user]])
    log = pd.DataFrame({"user_id": np.concatenate(users), "item_id": np.concatenate(items)})
    log["timestamp"] = random.permutation(len(log))
    log.to_csv(folder / "interactions.csv", index=False)


if __name__ == "__main__":
    main()
