"""How fast and how large are the layers against their message-an-edge forms?

    python benchmarks/convs.py                 # all, some minutes
    python benchmarks/convs.py --only features # or: attention, gipa
    python benchmarks/convs.py --device auto   # on a GPU where there is one

attention: `magus_pyg.nn.RGATConv` against `torch_geometric.nn.RGATConv`, 20,000 nodes, 200,000 edges, 4 relations,
64 -> 64, one head, forward and backward.
gipa: `GIPAConv`, 20,000 nodes, 64 -> 64, 7 kinds of edges with 16 features, hidden layer of 64, by the number of edges,
against the same weights applied to every edge: nodes are gathered first and projected an edge at a time.
features: `FeaturePropagation` (d = 64), whose R- is implied, against Eqs. (11) and (12) with a message an edge of the
explicit R-, forward and backward, by the number of nodes. Each node has 10 edges of R+.
Times are CPU time, on a GPU wall time; memory is the peak beyond the inputs. Every case runs in a process of its own.
"""

import argparse

import torch
import torch_geometric.nn as pyg
from _common import Figures, generator, machine, measure, on_device, parse_cases, row, run_in_process
from torch import Tensor
from torch_geometric.utils import softmax

from magus_pyg.nn import FeaturePropagation, GIPAConv, RGATConv

NODES, EDGES, RELATIONS, CHANNELS = 20_000, 200_000, 4, 64
FEATURE_NODES = {"edges": (100, 300, 1_000, 2_000), "collapsed": (100, 300, 1_000, 2_000, 10_000, 100_000)}
GIPA_EDGES, GIPA_HEADS, KINDS, EDGE_CHANNELS = (20_000, 100_000, 200_000), (8, 64), 7, 16
MECHANISMS = ("across-relation", "within-relation")


def attention(which: str, mechanism: str) -> Figures:
    random = generator()
    x = torch.randn(NODES, CHANNELS, generator=random, requires_grad=True)
    edge_index = torch.randint(0, NODES, (2, EDGES), generator=random)
    edge_type = torch.randint(0, RELATIONS, (EDGES,), generator=random)
    conv_class = RGATConv if which == "magus_pyg" else pyg.RGATConv
    conv = conv_class(CHANNELS, CHANNELS, RELATIONS, attention_mechanism=mechanism)

    def step() -> None:
        torch.autograd.backward(conv(x, edge_index, edge_type).sum())

    return measure(step, repeats=5 if which == "magus_pyg" else 1)


def gipa(form: str, heads: int, num_edges: int) -> Figures:
    random = generator()
    x = torch.randn(NODES, CHANNELS, generator=random, requires_grad=True)
    edge_index = torch.randint(0, NODES, (2, num_edges), generator=random)
    kinds = torch.randint(0, KINDS, (num_edges,), generator=random)
    table = torch.randn(KINDS, EDGE_CHANNELS, generator=random, requires_grad=True)
    conv = GIPAConv(CHANNELS, CHANNELS, EDGE_CHANNELS, heads=heads, att_channels=CHANNELS)

    def step() -> None:
        out = conv(x, edge_index, table, kinds) if form == "nodes" else gipa_by_edge(conv, x, edge_index, table[kinds])
        torch.autograd.backward(out.sum())

    return measure(step, repeats=3)


