import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sparse_stand_in import adjacency
from torch_geometric import EdgeIndex

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.nn import SignedLabelPropagation
from reference_features import implied_pairs, pairs_of, propagate_labels

# Two items (0, 1) and three queries (2, 3, 4): query 2 is part of item 0, query 3 of both, query 4 of item 1.
ITEM_TO_QUERY = torch.tensor([[0, 0, 1, 1], [2, 3, 3, 4]])
QUERY_TO_ITEM = ITEM_TO_QUERY.flip(0)
# Queries 2 and 3 share item 0, queries 3 and 4 item 1.
COMPATIBLE = torch.tensor([[2, 3], [3, 4]])
NO_EDGES = torch.empty(2, 0, dtype=torch.int64)
EVERY = torch.tensor([True] * 5)


def unit(number, u, v):
    return 1.0


def random_graph(seed, num_nodes, num_edges):
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    return torch.randint(0, max(num_nodes, 1), (2, num_edges if num_nodes else 0), generator=generator), generator


def explicit(num_nodes, joined, batch=None):
    pairs = implied_pairs(num_nodes, joined, batch)
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).t()


def test_repr():
    assert repr(SignedLabelPropagation()) == "SignedLabelPropagation()"
    assert repr(SignedLabelPropagation(cached=True)) == "SignedLabelPropagation(cached=True)"
    assert list(SignedLabelPropagation().parameters()) == []


def test_first_guess_by_hand():
    # Eq. (4) with unit weights: y_q = 2 S(q) - T, with T = 0.9 + 0.4.
    y = torch.tensor([0.9, 0.4, 0.0, 0.0, 0.0], dtype=torch.float64)
    queries = torch.tensor([False, False, True, True, True])
    out = SignedLabelPropagation()(y, ITEM_TO_QUERY, skip_edge_index=COMPATIBLE, receivers=queries)
    assert out.tolist() == pytest.approx([0.9, 0.4, 0.5, 1.3, -0.5])


def test_update_by_hand():
    # Query 2 was clicked (1), item 1 refused (0): only query 2 sends, to item 0 (+) and to item 1 and query 4 (-).
    y_src = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0])
    y_dst = torch.tensor([0.5, 0.0, 1.0, 0.25, 0.125])
    receivers = torch.tensor([True, False, False, True, True])
    out = SignedLabelPropagation()((y_src, y_dst), QUERY_TO_ITEM, skip_edge_index=COMPATIBLE, receivers=receivers)
    assert out.tolist() == [1.5, 0.0, 1.0, 0.25, -0.875]


def test_weights_by_hand():
    y = torch.tensor([1.0, 2.0, 0.0])
    pos, neg = torch.tensor([[0, 1], [2, 2]]), torch.tensor([[0], [1]])
    out = SignedLabelPropagation()(y, pos, neg, pos_weight=torch.tensor([3.0, 0.5]), neg_weight=torch.tensor([4.0]))
    assert out.tolist() == [1.0, 2.0 - 4.0, 3.0 + 1.0]


def test_it_is_one_synchronous_pass():
    chain = torch.tensor([[0, 1], [1, 2]])
    assert SignedLabelPropagation()(torch.tensor([1.0, 0.0, 0.0]), chain, NO_EDGES).tolist() == [1.0, 1.0, 0.0]


def test_no_negative_edges_means_no_inhibition():
    out = SignedLabelPropagation()(torch.ones(5), ITEM_TO_QUERY, NO_EDGES)
    assert out.tolist() == [1.0, 1.0, 2.0, 3.0, 2.0]


