"""Learned edge weights: the forms by hand, training, and what happens to features that do not fit."""

import pytest
import torch
from catalogues import APPLE_FIELDS, MILK_FIELDS
from told_progress import ToldProgress
from torch import Tensor

import magus_pyg as mp
from magus_pyg.agents.judging import Judge, choose_weight_form, weight_forms
from magus_pyg.agents.magus_options import MagusOptions
from magus_pyg.agents.weights import NodeFeatures, WeightForm, WeightTrainOptions, edge_factors, train_node_features
from magus_pyg.graph import improves_edges, n_items, n_nodes, node_words
from magus_pyg.models import FM, FeatureSpace, FMOptions
from magus_pyg.ragged import Ragged


@pytest.fixture
def graph(milk):
    return mp.build_relational_graph(milk, MILK_FIELDS, max_words=2)


def fm_of(graph, n_users: int = 6, seed: int = 0) -> FM:
    words = node_words(graph).select(torch.arange(n_items(graph)))
    profiles = Ragged.from_lists([[] for _ in range(n_users)])
    space = FeatureSpace(n_users, n_items(graph), len(graph.vocabulary.words), 0, words, profiles)
    model = FM(FMOptions(dim=4, dropout=0.0, init_std=0.5), space, seed)
    return model.eval()


