"""Processor time of the page at many items, and how much a browser loads.

    python benchmarks/page_speed.py RUN [--items 200000]

The service of a run, with the graph and the scores of a made catalogue in the place of its own: every item has a word
of each of four fields, with 40, 400, 2,000 and 5 values. Medians of the processor time of this process, all threads.
"""

import argparse
import gzip
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

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
_HTML = {"accept": "text/html"}


class AllAlike:
    """Scores of guests of whom nothing is known."""

    def __init__(self, n_items: int) -> None:
        self.scores = torch.randn(n_items, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def varied_scores(self, liked: Tensor) -> Tensor:
        """float64 [I]."""
        return self.scores


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--items", type=int, default=200_000)
    own = parser.parse_args()
    torch.set_num_threads(1)
    drawn = np.random.default_rng(0)
    columns = {field: drawn.integers(0, size, own.items) for field, size in FIELDS.items()}
    table = pd.DataFrame({field: [f"{field} {value}" for value in values] for field, values in columns.items()})
    table.insert(0, "item_id", [str(item) for item in range(own.items)])
    graph = build_relational_graph(table, [*FIELDS], max_words=2)
    run = replace(load_run(own.run), graph=graph)
    run.__dict__["_guests"] = AllAlike(own.items)
    print(f"{own.items:,} items, {graph['node'].num_nodes:,} nodes")
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
        shown = ", ".join(
            f"{1000 * value:.0f}" for value in (first, statistics.median(starts), statistics.median(answers))
        )
        sizes = len(page.encode()) + sum(map(len, files))
        packed = len(gzip.compress(page.encode())) + sum(len(gzip.compress(file)) for file in files)
        print(f"{variant}: the very first page, later first pages, a new session with its first answer: {shown} ms")
        print(f"{variant}: {sizes / 1000:.1f} kB for the page and its files, {packed / 1000:.1f} kB if packed")


def seconds(work: Callable[[], object]) -> float:
    """The processor time of something."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