@pytest.mark.parametrize(
    "pos",
    [
        pytest.param(torch.tensor([[0, 0], [1, 1]]), id="twice"),
        pytest.param(torch.tensor([[0, 1], [1, 0]]), id="both directions"),
        pytest.param(torch.tensor([[0, 2], [1, 2]]), id="loop"),
    ],
)
@pytest.mark.parametrize("skip", [None, torch.tensor([[1], [0]]), torch.tensor([[0, 1, 0], [1, 0, 0]])])
def test_implied_pairs_are_taken_out_once(pos, skip):
    y = torch.tensor([1.0, 10.0, 100.0])
    out = SignedLabelPropagation()((y, torch.zeros(3)), pos, skip_edge_index=skip)
    added = SignedLabelPropagation()((y, torch.zeros(3)), pos, NO_EDGES)
    assert (added - out).tolist() == [100.0, 100.0, 11.0]


def test_batch_keeps_implied_pairs_within_a_graph():
    # Two copies of one graph and a lone node, which is joined to nothing of its own graph.
    pos = torch.cat([ITEM_TO_QUERY, ITEM_TO_QUERY + 5], dim=1)
    skip = torch.cat([COMPATIBLE, COMPATIBLE + 5], dim=1)
    batch = torch.tensor([0] * 5 + [7] * 5 + [2])
    y = torch.rand(11, dtype=torch.float64)
    layer = SignedLabelPropagation()
    out = layer(y, pos, skip_edge_index=skip, batch=batch)
    for part in (slice(0, 5), slice(5, 10)):
        assert torch.allclose(out[part], layer(y[part], ITEM_TO_QUERY, skip_edge_index=COMPATIBLE))
    assert out[10] == y[10]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    num_nodes=st.integers(0, 9),
    num_edges=st.integers(0, 20),
    columns=st.sampled_from([None, 1, 3]),
    rank=st.sampled_from([None, 1, 4]),
    with_batch=st.booleans(),
    with_pair=st.booleans(),
    with_skip=st.booleans(),
)
def test_implied_is_explicit_and_both_are_the_loops(
    seed, num_nodes, num_edges, columns, rank, with_batch, with_pair, with_skip
):
    pos, generator = random_graph(seed, num_nodes, num_edges)
    skip, _ = random_graph(seed + 1, num_nodes, num_edges // 2)
    batch = None
    if with_batch:
        batch = torch.randint(0, 3, (num_nodes,), generator=generator)
        pos, skip = (edges[:, batch[edges[0]] == batch[edges[1]]] for edges in (pos, skip))

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    shape = (num_nodes,) if columns is None else (num_nodes, columns)
    y_src = draw(*shape)
    y_dst = draw(*shape) if with_pair else y_src
    factors = None if rank is None else draw(num_nodes, rank)
    receivers = torch.rand(num_nodes, generator=generator) < 0.7

    joined = pairs_of(pos) + (pairs_of(skip) if with_skip else [])
    layer = SignedLabelPropagation()
    y = (y_src, y_dst) if with_pair else y_src
    neg = explicit(num_nodes, joined, batch)
    given_pairs = layer(y, pos, neg, factors=factors, receivers=receivers, batch=batch)
    implied = layer(
        y, pos, skip_edge_index=skip if with_skip else None, factors=factors, receivers=receivers, batch=batch
    )
    weight = unit if factors is None else lambda number, u, v: torch.dot(factors[u], factors[v])
    expected = propagate_labels(y_src, y_dst, pairs_of(pos), pairs_of(neg), weight, weight, receivers)
    assert torch.allclose(given_pairs, expected, atol=1e-10)
    assert torch.allclose(implied, expected, atol=1e-10)


@pytest.mark.parametrize("factors", [False, True])
@pytest.mark.parametrize("batched", [False, True])
def test_gradients_of_implied_and_explicit_agree(factors, batched):
    pos, generator = random_graph(3, 8, 12)
    batch = torch.tensor([0, 0, 0, 1, 1, 1, 1, 1]) if batched else None
    if batched:
        pos = pos[:, batch[pos[0]] == batch[pos[1]]]
    neg = explicit(8, pairs_of(pos), batch)
    layer, seen = SignedLabelPropagation(), []
    y0 = torch.randn(8, 2, generator=generator, dtype=torch.float64)
    f0 = torch.randn(8, 3, generator=generator, dtype=torch.float64)
    for given_neg in (None, neg):
        y, f = y0.clone().requires_grad_(), f0.clone().requires_grad_()
        out = layer(y, pos, given_neg, factors=f if factors else None, batch=batch)
        seen.append(torch.autograd.grad((out**2).sum(), [y, f] if factors else [y]))
    for implied, given_grad in zip(*seen, strict=True):
        assert torch.allclose(implied, given_grad)


def test_gradcheck():
    pos, neg = ITEM_TO_QUERY, COMPATIBLE
    y = torch.rand(5, 2, dtype=torch.float64, requires_grad=True)
    pos_weight = torch.rand(4, dtype=torch.float64, requires_grad=True)
    neg_weight = torch.rand(2, dtype=torch.float64, requires_grad=True)
    factors = torch.rand(5, 3, dtype=torch.float64, requires_grad=True)
    layer = SignedLabelPropagation()
    assert torch.autograd.gradcheck(lambda *args: layer(args[0], pos, neg, *args[1:]), (y, pos_weight, neg_weight))
    assert torch.autograd.gradcheck(lambda y, f: layer(y, pos, skip_edge_index=neg, factors=f), (y, factors))


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("batch", [None, torch.tensor([0, 1, 0, 0, 1])], ids=["one", "two"])
@pytest.mark.parametrize("implied", [True, False])
def test_nodes_can_share_rows_of_factors(columns, batch, implied):
    layer, rows = SignedLabelPropagation(), torch.tensor([2, 0, 2, 1, 1])
    table = torch.rand(3, 4, dtype=torch.float64)
    y = torch.tensor([[0.5, 0.0], [0.0, 0.0], [0.25, 1.0], [0.0, 0.5], [0.0, 0.125]], dtype=torch.float64)[:, :columns]
    edges = torch.tensor([[0, 1], [2, 4]])
    neg = None if implied else edges.flip(0)
    expected = layer(y, edges, neg, factors=table[rows], batch=batch)
    assert torch.equal(layer(y, edges, neg, factors=table, factor_rows=rows, batch=batch), expected)
    both = []
    for more in ({"factors": table.requires_grad_(), "factor_rows": rows}, {"factors": table[rows]}):
        both.append(torch.autograd.grad(layer(y, edges, batch=batch, **more).square().sum(), table)[0])
    assert torch.allclose(*both)


def test_factors_of_each_relation():
    y, (left, right) = torch.rand(5), torch.rand(2, 5, 3)
    layer = SignedLabelPropagation()
    out = layer(y, ITEM_TO_QUERY, skip_edge_index=COMPATIBLE, factors=(left, right))
    only_pos = layer(y, ITEM_TO_QUERY, NO_EDGES, factors=left) - y
    only_neg = layer(y, NO_EDGES, factors=right, skip_edge_index=torch.cat([ITEM_TO_QUERY, COMPATIBLE], 1)) - y
    assert torch.allclose(out, y + only_pos + only_neg, atol=1e-5)
    # None in the pair leaves unit weights, or those given.
    weight = torch.rand(4)
    out = layer(y, ITEM_TO_QUERY, skip_edge_index=COMPATIBLE, factors=(None, right), pos_weight=weight)
    assert torch.allclose(out, layer(y, ITEM_TO_QUERY, NO_EDGES, pos_weight=weight) + only_neg, atol=1e-5)


def test_constant_factor_column_adds_a_constant_weight():
    # 1 + shrink (w - 1), an affine weight, stays a dot product: factors [sqrt(shrink) e, sqrt(1 - shrink)].
    y, e, shrink = torch.rand(5, dtype=torch.float64), torch.rand(5, 3, dtype=torch.float64), 0.3
    factors = torch.cat([shrink**0.5 * e, torch.full((5, 1), (1 - shrink) ** 0.5, dtype=torch.float64)], dim=1)
    layer = SignedLabelPropagation()
    weight = shrink * (e[ITEM_TO_QUERY[0]] * e[ITEM_TO_QUERY[1]]).sum(-1) + 1 - shrink
    expected = layer(y, ITEM_TO_QUERY, NO_EDGES, pos_weight=weight)
    assert torch.allclose(layer(y, ITEM_TO_QUERY, NO_EDGES, factors=factors), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("columns", [None, 2])
def test_dtype_and_shape_are_kept(dtype, columns):
    y = torch.rand(5, dtype=dtype) if columns is None else torch.rand(5, columns, dtype=dtype)
    out = SignedLabelPropagation()(y, ITEM_TO_QUERY)
    assert out.dtype == dtype
    assert out.shape == y.shape


def test_columns_are_propagated_apart():
    y = torch.rand(5, 3, dtype=torch.float64)
    layer = SignedLabelPropagation()
    apart = torch.stack([layer(column, ITEM_TO_QUERY) for column in y.t()], dim=1)
    assert torch.allclose(layer(y, ITEM_TO_QUERY), apart)


def test_bipartite():
    y_src, y_dst = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 10.0, 20.0])
    pos, neg = torch.tensor([[0, 1], [2, 0]]), torch.tensor([[1], [2]])
    assert SignedLabelPropagation()((y_src, y_dst), pos, neg).tolist() == [2.0, 10.0, 19.0]


