import pytest
import torch
import torch_geometric.nn as pyg
from hypothesis import given, settings
from hypothesis import strategies as st
from sparse_stand_in import adjacency
from torch_geometric import EdgeIndex

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.nn import RGCNConv
from reference_features import implied_pairs, pairs_of

NO_EDGES = torch.empty(2, 0, dtype=torch.int64)
NO_TYPE = torch.empty(0, dtype=torch.int64)
EDGES = torch.tensor([[0, 1, 2, 3, 0, 0], [1, 0, 1, 1, 3, 3]])
TYPES = torch.tensor([0, 0, 0, 1, 2, 2])


def random_graph(seed, num_nodes, num_edges, num_relations):
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    ends = torch.randint(0, max(num_nodes, 1), (2, num_edges if num_nodes else 0), generator=generator)
    return ends, torch.randint(0, num_relations, (ends.size(1),), generator=generator), generator


def loops(layer, x, ends, types, implied=None, receivers=None):
    """The formula of the layer a node, a relation and a neighbour at a time; `implied`: relation -> pairs."""
    weight = layer.lin()
    rows = []
    for v in range(x.size(0)):
        out = layer.bias + x[v] @ layer.root
        for r in range(layer.num_relations):
            pairs = (implied or {}).get(r)
            if pairs is None:
                pairs = [pair for pair, kind in zip(pairs_of(ends), types.tolist(), strict=True) if kind == r]
            elif receivers is not None and not receivers[v]:
                continue
            neighbours = [u for u, target in pairs if target == v]
            for u in neighbours:
                out = out + x[u] @ weight[r] / len(neighbours)
        rows.append(out)
    return torch.stack(rows) if rows else x.new_zeros(0, layer.out_channels)


def randomize(layer):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer.double()


def test_repr():
    assert repr(RGCNConv(4, 8, num_relations=3)) == "RGCNConv(4, 8, num_relations=3)"
    layer = RGCNConv((4, 2), 8, 3, complement_of={1: [0]})
    assert repr(layer) == "RGCNConv((4, 2), 8, num_relations=3, complement_of={1: (0,)})"


def test_parameters():
    shapes = {name: tuple(value.shape) for name, value in RGCNConv(4, 8, 3, num_bases=2).named_parameters()}
    assert shapes == {"root": (4, 8), "bias": (8,), "lin.weight": (2, 4, 8), "lin.comp": (3, 2)}
    assert [name for name, _ in RGCNConv(4, 8, 3, root_weight=False, bias=False).named_parameters()] == ["lin.weight"]


