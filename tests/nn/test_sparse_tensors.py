"""Every layer with `torch_sparse.SparseTensor` as adj_t: the values and all gradients of plain edges.

Without torch_sparse its stand-in takes its place (`sparse_stand_in.py`).
Edges come in any order, some twice; rows of the SparseTensor are sorted, so edge values are matched to them.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from all_layers import CHANNELS, EDGE_CHANNELS, LAYERS, Case
from hypothesis import given
from hypothesis import strategies as st
from sparse_stand_in import adjacency
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import NeighborLoader
from torch_geometric.typing import WITH_PYG_LIB, WITH_TORCH_SPARSE, OptTensor

from magus_pyg.nn import FeaturePropagation, GIPAConv, RGATConv, RGCNConv, SignedLabelPropagation

N_SRC, N_DST, RELATIONS = 7, 5, 3


def drawn(seed: int, num_src: int, num_dst: int, num_edges: int = 30) -> Tensor:
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    source, target = (torch.randint(0, size, (num_edges,), generator=generator) for size in (num_src, num_dst))
    return torch.stack([source, target])


def gradients(out: Tensor, *inputs: Tensor) -> list[Tensor | None]:
    """Of a loss in which every output counts differently."""
    weight = torch.linspace(0.5, 2.0, out.numel(), dtype=out.dtype).view_as(out)
    return list(torch.autograd.grad((weight * out.square()).sum(), inputs, allow_unused=True))


def check(run: Callable[[Any], Tensor], plain: Any, sparse: Any, *inputs: Tensor) -> None:
    """The same outputs and gradients of `run(edges)` for two forms of the edges."""
    expected, got = run(plain), run(sparse)
    torch.testing.assert_close(got, expected)
    pairs = list(zip(gradients(got, *inputs), gradients(expected, *inputs), strict=True))
    assert any(one is not None and bool(one.any()) for one, _ in pairs)
    for one, other in pairs:
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other)


def features(*size: int) -> Tensor:
    return torch.rand(*size, dtype=torch.float64, requires_grad=True)


seeds = given(seed=st.integers(0, 2**20))


@seeds
def test_label_propagation_between_two_sets(seed: int) -> None:
    layer, edges, other = SignedLabelPropagation(), drawn(seed, N_SRC, N_DST), drawn(seed + 1, N_SRC, N_DST, 6)
    y = features(N_SRC, 3), features(N_DST, 3)
    check(
        lambda form: layer(y, form[0], form[1]),
        (edges, other),
        (adjacency(edges, N_SRC, N_DST), adjacency(other, N_SRC, N_DST)),
        *y,
    )
    weight = features(30)
    check(
        lambda form: layer(y, form, other, pos_weight=weight if isinstance(form, Tensor) else None),
        edges,
        adjacency(edges, N_SRC, N_DST, weight),
        *y,
        weight,
    )


@seeds
@pytest.mark.parametrize("learned", [False, True])
def test_label_propagation_over_implied_pairs(seed: int, learned: bool) -> None:
    layer, edges, skip = SignedLabelPropagation(), drawn(seed, N_SRC, N_SRC, 9), drawn(seed + 1, N_SRC, N_SRC, 4)
    y, factors = features(N_SRC), features(N_SRC, 2)
    check(
        lambda form: layer(y, form[0], skip_edge_index=form[1], factors=factors if learned else None),
        (edges, skip),
        (adjacency(edges, N_SRC, N_SRC), adjacency(skip, N_SRC, N_SRC)),
        y,
        *([factors] if learned else []),
    )


@seeds
@pytest.mark.parametrize("implied", [False, True])
def test_feature_propagation(seed: int, implied: bool) -> None:
    layer, x = FeaturePropagation(4).double(), features(N_SRC, 4)
    edges, other = drawn(seed, N_SRC, N_SRC, 9), drawn(seed + 1, N_SRC, N_SRC, 9)
    check(
        lambda form: layer(x, form[0], None if implied else form[1], form[1] if implied else None),
        (edges, other),
        (adjacency(edges, N_SRC, N_SRC), adjacency(other, N_SRC, N_SRC)),
        x,
        *layer.parameters(),
    )
    order = adjacency(edges, N_SRC, N_SRC, torch.arange(9)).storage.value()
    weight = FeaturePropagation.edge_weight(x, adjacency(edges, N_SRC, N_SRC))
    torch.testing.assert_close(weight, FeaturePropagation.edge_weight(x, edges)[order])


@seeds
@pytest.mark.parametrize("implied", [False, True])
def test_rgcn(seed: int, implied: bool) -> None:
    relation = torch.randint(0, RELATIONS, (30,))
    if implied:
        layer = RGCNConv(4, 3, RELATIONS + 1, complement_of={RELATIONS: (0, 1)}).double()
        edges, x, num_dst = drawn(seed, N_SRC, N_SRC), features(N_SRC, 4), N_SRC
        inputs: Any = x
        given_x: tuple[Tensor, ...] = (x,)
    else:
        layer = RGCNConv((4, 2), 3, RELATIONS, num_bases=2).double()
        edges, num_dst = drawn(seed, N_SRC, N_DST), N_DST
        inputs = given_x = features(N_SRC, 4), features(N_DST, 2)
    check(
        lambda form: layer(inputs, form, relation if isinstance(form, Tensor) else None),
        edges,
        adjacency(edges, N_SRC, num_dst, relation),
        *given_x,
        *layer.parameters(),
    )


@seeds
@pytest.mark.parametrize("mechanism", ["across-relation", "within-relation"])
def test_rgat(seed: int, mechanism: str) -> None:
    relation = torch.randint(0, RELATIONS, (30,))
    layer = RGATConv(4, 3, RELATIONS, heads=2, attention_mechanism=mechanism).double()
    x, edges = (features(N_SRC, 4), features(N_DST, 4)), drawn(seed, N_SRC, N_DST)
    check(
        lambda form: layer(x, form, relation if isinstance(form, Tensor) else None),
        edges,
        adjacency(edges, N_SRC, N_DST, relation),
        *x,
        *layer.parameters(),
    )


@seeds
def test_gipa(seed: int) -> None:
    layer = GIPAConv((4, 2), 6, 3, heads=3, att_channels=5, prop_channels=4).double()
    x, edges, attr = (features(N_SRC, 4), features(N_DST, 2)), drawn(seed, N_SRC, N_DST), features(30, 3)
    check(
        lambda form: layer(x, form, attr if isinstance(form, Tensor) else None),
        edges,
        adjacency(edges, N_SRC, N_DST, attr),
        *x,
        attr,
        *layer.parameters(),
    )


@pytest.mark.parametrize("relation", ["pos", "neg"])
def test_messages_that_a_subclass_changes_carry_the_values(relation: str) -> None:
    class Halved(SignedLabelPropagation):
        def message(self, y_j: Tensor, weight: OptTensor) -> Tensor:
            return super().message(y_j, weight) / 2

    edges, none = drawn(1, N_SRC, N_DST), torch.empty(2, 0, dtype=torch.int64)
    y, weight = (torch.rand(N_SRC), torch.zeros(N_DST)), torch.rand(30)
    adj_t = adjacency(edges, N_SRC, N_DST, weight)
    pair = (adj_t, none) if relation == "pos" else (none, adj_t)
    torch.testing.assert_close(Halved()(y, *pair), SignedLabelPropagation()(y, *pair) / 2)


def test_no_edges() -> None:
    none = torch.empty(2, 0, dtype=torch.int64)
    y = features(N_SRC), features(N_DST)
    out = SignedLabelPropagation()(y, adjacency(none, N_SRC, N_DST), none)
    assert torch.equal(out, y[1])
    x = features(N_DST, 4)
    layer = FeaturePropagation(4).double()
    empty = adjacency(none, N_DST, N_DST)
    torch.testing.assert_close(layer(x, empty, empty), layer(x, none, none))


@pytest.mark.skipif(not (WITH_PYG_LIB or WITH_TORCH_SPARSE), reason="NeighborLoader needs pyg-lib or torch-sparse")
@pytest.mark.parametrize("case", LAYERS.values(), ids=list(LAYERS))
@pytest.mark.parametrize("as_sparse", [False, True])
def test_batches_with_all_neighbours_give_the_seeds_what_the_graph_gives(case: Case, as_sparse: bool) -> None:
    layer, edges = case.make().double().cpu(), drawn(3, N_SRC, N_SRC, 20).cpu()
    x = torch.rand(N_SRC, CHANNELS, dtype=torch.float64, device="cpu")
    kind = torch.arange(20, device="cpu") % RELATIONS
    attr = torch.rand(20, EDGE_CHANNELS, dtype=torch.float64, device="cpu")
    none = torch.empty(2, 0, dtype=torch.int64, device="cpu")
    name = type(layer).__name__
    arguments = {"RGCNConv": (kind,), "RGATConv": (kind,), "GIPAConv": (attr,)}.get(name, (none,))
    expected = layer(x, edges, *arguments)
    value = None if arguments[0] is none else arguments[0]
    if as_sparse:
        data = Data(x=x, adj_t=adjacency(edges, N_SRC, N_SRC, value))
    else:
        data = Data(x=x, edge_index=edges, value=value)
    for batch in NeighborLoader(data, num_neighbors=[-1], batch_size=3):
        if as_sparse:
            given = () if value is not None else (none,)
            out = layer(batch.x, batch.adj_t, *given)
        else:
            out = layer(batch.x, batch.edge_index, none if value is None else batch.value)
        seeds = batch.input_id
        torch.testing.assert_close(out[: batch.batch_size], expected[seeds])
