"""What do explicit R- edges cost, and what their sums without them?

    python benchmarks/edge_sums.py                        # all, some minutes, up to 10 GB
    python benchmarks/edge_sums.py --nodes 1000 3000      # explicit and ours
    python benchmarks/edge_sums.py --only growth          # ours alone, up to 3 million nodes
    python benchmarks/edge_sums.py --device auto          # the sums on a GPU where there is one

Catalogues of a category, a seller and a brand an item, as in `catalogue.py`. Two sums, each over [N] scores in float32:

guess: Eq. (4): items send to queries, + along R+ and - along R-.
all: one synchronous pass in which every node sends to every other node that it is related to (Eq. 4 with `hops` above
1); R⊥ is left out, so ours subtracts its edges too.

"edges" holds the edges of R+ and R- in one [2, E] with a weight of 1 or -1 and is a `MessagePassing` that gathers,
multiplies and adds, as PyG users write it; "matrix" is the same as one product with torch's CSR matrix. Ours is
`SignedLabelPropagation(cached=True)`: "first" is its first pass, which sorts the edges, the other one every later pass.
"engine" is the first guess of `magus_pyg.online.catalogue`, "first" with the making of its index.
Times are CPU time, on a GPU wall time; memory is what a process took for edges and passes beyond the graph itself.
Every case runs in a process of its own.
"""

import argparse
import math
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from _common import device, machine, parse_cases, peak_mb, row, run_in_process, seconds
from catalogue import shop
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.nn import MessagePassing

from magus_pyg.graph import IMPROVES, n_items, n_nodes
from magus_pyg.graph.access import item_queries
from magus_pyg.graph.relations import relation_edges
from magus_pyg.nn import SignedLabelPropagation
from magus_pyg.online.catalogue.containment import CatalogueIndex
from magus_pyg.online.catalogue.first_guess import first_guess

NODES = (1_000, 3_000, 10_000)
GROWTH = (30_000, 100_000, 300_000, 1_000_000, 3_000_000)
GROWTH_FROM = 100_000  # nodes
SUMS = ("guess", "all")


class EdgeSum(MessagePassing):  # type: ignore[misc]
    """y plus the sum of weight · y over explicit edges, a message an edge."""

    def __init__(self) -> None:
        super().__init__(aggr="add", node_dim=0)

    def forward(self, y: Tensor, edge_index: Tensor, weight: Tensor) -> Tensor:
        """[N], y after one pass over [2, E] edges with [E] weights."""
        return y + self.propagate(edge_index, y=y.unsqueeze(-1), weight=weight).squeeze(-1)  # type: ignore[no-any-return]

    def message(self, y_j: Tensor, weight: Tensor) -> Tensor:
        """What an edge carries."""
        return y_j * weight.unsqueeze(-1)


def graph_of(nodes: int) -> HeteroData:
    """A catalogue with about so many nodes."""
    items = nodes // 4
    for _ in range(4):  # queries per item fall as the catalogue grows
        graph = shop(items)
        if abs(n_nodes(graph) - nodes) < 0.01 * nodes:
            break
        items = round(items * nodes / n_nodes(graph))
    return graph


def explicit_edges(graph: HeteroData, which: str) -> tuple[Tensor, Tensor]:
    """[2, E] edges of R+ and R-, and their signs."""
    own, items = n_nodes(graph), n_items(graph)
    part_whole = graph[IMPROVES].edge_index
    if which == "guess":
        contained = torch.zeros((items, own - items), dtype=torch.bool)
        part, whole = part_whole[:, part_whole[1] < items]
        contained[whole, part - items] = True
        pos, neg = contained.nonzero().T, (~contained).nonzero().T
        pos[1] += items
        neg[1] += items
    else:
        pos = torch.cat([part_whole, part_whole.flip(0)], dim=1)
        neg, _ = relation_edges(part_whole, None, own, items)
    weight = torch.ones(pos.size(1) + neg.size(1))
    weight[pos.size(1) :] = -1.0
    return torch.cat([pos, neg], dim=1), weight