def test_mean_of_each_relation_by_hand():
    layer = RGCNConv(1, 1, num_relations=2, bias=False)
    with torch.no_grad():
        layer.lin.weight.copy_(torch.tensor([1.0, 100.0]).view(2, 1, 1))
        layer.root.fill_(0.0)
    x = torch.tensor([[1.0], [2.0], [4.0], [6.0]])
    ends, types = torch.tensor([[1, 2, 3], [0, 0, 0]]), torch.tensor([0, 0, 1])
    # The mean of relation 0 is over its two edges, not over all three.
    assert layer(x, ends, types).flatten().tolist() == [3.0 + 600.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("num_bases", [None, 2])
@pytest.mark.parametrize("options", [{}, {"root_weight": False}, {"bias": False}])
def test_equals_pyg(num_bases, options):
    layer = RGCNConv(5, 3, 4, num_bases=num_bases, **options)
    # FastRGCNConv takes the mean per relation whatever extensions are installed.
    other = pyg.FastRGCNConv(5, 3, 4, num_bases=num_bases, aggr="mean", **options)
    with torch.no_grad():
        other.weight.copy_(layer.lin.weight)
        if num_bases is not None:
            other.comp.copy_(layer.lin.comp)
        for name in ("root", "bias"):
            if getattr(layer, name) is not None:
                getattr(other, name).copy_(getattr(layer, name).normal_())
    ends, types, generator = random_graph(0, 20, 80, 4)
    x = torch.randn(20, 5, generator=generator)
    assert torch.allclose(layer(x, ends, types), other(x, ends, types), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    num_nodes=st.integers(0, 7),
    num_edges=st.integers(0, 14),
    listed=st.sampled_from([(0,), (0, 2)]),
    with_batch=st.booleans(),
    with_skip=st.booleans(),
    masks=st.sampled_from(["none", "one", "pair", "sources"]),
)
def test_implied_relation_is_the_loops(seed, num_nodes, num_edges, listed, with_batch, with_skip, masks):
    ends, types, generator = random_graph(seed, num_nodes, num_edges, 3)
    ends, types = ends[:, types != 1], types[types != 1]
    skip, _, _ = random_graph(seed + 1, num_nodes, 4, 1)
    batch = torch.randint(0, 2, (num_nodes,), generator=generator) if with_batch else None
    if batch is not None:
        skip = skip[:, batch[skip[0]] == batch[skip[1]]]
        inside = batch[ends[0]] == batch[ends[1]]
        ends, types = ends[:, inside], types[inside]
    drawn = torch.rand(2, num_nodes, generator=generator) < 0.6
    argument, sources, receivers = {
        "none": (None, None, None),
        "one": (drawn[0], drawn[0], drawn[0]),
        "pair": ((drawn[0], drawn[1]), drawn[0], drawn[1]),
        "sources": ((drawn[0], None), drawn[0], None),
    }[masks]

    layer = randomize(RGCNConv(2, 3, 3, complement_of={1: listed}))
    x = torch.randn(num_nodes, 2, generator=generator, dtype=torch.float64)
    joined = pairs_of(ends[:, torch.isin(types, torch.tensor(listed))]) + (pairs_of(skip) if with_skip else [])
    implied = {1: implied_pairs(num_nodes, joined, batch, sources)}
    out = layer(x, ends, types, argument, skip if with_skip else None, batch)
    assert torch.allclose(out, loops(layer, x, ends, types, implied, receivers), atol=1e-9)


def test_implied_equals_given_edges_and_their_gradients():
    implied = randomize(RGCNConv(3, 2, 2, complement_of={1: [0]}))
    plain = randomize(RGCNConv(3, 2, 2))
    plain.load_state_dict(implied.state_dict())
    ends = torch.tensor([[0, 1, 2, 2], [1, 2, 0, 2]])
    neg = torch.tensor(implied_pairs(5, pairs_of(ends)), dtype=torch.int64).t()
    every, types = torch.cat([ends, neg], 1), torch.tensor([0] * 4 + [1] * neg.size(1))
    x = torch.randn(5, 3, dtype=torch.float64)
    outputs = [implied(x, ends, types[:4]), plain(x, every, types)]
    assert torch.allclose(*outputs)
    grads = [
        torch.autograd.grad((out**2).sum(), list(layer.parameters()))
        for out, layer in zip(outputs, (implied, plain), strict=True)
    ]
    for left, right in zip(*grads, strict=True):
        assert torch.allclose(left, right)


@pytest.mark.parametrize("options", [{}, {"num_bases": 2}, {"num_blocks": 2}, {"root_weight": False}])
@pytest.mark.parametrize("implied", [False, True])
def test_nodes_without_features_are_unit_vectors(options, implied):
    layer = randomize(RGCNConv(6, 4, 3, complement_of={2: [0]} if implied else None, **options))
    ends, types, _ = random_graph(4, 6, 12, 2)
    unit = torch.eye(6, dtype=torch.float64)
    assert torch.allclose(layer(None, ends, types), layer(unit, ends, types))
    number = torch.tensor([5, 1, 1, 0, 2, 4])
    assert torch.allclose(layer(number, ends, types), layer(unit[number], ends, types))
    if not implied:
        # Either of a pair may have features.
        few, types = ends % torch.tensor([[6], [2]]), types
        expected = layer((unit, unit[:2]), few, types)
        assert torch.allclose(layer((None, unit[:2]), few, types), expected)
        assert torch.allclose(layer((unit, number.new_tensor([0, 1])), few, types), expected)
    with pytest.raises(GraphError, match=r"x holds 6.* 0 to 5"):
        layer(number + 1, ends, types)


def test_blocks_are_the_diagonal_of_each_weight():
    layer = randomize(RGCNConv(4, 6, 2, num_blocks=2))
    assert layer.lin.weight.shape == (2, 2, 2, 3)
    expected = torch.stack([torch.block_diag(*blocks) for blocks in layer.lin.weight])
    assert torch.equal(layer.lin(), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_blocks": 3}, "num_blocks must divide the channels 4 and 6.*got 3"),
        ({"num_blocks": 2, "num_bases": 2}, "exclude each other"),
        ({"num_blocks": 0}, "num_blocks must be at least 1, got 0"),
        ({"aggr": "sum", "complement_of": {1: [0]}}, "means, which aggr='sum' is not"),
        ({"aggr": ["mean", "max"]}, r"one aggregation.*\['mean', 'max'\]"),
        ({"in_channels": -1}, "in_channels must be at least 1, got -1; it cannot be left to the first call"),
        ({"in_channels": (4, -1)}, "in_channels must be at least 1, got -1"),
        ({"in_channels": 4.5}, "in_channels must be a whole number, got 4.5"),
        ({"in_channels": (4, 4, 4)}, r"a pair \(source, target\), got \(4, 4, 4\)"),
        ({"num_relations": "2"}, "num_relations must be a whole number, got '2'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ModelError, match=message):
        RGCNConv(**({"in_channels": 4, "out_channels": 6, "num_relations": 2} | options))


def test_gradcheck():
    layer = randomize(RGCNConv(2, 2, 3, num_bases=2, complement_of={1: [0]}))
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    types = TYPES.clamp(max=0) + 2 * (TYPES == 2)
    assert torch.autograd.gradcheck(lambda x: layer(x, EDGES, types), (x,))


def test_bipartite():
    layer = randomize(RGCNConv((2, 3), 4, 2))
    x_src, x_dst = torch.randn(3, 2).double(), torch.randn(2, 3).double()
    ends, types = torch.tensor([[0, 1, 2], [0, 0, 1]]), torch.tensor([0, 0, 1])
    out = layer((x_src, x_dst), ends, types)
    weight = layer.lin()
    expected = x_dst @ layer.root + layer.bias
    expected = expected + torch.stack([x_src[:2].mean(0) @ weight[0], x_src[2] @ weight[1]])
    assert torch.allclose(out, expected)


@pytest.mark.parametrize("num_nodes", [0, 1])
@pytest.mark.parametrize("complement_of", [None, {1: (0,)}])
def test_nothing_to_propagate(num_nodes, complement_of):
    layer = RGCNConv(2, 3, 2, complement_of=complement_of)
    x = torch.randn(num_nodes, 2)
    assert torch.allclose(layer(x, NO_EDGES, NO_TYPE), x @ layer.root + layer.bias)


def test_edge_index_gives_the_same():
    layer, x = RGCNConv(2, 3, 3), torch.randn(4, 2)
    assert torch.equal(layer(x, EdgeIndex(EDGES, sparse_size=(4, 4)), TYPES), layer(x, EDGES, TYPES))


def test_sparse_tensor_gives_the_same():
    layer, x = RGCNConv(2, 3, 3), torch.randn(4, 2)
    adj_t = adjacency(EDGES, 4, 4, TYPES)
    assert torch.allclose(layer(x, adj_t), layer(x, EDGES, TYPES), atol=1e-6)


@pytest.mark.parametrize("complement_of", [{}, {3: (0, 2)}])
def test_compile_fullgraph(complement_of):
    torch._dynamo.reset()
    layer, x = RGCNConv(2, 3, 4, num_bases=2, complement_of=complement_of), torch.randn(4, 2)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(x, EDGES, TYPES), layer(x, EDGES, TYPES), atol=1e-6)


X = torch.ones(4, 2)
BAD = [
    pytest.param({"x": torch.ones(4, 3)}, ModelError, r"x must.*\[N, 2\].*\[4, 3\]", id="channels"),
    pytest.param({"x": (X, torch.ones(4, 3))}, ModelError, r"x_dst.*\[4, 3\]", id="target channels"),
    pytest.param({"edge_index": EDGES + 1}, GraphError, "holds 4", id="id"),
    pytest.param({"edge_type": None}, GraphError, "edge_type is missing", id="no types"),
    pytest.param({"edge_type": TYPES + 1}, GraphError, "edge_type holds 3.*0 to 2", id="relation"),
    pytest.param({"edge_type": TYPES[:5]}, GraphError, r"\[6\].*\[5\]", id="short types"),
    pytest.param({"edge_type": TYPES.float()}, GraphError, "float32", id="float types"),
]


@pytest.mark.parametrize(("changed", "error", "message"), BAD)
def test_bad_inputs(changed, error, message):
    with pytest.raises(error, match=message):
        RGCNConv(2, 2, 3)(**({"x": X, "edge_index": EDGES, "edge_type": TYPES} | changed))


def test_bad_implied_relations():
    layer = RGCNConv(2, 2, 3, complement_of={2: [0]})
    with pytest.raises(GraphError, match=r"edge_type holds 2.*complement of \(0,\)"):
        layer(X, EDGES, TYPES)
    with pytest.raises(GraphError, match="one node set, got a pair of 4 sources and 3"):
        layer((X, X[:3]), NO_EDGES, NO_TYPE)
    with pytest.raises(GraphError, match="one node set, got a pair of 4 sources and 4"):
        layer((X, X.clone()), NO_EDGES, NO_TYPE)
    with pytest.raises(GraphError, match=r"complement_nodes.*\[3\]"):
        layer(X, NO_EDGES, NO_TYPE, torch.ones(3).bool())
    with pytest.raises(ModelError, match="relation 5"):
        RGCNConv(2, 2, 3, complement_of={2: [5]})
    with pytest.raises(ModelError, match=r"complement_of\[2\] lists 1"):
        RGCNConv(2, 2, 3, complement_of={1: [0], 2: [1]})
    with pytest.raises(ModelError, match="num_bases must be at least 1, got 0"):
        RGCNConv(2, 2, 3, num_bases=0)