def gipa_by_edge(conv: GIPAConv, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
    """The formulas of `GIPAConv` with every projection made for every edge."""
    assert conv.prop_edge is not None
    x_u, x_v = x[edge_index[0]], x[edge_index[1]]
    logit = torch.relu(conv.att_src(x_u) + conv.att_dst(x_v) + conv.att_edge(edge_attr))
    alpha = softmax(logit, edge_index[1], num_nodes=x.size(0)).unsqueeze(-1)
    message = (conv.prop_src(x_u) + conv.prop_edge(edge_attr)).view(len(alpha), conv.heads, -1) * alpha
    out = x.new_zeros(x.size(0), *message.shape[1:]).index_add(0, edge_index[1], message)
    return out.flatten(1) + conv.root(x) + conv.bias  # type: ignore[no-any-return]


def features(form: str, num_nodes: int) -> Figures:
    random = generator()
    x = torch.randn(num_nodes, CHANNELS, generator=random, requires_grad=True)
    half = torch.randint(0, num_nodes, (2, 5 * num_nodes), generator=random)
    half = half[:, half[0] != half[1]]
    pos = torch.cat([half, half.flip(0)], dim=1)
    layer = FeaturePropagation(CHANNELS)
    if form == "collapsed":
        return measure(lambda: torch.autograd.backward(layer(x, pos).sum()), repeats=5)

    joined = torch.zeros(num_nodes, num_nodes, dtype=torch.bool)
    joined[pos[0], pos[1]] = True
    neg = (~joined.fill_diagonal_(True)).nonzero().t().contiguous()
    w1, w2 = layer.lin1.weight, layer.lin2.weight

    def step() -> None:
        torch.autograd.backward(message_edges(x, pos, neg, w1, w2).sum())

    return measure(step, repeats=2)


def message_edges(x: Tensor, pos: Tensor, neg: Tensor, w1: Tensor, w2: Tensor) -> Tensor:
    """Eqs. (11) and (12) as printed, except that nodes are projected before the edges gather them."""
    first, second = x @ w1.t(), x @ w2.t()
    out = first
    for (source, target), sign in ((pos, 1.0), (neg, -1.0)):
        similarity = (x[source] * x[target]).sum(-1, keepdim=True)
        message = first[source] + similarity * second[target]
        degree = torch.bincount(target, minlength=x.size(0)).clamp(min=1).unsqueeze(-1)
        out = out + sign * torch.zeros_like(x).index_add(0, target, message) / degree
    return torch.relu(out)


def run_case(case: str) -> Figures:
    kind, which, *sizes = case.split(",")
    with on_device():
        if kind == "attention":
            return attention(which, sizes[0])
        return gipa(which, *map(int, sizes)) if kind == "gipa" else features(which, int(sizes[0]))


def cells(figures: Figures | None) -> tuple[str, str]:
    if figures is None:
        return "-", "-"
    return f"{figures['seconds'] * 1000:,.1f}", f"{figures['peak_mb']:,.0f}"


def ratios(slow: Figures | None, fast: Figures | None) -> tuple[str, str]:
    if slow is None or fast is None:
        return "-", "-"
    # A small case fits what the process already holds: below 1 MB a ratio says nothing.
    memory = f"{slow['peak_mb'] / fast['peak_mb']:,.1f}" if fast["peak_mb"] >= 1 else "-"
    return f"{slow['seconds'] / fast['seconds']:,.1f}", memory


def print_tables(only: str | None, threads: int) -> None:
    print(f"{machine()}, {threads} thread(s)\n")
    if only in (None, "attention"):
        print(f"RGATConv, {NODES:,} nodes, {EDGES:,} edges, {RELATIONS} relations, {CHANNELS} -> {CHANNELS}")
        print(row("softmax", "PyG ms", "PyG MB", "magus_pyg ms", "magus_pyg MB", "times faster", "times smaller"))
        print(row(*["---"] * 7))
        for mechanism in MECHANISMS:
            slow, fast = (
                run_in_process(__file__, f"attention,{which},{mechanism}", threads) for which in ("pyg", "magus_pyg")
            )
            print(row(mechanism, *cells(slow), *cells(fast), *ratios(slow, fast)), flush=True)
        print()
    if only in (None, "gipa"):
        print(f"GIPAConv, {NODES:,} nodes, {CHANNELS} -> {CHANNELS}, {KINDS} kinds of edges")
        print(row("heads", "edges", "by edge ms", "MB", "magus_pyg ms", "MB", "times faster", "times smaller"))
        print(row(*["---"] * 8))
        for heads in GIPA_HEADS:
            for edges in GIPA_EDGES:
                slow, fast = (
                    run_in_process(__file__, f"gipa,{form},{heads},{edges}", threads) for form in ("edges", "nodes")
                )
                print(row(heads, f"{edges:,}", *cells(slow), *cells(fast), *ratios(slow, fast)), flush=True)
        print()
    if only in (None, "features"):
        print(f"FeaturePropagation({CHANNELS}), R- of all other pairs")
        print(row("nodes", "edges ms", "edges MB", "collapsed ms", "collapsed MB", "times faster", "times smaller"))
        print(row(*["---"] * 7))
        for nodes in FEATURE_NODES["collapsed"]:
            fast = run_in_process(__file__, f"features,collapsed,{nodes}", threads)
            slow = None
            if nodes in FEATURE_NODES["edges"]:
                slow = run_in_process(__file__, f"features,edges,{nodes}", threads)
            print(row(f"{nodes:,}", *cells(slow), *cells(fast), *ratios(slow, fast)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["attention", "gipa", "features"], help="print one table")
    options = parse_cases(parser, run_case)
    if options is not None:
        print_tables(options.only, options.threads)


if __name__ == "__main__":
    main()
