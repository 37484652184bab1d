"""Time and memory of adding items to a graph and to a catalogue, beside building them again.

    python benchmarks/extend.py [--new 1 1000 100000] [--shape tmall] [--scale 1.0] [--variants none base bayes plus]

The catalogue has the size of Tmall's (`magus_pyg.data.synthetic.shapes`); the new items are drawn by the same rules, so
some of them bring new queries. Both ways start from the table and the graph of the old items and end with the same
graph, which is checked. Times are processor seconds of the best of `--repeats` runs, taken in turns; memory is the peak
beyond what was held before. For a catalogue the end is the first guess of a person, and the catalogue it starts from
has been in use. Every number of new items, and every variant, is measured in a process of its own.
"""

import argparse
import ctypes
import gc
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import torch
from _common import machine, peak_resident_mb
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.agents import EdgeFactors
from magus_pyg.data.synthetic.shapes import SHAPES, ScaleOptions, catalogue_frame, make_catalogue
from magus_pyg.graph import IMPROVES, n_nodes
from magus_pyg.online.catalogue import Catalogue

RANK = 65


@dataclass
class Case:
    """What to measure: adding `new` items to a graph, or to a catalogue of a variant."""

    shape: str
    scale: float
    new: int
    repeats: int
    variant: str = ""


@dataclass
class Figures:
    """Processor seconds, and GB (2**30 bytes) at the most beyond what was held; how many nodes are new."""

    again: float
    added: float
    again_peak: float
    added_peak: float
    nodes: int


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--new", type=int, nargs="+", default=[1, 1_000, 100_000])
    parser.add_argument("--shape", choices=list(SHAPES), default="tmall")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--variants", nargs="*", default=["none", "base", "bayes", "plus"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--skip-graph", action="store_true", help="catalogues alone")
    arguments = parser.parse_args()
    items = ScaleOptions(shape=arguments.shape, scale=arguments.scale).sized().items
    print(f"{items:,} items like {arguments.shape}'s, one thread; {machine()}")
    print(f"{'what':>8} {'new items':>10} {'new nodes':>10} {'again s':>8} {'added s':>8} {'faster':>7} "
          f"{'again GB':>9} {'added GB':>9}")  # fmt: skip
    for variant in [*([] if arguments.skip_graph else [""]), *arguments.variants]:
        for new in arguments.new:
            repeats = 1 if variant == "plus" else arguments.repeats  # its weights take long to make again
            case = Case(arguments.shape, arguments.scale, new, repeats, variant)
            with multiprocessing.get_context("spawn").Pool(1) as process:
                found = process.apply(_measure, (case,))
            print(f"{variant or 'graph':>8} {new:>10,} {found.nodes:>10,} {found.again:>8.2f} {found.added:>8.2f} "
                  f"{found.again / found.added:>7.1f} {found.again_peak:>9.2f} {found.added_peak:>9.2f}",
                  flush=True)  # fmt: skip


def _measure(case: Case) -> Figures:
    torch.set_num_threads(1)
    pa.set_cpu_count(1)
    shape = ScaleOptions(shape=case.shape, scale=case.scale).sized()
    old, fields = shape.items, list(shape.fields)
    table = catalogue_frame(make_catalogue(replace(shape, items=old + case.new), 0))
    graph = mp.build_relational_graph(table.head(old), fields, materialize=False)
    new = table.iloc[old:]
    if case.variant:
        return _catalogue(case, table, new, fields, graph)

    def again() -> HeteroData:
        return mp.build_relational_graph(table, fields, materialize=False)

    def added() -> HeteroData:
        return mp.extend_relational_graph(graph, new).graph

    first, second = again(), added()
    assert torch.equal(first[IMPROVES].edge_index, second[IMPROVES].edge_index)
    assert torch.equal(first.word_index, second.word_index)
    assert first.vocabulary.words == second.vocabulary.words
    nodes = n_nodes(second) - n_nodes(graph)
    del first, second
    runs = [(_best(again), _best(added)) for _ in range(case.repeats)]
    return _figures(runs, nodes)


def _catalogue(case: Case, table: pd.DataFrame, new: pd.DataFrame, fields: list[str], graph: HeteroData) -> Figures:
    scores = torch.randn(len(table), generator=torch.Generator().manual_seed(0))
    before = n_nodes(graph)
    state: EdgeFactors | None = None
    if case.variant == "plus":
        side = torch.rand((before, RANK), generator=torch.Generator().manual_seed(0))
        state = EdgeFactors(side, side, 0.5, 0.5)
    used = Catalogue(graph, case.variant, state)
    used.start(scores[: len(table) - len(new)])
    first_edition = used.edition

    def added() -> Catalogue:
        used.edition = first_edition
        used.add_items(new)
        used.start(scores)
        return used

    after = added()
    nodes, factors = n_nodes(after.graph) - before, after.factors
    used.edition = first_edition

    def again() -> Catalogue:
        rebuilt = mp.build_relational_graph(table, fields, materialize=False)
        catalogue = Catalogue(rebuilt, case.variant, factors)
        catalogue.start(scores)
        return catalogue

    def forget() -> None:
        used.edition = first_edition

    runs = [(_best(again), _best(added, forget)) for _ in range(case.repeats)]
    return _figures(runs, nodes)


def _figures(runs: list[tuple[tuple[float, float], tuple[float, float]]], nodes: int) -> Figures:
    seconds, peaks = ([[run[way][part] for run in runs] for way in range(2)] for part in range(2))
    return Figures(min(seconds[0]), min(seconds[1]), max(peaks[0]), max(peaks[1]), nodes)


def _best(step: Callable[[], object], after: Callable[[], object] | None = None) -> tuple[float, float]:
    """Processor seconds of a step, and GB at the most beyond what was held before it."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed must not count as held
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here (Linux)
    held = peak_resident_mb()
    begin = time.process_time()
    made = step()
    seconds = time.process_time() - begin
    peak = (peak_resident_mb() - held) / 1024
    del made
    if after is not None:
        after()
    return seconds, peak


if __name__ == "__main__":
    main()
