import math

import pytest
import torch
from sparse_stand_in import adjacency
from torch_geometric import EdgeIndex

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.nn import GIPAConv

NO_EDGES = torch.empty(2, 0, dtype=torch.int64)
EDGES = torch.tensor([[0, 1, 2, 3, 0, 0], [1, 0, 1, 1, 3, 3]])
ATTR = torch.arange(18.0).view(6, 3) / 10 - 0.8
# Attention node by node and bit by bit, with and without hidden layers, edges in the attention alone.
FORMS = [
    {},
    {"heads": 4},
    {"heads": 2, "att_channels": 5},
    {"heads": 2, "prop_channels": 3, "negative_slope": 0.2},
    {"heads": 4, "att_channels": 2, "prop_channels": 6, "edge_propagation": False},
    {"heads": 2, "edge_propagation": False, "bias": False},
]


def random_graph(seed, num_src, num_dst, num_edges, channels):
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    ends = torch.stack([torch.randint(0, n, (num_edges,), generator=generator) for n in (num_src, num_dst)])
    return ends, torch.randn(num_edges, channels, generator=generator, dtype=torch.float64), generator


def loops(layer, x_src, x_dst, ends, attr):
    """The formulas of the docstring, an edge and a head at a time."""

    def act(value):
        return torch.where(value > 0, value, layer.negative_slope * value)

    def mlp(module, value):
        weights = [parameter for _, parameter in module.named_parameters()]
        for number, weight in enumerate(weights):
            value = weight @ value
            if number < len(weights) - 1:
                value = act(value)
        return value

    pairs = ends.t().tolist()
    logits, messages = [], []
    for (u, v), e in zip(pairs, attr, strict=True):
        logits.append(act(mlp(layer.att_dst, x_dst[v]) + mlp(layer.att_src, x_src[u]) + mlp(layer.att_edge, e)))
        p = layer.prop_src.weight @ x_src[u]
        if layer.prop_edge is not None:
            p = p + layer.prop_edge.weight @ e
        if layer.prop_out is not None:
            p = layer.prop_out.weight @ act(p)
        messages.append(p)
    width = layer.out_channels // layer.heads
    rows = []
    for v in range(len(x_dst)):
        into = [edge for edge, (_, target) in enumerate(pairs) if target == v]
        heads = []
        for h in range(layer.heads):
            total = sum(logits[edge][h].exp() for edge in into)
            part = x_dst.new_zeros(width)
            for edge in into:
                part = part + logits[edge][h].exp() / total * messages[edge][h * width : (h + 1) * width]
            heads.append(part)
        row = torch.cat(heads) + layer.root.weight @ x_dst[v]
        rows.append(row if layer.bias is None else row + layer.bias)
    return torch.stack(rows)


def randomize(layer):
    generator = torch.Generator(torch.get_default_device()).manual_seed(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return layer.double()


def test_repr():
    assert repr(GIPAConv(4, 8, 3, heads=2)) == "GIPAConv(4, 8, edge_channels=3, heads=2)"
    assert repr(GIPAConv((4, 5), 8, 3)) == "GIPAConv((4, 5), 8, edge_channels=3, heads=1)"


def test_every_parameter_is_filled():
    torch.manual_seed(0)
    layer = GIPAConv((4, 6), 8, 3, heads=2, att_channels=5, prop_channels=7)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(torch.nan)
    layer.reset_parameters()
    assert {name: tuple(value.shape) for name, value in layer.named_parameters() if value.isfinite().all()} == {
        "bias": (8,),
        "att_src.0.weight": (5, 4),
        "att_src.2.weight": (2, 5),
        "att_dst.0.weight": (5, 6),
        "att_dst.2.weight": (2, 5),
        "att_edge.0.weight": (5, 3),
        "att_edge.2.weight": (2, 5),
        "prop_src.weight": (7, 4),
        "prop_edge.weight": (7, 3),
        "prop_out.weight": (8, 7),
        "root.weight": (8, 6),
    }


def test_values_by_hand():
    # Node 0 has edges from 1 and 2. Feature 0 has logits 0 and ln 3, so weights 1/4 and 3/4; feature 1 has ln 2 and
    # ReLU(-1) = 0, so weights 2/3 and 1/3. Messages are x_u + e: (1 + 5, 1 + 5) and (3 + 7, 3 + 7).
    layer = GIPAConv(1, 2, 3, heads=2)
    with torch.no_grad():
        layer.att_src.weight.zero_()
        layer.att_dst.weight.zero_()
        layer.att_edge.weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
        layer.prop_src.weight.fill_(1.0)
        layer.prop_edge.weight.copy_(torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]))
        layer.root.weight.copy_(torch.tensor([[10.0], [20.0]]))
        layer.bias.copy_(torch.tensor([0.5, 0.25]))
    x = torch.tensor([[2.0], [1.0], [3.0]])
    attr = torch.tensor([[0.0, math.log(2), 5.0], [math.log(3), -1.0, 7.0]])
    out = layer(x, torch.tensor([[1, 2], [0, 0]]), attr)
    assert out[0].tolist() == pytest.approx([6 / 4 + 10 * 3 / 4 + 20 + 0.5, 6 * 2 / 3 + 10 / 3 + 40 + 0.25])
    # Nodes without edges keep the residual.
    assert out[1:].tolist() == [[10.5, 20.25], [30.5, 60.25]]


