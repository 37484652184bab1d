"""Processor time of the page at many items, and how much a browser loads.

    python benchmarks/page_speed.py RUN [--items 200000] --out benchmarks/page_speed.json
    python benchmarks/page_speed.py --out benchmarks/page_speed.json --write    # into docs/page.md

The service of a run, with the graph and the scores of a made catalogue in the place of its own: every item has a word
of each of four fields, with 40, 400, 2,000 and 5 values. Medians of the processor time of this process, all threads.
"""

import argparse
import gzip
import json
import re
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from fastapi.testclient import TestClient
from torch import Tensor

from magus_pyg.graph import build_relational_graph
from magus_pyg.runs import load_run
from magus_pyg.serve.app import create_app
from magus_pyg.serve.serve_options import ServeOptions

FIELDS = {"department": 40, "kind": 400, "brand": 2_000, "price": 5}
TIMES = 15
PAGE = Path(__file__).resolve().parents[1] / "docs" / "page.md"
MARKS = ("<!-- speed -->", "<!-- end of speed -->")
_HTML = {"accept": "text/html"}


class AllAlike:
    """Scores of guests of whom nothing is known."""

    def __init__(self, n_items: int) -> None:
        self.scores = torch.randn(n_items, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def varied_scores(self, liked: Tensor) -> Tensor:
        """float64 [I]."""
        return self.scores


def measured(path: Path, items: int) -> dict[str, Any]:
    """Processor times in ms and sizes, a row a variant."""
    torch.set_num_threads(1)
    drawn = np.random.default_rng(0)
    columns = {field: drawn.integers(0, size, items) for field, size in FIELDS.items()}
    table = pd.DataFrame({field: [f"{field} {value}" for value in values] for field, values in columns.items()})
    table.insert(0, "item_id", [str(item) for item in range(items)])
    graph = build_relational_graph(table, [*FIELDS], max_words=2)
    run = replace(load_run(path), graph=graph)
    run.__dict__["_guests"] = AllAlike(items)
    rows = []
    for variant in ("base", "bayes"):
        with TestClient(create_app(run, ServeOptions(store="memory:", variant=variant))) as client:

            def started(client: TestClient = client) -> None:
                client.get("/", headers=_HTML)

            first = seconds(started)
            page = client.get("/", headers=_HTML).text
            csrf = re.search(r'name="csrf" value="([^"]+)"', page)
            assert csrf is not None
            form = {"csrf": csrf[1], "click": ""}

            def answered(client: TestClient = client, form: dict[str, str] = form) -> None:
                client.post("/s/new/1/answer", data=form, headers=_HTML)

            answered()
            starts = [seconds(started) for _ in range(TIMES)]
            answers = [seconds(answered) for _ in range(TIMES)]
            files = [client.get(path).content for path in re.findall(r'(?:href|src)="(/page/[^"]+)"', page)]
        times = (first, statistics.median(starts), statistics.median(answers))
        names = ("the very first page", "later first pages", "a new session with its first answer")
        row = {name: round(1000 * value) for name, value in zip(names, times, strict=True)}
        size = len(page.encode()) + sum(map(len, files))
        packed = len(gzip.compress(page.encode())) + sum(len(gzip.compress(file)) for file in files)
        rows.append({"variant": variant, **row, "kB": round(size / 1000), "kB packed": round(packed / 1000)})
    return {"items": items, "nodes": graph["node"].num_nodes, "rows": rows}


def section(found: Mapping[str, Any]) -> str:
    """What was measured, as Markdown."""
    names = list(found["rows"][0])
    lines = [
        f"Of {found['items']:,} items ({found['nodes']:,} nodes), in ms of processor time, and what a browser loads "
        "for a list of six with all files:",
        "",
        f"| {' | '.join(names)} |",
        "|---" * len(names) + "|",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row.values()))} |" for row in found["rows"])])


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", help="measured anew where one is given")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="write what was measured into docs/page.md")
    parser.add_argument("--items", type=int, default=200_000)
    own = parser.parse_args()
    if own.run is not None:
        own.out.write_text(json.dumps(measured(own.run, own.items), indent=1) + "\n", encoding="utf-8")
    text = section(json.loads(own.out.read_text(encoding="utf-8")))
    print(text)
    if own.write:
        before, rest = PAGE.read_text(encoding="utf-8").split(MARKS[0])
        PAGE.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{rest.split(MARKS[1])[1]}", encoding="utf-8")


def seconds(work: Callable[[], object]) -> float:
    """The processor time of something."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