@pytest.mark.parametrize("num_nodes", [0, 1])
@pytest.mark.parametrize("neg", [None, NO_EDGES])
@pytest.mark.parametrize("with_batch", [False, True])
@pytest.mark.parametrize("with_factors", [False, True])
def test_nothing_to_propagate(num_nodes, neg, with_batch, with_factors):
    y = torch.rand(num_nodes)
    batch = torch.zeros(num_nodes, dtype=torch.int64) if with_batch else None
    factors = torch.rand(num_nodes, 2) if with_factors else None
    out = SignedLabelPropagation()(y, NO_EDGES, neg, batch=batch, factors=factors)
    assert torch.allclose(out, y)


def test_without_any_edge_all_pairs_inhibit():
    assert SignedLabelPropagation()(torch.tensor([1.0, 2.0, 4.0]), NO_EDGES).tolist() == [-5.0, -3.0, 1.0]


def test_edge_index_gives_the_same():
    y = torch.rand(5)
    layer = SignedLabelPropagation()
    expected = layer(y, ITEM_TO_QUERY, skip_edge_index=COMPATIBLE)
    pos, skip = (EdgeIndex(edges, sparse_size=(5, 5)) for edges in (ITEM_TO_QUERY, COMPATIBLE))
    assert torch.equal(layer(y, pos, skip_edge_index=skip), expected)
    assert torch.equal(layer(y, pos, pos), layer(y, ITEM_TO_QUERY, ITEM_TO_QUERY))
    assert torch.equal(layer(y, ITEM_TO_QUERY.int(), skip_edge_index=COMPATIBLE), expected)


