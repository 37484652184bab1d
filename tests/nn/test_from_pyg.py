"""PyG's RGCNConv, FastRGCNConv and RGATConv as ours: arguments, weights and outputs."""

import pytest
import torch
import torch_geometric.nn as pyg
from all_layers import edges_between
from torch import Tensor

from magus_pyg.errors import ModelError
from magus_pyg.nn import GIPAConv, RGATConv, RGCNConv, from_pyg

RELATIONS = 3


def given(num_src: int = 6, num_dst: int = 6) -> tuple[Tensor, Tensor]:
    edges = edges_between(num_src, num_dst, 20)
    return edges, torch.arange(20, device=edges.device) % RELATIONS


def drawn(layer: torch.nn.Module) -> torch.nn.Module:
    """The layer in float64 with no parameter at its first value."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-1, 1)
    return layer.double()


def same(ours: torch.nn.Module, theirs: torch.nn.Module, *arguments: object, **named: object) -> None:
    """Equal outputs, and equal gradients of the input."""
    out, expected = ours(*arguments, **named), theirs(*arguments, **named)
    torch.testing.assert_close(out, expected)
    x = arguments[0]
    if isinstance(x, Tensor) and x.requires_grad:
        got, wanted = (torch.autograd.grad(one.square().sum(), x)[0] for one in (out, expected))
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("kind", [pyg.RGCNConv, pyg.FastRGCNConv])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"num_bases": 2},
        {"num_blocks": 2},
        {"aggr": "add"},
        {"root_weight": False, "is_sorted": True},
        {"bias": False},
    ],
    ids=str,
)
def test_rgcn(kind: type, arguments: dict[str, object]) -> None:
    theirs = drawn(kind(4, 6, RELATIONS, **arguments)).eval()
    ours = from_pyg(theirs)
    assert type(ours) is RGCNConv
    assert not ours.training
    assert repr(ours) == f"RGCNConv(4, 6, num_relations={RELATIONS})"
    edges, types = given()
    same(ours, theirs, torch.rand(6, 4, dtype=torch.float64, requires_grad=True), edges, types)


@pytest.mark.parametrize("aggr", ["max", "min", "mul"])
def test_rgcn_with_another_aggregation(aggr: str) -> None:
    theirs = drawn(pyg.RGCNConv(4, 6, RELATIONS, aggr=aggr))
    edges, types = given()
    same(from_pyg(theirs), theirs, torch.rand(6, 4, dtype=torch.float64, requires_grad=True), edges, types)


def test_rgcn_with_an_aggregation_that_learns() -> None:
    theirs = drawn(pyg.RGCNConv(4, 6, RELATIONS, aggr=pyg.aggr.SoftmaxAggregation(t=0.5, learn=True)))
    ours = from_pyg(theirs)
    edges, types = given()
    same(ours, theirs, torch.rand(6, 4, dtype=torch.float64), edges, types)
    assert ours.aggr_module is not theirs.aggr_module


def test_rgcn_of_two_sets() -> None:
    theirs = drawn(pyg.RGCNConv((4, 2), 6, RELATIONS))
    pair = torch.rand(6, 4, dtype=torch.float64), torch.rand(5, 2, dtype=torch.float64)
    same(from_pyg(theirs), theirs, pair, *given(6, 5))


@pytest.mark.parametrize("arguments", [{}, {"num_bases": 2}, {"aggr": "max"}], ids=str)
def test_rgcn_of_nodes_without_features(arguments: dict[str, object]) -> None:
    theirs = drawn(pyg.RGCNConv(6, 5, RELATIONS, **arguments))
    ours = from_pyg(theirs)
    same(ours, theirs, None, *given())
    same(ours, theirs, torch.tensor([5, 0, 0, 2, 3, 1]), *given())
    same(ours, theirs, (None, torch.tensor([4, 4, 1])), *given(6, 3))


def test_our_positional_arguments_are_those_of_pyg() -> None:
    theirs = drawn(pyg.RGCNConv(4, 6, RELATIONS, 2, None, "add", False, True, False))
    ours = RGCNConv(4, 6, RELATIONS, 2, None, "add", False, True, False).double()
    ours.load_state_dict(from_pyg(theirs).state_dict())
    edges, types = given()
    same(ours, theirs, torch.rand(6, 4, dtype=torch.float64), edges, types)
    attention = ("within-relation", "multiplicative-self-attention", 2, 1, False, 0.3, 0.0, 5, False)
    theirs = drawn(pyg.RGATConv(4, 6, RELATIONS, None, 2, None, *attention))
    ours = RGATConv(4, 6, RELATIONS, None, 2, None, *attention, shared_attention=True).double()
    ours.load_state_dict(from_pyg(theirs).state_dict())
    same(ours, theirs, torch.rand(6, 4, dtype=torch.float64), edges, types, torch.rand(20, 5, dtype=torch.float64))


@pytest.mark.parametrize("mechanism", ["across-relation", "within-relation"])
@pytest.mark.parametrize("mode", ["additive-self-attention", "multiplicative-self-attention"])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"num_bases": 2}, {"num_blocks": 2, "concat": False}, {"edge_dim": 3, "bias": False, "negative_slope": 0.4}],
    ids=str,
)
def test_rgat(mechanism: str, mode: str, arguments: dict[str, object]) -> None:
    theirs = drawn(
        pyg.RGATConv(4, 6, RELATIONS, attention_mechanism=mechanism, attention_mode=mode, heads=2, **arguments)
    )
    ours = from_pyg(theirs)
    assert type(ours) is RGATConv
    x, (edges, types) = torch.rand(6, 4, dtype=torch.float64, requires_grad=True), given()
    same(ours, theirs, x, edges, types)
    if "edge_dim" in arguments:
        attr = torch.rand(20, 3, dtype=torch.float64)
        same(ours, theirs, x, edges, types, edge_attr=attr)
        assert not torch.allclose(ours(x, edges, types, attr), ours(x, edges, types))


def test_what_else_is_taken_over() -> None:
    theirs = pyg.RGATConv(4, 6, RELATIONS, heads=2, dropout=0.3, flow="target_to_source").half()
    theirs.q.requires_grad_(False)
    ours = from_pyg(theirs)
    assert (ours.dropout, ours.flow, ours.training) == (0.3, "target_to_source", True)
    assert all(parameter.dtype == torch.float16 for parameter in ours.parameters())
    assert [name for name, value in ours.named_parameters() if not value.requires_grad] == ["att_q"]
    # A copy: training ours leaves theirs.
    assert all(ours.lin.weight.data_ptr() != value.data_ptr() for value in theirs.parameters())


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: pyg.GCNConv(2, 2), "got GCNConv"),
        (lambda: GIPAConv(2, 2, 2), "got GIPAConv"),
        (lambda: pyg.RGATConv(2, 2, 2, mod="additive"), "mod='additive'"),
        (lambda: pyg.RGATConv(2, 2, 2, attention_mode="multiplicative-self-attention", dim=2), "dim=2"),
        (lambda: pyg.RGATConv(2, 2, 2, aggr="max"), "aggr='max'"),
        (lambda: pyg.RGCNConv(2, 2, 2, aggr=["mean", "max"]), "one aggregation"),
    ],
)
def test_what_has_no_form_of_ours(layer: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        from_pyg(layer())


def test_a_layer_with_changed_messages_is_not_read() -> None:
    class Own(pyg.RGCNConv):
        pass

    with pytest.raises(ModelError, match="got Own"):
        from_pyg(Own(2, 2, 2))
