"""Time and memory of building, saving and loading the relational graph.

Over the number of items, of five words with skewed popularity each, `max_words` 3, and how time grows with the nodes:

    python benchmarks/graph.py [--items 10000 30000 100000 300000]

On the catalogue of Tmall or Alipay at full size (`magus_pyg.data.synthetic.shapes`), and how much memory two processes
take that have loaded the same file and read all of it:

    python benchmarks/graph.py --shape tmall alipay

    python benchmarks/graph.py --write           # what was measured so far (graph.json), into RESULTS.md

Every size is measured in a process of its own, so that peaks do not mix. Seconds are wall time; CPU seconds stand
beside those of building.
"""

import argparse
import json
import multiprocessing
import multiprocessing.connection
import resource
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _common import RESULTS, machine, machines_of, put_between, row
from torch import Tensor
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.data.synthetic.shapes import SHAPES, ScaleOptions, catalogue_frame, make_catalogue
from magus_pyg.graph import IMPROVES, item_node

KEPT = Path(__file__).with_name("graph.json")
PART = "graph: written by benchmarks/graph.py"
GROWTH_FROM = 100_000  # nodes


@dataclass
class Figures:
    """One size; seconds, and GB (2**30 bytes) of memory of the whole process."""

    name: str
    items: int
    nodes: int
    edges: int
    build: float
    build_cpu: float
    peak: float
    save: float
    load: float
    file: float


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000])
    parser.add_argument("--shape", nargs="+", choices=list(SHAPES), help="catalogues of full size in place of --items")
    parser.add_argument("--scale", type=float, default=1.0, help="of --shape")
    parser.add_argument("--write", action="store_true", help="only put what graph.json holds into RESULTS.md")
    arguments = parser.parse_args()
    if arguments.write:
        write(json.loads(KEPT.read_text()))
        return
    print(f"{'catalogue':>10} {'items':>9} {'nodes':>10} {'R+ edges':>11} {'build s':>8} {'CPU s':>7} {'peak GB':>8} "
          f"{'save s':>7} {'load s':>7} {'file GB':>8}")  # fmt: skip
    cases = [(name, arguments.scale) for name in arguments.shape or []] or [("", count) for count in arguments.items]
    measured = []
    for name, size in cases:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "graph.safetensors"
            with multiprocessing.get_context("spawn").Pool(1) as process:
                found = process.apply(_measure, (name, size, path))
            measured.append(found)
            print(f"{found.name:>10} {found.items:>9,} {found.nodes:>10,} {found.edges:>11,} {found.build:>8.2f} "
                  f"{found.build_cpu:>7.2f} {found.peak:>8.2f} {found.save:>7.2f} {found.load:>7.4f} "
                  f"{found.file:>8.3f}", flush=True)  # fmt: skip
            _keep(found, _shared(path) if arguments.shape else None)
    if len(measured) > 1 and not arguments.shape:  # one kind of catalogue in several sizes
        print(_grows([asdict(found) for found in measured]))


def _keep(found: Figures, shared: str | None) -> None:
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else []
    kept = [one for one in kept if (one["name"], one["items"]) != (found.name, found.items)]
    entry = {**asdict(found), "shared": shared, "machine": machine()}
    kept = sorted([*kept, entry], key=lambda one: (one["shared"] is not None, one["items"]))
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")


def _grows(found: list[dict[str, Any]]) -> str:
    """How the processor time of building grows with the nodes, by least squares of the logarithms."""
    large = [one for one in found if one["nodes"] >= GROWTH_FROM]
    if len(large) < 2:
        return f"fewer than two catalogues of {GROWTH_FROM:,} nodes"
    nodes, taken = (np.log([one[key] for one in large]) for key in ("nodes", "build_cpu"))
    slope = np.polyfit(nodes, taken, 1)[0]
    return f"From {GROWTH_FROM:,} nodes on, processor seconds of building grow with nodes ** {slope:.2f}."