def log_of(n_users: int, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Users 0, 2, 4 like item 0 and 1, the others items 2 and 3."""
    user = torch.arange(n_users).repeat_interleave(count)
    item = torch.arange(count).repeat(n_users)
    return user, item, ((item < 2) == (user % 2 == 0)).long()


def features_of(graph, seed: int = 0) -> Tensor:
    return torch.rand((n_nodes(graph), 3), generator=torch.Generator().manual_seed(seed))


def pairs(graph) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """R+ (part, whole), and the ordered R- pairs (item, other node), literally."""
    improves = {tuple(edge) for edge in improves_edges(graph).T.tolist()}
    minus = [
        (item, node)
        for item in range(n_items(graph))
        for node in range(n_nodes(graph))
        if node != item and (node, item) not in improves
    ]
    return sorted(improves), minus


@pytest.mark.parametrize("feature", ["dot", "cosine"])
@pytest.mark.parametrize(("shrink", "shrink_minus"), [(0.3, 0.7), (1.0, 1.0), (0.0, 0.5)])
def test_weights_are_the_shrunk_ratio_to_their_mean(graph, feature, shrink, shrink_minus):
    x = features_of(graph).double()
    rows = x / x.norm(dim=1, keepdim=True) if feature == "cosine" else x
    factors = edge_factors(graph, x, WeightForm(feature, shrink, shrink_minus))
    for side, amount, joined in zip(
        (factors.positive, factors.negative), (shrink, shrink_minus), pairs(graph), strict=True
    ):
        dots = [float(rows[u] @ rows[v]) for u, v in joined]
        mean = sum(dots) / len(dots)
        for (u, v), dot in zip(joined, dots, strict=True):
            assert float(side[u] @ side[v]) == pytest.approx(1 + amount * (dot / mean - 1), rel=1e-12)


def test_centred_weights_are_one_plus_the_cosine(graph):
    x = features_of(graph).double()
    centred = x - x.mean(0)
    factors = edge_factors(graph, x, WeightForm("centred", 0.4, 0.2))
    for u, v in pairs(graph)[0]:
        cosine = float(centred[u] @ centred[v] / (centred[u].norm() * centred[v].norm()))
        assert float(factors.positive[u] @ factors.positive[v]) == pytest.approx(1 + 0.4 * cosine)
        assert float(factors.negative[u] @ factors.negative[v]) == pytest.approx(1 + 0.2 * cosine)


def test_raw_weights_are_the_dot_products_of_eq_14(graph):
    x = features_of(graph)
    factors = edge_factors(graph, x, WeightForm(raw=True))
    u, v = pairs(graph)[0][0]
    assert float(factors.positive[u] @ factors.positive[v]) == pytest.approx(float(x[u] @ x[v]))


@pytest.mark.parametrize("minus_scale", [1.0, 0.4])
def test_no_shrinkage_is_unit_weights(graph, minus_scale):
    scores = torch.tensor([[0.9, 0.2, 0.6, 0.1], [0.1, 0.8, 0.3, 0.5]])
    sessions = mp.Sessions(
        torch.tensor([0, 1]),
        torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0]]),
        torch.tensor([[False, True, False, False], [True, False, False, False]]),
    )
    unit = mp.MagusAgent(graph, scores, MagusOptions(minus_scale=minus_scale), name="magus")
    form = WeightForm("dot", 0.0, 0.0, minus_scale)
    learned = mp.MagusAgent(graph, scores, factors=edge_factors(graph, features_of(graph), form), name="magus")
    left, right = (mp.simulate(agent, sessions, rounds=4, list_length=2) for agent in (unit, learned))
    assert left.equals(right)


def test_a_refusal_of_weight_one_is_signed_feedback(graph):
    scores = torch.tensor([[0.9, 0.2, 0.6, 0.1]])
    target = torch.tensor([[False, False, False, True]])
    sessions = mp.Sessions(torch.zeros(1, dtype=torch.int64), torch.arange(4).view(1, 4), target)
    switches = MagusOptions(negative="signed", unclicked="unknown", minus_scale=0.3)
    form = WeightForm(refusal=1.0, minus_scale=0.3)
    agents = (
        mp.MagusAgent(graph, scores, switches, name="magus"),
        mp.MagusAgent(graph, scores, factors=edge_factors(graph, features_of(graph), form), name="magus"),
    )
    left, right = (mp.simulate(agent, sessions, rounds=4, list_length=2) for agent in agents)
    assert left.equals(right)
    assert (left["queries_shown"] > 0).any()


@pytest.mark.parametrize("negative", ["zero", "signed", "signed_both"])
def test_implied_inhibition_equals_explicit_edges_with_learned_weights(apple, negative, monkeypatch):
    graph = mp.build_relational_graph(apple, APPLE_FIELDS)
    scores = torch.tensor([[0.7, 0.5, 0.1]])
    factors = edge_factors(graph, features_of(graph), WeightForm("dot", 0.6, 0.8, 0.7))
    sessions = mp.Sessions(torch.zeros(1, dtype=torch.int64), torch.tensor([[0, 1, 2]]), torch.tensor([[0, 0, 1]]) > 0)
    agent = mp.MagusAgent(graph, scores, MagusOptions(negative=negative), factors)

    def played() -> tuple[list[list[int]], list[float]]:
        session = mp.MagusSession(
            graph, scores[0], "plus", list_length=2, rounds=3, state=factors, options=MagusOptions(negative=negative)
        )
        shown, values = [], []
        while not session.done:
            listed = session.recommend()
            shown.append([entry.node for entry in listed])
            values += session.node_scores().values()
            clicked = next((entry.node for entry in listed if entry.kind == "query"), None)
            session.feedback(clicked)
        return shown, values

    implied, implied_log = played(), mp.simulate(agent, sessions, list_length=2)
    monkeypatch.setattr(MagusOptions, "needs_explicit", property(lambda self: True))
    explicit, explicit_log = played(), mp.simulate(agent, sessions, list_length=2)
    assert implied[0] == explicit[0]
    assert implied[1] == pytest.approx(explicit[1], abs=1e-12)
    assert implied_log.equals(explicit_log)


def test_training_lowers_the_loss_and_is_repeatable(graph):
    model, log = fm_of(graph), log_of(6, 4, 0)
    options = WeightTrainOptions(epochs=60, batch_size=8, lr=0.05, patience=60)
    first = train_node_features(graph, model, log, log, options, seed=3)
    assert torch.equal(first, train_node_features(graph, model, log, log, options, seed=3))
    assert first.shape == (n_nodes(graph), model.item_embedding(torch.arange(1)).shape[1])
    assert (first >= 0).all()

    def loss(features: Tensor) -> float:
        logit = (model.user_embedding(log[0]) * features[log[1]]).sum(1)
        return float(torch.nn.functional.binary_cross_entropy_with_logits(logit, log[2].float()))

    untrained = train_node_features(graph, model, log, log, WeightTrainOptions(epochs=1, lr=1e-9), seed=3)
    assert loss(first) < loss(untrained) - 0.05


def test_the_features_of_the_best_epoch_on_validation_are_kept(graph):
    model, train = fm_of(graph), log_of(6, 4, 0)
    opposite = (*train[:2], 1 - train[2])  # whatever lowers the loss of the rows raises that of these
    long = WeightTrainOptions(epochs=20, lr=0.05, patience=3)
    kept = train_node_features(graph, model, train, opposite, long, seed=2)
    once = train_node_features(graph, model, train, opposite, WeightTrainOptions(epochs=1, lr=0.05), seed=2)
    assert torch.equal(kept, once)
    assert not torch.equal(kept, train_node_features(graph, model, train, train, long, seed=2))


def test_a_step_makes_the_rows_of_its_items_alone(graph, monkeypatch):
    model, log, options = fm_of(graph), log_of(6, 4, 0), WeightTrainOptions(epochs=5, batch_size=3, lr=0.05)
    expected = train_node_features(graph, model, log, log, options, seed=3)
    monkeypatch.setattr("magus_pyg.agents.weights._MANY", 0)
    found = train_node_features(graph, model, log, log, options, seed=3)
    assert torch.allclose(found, expected, atol=1e-4)


def test_training_under_another_default_dtype(graph):
    # The vectors it starts from are float32 whatever numbers are made by default.
    model, log, options = fm_of(graph), log_of(6, 4, 0), WeightTrainOptions(epochs=3)
    expected = train_node_features(graph, model, log, log, options, seed=3)
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        found = train_node_features(graph, model, log, log, options, seed=3)
    finally:
        torch.set_default_dtype(kept)
    assert found.dtype == expected.dtype == torch.float32
    assert found.shape == expected.shape
    assert found.isfinite().all()


def test_features_of_all_negatives_equal_the_dense_propagation(graph):
    """Eqs. (11) and (12) with N- of all nodes that no item holds together, by a dense matrix."""
    items = torch.rand((4, 3), generator=torch.Generator().manual_seed(1))
    queries = torch.rand((n_nodes(graph) - 4, 3), generator=torch.Generator().manual_seed(2))
    module = NodeFeatures(graph, items, queries, "all", seed=0)
    words = [set(row) for row in node_words(graph).tolist()]
    holders = [{v} if v < 4 else {i for i in range(4) if words[v] <= words[i]} for v in range(n_nodes(graph))]
    x = torch.cat([items, queries])
    improves = {tuple(edge) for edge in improves_edges(graph).T.tolist()}
    rows = []
    for v in range(len(words)):
        near = [u for u in range(len(words)) if (u, v) in improves or (v, u) in improves]
        far = [u for u in range(len(words)) if u != v and not holders[u] & holders[v]]
        mean = (x[near].mean(0) if near else 0) - (x[far].mean(0) if far else 0)
        w1, w2 = module.propagation.lin1.weight, module.propagation.lin2.weight
        rows.append(torch.relu(w1 @ (x[v] + mean) + (x[v] @ mean) * (w2 @ x[v])))
    assert torch.allclose(module(), torch.stack(rows), atol=1e-6)


@pytest.mark.parametrize("rows", [2, 1 << 15])
def test_features_of_item_negatives_equal_the_layer(graph, rows, monkeypatch):
    """Eqs. (11) and (12) node by node, and their gradient, against the layer that does all nodes at once."""
    monkeypatch.setattr("magus_pyg.agents.weights._ROWS", rows)
    items = torch.rand((4, 3), generator=torch.Generator().manual_seed(1))
    queries = torch.rand((n_nodes(graph) - 4, 3), generator=torch.Generator().manual_seed(2))
    module = NodeFeatures(graph, items, queries, "items", seed=0)
    edges = improves_edges(graph)
    x = torch.cat([items, module.queries])
    expected = module.propagation(x, torch.cat([edges, edges.flip(0)], 1), neg_nodes=graph["node"].is_item)
    assert torch.allclose(module(), expected, atol=1e-6)
    chosen = torch.tensor([3, 1])
    assert torch.allclose(module.of_items(chosen), module.of_items()[chosen], atol=1e-7)
    assert torch.allclose(module.of_items(), expected[:4], atol=1e-6)
    weight = torch.rand((4, 3), generator=torch.Generator().manual_seed(3))
    gradients = [
        torch.autograd.grad((found * weight).sum(), list(module.parameters()))
        for found in (module.of_items(), expected[:4])
    ]
    for found, wanted in zip(*gradients, strict=True):
        assert torch.allclose(found, wanted, atol=1e-5)


def test_large_features_stay_in_single_precision(graph, monkeypatch):
    x = features_of(graph)
    form = WeightForm("cosine", 0.5, 0.25)
    double = edge_factors(graph, x, form)
    monkeypatch.setattr("magus_pyg.agents.weights._LARGE", 1)
    single = edge_factors(graph, x, form)
    assert (double.positive.dtype, single.positive.dtype) == (torch.float64, torch.float32)
    for name in ("positive", "negative"):
        assert torch.allclose(getattr(double, name).float(), getattr(single, name), atol=1e-6)


def test_the_form_is_chosen_on_validation_and_unit_weights_take_part(graph):
    scores = torch.tensor([[0.9, 0.2, 0.6, 0.1]])
    sessions = mp.Sessions(torch.zeros(1, dtype=torch.int64), torch.arange(4).view(1, 4), torch.eye(4)[1:2] > 0)
    judge = Judge(mp.prepare_sessions(graph, sessions, scores), rounds=(2,), list_length=1)
    progress = ToldProgress()
    made_of = (graph, scores, features_of(graph), MagusOptions(), judge)
    form, table = choose_weight_form(*made_of, scales=(0.5,), progress=progress)
    first, others = len(weight_forms(["cosine"])), 2 * 2
    most = first + others + 3 + 1 + 2
    assert progress.phases() == [(most + 1, most + 1)]
    assert first + others + 2 <= len(table) <= most  # lines end where it gets worse
    assert (table["sessions"] == 1).all()
    assert table["objective"].is_monotonic_decreasing
    fields = ["shrink", "shrink_minus", "refusal", "raw"]
    unit = table[(table[fields] == 0).all(axis=1) & (table["minus_scale"] == 1)]
    assert len(unit) == 1
    best = table[table["objective"] == table["objective"].max()]
    assert (form == WeightForm()) == (unit.index[0] in best.index)  # of equals unit weights, which are tried first


class TestBadInput:
    def test_a_base_without_embeddings(self, graph):
        model = fm_of(graph)
        model.has_embeddings = False
        with pytest.raises(mp.ModelError, match="magus=plus needs a base model with user and item embeddings"):
            train_node_features(graph, model, log_of(6, 4, 0), log_of(6, 4, 0))

    def test_features_of_another_graph(self, graph, apple):
        other = mp.build_relational_graph(apple, APPLE_FIELDS)
        with pytest.raises(mp.ModelError, match="for this graph"):
            edge_factors(graph, features_of(other), WeightForm(shrink=0.5))
        factors = edge_factors(other, features_of(other), WeightForm(shrink=0.5))
        with pytest.raises(mp.GraphError, match="the weights are of a graph with"):
            mp.MagusAgent(graph, torch.rand(1, 4), factors=factors)

    def test_features_that_are_not_finite_or_all_zero(self, graph):
        x = features_of(graph)
        with pytest.raises(mp.ModelError, match="learned nothing"):
            edge_factors(graph, torch.zeros_like(x), WeightForm(shrink=0.5))
        x[2, 1] = float("nan")
        with pytest.raises(mp.ModelError, match="not all finite"):
            edge_factors(graph, x, WeightForm())

    def test_a_loss_that_is_not_finite_names_the_batch(self, graph):
        model, log = fm_of(graph), log_of(6, 4, 0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(1e30)
        with pytest.raises(mp.ModelError, match="epoch 0, batch 0"):
            train_node_features(graph, model, log, log)

    @pytest.mark.parametrize(
        "values", [{"feature": "sum"}, {"shrink": 1.5}, {"shrink_minus": -0.1}, {"minus_scale": float("inf")}]
    )
    def test_forms_out_of_range(self, values):
        with pytest.raises(mp.ConfigError, match=str(next(iter(values.values()))).replace(".", r"\.")):
            WeightForm(**values)

    @pytest.mark.parametrize("values", [{"negatives": "none"}, {"epochs": 0}, {"lr": 0.0}])
    def test_training_options_out_of_range(self, values):
        with pytest.raises(mp.ConfigError, match=rf"magus\.training\.{next(iter(values))}"):
            WeightTrainOptions(**values)