def independent_edges(graph: HeteroData) -> Tensor:
    """[2, E]: R⊥ in both directions: pairs of queries that share an item and are not part of one another."""
    own = n_nodes(graph)
    rows = item_queries(graph)
    lengths = rows.lengths
    # All ordered pairs of the queries of an item: each entry of a row beside the whole row.
    first = rows.index.repeat_interleave(lengths.repeat_interleave(lengths))
    start = rows.ptr[:-1].repeat_interleave(lengths).repeat_interleave(lengths.repeat_interleave(lengths))
    size = lengths.repeat_interleave(lengths)
    ends = size.cumsum(0)
    place = torch.arange(int(ends[-1])) - (ends - size).repeat_interleave(size)
    second = rows.index[start + place]
    code = torch.unique((first * own + second)[first != second])
    part, whole = graph[IMPROVES].edge_index
    queries = (part >= n_items(graph)) & (whole >= n_items(graph))
    nested = torch.cat([part[queries] * own + whole[queries], whole[queries] * own + part[queries]]).sort().values
    if nested.numel():
        at = torch.searchsorted(nested, code).clamp_(max=nested.numel() - 1)
        code = code[nested[at] != code]
    return torch.stack([code // own, code % own])


class Inputs(NamedTuple):
    """What `SignedLabelPropagation` takes for one of the sums: scores [N], R+, R⊥ and who receives."""

    y: Tensor
    pos: Tensor
    skip: Tensor | None
    receivers: Tensor | None

    @classmethod
    def of(cls, graph: HeteroData, which: str) -> "Inputs":
        """For "guess" or "all"."""
        items, own, part_whole = n_items(graph), n_nodes(graph), graph[IMPROVES].edge_index
        if which == "all":
            pos, skip = torch.cat([part_whole, part_whole.flip(0)], dim=1), independent_edges(graph)
            return cls(scores(own).to(device()), pos.to(device()), skip.to(device()), None)
        pos = part_whole[:, part_whole[1] < items].flip(0).contiguous()
        receivers = torch.arange(own, device=device()) >= items
        return cls(guess_scores(graph).to(device()), pos.to(device()), None, receivers)


def ours(graph: HeteroData, which: str) -> dict[str, float]:
    """Figures of `SignedLabelPropagation`."""
    y, pos, skip, receivers = Inputs.of(graph, which)
    layer = SignedLabelPropagation(cached=True)
    edges = pos.size(1) + (0 if skip is None else skip.size(1))

    def step() -> Tensor:
        return layer(y, pos, skip_edge_index=skip, receivers=receivers)  # type: ignore[no-any-return]

    return timed(step, 16e-6 * edges, n_nodes(graph), edges, first=True)


def engine(graph: HeteroData) -> dict[str, float]:
    """Figures of the first guess over the whole catalogue as `online.catalogue` makes it, from [I] base scores."""
    index = CatalogueIndex(graph)
    base = scores(n_items(graph)).double()
    return timed(lambda: first_guess(index, base), 0.0, n_nodes(graph), graph[IMPROVES].edge_index.size(1), first=True)


def theirs(graph: HeteroData, which: str, form: str) -> dict[str, float]:
    """Figures of explicit edges."""
    own = n_nodes(graph)
    edge_index, weight = (tensor.to(device()) for tensor in explicit_edges(graph, which))
    edges, y = edge_index.size(1), (guess_scores(graph) if which == "guess" else scores(own)).to(device())
    if form == "edges":
        step = partial(EdgeSum().__call__, y, edge_index, weight)
        return timed(step, 20e-6 * edges, own, edges)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        matrix = torch.sparse_coo_tensor(edge_index.flip(0), weight, (own, own)).to_sparse_csr()
    del edge_index, weight
    return timed(lambda: y + matrix @ y, 12e-6 * edges + 8e-6 * own, own, edges)


def guess_scores(graph: HeteroData) -> Tensor:
    """float32 [N]: items alone send."""
    y = scores(n_nodes(graph))
    y[n_items(graph) :] = 0.0
    return y


def scores(n: int) -> Tensor:
    return torch.rand(n, generator=torch.Generator().manual_seed(0))


def timed(step: Callable[[], object], held_mb: float, nodes: int, edges: int, first: bool = False) -> dict[str, float]:
    """The figures of a pass; `held_mb` is what its edges take."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far, of building the graph, is forgotten
    before, start = peak_mb(), seconds()
    step()
    begun = seconds() - start
    repeats, taken = (5 if begun < 1 else 2), []
    for _ in range(repeats):
        start = seconds()
        step()
        taken.append(seconds() - start)
    peak = held_mb + peak_mb() - before
    return {
        "seconds": min(taken), "first": begun if first else min(taken), "peak_mb": peak, "nodes": nodes,
        "edges": edges,
    }  # fmt: skip


def run_case(case: str) -> dict[str, float]:
    which, form, nodes = case.split(",")
    graph = graph_of(int(nodes))
    if form == "check":
        return check(graph, which)
    if form == "engine":
        return engine(graph)
    return ours(graph, which) if form == "ours" else theirs(graph, which, form)


def check(graph: HeteroData, which: str) -> dict[str, float]:
    """The largest difference between the explicit sums and ours, in float64."""
    y, pos, skip, receivers = Inputs.of(graph, which)
    edge_index, weight = (tensor.to(device()) for tensor in explicit_edges(graph, which))
    expected = EdgeSum()(y.double(), edge_index, weight.double())
    found = SignedLabelPropagation()(y.double(), pos, skip_edge_index=skip, receivers=receivers)
    return {"seconds": 0.0, "peak_mb": 0.0, "difference": float((expected - found).abs().max())}


def case_of(which: str, form: str, nodes: int, threads: int) -> dict[str, float] | None:
    figures = run_in_process(__file__, f"{which},{form},{nodes}", threads)
    return None if figures is None else dict(figures)  # type: ignore[arg-type]


def beside(nodes: list[int], threads: int) -> None:
    """Explicit edges, the matrix and ours."""
    for which in SUMS:
        print(f"\n{which}")
        print(row("nodes", "R+ and R- edges", "edges ms, MB", "matrix ms, MB", "ours ms, MB (first)",
                  "faster than edges", "smaller", "faster than matrix", "smaller", "largest difference"))  # fmt: skip
        print(row(*["---"] * 10))
        for n in nodes:
            edge, matrix, own, same = (
                case_of(which, form, n, threads) for form in ("edges", "matrix", "ours", "check")
            )
            if edge is None or matrix is None or own is None or same is None:
                print(row(f"{n:,}", *["-"] * 9))
                continue
            print(row(
                f"{own['nodes']:,.0f}", f"{edge['edges']:,.0f}", pair(edge), pair(matrix),
                f"{pair(own)} ({1e3 * own['first']:,.1f})", *ratios(edge, own), *ratios(matrix, own),
                f"{same['difference']:.0e}",
            ), flush=True)  # fmt: skip


def pair(figures: dict[str, float]) -> str:
    return f"{1e3 * figures['seconds']:,.2f}, {figures['peak_mb']:,.1f}"


def ratios(slow: dict[str, float], fast: dict[str, float]) -> tuple[str, str]:
    return f"{slow['seconds'] / fast['seconds']:,.0f}", f"{slow['peak_mb'] / fast['peak_mb']:,.0f}"


def growth(nodes: list[int], threads: int) -> None:
    """Ours alone, and the exponent of its growth."""
    forms = [(SUMS[0], "ours"), (SUMS[1], "ours"), (SUMS[0], "engine")]
    for which, form in forms if device().type == "cpu" else forms[:2]:  # catalogues are worked on the CPU
        print(f"\n{which}, {form}")
        print(row("nodes", "edges read", "ms", "first ms", "MB"))
        print(row(*["---"] * 5))
        found = []
        for n in nodes:
            figures = case_of(which, form, n, threads)
            if figures is None:
                continue
            found.append(figures)
            print(row(f"{figures['nodes']:,.0f}", f"{figures['edges']:,.0f}", f"{1e3 * figures['seconds']:,.2f}",
                      f"{1e3 * figures['first']:,.1f}", f"{figures['peak_mb']:,.1f}"), flush=True)  # fmt: skip
        large = [figures for figures in found if figures["nodes"] > 0.95 * GROWTH_FROM]
        if len(large) > 1:
            low, high = large[0], large[-1]
            grown = math.log(high["nodes"] / low["nodes"])
            print(f"from {low['nodes']:,.0f} nodes on: time grows with nodes ** "
                  f"{math.log(high['seconds'] / low['seconds']) / grown:.2f}, memory with nodes ** "
                  f"{math.log(high['peak_mb'] / low['peak_mb']) / grown:.2f}")  # fmt: skip


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=list(NODES))
    parser.add_argument("--growth", type=int, nargs="+", default=list(GROWTH))
    parser.add_argument("--only", choices=["beside", "growth"], help="print one part")
    options = parse_cases(parser, run_case)
    if options is None:
        return
    print(f"{machine()}, {options.threads} thread(s)")
    if options.only != "growth":
        beside(options.nodes, options.threads)
    if options.only != "beside":
        growth(options.growth, options.threads)


if __name__ == "__main__":
    main()
