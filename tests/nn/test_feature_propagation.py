import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sparse_stand_in import adjacency
from torch_geometric import EdgeIndex

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.nn import FeaturePropagation
from reference_features import edge_weights, implied_pairs, pairs_of, propagate_features

NO_EDGES = torch.empty(2, 0, dtype=torch.int64)
POS = torch.tensor([[0, 2, 0, 3, 1, 3], [2, 0, 3, 0, 3, 1]])
SKIP = torch.tensor([[2], [3]])


def random_graph(seed, num_nodes, num_edges):
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    return torch.randint(0, max(num_nodes, 1), (2, num_edges if num_nodes else 0), generator=generator), generator


def weights(layer):
    return layer.lin1.weight, layer.lin2.weight


def test_repr():
    assert repr(FeaturePropagation(8)) == "FeaturePropagation(8)"


def test_parameters_are_filled_anew():
    layer = FeaturePropagation(8)
    before = [parameter.clone() for parameter in layer.parameters()]
    assert [tuple(parameter.shape) for parameter in before] == [(8, 8), (8, 8)]
    layer.reset_parameters()
    assert all((old != new).any() for old, new in zip(before, layer.parameters(), strict=True))


def test_values_by_hand():
    # W1 = 1, W2 = 2; node 1 receives 3 over R+ and -1 over R-: the difference of means is 4.
    layer = FeaturePropagation(1)
    with torch.no_grad():
        layer.lin1.weight.fill_(1.0)
        layer.lin2.weight.fill_(2.0)
    x = torch.tensor([[3.0], [0.5], [-1.0]])
    out = layer(x, torch.tensor([[0], [1]]), torch.tensor([[2], [1]]))
    assert out.tolist() == [[3.0], [0.5 + 4.0 + 2.0 * (0.5 * 4.0) * 0.5], [0.0]]


def test_mean_over_implied_pairs_by_hand():
    layer = FeaturePropagation(1)
    with torch.no_grad():
        layer.lin1.weight.fill_(1.0)
        layer.lin2.weight.fill_(0.0)
    x = torch.tensor([[8.0], [4.0], [2.0], [1.0]])
    # 0 and 1 are R+, 2 and 3 R⊥: N- of 0 and 1 is {2, 3}, N- of 2 and 3 is {0, 1}.
    args = (x, torch.tensor([[0], [1]]), None, torch.tensor([[3], [2]]))
    assert layer(*args).flatten().tolist() == [8 - 1.5, 4 + 8 - 1.5, 0.0, 0.0]
    # Only 3 may stand in N-: node 0 and 1 see it, 2 is R⊥ to it, 3 sees nobody.
    only = torch.tensor([False, False, False, True])
    assert layer(*args, neg_nodes=only).flatten().tolist() == [8 - 1.0, 4 + 8 - 1.0, 2.0, 1.0]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    num_nodes=st.integers(0, 8),
    num_edges=st.integers(0, 16),
    with_batch=st.booleans(),
    with_skip=st.booleans(),
    with_mask=st.booleans(),
)
def test_collapsed_is_the_per_edge_form(seed, num_nodes, num_edges, with_batch, with_skip, with_mask):
    pos, generator = random_graph(seed, num_nodes, num_edges)
    pos = pos[:, pos[0] != pos[1]]  # R+ joins distinct nodes; Eq. (12) has another message for v itself
    skip, _ = random_graph(seed + 1, num_nodes, num_edges // 2)
    batch = torch.randint(0, 2, (num_nodes,), generator=generator) if with_batch else None
    if batch is not None:
        pos, skip = (edges[:, batch[edges[0]] == batch[edges[1]]] for edges in (pos, skip))
    mask = torch.rand(num_nodes, generator=generator) < 0.6 if with_mask else None
    joined = pairs_of(pos) + (pairs_of(skip) if with_skip else [])
    neg = implied_pairs(num_nodes, joined, batch, mask)
    neg_edge_index = torch.tensor(neg, dtype=torch.int64).reshape(-1, 2).t()

    layer = FeaturePropagation(3).double()
    x0 = torch.randn(num_nodes, 3, generator=generator, dtype=torch.float64)
    target = torch.randn(num_nodes, 3, generator=generator, dtype=torch.float64)
    results = []
    for form in ("implied", "explicit", "loops"):
        x = x0.clone().requires_grad_()
        if form == "implied":
            out = layer(x, pos, skip_edge_index=skip if with_skip else None, neg_nodes=mask, batch=batch)
        elif form == "explicit":
            out = layer(x, pos, neg_edge_index, batch=batch)
        else:
            out = propagate_features(x, pairs_of(pos), neg, *weights(layer))
        grads = torch.autograd.grad((out * target).sum(), [x, *weights(layer)], materialize_grads=True)
        results.append([out, *grads])
    for implied, explicit, loops in zip(*results, strict=True):
        assert torch.allclose(implied, loops, atol=1e-10)
        assert torch.allclose(explicit, loops, atol=1e-10)


def test_two_sets_of_nodes():
    layer = FeaturePropagation(3).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    ends, neg = torch.tensor([[0, 1, 2, 2], [3, 3, 4, 3]]), torch.tensor([[0, 1], [4, 4]])
    # The sets beside each other in one graph.
    expected = layer(x, ends, neg)[3:]
    shift = torch.tensor([[0], [3]])
    assert torch.allclose(layer((x[:3], x[3:]), ends - shift, neg - shift), expected)
    for pair in ((x[:3], x[3:]), (x[:2], x[3:])):
        with pytest.raises(GraphError, match=r"implied R- needs one node set, got a pair of . sources and 2"):
            layer(pair, NO_EDGES)


def test_items_as_negatives_need_no_independent_pairs():
    # Nodes 0 and 1 are items; an item is R⊥ to nothing, so N- limited to items is the same with and without R⊥.
    items = torch.tensor([True, True, False, False])
    layer, x = FeaturePropagation(5), torch.randn(4, 5)
    assert torch.equal(layer(x, POS, neg_nodes=items), layer(x, POS, skip_edge_index=SKIP, neg_nodes=items))


def test_gradcheck():
    layer = FeaturePropagation(2).double()
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layer(x, POS, skip_edge_index=SKIP), (x,))
    assert torch.autograd.gradgradcheck(lambda x: layer(x, POS, skip_edge_index=SKIP), (x,))


