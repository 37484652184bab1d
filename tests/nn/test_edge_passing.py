"""What all layers share: the flow, masks of explainers, hooks, arguments that are no options, dtypes."""

from functools import partial
from typing import Any

import pytest
import torch
from all_layers import CHANNELS, LAYERS, ON_IMPLIED, Case, edges_between
from sparse_stand_in import adjacency
from torch import Tensor
from torch_geometric import EdgeIndex

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.nn import FeaturePropagation, GIPAConv, RGCNConv, SignedLabelPropagation, _edge_product
from magus_pyg.nn._edge_passing import EdgePassing

layers = pytest.mark.parametrize("case", LAYERS.values(), ids=list(LAYERS))
sizes = pytest.mark.parametrize("large", [False, True], ids=["messages", "products"])


def features(*size: int) -> Tensor:
    return torch.linspace(-1, 2, torch.Size(size).numel(), dtype=torch.float64).view(size).requires_grad_()


def both_flows(case: Case) -> tuple[EdgePassing, EdgePassing]:
    plain, turned = case.make().double(), case.make(flow="target_to_source").double()
    turned.load_state_dict(plain.state_dict())
    return plain, turned


@sizes
@layers
def test_the_other_flow_is_that_of_flipped_edges(case: Case, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr(_edge_product, "_LEAST", 0)
    plain, turned = both_flows(case)
    for x in (features(5, CHANNELS), (features(5, CHANNELS), features(3, CHANNELS))):
        edges = edges_between(5, 5 if isinstance(x, Tensor) else 3)
        expected, got = case.call(plain, x, edges), case.call(turned, x, edges.flip(0))
        torch.testing.assert_close(got, expected)
        # It does tell directions apart.
        if isinstance(x, Tensor):
            assert not torch.allclose(case.call(turned, x, edges), expected)
        given = [x] if isinstance(x, Tensor) else list(x)
        grads = [torch.autograd.grad(out.square().sum(), given, retain_graph=True) for out in (got, expected)]
        torch.testing.assert_close(*grads)


@pytest.mark.parametrize("case", ON_IMPLIED.values(), ids=list(ON_IMPLIED))
def test_the_other_flow_over_implied_pairs(case: Case) -> None:
    plain, turned = both_flows(case)
    x, edges = features(5, CHANNELS), edges_between(5, 5)
    torch.testing.assert_close(case.call(turned, x, edges.flip(0)), case.call(plain, x, edges))


@layers
def test_the_other_flow_takes_an_edge_index_and_no_sparse_tensor(case: Case) -> None:
    turned, x, edges = case.make(flow="target_to_source").double(), features(5, CHANNELS), edges_between(5, 5)
    torch.testing.assert_close(case.call(turned, x, EdgeIndex(edges, sparse_size=(5, 5))), case.call(turned, x, edges))
    with pytest.raises(GraphError, match=r"edge_index is a SparseTensor.*target_to_source"):
        turned(x, adjacency(edges, 5, 5))
    with pytest.raises(ValueError, match="sideways"):
        case.make(flow="sideways")


@layers
def test_what_is_part_of_the_layer_is_no_option(case: Case) -> None:
    with pytest.raises(ModelError, match=r"node_dim=-2.*takes no node_dim"):
        case.make(node_dim=-2)
    if case != LAYERS["RGCNConv"]:
        with pytest.raises(ModelError, match=r"aggr='max'.*takes no aggr"):
            case.make(aggr="max")


@layers
def test_features_of_another_dtype_are_named(case: Case) -> None:
    if case == LAYERS["SignedLabelPropagation"]:
        pytest.skip("has no weights")
    layer, edges = case.make(), edges_between(5, 5)
    with pytest.raises(ModelError, match=r"x is torch.float64, the weights of the layer are torch.float32.*\.to\("):
        case.call(layer, features(5, CHANNELS), edges)
    out = case.call(layer.double(), features(5, CHANNELS), edges)
    assert out.dtype == torch.float64
    with torch.autocast(out.device.type, torch.bfloat16):
        assert case.call(layer.float(), features(5, CHANNELS).bfloat16(), edges).isfinite().all()


@layers
def test_layers_made_under_another_default_dtype(case: Case) -> None:
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        layer = case.make()
        assert all(parameter.dtype == torch.float64 for parameter in layer.parameters())
        out = case.call(layer, torch.rand(5, CHANNELS), edges_between(5, 5))
    finally:
        torch.set_default_dtype(kept)
    assert out.dtype == torch.float64


@layers
def test_hooks_see_every_message(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_edge_product, "_LEAST", 0)
    layer, x, edges = case.make().double(), features(5, CHANNELS), edges_between(5, 5)
    plain, seen = case.call(layer, x, edges), []
    handle = layer.register_message_forward_hook(lambda module, given, out: seen.append(len(out)))
    torch.testing.assert_close(case.call(layer, x, edges), plain)
    assert seen[0] in (4, 9)
    handle.remove()
    seen.clear()
    case.call(layer, x, edges)
    assert seen == []


def test_a_subclass_may_aggregate_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    class Doubled(RGCNConv):
        def aggregate(self, inputs: Tensor, index: Tensor, dim_size: int) -> Tensor:
            return 2 * torch.zeros(dim_size, inputs.size(1), dtype=inputs.dtype).index_add(0, index, inputs)

    monkeypatch.setattr(_edge_product, "_LEAST", 0)
    one, other = Doubled(2, 2, 1).double(), RGCNConv(2, 2, 1, aggr="sum").double()
    other.load_state_dict(one.state_dict())
    x, edges = features(5, 2), edges_between(5, 5)
    kind = torch.zeros(9, dtype=torch.int64)
    extra = other(x, edges, kind) - x @ other.root
    torch.testing.assert_close(one(x, edges, kind), 2 * extra + x @ other.root)


def explain(layer: Any, mask: Tensor, sigmoid: bool = False) -> None:
    layer.explain, layer._edge_mask, layer._apply_sigmoid = True, mask, sigmoid


@layers
def test_a_mask_of_ones_changes_nothing_and_each_edge_counts(case: Case) -> None:
    layer, x, edges = case.make().double(), features(5, CHANNELS), edges_between(5, 5)
    plain = case.call(layer, x, edges)
    explain(layer, torch.ones(9, dtype=torch.float64, requires_grad=True))
    out = case.call(layer, x, edges)
    torch.testing.assert_close(out, plain)
    # As many numbers as edges, each with a gradient where its receiver is not cut off by a ReLU.
    (grad,) = torch.autograd.grad(out.sin().sum(), layer._edge_mask)
    reached = (out != 0).any(1)[edges[1]]
    assert torch.equal(grad != 0, reached)


@pytest.mark.parametrize("flow", ["source_to_target", "target_to_source"])
def test_the_mask_is_of_the_positive_edges_or_of_both_relations(flow: str) -> None:
    layer, y = SignedLabelPropagation(flow=flow), features(5)
    pos, neg = edges_between(5, 5), edges_between(5, 5, 4)
    keep = torch.tensor([1, 0, 1, 1, 0, 0, 1, 0, 1], dtype=torch.bool)
    expected = layer(y, pos[:, keep], neg)
    # The mask is over R+ alone: messages over R- pass in full.
    explain(layer, keep.double())
    torch.testing.assert_close(layer(y, pos, neg), expected)
    explain(layer, torch.where(keep, torch.inf, -torch.inf).double(), sigmoid=True)
    torch.testing.assert_close(layer(y, pos, neg), expected)
    # Or over R+ followed by R-.
    both = torch.cat([keep, torch.tensor([False, True, True, False])])
    explain(layer, both.double())
    plain = SignedLabelPropagation(flow=flow)
    torch.testing.assert_close(layer(y, pos, neg), plain(y, pos[:, keep], neg[:, 1:3]))
    explain(layer, torch.ones(7))
    with pytest.raises(GraphError, match=r"mask holds 7 edges: explain R\+ \(9 edges\).* \(13\)"):
        layer(y, pos, neg)
    with pytest.raises(GraphError, match="mask holds 7 edges, the layer passes 9"):
        layer(y, pos)


def test_the_mask_over_implied_pairs_is_of_the_edges() -> None:
    layer, y, pos = SignedLabelPropagation(), features(5), edges_between(5, 5)
    neg = -(
        SignedLabelPropagation()((y, torch.zeros_like(y)), pos)
        - SignedLabelPropagation()((y, torch.zeros_like(y)), pos, torch.empty(2, 0, dtype=torch.int64))
    )
    explain(layer, torch.zeros(9, dtype=torch.float64))
    torch.testing.assert_close(layer(y, pos), y - neg)


def test_a_mask_is_needed() -> None:
    layer = SignedLabelPropagation()
    layer.explain = True
    with pytest.raises(GraphError, match="no mask"):
        layer(features(5), edges_between(5, 5))


@pytest.mark.parametrize("flow", ["up", None])
def test_another_flow_is_refused(flow):
    message = rf"flow must be one of \('source_to_target', 'target_to_source'\), got {flow!r}"
    for make in (SignedLabelPropagation, partial(FeaturePropagation, 4), partial(GIPAConv, 2, 4, 3)):
        with pytest.raises(ModelError, match=message):
            make(flow=flow)