@pytest.mark.parametrize("form", FORMS)
def test_is_the_loops(form):
    layer = randomize(GIPAConv(3, 4, 2, **form))
    ends, attr, generator = random_graph(1, 5, 5, 14, 2)
    x = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    assert torch.allclose(layer(x, ends, attr), loops(layer, x, x, ends, attr))


def test_bipartite():
    layer = randomize(GIPAConv((3, 2), 4, 2, heads=2, att_channels=3))
    ends, attr, generator = random_graph(2, 3, 6, 9, 2)
    x_src, x_dst = (torch.randn(shape, generator=generator).double() for shape in ((3, 3), (6, 2)))
    assert torch.allclose(layer((x_src, x_dst), ends, attr), loops(layer, x_src, x_dst, ends, attr))


@pytest.mark.parametrize("form", FORMS)
def test_receivers_without_features_are_those_of_zeros(form):
    layer = randomize(GIPAConv((3, 2), 4, 2, **form))
    ends, attr, generator = random_graph(2, 3, 6, 9, 2)
    x, none = torch.randn(3, 3, generator=generator).double(), torch.zeros(6, 2, dtype=torch.float64)
    expected = layer((x, none), ends, attr)
    assert torch.equal(layer((x, None), ends, attr, size=(3, 6)), expected)
    with pytest.raises(ModelError, match=r"x_dst is None: give size="):
        layer((x, None), ends, attr)


@pytest.mark.parametrize("form", FORMS)
def test_sizes_of_the_first_call(form):
    lazy, sized = GIPAConv((-1, -1), 4, -1, **form), GIPAConv((3, 2), 4, 2, **form)
    ends, attr, generator = random_graph(2, 3, 6, 9, 2)
    pair = tuple(torch.randn(shape, generator=generator) for shape in ((3, 3), (6, 2)))
    assert lazy(pair, ends, attr.float()).shape == (6, 4)
    shapes = [{name: value.shape for name, value in layer.named_parameters()} for layer in (lazy, sized)]
    assert shapes[0] == shapes[1]
    sized.load_state_dict(lazy.state_dict())
    assert torch.equal(lazy(pair, ends, attr.float()), sized(pair, ends, attr.float()))
    with pytest.raises(ModelError, match=r"x_src must be a floating tensor \[N, 3\], got .* \[6, 2\]"):
        lazy(pair[::-1], ends, attr.float())
    with pytest.raises(GraphError, match=r"edge_attr must be floating \[9, 2\]"):
        lazy(pair, ends, torch.rand(9, 3))


@pytest.mark.parametrize("form", FORMS)
def test_gradcheck(form):
    layer = randomize(GIPAConv(3, 4, 3, **form))
    generator = torch.Generator(torch.get_default_device()).manual_seed(1)
    x = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    attr = ATTR.double().requires_grad_()
    names = [name for name, _ in layer.named_parameters()]

    def call(x, attr, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x, EDGES, attr))

    values = [value.detach().clone().requires_grad_() for value in layer.parameters()]
    assert torch.autograd.gradcheck(call, (x, attr, *values))


@pytest.mark.parametrize("heads", [1, 4])
def test_attention_weights_sum_to_one(heads):
    layer = randomize(GIPAConv(3, 4, 2, heads=heads))
    ends, attr, generator = random_graph(3, 6, 6, 30, 2)
    x = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    out, alpha = layer(x, ends, attr, return_attention_weights=True)
    assert alpha.shape == (30, heads)
    assert torch.equal(out, layer(x, ends, attr))
    sums = torch.zeros(6, heads, dtype=torch.float64).index_add(0, ends[1], alpha)[ends[1].unique()]
    assert torch.allclose(sums, torch.ones_like(sums))


def test_dropout_only_in_training():
    torch.manual_seed(0)
    layer, x = GIPAConv(2, 4, 3, heads=2, dropout=0.5), torch.randn(4, 2)
    layer.eval()
    assert torch.equal(layer(x, EDGES, ATTR), layer(x, EDGES, ATTR))
    layer.train()
    outputs = torch.stack([layer(x, EDGES, ATTR) for _ in range(20)])
    assert (outputs.std(0) > 0).any()


