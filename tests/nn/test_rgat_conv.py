import pytest
import torch
import torch_geometric.nn as pyg
from sparse_stand_in import adjacency
from torch_geometric import EdgeIndex

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.nn import RGATConv

MECHANISMS = ["across-relation", "within-relation"]
MODES = ["additive-self-attention", "multiplicative-self-attention"]
NO_EDGES = torch.empty(2, 0, dtype=torch.int64)
NO_TYPE = torch.empty(0, dtype=torch.int64)
EDGES = torch.tensor([[0, 1, 2, 3, 0, 0], [1, 0, 1, 1, 3, 3]])
TYPES = torch.tensor([0, 0, 0, 1, 2, 2])


def random_graph(seed, num_nodes, num_edges, num_relations):
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    ends = torch.randint(0, num_nodes, (2, num_edges), generator=generator)
    return ends, torch.randint(0, num_relations, (num_edges,), generator=generator), generator


def loops(layer, x_src, x_dst, ends, types):
    """Eqs. of the paper an edge and a head at a time."""
    weight = layer.lin().view(layer.num_relations, layer.in_channels, layer.heads, layer.out_channels)
    additive = layer.attention_mode.startswith("additive")
    out = x_dst.new_zeros(x_dst.size(0), layer.heads, layer.out_channels)
    for head in range(layer.heads):
        logits = []
        for u, v, r in zip(*ends.tolist(), types.tolist(), strict=True):
            query = x_dst[v] @ weight[r, :, head] @ layer.att_q[r, head]
            key = x_src[u] @ weight[r, :, head] @ layer.att_k[r, head]
            logit = query + key if additive else query @ key
            logits.append(torch.nn.functional.leaky_relu(logit[0], layer.negative_slope) if additive else logit)
        for edge, (u, v, r) in enumerate(zip(*ends.tolist(), types.tolist(), strict=True)):
            same = ends[1] == v
            if layer.attention_mechanism.startswith("within"):
                same = same & (types == r)
            others = torch.stack([logits[i] for i in same.nonzero().flatten().tolist()])
            alpha = (logits[edge] - others.logsumexp(0)).exp()
            out[v, head] = out[v, head] + alpha * (x_src[u] @ weight[r, :, head])
    out = out.flatten(1) if layer.concat else out.mean(1)
    return out if layer.bias is None else out + layer.bias


def randomize(layer):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer.double()


def test_repr():
    assert repr(RGATConv(4, 8, 3, heads=2)) == "RGATConv(4, 8, num_relations=3, heads=2)"


def test_every_parameter_is_filled():
    torch.manual_seed(0)
    layer = RGATConv(4, 8, 3, heads=2, num_bases=2)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(torch.nan)
    layer.reset_parameters()
    assert {name: tuple(value.shape) for name, value in layer.named_parameters() if value.isfinite().all()} == {
        "att_q": (3, 2, 8, 1),
        "att_k": (3, 2, 8, 1),
        "bias": (16,),
        "lin.weight": (2, 4, 16),
        "lin.comp": (3, 2),
    }


