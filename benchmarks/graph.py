"""Time and peak memory of building, saving and loading the relational graph, over the number of items.

Items of five words with skewed popularity; `max_words` 3.

    python benchmarks/graph.py [--items 10000 30000 100000 300000]
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import magus_pyg as mp


def main() -> None:
    """Measure every size in a process of its own, so that peaks do not mix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000])
    arguments = parser.parse_args()
    print(f"{'items':>9} {'nodes':>10} {'R+ edges':>11} {'build s':>8} {'save s':>7} {'load s':>7} {'peak GB':>8}")
    for count in arguments.items:
        worker = multiprocessing.get_context("spawn").Process(target=_measure, args=(count,))
        worker.start()
        worker.join()
        if worker.exitcode:
            sys.exit(f"{count} items failed with exit code {worker.exitcode}")


def _measure(count: int) -> None:
    rng = np.random.default_rng(0)
    items = pd.DataFrame({"item_id": np.arange(count).astype(str)})
    for field in range(5):
        items[f"field{field}"] = [f"word{value}" for value in rng.zipf(1.3, count) % 5000]
    fields = [f"field{field}" for field in range(5)]
    start = time.perf_counter()
    graph = mp.build_relational_graph(items, fields, max_words=3)
    build = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.safetensors"
        start = time.perf_counter()
        mp.save_graph(graph, path)
        save = time.perf_counter() - start
        start = time.perf_counter()
        mp.load_graph(path)
        load = time.perf_counter() - start
    edges = graph["node", "improves", "node"].edge_index.shape[1]
    nodes = int(graph["node"].num_nodes)
    print(f"{count:>9,} {nodes:>10,} {edges:>11,} {build:>8.2f} {save:>7.2f} {load:>7.3f} {peak:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
