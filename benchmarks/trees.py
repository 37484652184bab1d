"""Relational trees (App. F.1) beside the flat form of R+: the sums of Eq. (4), Eq. (9)'s touch, building and memory.

    python benchmarks/trees.py [--catalogues shop:100000 shop:1090390 tmall:1090390 alipay:2200191] [--people 32]

The flat form is rows of items by query, int64, and a sparse matrix of ones (int32 and float64); "by words" is the same
matrix with its columns by word set, so that what a query reads lies close together. All are timed in turn in one
process, on the processor time of one thread, and their sums must be equal bit for bit. "shop" is the catalogue of
benchmarks/catalogue.py; "tmall" and "alipay" are the shapes of `magus_pyg.data.synthetic.shapes`.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial

import torch
from _common import machine
from catalogue import shop
from torch import Tensor
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.data.synthetic.shapes import SHAPES, ScaleOptions, catalogue_frame, make_catalogue
from magus_pyg.graph import RelationalTrees, item_queries, n_items, n_nodes
from magus_pyg.graph.access import node_wholes
from magus_pyg.online.catalogue.containment import CatalogueIndex, Containment
from magus_pyg.ragged import Ragged

Cases = Mapping[str, Callable[[], object]]


class Flat:
    """R+ as rows: what `RelationalTrees` is compared with."""

    def __init__(self, graph: HeteroData) -> None:
        self.n_items, self.n_nodes = n_items(graph), n_nodes(graph)
        self.item_queries = item_queries(graph)
        rows = self.item_queries.transpose(self.n_nodes)
        self.query_items = Ragged(rows.ptr[self.n_items :] - rows.ptr[self.n_items], rows.index)
        ones = torch.ones(rows.index.numel(), dtype=torch.float64)
        ptr, item = self.query_items.ptr.to(torch.int32), rows.index.to(torch.int32)
        shape = (self.n_nodes - self.n_items, self.n_items)
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        self.matrix = torch.sparse_csr_tensor(ptr, item, ones, shape, check_invariants=False)
        self.wholes: Ragged | None = None
        self.marks = torch.zeros(self.n_nodes, dtype=torch.bool)

    @property
    def nbytes(self) -> int:
        """Of the rows, the matrix and, once made, the wholes of each node."""
        kept = [self.query_items.ptr, self.query_items.index]
        kept += [self.matrix.crow_indices(), self.matrix.col_indices(), self.matrix.values()]
        if self.wholes is not None:
            kept += [self.wholes.ptr, self.wholes.index]
        return sum(tensor.nbytes for tensor in kept)

    def touch(self, node: int) -> tuple[Tensor, Tensor]:
        """As `RelationalTrees.touch`, for a query."""
        assert self.wholes is not None, "touch needs the wholes of each node"
        start, end = self.query_items.ptr[node - self.n_items : node - self.n_items + 2].tolist()
        items = self.query_items.index[start:end]
        _, queries = self.item_queries.gather(items)
        self.marks[queries] = True
        if queries.numel() > self.n_nodes // 64:
            queries = torch.nonzero(self.marks[self.n_items :]).flatten() + self.n_items
        else:
            queries = torch.unique(queries)
        self.marks[queries] = False
        touched = torch.cat([items, queries[queries != node]])
        start, end = self.wholes.ptr[node : node + 2].tolist()
        wholes = self.wholes.index[start:end]
        self.marks[wholes] = True
        is_whole = self.marks[touched]
        self.marks[wholes] = False
        return touched, is_whole


def graph_of(name: str, items: int) -> HeteroData:
    """The graph of a catalogue of one of the shapes."""
    if name == "shop":
        return shop(items)
    shape = ScaleOptions(shape=name, scale=items / SHAPES[name].items).sized()
    table = catalogue_frame(make_catalogue(shape, 0))
    return mp.build_relational_graph(table, list(shape.fields), materialize=False)


def timed(cases: Cases, rounds: int) -> dict[str, float]:
    """Milliseconds of processor time of the best round of each case, in turn."""
    best = dict.fromkeys(cases, float("inf"))
    for _ in range(rounds):
        for name, case in cases.items():
            begin = time.process_time()
            case()
            best[name] = min(best[name], 1e3 * (time.process_time() - begin))
    return best


def show(what: str, best: dict[str, float]) -> None:
    """A line: the times, and how many times faster than the first."""
    first = next(iter(best.values()))
    print(f"  {what:36}" + "; ".join(f"{name} {ms:.2f} ms ({first / ms:.2f})" for name, ms in best.items()), flush=True)


def compare(name: str, items: int, people: int, parts: int) -> None:
    """Print the figures of one catalogue."""
    graph = graph_of(name, items)
    building: dict[str, float] = {}
    begin = time.process_time()
    flat = Flat(graph)
    building["flat"] = 1e3 * (time.process_time() - begin)
    begin = time.process_time()
    trees = RelationalTrees(graph)
    building["trees"] = 1e3 * (time.process_time() - begin)
    index, edges = CatalogueIndex(graph), flat.query_items.index.numel()
    print(f"\n{name}: {trees.n_items:,} items, {trees.n_shapes:,} word sets, {trees.n_queries:,} queries")
    print(f"  {edges:,} pairs (item, query), {trees.n_edges:,} edges of trees ({trees.n_edges / edges:.2f})")
    show("building", building)
    values = torch.rand((trees.n_items, people), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    compare_sums(flat, index.containment, trees, trees.whole(values[:, 0]), 15)
    compare_sums(flat, index.containment, trees, trees.whole(values), 2)
    compare_parts(trees, trees.whole(values[:, 0]), parts)
    print(f"  memory: flat {flat.nbytes / 1e6:.0f} MB", end="")
    begin = time.process_time()
    flat.wholes = node_wholes(graph)
    seconds = time.process_time() - begin
    print(
        f", with what touch needs {flat.nbytes / 1e6:.0f} MB ({seconds:.1f} s more); trees {trees.nbytes / 1e6:.0f} MB"
    )
    ranked = torch.argsort(index.held_by, descending=True)
    for place in (0, 100, 10_000):
        node = int(ranked[place]) + trees.n_items
        for one, other in zip(flat.touch(node), trees.touch(node), strict=True):
            assert torch.equal(one, other)
        cases: dict[str, Callable[[], object]] = {
            "flat": partial(flat.touch, node),
            "trees": partial(trees.touch, node),
        }
        show(f"touch of a query of {int(index.held_by[ranked[place]]):,} items", timed(cases, 5))
    chosen = torch.randperm(trees.n_items, generator=torch.Generator().manual_seed(0))[:1000]
    alone: dict[str, Callable[[], object]] = {
        "select": partial(trees.select, chosen),
        "sums": partial(trees.select(chosen).sums, values[chosen, 0]),
    }
    show("the trees of 1,000 items alone", timed(alone, 5))


def compare_sums(flat: Flat, by_words: Containment, trees: RelationalTrees, whole: Tensor, rounds: int) -> None:
    """The sums of whole numbers, float64 [I] or [I, B]; what they are written to is there."""
    out = torch.zeros((trees.n_queries, *whole.shape[1:]), dtype=torch.float64)
    multiply = torch.mv if whole.dim() == 1 else torch.mm
    expected = flat.matrix @ whole
    assert torch.equal(trees.total(whole), expected)
    assert torch.equal(by_words.total(whole), expected)
    cases: Cases = {
        "flat": partial(multiply, flat.matrix, whole, out=out),
        "by words": partial(by_words.total, whole, out),
        "trees": partial(trees.total, whole, out),
    }
    show(f"sums, {1 if whole.dim() == 1 else whole.shape[1]} people", timed(cases, rounds))


def compare_parts(trees: RelationalTrees, whole: Tensor, parts: int) -> None:
    """The sums of parts that are worked apart, and adding them up."""
    split = trees.split(parts)
    pieces = [whole[part.item] for part in split]
    sums = [part.total(piece) for part, piece in zip(split, pieces, strict=True)]
    assert torch.equal(trees.add(zip(split, sums, strict=True)), trees.total(whole))
    best = timed({str(at): partial(part.total, pieces[at], sums[at]) for at, part in enumerate(split)}, 5)
    adding = timed({"all": lambda: trees.add(zip(split, sums, strict=True))}, 3)["all"]
    each = ", ".join(f"{ms:.2f}" for ms in best.values())
    print(f"  sums of {len(split)} parts apart: {each} ms; adding them up {adding:.1f} ms", flush=True)


def main() -> None:
    """Print the figures of each catalogue."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = ["shop:100000", "shop:1090390", "tmall:1090390", "alipay:2200191"]
    parser.add_argument("--catalogues", nargs="+", default=every, metavar="SHAPE:ITEMS")
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--parts", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    for entry in arguments.catalogues:
        name, items = entry.split(":")
        compare(name, int(items), arguments.people, arguments.parts)


if __name__ == "__main__":
    main()