@pytest.mark.parametrize("columns", [None, 3])
def test_sparse_tensor_gives_the_same(columns):
    y = torch.rand(5) if columns is None else torch.rand(5, columns)
    weight = torch.rand(4)
    layer = SignedLabelPropagation()
    adj_t, skip = (adjacency(edges, 5, 5) for edges in (ITEM_TO_QUERY, COMPATIBLE))
    weighted = adjacency(ITEM_TO_QUERY, 5, 5, weight)
    factors = torch.rand(5, 2)
    expected = layer(y, ITEM_TO_QUERY, skip_edge_index=COMPATIBLE)
    assert torch.allclose(layer(y, adj_t, skip_edge_index=skip), expected)
    assert torch.allclose(layer(y, adj_t, adj_t), layer(y, ITEM_TO_QUERY, ITEM_TO_QUERY))
    assert torch.allclose(layer(y, weighted, NO_EDGES), layer(y, ITEM_TO_QUERY, NO_EDGES, pos_weight=weight))
    assert torch.allclose(
        layer(y, adj_t, skip_edge_index=skip, factors=factors),
        layer(y, ITEM_TO_QUERY, skip_edge_index=COMPATIBLE, factors=factors),
        atol=1e-5,
    )
    with pytest.raises(ModelError, match="both give weights"):
        layer(y, weighted, NO_EDGES, pos_weight=weight)
    with pytest.raises(GraphError, match=r"size \(5, 5\).*must be \(4, 4\)"):
        layer(y[:4], adj_t)