@pytest.mark.parametrize(
    ("mechanism", "expected"),
    [("across-relation", (1 + 3 + 4 * 10) / 6), ("within-relation", (1 + 3) / 2 + 10)],
)
def test_values_by_hand(mechanism, expected):
    # Node 0 has edges from 1 and 2 (relation 0) and from 3 (relation 1) with logits 0, 0 and ln 4.
    layer = RGATConv(1, 1, 2, attention_mechanism=mechanism, bias=False)
    with torch.no_grad():
        layer.lin.weight.fill_(1.0)
        layer.att_q.fill_(0.0)
        layer.att_k.copy_(torch.tensor([0.0, torch.tensor(4.0).log() / 10]).view(2, 1, 1, 1))
    x = torch.tensor([[0.0], [1.0], [3.0], [10.0]])
    ends, types = torch.tensor([[1, 2, 3], [0, 0, 0]]), torch.tensor([0, 0, 1])
    assert layer(x, ends, types).flatten().tolist() == pytest.approx([expected, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(("mode", "dim"), [(MODES[0], 1), (MODES[1], 1), (MODES[1], 3)])
@pytest.mark.parametrize("options", [{}, {"concat": False}, {"num_bases": 2}, {"bias": False}])
def test_is_the_loops(mechanism, mode, dim, options):
    layer = randomize(
        RGATConv(3, 2, 3, heads=2, attention_mechanism=mechanism, attention_mode=mode, dim=dim, **options)
    )
    ends, types, generator = random_graph(1, 5, 14, 3)
    x = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    assert torch.allclose(layer(x, ends, types), loops(layer, x, x, ends, types))


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [{}, {"concat": False}, {"num_bases": 2}])
def test_equals_pyg(mechanism, mode, options):
    heads, out = 2, 3
    kwargs = {"heads": heads, "attention_mechanism": mechanism, "attention_mode": mode} | options
    layer, other = RGATConv(5, out, 4, **kwargs), pyg.RGATConv(5, out, 4, **kwargs)
    with torch.no_grad():
        if "num_bases" in options:
            other.basis.copy_(layer.lin.weight)
            other.att.copy_(layer.lin.comp)
        else:
            other.weight.copy_(layer.lin.weight)
        other.bias.copy_(layer.bias.normal_())
        # PyG has one query and key kernel for all relations and lets it mix heads: ours, block by block.
        for name in ("q", "k"):
            kernel = getattr(layer, f"att_{name}")
            kernel.copy_(kernel[:1].normal_().expand_as(kernel))
            getattr(other, name).copy_(torch.block_diag(*kernel[0]))
    ends, types, generator = random_graph(2, 12, 60, 4)
    x = torch.randn(12, 5, generator=generator)
    results = []
    for conv in (layer, other):
        x.requires_grad_()
        result = conv(x, ends, types)
        results.append((result, *torch.autograd.grad((result**2).sum(), [x, conv.bias])))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_edge_features_by_hand(mechanism):
    # Logits 1·2 + 1·3 with what the edge adds, LeakyReLU of 0.2 below 0.
    layer = RGATConv(1, 1, 1, attention_mechanism=mechanism, edge_dim=2, bias=False)
    with torch.no_grad():
        for parameter in (layer.lin.weight, layer.att_q, layer.att_k, layer.att_e):
            parameter.fill_(1.0)
        layer.lin_edge.weight.copy_(torch.tensor([[1.0, -1.0]]))
    x, ends, types = torch.tensor([[2.0], [3.0], [4.0]]), torch.tensor([[1, 2], [0, 0]]), torch.zeros(2).long()
    attr = torch.tensor([[0.0, 10.0], [2.0, 1.0]])
    logits = torch.tensor([0.2 * (5.0 - 10.0), 6.0 + 1.0])
    out, alpha = layer(x, ends, types, attr, return_attention_weights=True)
    torch.testing.assert_close(alpha[:, 0], logits.softmax(0))
    torch.testing.assert_close(out[0], (logits.softmax(0) * torch.tensor([3.0, 4.0])).sum(0, keepdim=True))
    with pytest.raises(GraphError, match=r"edge_attr must be floating \[2, 2\].*\[2, 3\]"):
        layer(x, ends, types, torch.ones(2, 3))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_attention_weights_sum_to_one(mechanism):
    layer = RGATConv(3, 2, 3, heads=2, attention_mechanism=mechanism)
    ends, types, generator = random_graph(3, 6, 30, 3)
    x = torch.randn(6, 3, generator=generator)
    out, alpha = layer(x, ends, types, return_attention_weights=True)
    assert torch.equal(out, layer(x, ends, types))
    group = ends[1] * 3 + types if mechanism == MECHANISMS[1] else ends[1]
    sums = torch.zeros(18, 2).index_add(0, group, alpha)[group.unique()]
    assert torch.allclose(sums, torch.ones_like(sums))


def test_dropout_only_in_training():
    torch.manual_seed(0)
    layer, x = RGATConv(2, 3, 3, dropout=0.5), torch.randn(4, 2)
    layer.eval()
    assert torch.equal(layer(x, EDGES, TYPES), layer(x, EDGES, TYPES))
    layer.train()
    outputs = torch.stack([layer(x, EDGES, TYPES) for _ in range(20)])
    assert (outputs.std(0) > 0).any()


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("mode", MODES)
def test_gradcheck(mechanism, mode):
    layer = randomize(RGATConv(2, 2, 3, heads=2, attention_mechanism=mechanism, attention_mode=mode, num_bases=2))
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in layer.named_parameters()]

    def call(x, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x, EDGES, TYPES))

    values = [value.detach().clone().requires_grad_() for value in layer.parameters()]
    assert torch.autograd.gradcheck(call, (x, *values))


def test_bipartite():
    layer = randomize(RGATConv(3, 2, 2))
    x_src, x_dst = torch.randn(3, 3).double(), torch.randn(2, 3).double()
    ends, types = torch.tensor([[0, 1, 2, 2], [0, 0, 1, 0]]), torch.tensor([0, 1, 1, 0])
    out = layer((x_src, x_dst), ends, types)
    assert torch.allclose(out, loops(layer, x_src, x_dst, ends, types))


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("num_nodes", [0, 1])
def test_nothing_to_attend_to(mechanism, num_nodes):
    layer = RGATConv(2, 3, 2, heads=2, attention_mechanism=mechanism)
    out = layer(torch.randn(num_nodes, 2), NO_EDGES, NO_TYPE)
    assert torch.equal(out, torch.zeros(num_nodes, 6))


