"""Sums over edges as sparse products: the bits of sums edge by edge, all gradients, and where they are used."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from magus_pyg.nn import FeaturePropagation, GIPAConv, RGATConv, RGCNConv, SignedLabelPropagation, _edge_product
from magus_pyg.nn._edge_product import EdgeRows, product_pays

NONE = torch.empty(2, 0, dtype=torch.int64)


def drawn(seed: int, num_src: int, num_dst: int, num_edges: int, in_order: bool = False) -> Tensor:
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    source, target = (torch.randint(0, size, (num_edges,), generator=generator) for size in (num_src, num_dst))
    order = torch.argsort(target, stable=True) if in_order else torch.arange(num_edges)
    return torch.stack([source[order], target[order]])


def added(x: Tensor, ends: Tensor, num_dst: int, weight: Tensor | None = None) -> Tensor:
    message = x[ends[0]] if weight is None else x[ends[0]] * weight.unsqueeze(-1)
    return x.new_zeros(num_dst, x.size(1)).index_add(0, ends[1], message)


@given(seed=st.integers(0, 2**20), num_edges=st.sampled_from([0, 1, 40]), columns=st.integers(1, 5))
def test_sums_are_those_of_edges_one_by_one(seed: int, num_edges: int, columns: int) -> None:
    ends = drawn(seed, 6, 4, num_edges)
    x = torch.rand(6, columns, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(num_edges, dtype=torch.float64, requires_grad=True)
    rows = EdgeRows(ends, 6, 4)
    for given_weight in (None, weight):
        out, expected = rows.sum(x, given_weight), added(x, ends, 4, given_weight)
        torch.testing.assert_close(out, expected)
        inputs = (x,) if given_weight is None else (x, weight)
        got = torch.autograd.grad(out.square().sum(), inputs)
        torch.testing.assert_close(got, torch.autograd.grad(expected.square().sum(), inputs))
    count = torch.bincount(ends[1], minlength=4)
    assert torch.equal(rows.count, count)
    torch.testing.assert_close(rows.mean(x), added(x, ends, 4) / count.clamp(min=1).unsqueeze(1))
    assert bool((rows.mean(x)[count == 0] == 0).all())


def test_gradients_of_gradients() -> None:
    rows = EdgeRows(drawn(0, 5, 3, 12), 5, 3)
    x = torch.rand(5, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(12, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rows.sum, (x, weight))
    assert torch.autograd.gradgradcheck(rows.sum, (x, weight))


def test_heads_have_sums_of_their_own() -> None:
    ends = drawn(6, 5, 3, 12)
    rows = EdgeRows(ends, 5, 3)
    x = torch.rand(5, 3, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(12, 3, dtype=torch.float64, requires_grad=True)
    out = rows.sum(x, weight)
    assert out.shape == (3, 3, 2)
    for head in range(3):
        torch.testing.assert_close(out[:, head], added(x[:, head], ends, 3, weight[:, head]))
    assert torch.autograd.gradcheck(rows.sum, (x, weight))
    assert torch.autograd.gradgradcheck(rows.sum, (x, weight))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("columns", [2, 3, 4, 8, 16, 24, 33])
@pytest.mark.parametrize("in_order", [True, False])
def test_targets_with_the_same_edges_have_the_same_bits(dtype: torch.dtype, columns: int, in_order: bool) -> None:
    # Nodes with the same neighbours must tie, or the order of recommendations would hang on rounding.
    ends = drawn(1, 500, 20, 20_000, in_order)
    ends = torch.cat([ends, torch.stack([ends[0], ends[1] + 20])], 1)  # every row of sources twice
    x = torch.rand(500, columns, dtype=dtype)
    out = EdgeRows(ends, 500, 40).sum(x)
    torch.testing.assert_close(out, added(x, ends, 40), rtol=1e-12 if dtype == torch.float64 else 1e-5, atol=0.0)
    assert torch.equal(out[:20], out[20:])


LAYERS: list[tuple[str, Callable[[], nn.Module], tuple[int, ...]]] = [
    ("labels", SignedLabelPropagation, ()),
    ("features", lambda: FeaturePropagation(16), ()),
    ("rgcn", lambda: RGCNConv(16, 3, 3), (3,)),
    ("rgat", lambda: RGATConv(8, 16, 3, heads=2), (3,)),
    ("gipa", lambda: GIPAConv(16, 32, 4, heads=2, att_channels=3), (4,)),
]


@pytest.mark.cpu
@pytest.mark.parametrize(("name", "make", "relations"), LAYERS, ids=[layer[0] for layer in LAYERS])
def test_layers_give_the_same_both_ways(
    name: str, make: Callable[[], nn.Module], relations: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, ends = make().double(), drawn(2, 9, 9, 50)
    x = torch.rand(9, 8 if name == "rgat" else 16, dtype=torch.float64, requires_grad=True)
    # As many R- as R+: the mask of an explainer is over the edges of every pass.
    arguments = (torch.randint(0, 3, (50,)),) if relations else (ends.flip(0),)
    if name == "gipa":
        arguments = (torch.rand(3, 4, dtype=torch.float64, requires_grad=True), *arguments)
    plain = layer(x, ends, *arguments)
    used: list[int] = []
    monkeypatch.setattr(_edge_product, "_LEAST", 0)
    product = EdgeRows.product
    monkeypatch.setattr(EdgeRows, "product", lambda *given: used.append(1) or product(*given))
    out = layer(x, ends, *arguments)
    assert used
    torch.testing.assert_close(out, plain)
    inputs = (x, *layer.parameters(), *(one for one in arguments if one.requires_grad))
    got, expected = (torch.autograd.grad(one.square().sum(), inputs, allow_unused=True) for one in (out, plain))
    torch.testing.assert_close(got, expected)
    # An explainer sees every message.
    used.clear()
    layer.explain, layer._edge_mask, layer._apply_sigmoid = True, torch.ones(50, dtype=torch.float64), False
    torch.testing.assert_close(layer(x, ends, *arguments), plain)
    assert not used


def test_weighted_labels_give_the_same_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    ends, y = drawn(3, 9, 9, 50), torch.rand(9, 16, dtype=torch.float64)
    weight = torch.rand(50, dtype=torch.float64, requires_grad=True)
    plain = SignedLabelPropagation()(y, ends, ends.flip(0), weight, weight)
    monkeypatch.setattr(_edge_product, "_LEAST", 0)
    out = SignedLabelPropagation()(y, ends, ends.flip(0), weight, weight)
    torch.testing.assert_close(out, plain)
    got, expected = (torch.autograd.grad(one.square().sum(), weight)[0] for one in (out, plain))
    torch.testing.assert_close(got, expected)


def test_a_subclass_may_change_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    class Halved(SignedLabelPropagation):
        def message(self, y_j: Tensor) -> Tensor:  # type: ignore[override]
            return y_j / 2

    monkeypatch.setattr(_edge_product, "_LEAST", 0)
    ends, y = drawn(4, 6, 6, 20), torch.rand(6, 16)
    expected = y + (SignedLabelPropagation()(y, ends, NONE) - y) / 2
    torch.testing.assert_close(Halved()(y, ends, NONE), expected)


@pytest.mark.cpu
def test_where_it_pays() -> None:
    ordered, mixed = drawn(5, 50, 50, 1 << 17, in_order=True), drawn(5, 50, 50, 1 << 17)
    x = torch.rand(50, 1)
    assert torch.backends.mkl.is_available() == product_pays(x, ordered, 2) == product_pays(x, mixed, 16)
    assert not product_pays(x, mixed, 2)  # would have to be sorted
    assert not product_pays(x, ordered, 1)
    assert not product_pays(x, ordered[:, :99], 16)
    assert not product_pays(x.half(), ordered, 16)