def test_cache_follows_the_tensors_given():
    y, pos, skip = torch.rand(5), ITEM_TO_QUERY.clone(), COMPATIBLE.clone()
    cached, plain = SignedLabelPropagation(cached=True), SignedLabelPropagation()
    assert torch.equal(cached(y, pos, skip_edge_index=skip), plain(y, pos, skip_edge_index=skip))
    first = cached._complements._stored
    assert torch.equal(cached(2 * y, pos, skip_edge_index=skip), plain(2 * y, pos, skip_edge_index=skip))
    assert cached._complements._stored is first
    skip[0, 0] = 4  # a change in place
    assert torch.equal(cached(y, pos, skip_edge_index=skip), plain(y, pos, skip_edge_index=skip))
    assert cached._complements._stored is not first
    assert torch.equal(cached(y, pos), plain(y, pos))
    assert torch.equal(cached(y[:4], pos[:, :2]), plain(y[:4], pos[:, :2]))
    batch = torch.tensor([0, 0, 0, 0, 1])
    assert torch.equal(cached(y, pos[:, :2], batch=batch), plain(y, pos[:, :2], batch=batch))
    cached.reset_parameters()
    assert cached._complements._stored is None
    with torch.inference_mode():
        assert torch.equal(cached(y, pos.clone()), plain(y, pos))
    assert cached._complements._stored is None


@pytest.mark.parametrize("case", ["implied", "explicit", "factors", "batch", "factors and batch"])
def test_compile_fullgraph(case):
    torch._dynamo.reset()
    layer = SignedLabelPropagation()
    y = torch.rand(5, dtype=torch.float64)
    # Duplicates of both kinds, whose number a compiled graph cannot know.
    skip = torch.cat([COMPATIBLE, COMPATIBLE.flip(0), ITEM_TO_QUERY[:, :1]], dim=1)
    kwargs = {
        "implied": {"skip_edge_index": skip, "receivers": EVERY},
        "explicit": {"neg_edge_index": COMPATIBLE, "pos_weight": torch.rand(4, dtype=torch.float64)},
        "factors": {"skip_edge_index": skip, "factors": torch.rand(5, 2, dtype=torch.float64)},
        "batch": {"skip_edge_index": skip, "batch": torch.zeros(5, dtype=torch.int64)},
        "factors and batch": {
            "factors": torch.rand(5, 2, dtype=torch.float64),
            "batch": torch.zeros(5, dtype=torch.int64),
        },
    }[case]
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(y, ITEM_TO_QUERY, **kwargs), layer(y, ITEM_TO_QUERY, **kwargs))