@pytest.mark.parametrize("num_nodes", [0, 1])
def test_without_neighbours_only_the_own_message_is_left(num_nodes):
    layer, x = FeaturePropagation(4), torch.randn(num_nodes, 4)
    expected = torch.relu(x @ layer.lin1.weight.t())
    assert torch.allclose(layer(x, NO_EDGES), expected)
    assert torch.allclose(layer(x, NO_EDGES, NO_EDGES), expected)


def test_edge_weight():
    x = torch.randn(4, 3, dtype=torch.float64)
    assert torch.allclose(FeaturePropagation.edge_weight(x, POS), edge_weights(x, pairs_of(POS)))
    assert torch.equal(
        FeaturePropagation.edge_weight(x, EdgeIndex(POS, sparse_size=(4, 4))), FeaturePropagation.edge_weight(x, POS)
    )
    assert FeaturePropagation.edge_weight(x, NO_EDGES).shape == (0,)
    with pytest.raises(ModelError, match=r"\[4\]"):
        FeaturePropagation.edge_weight(x[:, 0], POS)
    with pytest.raises(GraphError, match="3"):
        FeaturePropagation.edge_weight(x[:2], POS)


def test_edge_index_gives_the_same():
    layer, x = FeaturePropagation(5), torch.randn(4, 5)
    pos, skip = (EdgeIndex(edges, sparse_size=(4, 4)) for edges in (POS, SKIP))
    assert torch.equal(layer(x, pos, skip_edge_index=skip), layer(x, POS, skip_edge_index=SKIP))


def test_sparse_tensor_gives_the_same():
    layer, x = FeaturePropagation(5), torch.randn(4, 5)
    pos, skip = (adjacency(edges, 4, 4) for edges in (POS, SKIP))
    expected = layer(x, POS, skip_edge_index=SKIP)
    assert torch.allclose(layer(x, pos, skip_edge_index=skip), expected, atol=1e-6)
    # Values are not weights here.
    assert torch.allclose(layer(x, pos.set_value(torch.rand(6), layout="coo"), None, skip), expected, atol=1e-6)
    assert torch.allclose(layer(x, pos, pos), layer(x, POS, POS), atol=1e-6)


def test_cached_gives_the_same():
    layer, x = FeaturePropagation(5, cached=True), torch.randn(4, 5)
    first = layer(x, POS, skip_edge_index=SKIP)
    assert torch.equal(layer(x, POS, skip_edge_index=SKIP), first)
    assert not torch.equal(layer(x, POS), first)


@pytest.mark.parametrize("neg", [None, SKIP])
def test_compile_fullgraph(neg):
    torch._dynamo.reset()
    layer, x = FeaturePropagation(5), torch.randn(4, 5)
    mask = None if neg is not None else torch.tensor([True, True, True, False])
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    expected = layer(x, POS, neg, SKIP, neg_nodes=mask)
    assert torch.allclose(compiled(x, POS, neg, SKIP, neg_nodes=mask), expected, atol=1e-6)


X = torch.ones(4, 2)
BAD = [
    pytest.param({"x": torch.ones(4, 3)}, ModelError, r"\[N, 2\].*\[4, 3\]", id="channels"),
    pytest.param({"x": torch.ones(4, 2).long()}, ModelError, "int64", id="integer features"),
    pytest.param({"pos_edge_index": torch.tensor([[0], [4]])}, GraphError, "pos_edge_index.*4", id="pos id"),
    pytest.param({"skip_edge_index": torch.tensor([[0], [-4]])}, GraphError, "skip_edge_index.*-4", id="skip id"),
    pytest.param({"neg_nodes": torch.ones(3).bool()}, GraphError, r"neg_nodes.*\[3\]", id="short mask"),
    pytest.param(
        {"neg_nodes": torch.ones(4).bool(), "neg_edge_index": NO_EDGES}, GraphError, "neg_nodes", id="mask and edges"
    ),
    pytest.param({"batch": torch.tensor([0, 0, 0, 1])}, GraphError, "joins graph", id="crossing"),
]


@pytest.mark.parametrize(("changed", "error", "message"), BAD)
def test_bad_inputs(changed, error, message):
    with pytest.raises(error, match=message):
        FeaturePropagation(2)(**({"x": X, "pos_edge_index": POS} | changed))


def test_bad_channels():
    with pytest.raises(ModelError, match=r"channels must be a whole number, got 4\.5"):
        FeaturePropagation(4.5)
    with pytest.raises(ModelError, match="got 0"):
        FeaturePropagation(0)
