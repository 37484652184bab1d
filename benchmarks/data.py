"""A log as large as Tmall's: time and peak memory of reading it the first and the second time, and of other engines.

Writes a log in the exact format of `user_log_format1.csv` (54,925,330 rows, 1.8 GB) and its profiles, unless the folder
holds them, then loads the data set in a process of its own: once from the raw files, once from what was kept of them.

    python benchmarks/data.py [--rows 54925330] [--folder DIR] [--engines] [--write]

`--engines` compares the steps that take most of the time (parse the CSV file; sort by user, day and place in the file)
in pandas, in polars if that is installed, and in pyarrow and numpy as this package does it, one process each.
"""

import argparse
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from _common import machine, peak_resident_mb, put, row

ROWS, USERS, ITEMS = 54_925_330, 424_170, 1_090_390
CHUNK = 1_000_000
LOG, INFO = "user_log_format1.csv", "user_info_format1.csv"
COLUMNS = ("user_id", "item_id", "cat_id", "seller_id", "brand_id", "time_stamp", "action_type")
ENGINES = ("pandas", "polars", "pyarrow and numpy")


def main() -> None:
    """Generate what is missing, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--folder", type=Path, help="where the log is kept; a temporary folder if not given")
    parser.add_argument("--engines", action="store_true")
    parser.add_argument("--write", action="store_true", help="put both starts into RESULTS.md")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(arguments.case, arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        generate(folder / "tmall", arguments.rows)
        size = (folder / "tmall" / LOG).stat().st_size / 1e9
        measured = f"{arguments.rows:,} rows, {size:.2f} GB; {machine()}, {os.cpu_count()} cores"
        print(measured)
        table = [f"{measured}; other work beside it.", "", row("", "wall s", "CPU s", "peak GB"), row(*["---"] * 4)]
        if arguments.engines:
            cases = [f"{step}: {engine}" for step in ("parse", "sort") for engine in ENGINES]
        else:
            shutil.rmtree(folder / "cache", ignore_errors=True)
            cases = ["first start", "second start"]
        print(f"{'':32} {'wall s':>8} {'CPU s':>8} {'peak GB':>8}")
        for case in cases:
            command = [sys.executable, __file__, "--case", case, "--folder", str(folder)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                print(f"{case:32} failed with {done.returncode}")
                continue
            figures = json.loads(done.stdout.splitlines()[-1])
            print(f"{case:32} {figures['wall']:8.1f} {figures['cpu']:8.1f} {figures['peak']:8.2f}  {figures['what']}")
            table.append(row(case, *(f"{figures[key]:.1f}" for key in ("wall", "cpu")), f"{figures['peak']:.2f}"))
        if arguments.write and not arguments.engines:
            put("Data (`benchmarks/data.py`)", "starts: written by benchmarks/data.py", table)


def generate(folder: Path, rows: int) -> None:
    """Write the log, in chunks, and the profiles; nothing where both are there."""
    if (folder / LOG).is_file() and (folder / INFO).is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    share = rows / ROWS
    users, items = max(1, round(USERS * share)), max(1, round(ITEMS * share))
    days = np.arange("2015-05-11", "2015-11-13", dtype="datetime64[D]")
    written = pa.array([str(day)[5:7] + str(day)[8:] for day in days])
    # Sales grow towards the end, and peak on 11 November.
    weight = np.linspace(1.0, 2.0, days.size)
    weight[-2] = 60.0
    cat, seller, brand = (generator.integers(1, high, items) for high in (1659, 4996, 8845))
    # As in the original the rows of a user stand together, the users in any order; some have very many rows.
    activity = generator.lognormal(0.0, 0.9, users)
    counts = generator.multinomial(rows, activity / activity.sum())
    user_of = np.repeat(generator.permutation(users) + 1, counts)
    popularity = np.cumsum((np.arange(items) + 10.0) ** -0.8)
    place = generator.permutation(items)
    with open(folder / LOG, "wb") as sink:
        for start in range(0, rows, CHUNK):
            n = min(CHUNK, rows - start)
            item = place[np.searchsorted(popularity, generator.uniform(0, popularity[-1], n))]
            chunk = {
                "user_id": user_of[start : start + n],
                "item_id": item + 1,
                "cat_id": cat[item],
                "seller_id": seller[item],
                "brand_id": pa.array(brand[item], mask=generator.random(n) < 0.0017),
                "time_stamp": written.take(pa.array(generator.choice(days.size, n, p=weight / weight.sum()))),
                "action_type": generator.choice(4, n, p=[0.883, 0.001, 0.06, 0.056]),
            }
            options = pacsv.WriteOptions(include_header=False, quoting_style="none")
            if not start:
                sink.write((",".join(COLUMNS) + "\n").encode())
            pacsv.write_csv(pa.table(chunk), sink, options)
    profiles = {
        "user_id": np.arange(1, users + 1),
        "age_range": pa.array(generator.integers(0, 9, users), mask=generator.random(users) < 0.005),
        "gender": pa.array(generator.integers(0, 3, users), mask=generator.random(users) < 0.015),
    }
    with open(folder / INFO, "wb") as sink:
        sink.write((",".join(profiles) + "\n").encode())
        pacsv.write_csv(pa.table(profiles), sink, pacsv.WriteOptions(include_header=False, quoting_style="none"))


def measure(case: str, folder: Path) -> dict[str, float | str]:
    """Run one case in this process; what is imported for it takes no time."""
    step, _, engine = case.partition(": ")
    run = {"parse": parse, "sort": sort}[step](engine, folder) if engine else load(folder)
    start, cpu = time.perf_counter(), time.process_time()
    what = run()
    wall = time.perf_counter() - start
    return {"wall": wall, "cpu": time.process_time() - cpu, "peak": peak_resident_mb() / 1024, "what": what}


def load(folder: Path) -> Callable[[], str]:
    """Load the data set."""
    os.environ["MAGUS_CACHE"] = str(folder / "cache")
    from magus_pyg.data import TmallOptions, load_dataset

    return lambda: repr(load_dataset(TmallOptions(), folder))


def parse(engine: str, folder: Path) -> Callable[[], str]:
    """Read the columns of the log as small integers."""
    path = folder / "tmall" / LOG
    if engine == "pandas":
        import pandas as pd

        small = {name: "int32" for name in COLUMNS if name != "brand_id"}
        return lambda: f"{len(pd.read_csv(path, dtype=small)):,} rows"
    if engine == "polars":
        pl = importlib.import_module("polars")
        types = dict.fromkeys(COLUMNS, pl.Int32)
        return lambda: f"{len(pl.read_csv(path, schema_overrides=types)):,} rows"
    from magus_pyg.data.reading.findings import Findings
    from magus_pyg.data.reading.integer_logs import read_integers
    from magus_pyg.data.sets.tmall import log_layout

    return lambda: f"{read_integers(path, log_layout(False), Findings()).columns['user_id'].size:,} rows"


def sort(engine: str, folder: Path) -> Callable[[], str]:
    """Sort rows by user and day, equal ones by place in the file."""
    with open(folder / "tmall" / LOG, "rb") as file:
        rows = sum(1 for _ in file) - 1
    generator = np.random.default_rng(0)
    columns: dict[str, np.ndarray] = {
        "user": generator.integers(0, USERS, rows).astype(np.int32),
        "time": generator.integers(0, 186, rows).astype(np.int32),
        "item": generator.integers(0, ITEMS, rows).astype(np.int32),
        "action": generator.integers(0, 4, rows).astype(np.int8),
    }
    by = ["user", "time"]
    if engine == "pandas":
        import pandas as pd

        frame = pd.DataFrame(columns)
        return lambda: _told(frame.sort_values(by, kind="stable")["item"].to_numpy())
    if engine == "polars":
        pl = importlib.import_module("polars")
        table = pl.DataFrame(columns)
        return lambda: _told(table.sort(by, maintain_order=True)["item"].to_numpy())
    from magus_pyg.data.ordering import stable_order

    def ours() -> str:
        order = stable_order(columns["user"], columns["time"])
        return _told({name: column[order] for name, column in columns.items()}["item"])

    return ours


def _told(item: np.ndarray) -> str:
    return f"sum {int(item[::1000].sum()):,}"


if __name__ == "__main__":
    main()