def write(kept: list[dict[str, Any]]) -> None:
    """The table of RESULTS.md, and what processes share of a file."""
    head = ("catalogue", "items", "nodes", "R+ edges", "build, processor s", "peak GB", "save s", "load ms", "file MB")
    lines = [f"{machines_of(kept)}; other work beside it.", "", row(*head), row(*["---"] * len(head))]
    for one in kept:
        sizes = (f"{one[key]:,}" for key in ("items", "nodes", "edges"))
        cost = (f"{one['build_cpu']:.2f}", f"{one['peak']:.2f}", f"{one['save']:.2f}", f"{1e3 * one['load']:.0f}")
        lines.append(row(one["name"], *sizes, *cost, f"{1024 * one['file']:,.0f}"))
    lines += ["", _grows([one for one in kept if one["shared"] is None]), ""]
    lines += [f"* {one['name']}: {one['shared']}." for one in kept if one["shared"] is not None]
    put_between(RESULTS, PART, lines)


def _measure(name: str, size: float, path: Path) -> Figures:
    if name:
        shape = ScaleOptions(shape=name, scale=size).sized()
        items, fields = catalogue_frame(make_catalogue(shape, 0)), list(shape.fields)
    else:
        items, fields = _five_words(int(size))
    start, cpu = time.perf_counter(), time.process_time()
    graph = mp.build_relational_graph(items, fields, max_words=3)
    build, build_cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.perf_counter()
    mp.save_graph(graph, path)
    save = time.perf_counter() - start
    start = time.perf_counter()
    mp.load_graph(path)
    load = time.perf_counter() - start
    nodes, edges = int(graph["node"].num_nodes), graph[IMPROVES].edge_index.shape[1]
    file = path.stat().st_size / 2**30
    return Figures(name or "five words", len(items), nodes, edges, build, build_cpu, peak, save, load, file)


def _five_words(count: int) -> tuple[pd.DataFrame, list[str]]:
    rng = np.random.default_rng(0)
    items = pd.DataFrame({"item_id": np.arange(count).astype(str)})
    fields = [f"field{field}" for field in range(5)]
    for field in fields:
        items[field] = [f"word{value}" for value in rng.zipf(1.3, count) % 5000]
    return items, fields


def _shared(path: Path) -> str:
    """The memory of two processes that have read a whole graph file, beside one copy of it."""
    context = multiprocessing.get_context("spawn")
    ours, workers = [], []
    for _ in range(2):
        mine, other = context.Pipe()
        worker = context.Process(target=_reader, args=(path, other))
        worker.start()
        ours.append(mine)
        workers.append(worker)
    for mine in ours:
        mine.recv()  # it has read everything
    shares = []
    for mine in ours:
        mine.send("measure")
        shares.append(mine.recv())
    for mine, worker in zip(ours, workers, strict=True):
        mine.send("stop")
        worker.join()
    copy = path.stat().st_size / 2**20
    held, own = [share for share, _ in shares], [private for _, private in shares]
    said = (
        f"two processes that have read all of the file hold {sum(held):,.0f} MB of it together (PSS), one copy is "
        f"{copy:,.0f} MB, and either has copied {sum(own):,.0f} MB"
    )
    print(said)
    return said


def _reader(path: Path, pipe: "multiprocessing.connection.Connection[object, object]") -> None:
    graph = mp.load_graph(path)
    _read_all(graph)
    pipe.send("read")
    pipe.recv()
    pipe.send(_share_of(path))
    pipe.recv()


def _read_all(graph: HeteroData) -> None:
    vocabulary = graph.vocabulary
    for texts in (vocabulary.item_ids, vocabulary.words.values):
        for array in (texts.data, texts.ends, *texts.index_arrays):
            int(array.sum())
    tensors = (graph[IMPROVES].edge_index, graph.word_ptr, graph.word_index, graph["node"].is_item)
    for tensor in tensors:
        assert isinstance(tensor, Tensor)
        int(tensor.sum())
    item_node(graph, vocabulary.item_ids[-1])


def _share_of(path: Path) -> tuple[float, float]:
    """This process' share (PSS) of the pages of a file that is mapped, and what it has copied of it; MB (Linux)."""
    share = private = 0
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, rest = line.partition(" ")
        if not name.endswith(":"):
            inside = line.endswith(str(path))
        elif inside and name == "Pss:":
            share += int(rest.split()[0])
        elif inside and name == "Private_Dirty:":
            private += int(rest.split()[0])
    return share / 1024, private / 1024


if __name__ == "__main__":
    main()