Y = torch.ones(5)
BAD = [
    pytest.param({"y": torch.ones(5, dtype=torch.int64)}, ModelError, "int64", id="integer scores"),
    pytest.param({"y": torch.ones(5, 1, 1)}, ModelError, r"\[5, 1, 1\]", id="three dimensions"),
    pytest.param({"y": (Y, torch.ones(5, 2))}, ModelError, r"\[5, 2\]", id="pair of different columns"),
    pytest.param({"y": (Y, Y.double())}, ModelError, "float64", id="pair of different types"),
    pytest.param({"y": (Y, Y, Y)}, ModelError, "3 entries", id="three vectors"),
    pytest.param({"y": (Y, torch.ones(6))}, GraphError, "5 sources and 6 receivers", id="implied between two sets"),
    pytest.param(
        {"y": (Y, torch.ones(6)), "neg_edge_index": NO_EDGES, "factors": Y[:, None]}, ModelError, "6 rec", id="factors"
    ),
    pytest.param(
        {"y": (Y, torch.ones(6)), "neg_edge_index": NO_EDGES, "batch": torch.zeros(6).long()},
        GraphError,
        "batch needs one node set, got a pair of 5",
        id="batch of two sets",
    ),
    pytest.param({"pos_edge_index": torch.tensor([[0], [5]])}, GraphError, r"\[1\] holds 5.* 0 to 4", id="high id"),
    pytest.param({"pos_edge_index": torch.tensor([[-1], [0]])}, GraphError, r"\[0\] holds -1", id="negative id"),
    pytest.param({"skip_edge_index": torch.tensor([[9], [0]])}, GraphError, "skip_edge_index.*9", id="skip id"),
    pytest.param({"neg_edge_index": torch.tensor([[0], [8]])}, GraphError, "neg_edge_index.*8", id="neg id"),
    pytest.param({"pos_edge_index": torch.zeros(3, 2).long()}, GraphError, r"\[3, 2\]", id="edges of wrong shape"),
    pytest.param({"pos_edge_index": torch.empty(2, 0)}, GraphError, "float32", id="float edges"),
    pytest.param({"pos_edge_index": [[0], [1]]}, GraphError, "list", id="list of edges"),
    pytest.param({"pos_edge_index": torch.eye(5).to_sparse()}, GraphError, "sparse_coo", id="torch.sparse"),
    pytest.param({"receivers": torch.ones(5)}, GraphError, "receivers.*float32", id="mask of numbers"),
    pytest.param({"receivers": torch.ones(4).bool()}, GraphError, r"receivers.*\[4\]", id="short mask"),
    pytest.param({"pos_weight": torch.ones(3)}, ModelError, r"pos_weight.*\[4\].*\[3\]", id="short weights"),
    pytest.param({"pos_weight": torch.ones(4).double()}, ModelError, "pos_weight.*float64", id="weights of other type"),
    pytest.param({"neg_weight": torch.ones(4)}, ModelError, "neg_weight", id="weights of implied pairs"),
    pytest.param({"factors": Y}, ModelError, r"factors.*\[5\]", id="factors of one dimension"),
    pytest.param({"factors": torch.ones(4, 2)}, ModelError, r"factors.*\[4, 2\]", id="too few factors"),
    pytest.param(
        {"factors": Y[:, None], "factor_rows": ITEM_TO_QUERY[0]}, ModelError, r"factor_rows.*\[5\].*\[4\]", id="rows"
    ),
    pytest.param({"factors": (Y[:, None],) * 3}, ModelError, "3 entries", id="three factors"),
    pytest.param({"factors": Y[:, None], "pos_weight": torch.ones(4)}, ModelError, r"factors.*R\+", id="both weights"),
    pytest.param(
        {"factors": Y[:, None], "neg_edge_index": COMPATIBLE, "neg_weight": torch.ones(2)},
        ModelError,
        "factors.*R-",
        id="both negative weights",
    ),
    pytest.param({"batch": torch.zeros(5)}, GraphError, "batch.*float32", id="float batch"),
    pytest.param({"batch": torch.zeros(4).long()}, GraphError, r"batch.*\[4\]", id="short batch"),
    pytest.param({"batch": torch.full((5,), -1)}, GraphError, "batch holds -1", id="negative batch"),
    pytest.param({"batch": torch.tensor([0, 0, 0, 0, 3])}, GraphError, r"\(1, 4\) joins graph 0 and", id="crossing"),
]


@pytest.mark.parametrize(("changed", "error", "message"), BAD)
def test_bad_inputs(changed, error, message):
    arguments = {"y": Y, "pos_edge_index": ITEM_TO_QUERY} | changed
    with pytest.raises(error, match=message):
        SignedLabelPropagation()(**arguments)