def test_large_logits_stay_finite():
    layer, x = RGATConv(2, 3, 3), torch.full((4, 2), 1e4)
    assert layer(x, EDGES, TYPES).isfinite().all()


def test_edge_index_gives_the_same():
    layer, x = RGATConv(2, 3, 3), torch.randn(4, 2)
    assert torch.equal(layer(x, EdgeIndex(EDGES, sparse_size=(4, 4)), TYPES), layer(x, EDGES, TYPES))


def test_sparse_tensor_gives_the_same():
    layer, x = RGATConv(2, 3, 3), torch.randn(4, 2)
    adj_t = adjacency(EDGES, 4, 4, TYPES)
    assert torch.allclose(layer(x, adj_t), layer(x, EDGES, TYPES), atol=1e-6)


@pytest.mark.parametrize(("num_edges", "pairs"), [(0, 0), (1, 1), (6, 6), (7, 12)])
def test_few_edges_project_what_they_read(num_edges, pairs):
    # Of 4 nodes and 3 relations: at most half of the 12 pairs are picked out, else all are projected.
    layer, x = RGATConv(2, 3, 3, heads=2).double(), torch.randn(4, 2, dtype=torch.float64)
    ends = torch.stack([torch.arange(num_edges) % 4, torch.arange(num_edges) % 3])
    types = torch.arange(num_edges) // 4
    h, row = layer._project(x, layer.lin(), ends[0], types)
    assert h.shape == (pairs, 2, 3)
    expected = torch.einsum("ni,rio->nro", x, layer.lin())[ends[0], types]
    torch.testing.assert_close(h.index_select(0, row).flatten(1), expected)
    torch.testing.assert_close(layer(x, ends, types), loops(layer, x, x, ends, types))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_compile_fullgraph(mechanism):
    torch._dynamo.reset()
    layer, x = RGATConv(2, 3, 3, heads=2, attention_mechanism=mechanism), torch.randn(4, 2)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(x, EDGES, TYPES), layer(x, EDGES, TYPES), atol=1e-6)


X = torch.ones(4, 2)
BAD = [
    pytest.param({"x": torch.ones(4, 3)}, ModelError, r"\[N, 2\].*\[4, 3\]", id="channels"),
    pytest.param({"x": (X, torch.ones(4, 3))}, ModelError, r"x_dst.*\[4, 3\]", id="target channels"),
    pytest.param({"edge_index": EDGES - 1}, GraphError, "holds -1", id="id"),
    pytest.param({"edge_type": None}, GraphError, "edge_type is missing", id="no types"),
    pytest.param({"edge_attr": torch.ones(6, 2)}, ModelError, "made without edge_dim", id="features of edges"),
    pytest.param({"x": (X, None)}, ModelError, "x_dst must be.*NoneType", id="no receivers"),
    pytest.param({"x": (X, X, X)}, ModelError, "3 entries", id="three sets"),
    pytest.param({"edge_type": TYPES + 1}, GraphError, "edge_type holds 3.*0 to 2", id="relation"),
]


@pytest.mark.parametrize(("changed", "error", "message"), BAD)
def test_bad_inputs(changed, error, message):
    with pytest.raises(error, match=message):
        RGATConv(2, 2, 3)(**({"x": X, "edge_index": EDGES, "edge_type": TYPES} | changed))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention_mechanism": "global"}, "attention_mechanism.*'global'"),
        ({"attention_mode": "dot"}, "attention_mode.*'dot'"),
        ({"dim": 2}, "dim=2"),
        ({"heads": 0}, "heads must be at least 1, got 0"),
        ({"heads": 1.5}, "heads must be a whole number, got 1.5"),
        ({"in_channels": True}, "in_channels must be a whole number, got True"),
        ({"dropout": 1.0}, "dropout.*1.0"),
        ({"num_bases": -1}, "num_bases.*-1"),
        ({"num_relations": 0}, "num_relations.*0"),
        ({"in_channels": -1}, "in_channels.*-1; it cannot be left to the first call"),
        ({"out_channels": 0}, "out_channels.*0"),
        ({"edge_dim": 0}, "edge_dim.*0"),
        ({"mod": "scaled"}, "mod='scaled'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ModelError, match=message):
        RGATConv(**({"in_channels": 2, "out_channels": 2, "num_relations": 2} | options))