@pytest.mark.parametrize("num_nodes", [0, 1])
@pytest.mark.parametrize("form", FORMS)
def test_nothing_to_attend_to(form, num_nodes):
    layer, x = GIPAConv(2, 4, 3, **form), torch.randn(num_nodes, 2)
    out = layer(x, NO_EDGES, torch.empty(0, 3))
    assert torch.equal(out, layer.root(x))
    out.sum().backward()


def test_large_logits_stay_finite():
    layer, x = GIPAConv(2, 4, 3), torch.full((4, 2), 1e4)
    assert layer(x, EDGES, ATTR).isfinite().all()


@pytest.mark.parametrize("form", FORMS)
def test_types_of_edges_give_the_same(form):
    layer, x = randomize(GIPAConv(2, 4, 3, **form)), torch.randn(4, 2).double()
    table, types = ATTR[:3].double(), torch.tensor([2, 0, 0, 1, 2, 1])
    assert torch.allclose(layer(x, EDGES, table, types), layer(x, EDGES, table[types]))


def test_edge_index_gives_the_same():
    layer, x = GIPAConv(2, 4, 3, heads=2), torch.randn(4, 2)
    assert torch.equal(layer(x, EdgeIndex(EDGES, sparse_size=(4, 4)), ATTR), layer(x, EDGES, ATTR))


def test_sparse_tensor_gives_the_same():
    layer, x = GIPAConv(2, 4, 3, heads=2), torch.randn(4, 2)
    adj_t = adjacency(EDGES, 4, 4, ATTR)
    assert torch.allclose(layer(x, adj_t), layer(x, EDGES, ATTR), atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_compile_fullgraph(form):
    torch._dynamo.reset()
    layer, x = GIPAConv(2, 4, 3, **form), torch.randn(4, 2)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(x, EDGES, ATTR), layer(x, EDGES, ATTR), atol=1e-6)
    types = torch.tensor([2, 0, 0, 1, 2, 1])
    assert torch.allclose(compiled(x, EDGES, ATTR[:3], types), layer(x, EDGES, ATTR[:3], types), atol=1e-6)
    assert torch._dynamo.explain(layer)(x, EDGES, ATTR).graph_break_count == 0


def test_memory_is_linear_in_edges():
    # What autograd keeps an edge for the backward pass: some rows of 16 numbers, no matrix of 16 × 16.
    layer, kept = GIPAConv(16, 16, 4, heads=16), []
    x = torch.randn(10, 16)
    for edges in (100, 200):
        total = 0

        def count(tensor):
            nonlocal total
            total += tensor.numel()
            return tensor

        ends, attr, _ = random_graph(0, 10, 10, edges, 4)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            layer(x, ends, attr.float())
        kept.append(total)
    assert (kept[1] - kept[0]) / 100 < 10 * 16


X = torch.ones(4, 2)
BAD = [
    pytest.param({"x": torch.ones(4, 3)}, ModelError, r"\[N, 2\].*\[4, 3\]", id="channels"),
    pytest.param({"x": (X, torch.ones(4, 3))}, ModelError, r"x_dst.*\[4, 3\]", id="target channels"),
    pytest.param({"edge_index": EDGES - 1}, GraphError, "holds -1", id="id"),
    pytest.param({"edge_attr": None}, GraphError, r"edge_attr is missing.*\[6, 3\]", id="no features"),
    pytest.param({"edge_attr": ATTR[:5]}, GraphError, r"edge_attr must be floating \[6, 3\].*\[5, 3\]", id="edges"),
    pytest.param({"edge_type": EDGES[0], "edge_attr": ATTR[:3]}, GraphError, "edge_type holds 3.*0 to 2", id="types"),
    pytest.param({"edge_type": EDGES[0], "edge_attr": X}, GraphError, r"floating \[T, 3\].*\[4, 2\]", id="table"),
    pytest.param({"edge_attr": ATTR.long()}, GraphError, r"edge_attr.*int64", id="type"),
]


@pytest.mark.parametrize(("changed", "error", "message"), BAD)
def test_bad_inputs(changed, error, message):
    with pytest.raises(error, match=message):
        GIPAConv(2, 2, 3)(**({"x": X, "edge_index": EDGES, "edge_attr": ATTR} | changed))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "divide out_channels=4, got 3"),
        ({"heads": 0}, "heads must be at least 1, got 0"),
        ({"edge_channels": 0}, "edge_channels must be at least 1, got 0"),
        ({"in_channels": (2, 0)}, "in_channels must be at least 1, got 0"),
        ({"in_channels": (2, 2.5)}, "in_channels must be a whole number, got 2.5"),
        ({"att_channels": 2.5}, "att_channels must be a whole number, got 2.5"),
        ({"att_channels": -1}, "att_channels must be at least 0, got -1"),
        ({"prop_channels": -1}, "prop_channels must be at least 0, got -1"),
        ({"dropout": 1.0}, "dropout.*1.0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ModelError, match=message):
        GIPAConv(**({"in_channels": 2, "out_channels": 4, "edge_channels": 3} | options))
