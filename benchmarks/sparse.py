"""The sum over R+ by every sparse primitive at hand: N nodes, E edges, B columns; forward, and forward with backward.

What `SignedLabelPropagation` and `FeaturePropagation` spend their time on is out[v] = Σ w·y[u] over the edges u -> v.
The candidates are timed in turn within one process, several rounds over, and the best time of each is kept, so that
ratios hold where the machine is busy. "weighted" gives each edge a weight with a gradient (Eq. 14), "unit" none.

    python benchmarks/sparse.py [--nodes 100000] [--edges 1000000] [--columns 1 32 256] [--rounds 5] [--skew]
                                [--device auto]

Edges are sorted by target, as `build_relational_graph` gives R+; "our product, unsorted" gets them shuffled and sorts
first. What depends on the edges alone is made once for the candidates, in every call for our own code. torch_scatter
and torch_sparse are left out where they are not installed.
"""

import argparse
import time
import warnings
from collections.abc import Callable

import torch
from _common import add_device, device, generator, machine, on_device, use_device
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.typing import WITH_TORCH_SCATTER, WITH_TORCH_SPARSE
from torch_geometric.utils import scatter, segment

from magus_pyg.nn import SignedLabelPropagation
from magus_pyg.nn._edge_product import EdgeRows

Case = Callable[[Tensor, Tensor | None], Tensor]


def main() -> None:
    """Print a table a setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, nargs="+", default=[1, 32, 256])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--skew", action="store_true", help="sources by a power law, as words of a catalogue are")
    add_device(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    use_device(arguments.device)
    with on_device():
        _print_tables(arguments)


def _print_tables(arguments: argparse.Namespace) -> None:
    warnings.filterwarnings("ignore", message="Sparse")
    print(machine())
    edges = _edges(arguments.nodes, arguments.edges, arguments.skew)
    ptr = torch.searchsorted(edges[1].contiguous(), torch.arange(arguments.nodes + 1))
    for columns in arguments.columns:
        y = torch.rand(arguments.nodes, columns)
        for weight in (None, torch.rand(arguments.edges)):
            for backward in (False, True):
                _measure(_cases(edges, ptr, arguments.nodes), y, weight, backward, arguments.rounds)


def _edges(nodes: int, edges: int, skew: bool) -> Tensor:
    random = generator()
    draw = torch.rand(edges, generator=random)
    source = ((draw**3 if skew else draw) * nodes).to(torch.int64)
    target = torch.randint(0, nodes, (edges,), generator=random)
    order = torch.argsort(target * nodes + source)
    return torch.stack([source[order], target[order]])


def _cases(edges: Tensor, ptr: Tensor, nodes: int) -> dict[str, Case]:
    """Name -> sum(y [N, B], weight [E] or None). What depends on the edges alone is made here, once."""
    source, target = edges
    shuffled = torch.randperm(source.numel())
    mixed = edges[:, shuffled]
    layer, none = SignedLabelPropagation(), torch.empty(2, 0, dtype=torch.int64)
    index = EdgeIndex(edges, sparse_size=(nodes, nodes), sort_order="col").validate()
    index.fill_cache_()
    zero = torch.zeros(nodes, 1)

    def gather(y: Tensor, weight: Tensor | None) -> Tensor:
        message = y.index_select(0, source)
        return message if weight is None else message * weight.unsqueeze(-1)

    def csr(y: Tensor, weight: Tensor | None) -> Tensor:
        value = y.new_ones(source.numel()) if weight is None else weight
        return torch.sparse_csr_tensor(ptr, source, value, (nodes, nodes), check_invariants=False) @ y

    cases: dict[str, Case] = {
        "our layer, edge_index": lambda y, weight: layer((y, zero.expand_as(y)), edges, none, pos_weight=weight),
        "index_add": lambda y, weight: torch.zeros_like(y).index_add_(0, target, gather(y, weight)),
        "PyG scatter": lambda y, weight: scatter(gather(y, weight), target, 0, nodes, "sum"),
        "torch.segment_reduce": lambda y, weight: torch.segment_reduce(
            gather(y, weight), "sum", offsets=ptr, axis=0, unsafe=True
        ),
        "PyG segment": lambda y, weight: segment(gather(y, weight), ptr, "sum"),
        "torch.sparse CSR": csr,
        "EdgeIndex.matmul": lambda y, weight: index.matmul(y, weight, transpose=True),
    }
    if device().type == "cpu":  # elsewhere layers pass messages
        cases["our product"] = lambda y, weight: EdgeRows(edges, nodes, nodes).sum(y, weight)
        cases["our product, unsorted"] = lambda y, weight: EdgeRows(mixed, nodes, nodes).sum(
            y, None if weight is None else weight[shuffled]
        )
    if WITH_TORCH_SCATTER:
        from torch_scatter import segment_csr

        cases["torch_scatter.segment_csr"] = lambda y, weight: segment_csr(gather(y, weight), ptr)
    if WITH_TORCH_SPARSE:
        from torch_sparse import SparseTensor, matmul

        adj_t = SparseTensor(rowptr=ptr, row=target, col=source, sparse_sizes=(nodes, nodes), is_sorted=True)
        adj_t.fill_cache_()
        cases["torch_sparse.matmul"] = lambda y, weight: matmul(adj_t.set_value(weight, layout="coo"), y)
        cases["our layer, SparseTensor"] = lambda y, weight: layer(
            (y, zero.expand_as(y)), adj_t.set_value(weight, layout="coo"), none
        )
    return cases


def _now() -> float:
    """Wall time, when all work that was asked for is done."""
    if device().type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter()


def _measure(cases: dict[str, Case], y: Tensor, weight: Tensor | None, backward: bool, rounds: int) -> None:
    kind = ("unit" if weight is None else "weighted") + (", forward + backward" if backward else ", forward")
    y = y.detach().requires_grad_(backward)
    weight = None if weight is None else weight.detach().requires_grad_(backward)
    gradient = torch.rand_like(y, requires_grad=False)
    best: dict[str, float] = {}
    failed: dict[str, str] = {}
    expected: Tensor | None = None
    for _ in range(rounds):
        for name, case in cases.items():
            if name in failed:
                continue
            y.grad = None
            start = _now()
            try:
                out = case(y, weight)
                if backward:
                    out.backward(gradient)  # type: ignore[no-untyped-call]
            except (RuntimeError, NotImplementedError, ValueError) as error:
                failed[name] = str(error).splitlines()[0][:60]
                continue
            seconds = _now() - start
            if expected is None:
                expected = out.detach()
            torch.testing.assert_close(out.detach(), expected, rtol=1e-4, atol=1e-4)
            best[name] = min(best.get(name, seconds), seconds)
    reference = best["index_add"]
    print(f"\nB = {y.shape[1]}, {kind}")
    for name, seconds in sorted(best.items(), key=lambda entry: entry[1]):
        print(f"  {name:28} {1000 * seconds:9.2f} ms  {reference / seconds:6.2f} times index_add", flush=True)
    for name, why in failed.items():
        print(f"  {name:28} failed: {why}")


if __name__ == "__main__":
    main()
