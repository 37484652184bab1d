from dataclasses import replace

import pandas as pd
import pytest
import torch

from magus_pyg.errors import ConfigError, ModelError
from magus_pyg.graph import build_relational_graph, improves_edges, node_words
from magus_pyg.models import FMOptions, GIPAOptions, RGATOptions, RGCNOptions, build_model
from magus_pyg.models.graph_inputs import INHIBITS_TYPE, GraphInputs, QueryIndex, sample_neighbours
from magus_pyg.models.kernels.embedding_tables import choose_sparse
from magus_pyg.ragged import Ragged
from magus_pyg.testing import ModelContract, small_data, small_features
from magus_pyg.testing.small_log import ITEM_WORDS, TRAIN, interactions
from magus_pyg.training import TrainOptions, fit
from magus_pyg.training.loader import whole_batch

TABLE = pd.DataFrame(
    {
        "item_id": [f"i{number}" for number in range(len(ITEM_WORDS))],
        "tag": ["|".join(f"w{word}" for word in words) for words in ITEM_WORDS],
    }
)


def small_graph():
    return build_relational_graph(TABLE, ["tag"])


class GraphContract(ModelContract):
    @classmethod
    def graph(cls):
        return small_graph()


class TestRGCN(GraphContract):
    options = RGCNOptions(dim=6)


class TestRGCNSampled(GraphContract):
    options = RGCNOptions(dim=6, sampling="neighbours", fanouts=[3, 2], num_bases=2)


class TestRGAT(GraphContract):
    options = RGATOptions(dim=6, heads=2, inhibits=3)

    def test_cold_users_and_items_score_by_their_features(self, model):
        # Two items with the same words draw different R- samples: finite, but not equal.
        scores = model.score(self.all_users, self.all_items)
        assert bool(torch.isfinite(scores).all())
        torch.testing.assert_close(scores[6], scores[7])


class TestRGATSampled(TestRGAT):
    options = RGATOptions(dim=6, heads=2, inhibits=3, sampling="neighbours", fanouts=[3, 2])


def test_the_words_of_graph_and_features_are_the_same():
    assert node_words(small_graph()).tolist()[:10] == [sorted(words) for words in ITEM_WORDS]


def test_edges_are_the_relations():
    graph, features = small_graph(), small_features()
    inputs = GraphInputs.build(graph, interactions([*TRAIN, (0, 3, 1)]), features, 4, 0)
    source, target = inputs.edge_index
    n = inputs.n_nodes
    assert torch.equal(target, target.sort().values)
    edges = {kind: set(zip(*inputs.edge_index[:, inputs.edge_type == kind].tolist(), strict=True)) for kind in range(7)}
    parts = set(zip(*improves_edges(graph).tolist(), strict=True))
    assert edges[0] == parts
    assert edges[1] == {(whole, part) for part, whole in parts}
    # The later row of user 0 and item 3 says positive.
    liked = {(user, item) for user, item, label in TRAIN if label} | {(0, 3)}
    disliked = {(user, item) for user, item, label in TRAIN if not label} - {(0, 3)}
    for first, pairs in ((2, liked), (4, disliked)):
        assert edges[first] == {(user + n, item) for user, item in pairs}
        assert edges[first + 1] == {(item, user + n) for user, item in pairs}
    words = [set(row) for row in inputs.words.tolist()]
    received = [0] * n
    for item, node in edges[INHIBITS_TYPE]:
        assert item < 10
        assert item != node
        assert node < 10 or not words[node] <= words[item]
        received[node] += 1
    assert max(received) == 4
    assert min(received[:10]) >= 1
    of_row = inputs.edge_row >= 0
    assert torch.equal(of_row, (inputs.edge_type >= 2) & (inputs.edge_type < 6))
    is_user = source >= n
    user, item = torch.where(is_user, source, target)[of_row] - n, torch.where(is_user, target, source)[of_row]
    assert torch.equal(user * 10 + item, inputs.edge_row[of_row])


def test_few_inhibited_items_are_all_taken():
    inputs = GraphInputs.build(small_graph(), interactions(TRAIN), small_features(), 50, 0)
    kind = inputs.edge_type == INHIBITS_TYPE
    target = inputs.edge_index[1, kind]
    assert torch.equal(torch.bincount(target)[:10], torch.full((10,), 9))


def test_query_index_finds_combinations_in_any_order():
    graph = small_graph()
    words = node_words(graph)
    index = QueryIndex(words, 10)
    queries = words.select(torch.arange(10, len(words)))
    assert index.find(queries).tolist() == list(range(10, len(words)))
    assert index.find(Ragged.from_lists([row[::-1] for row in queries.tolist()])).tolist() == list(
        range(10, len(words))
    )
    assert index.find(Ragged.from_lists([[0, 3], [], [1, 1]])).tolist() == [-1, -1, -1]
    assert QueryIndex(Ragged.from_lists([[0]]), 1).find(Ragged.from_lists([[0]])).tolist() == [-1]


def test_sampled_neighbours_are_edges_towards_the_frontier():
    target = torch.tensor([0, 0, 0, 0, 1, 2, 2, 3])
    source = torch.tensor([1, 2, 3, 4, 5, 0, 1, 2])
    ptr = torch.tensor([0, 4, 5, 7, 8, 8, 8])
    nodes, edges = sample_neighbours(ptr, torch.tensor([0]), [9, 9], source, 1)
    assert [part.tolist() for part in edges] == [[0, 1, 2, 3], list(range(8))]
    assert [part.tolist() for part in nodes] == [[0], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]]
    (seeds, nodes), (edges,) = sample_neighbours(ptr, torch.tensor([0]), [2], source, 1)
    assert seeds.tolist() == [0]
    assert 1 <= len(edges) <= 2
    assert set(target[edges].tolist()) == {0}
    assert set(nodes.tolist()) == {0, *source[edges].tolist()}
    assert [part.tolist() for part in sample_neighbours(ptr, torch.tensor([4]), [2, 2], source, 1)[1]] == [[], []]
    drawn = {tuple(sample_neighbours(ptr, torch.tensor([0]), [2], source, key)[1][0].tolist()) for key in range(60)}
    assert {edge for edges in drawn for edge in edges} == {0, 1, 2, 3}


@pytest.mark.parametrize("options", [RGCNOptions(dim=4, dropout=0.0), RGATOptions(dim=4, heads=2, dropout=0.0)])
def test_a_row_is_predicted_without_its_own_edges(options):
    # Without the row, the graph of the step is the graph of the other rows.
    rows = interactions(TRAIN)
    model = build_model(options, small_features(), small_graph(), rows).train()
    others = build_model(options, small_features(), small_graph(), interactions(TRAIN[1:])).eval()
    others.load_state_dict(model.state_dict())
    logits = model.training_terms(whole_batch(rows.take(torch.arange(1)))).logits
    with torch.no_grad():
        torch.testing.assert_close(logits, others(rows.user[:1], rows.item[:1]))
    assert not torch.allclose(logits, model.eval()(rows.user[:1], rows.item[:1]))


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(
    "options", [RGATOptions(dim=4, heads=2, dropout=0.0), GIPAOptions(dim=4, heads=2, dropout=0.0)]
)
def test_sampling_everything_equals_the_whole_graph(options, layers):
    rows, features, graph = interactions(TRAIN), small_features(), small_graph()
    whole = replace(options, sampling="full", layers=layers, fanouts=[99] * layers)
    model = build_model(whole, features, graph, rows).train()
    sampled = build_model(replace(whole, sampling="neighbours"), features, graph, rows).train()
    sampled.load_state_dict(model.state_dict())
    batch = whole_batch(rows.take(torch.arange(3)))
    found = []
    for one in (model, sampled):
        logits, penalty, _ = one.training_terms(batch)
        (logits.square().sum() + penalty).backward()
        found.append([logits, penalty, *(parameter.grad for parameter in one.parameters())])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("edges", [1, 7, 20])
@pytest.mark.parametrize("options", [RGCNOptions(dim=4), RGATOptions(dim=4, heads=2), GIPAOptions(dim=4, heads=2)])
def test_vectors_of_nodes_in_blocks_are_those_of_all_at_once(monkeypatch, options, edges):
    options = replace(options, sampling="neighbours", layers=2, fanouts=[3, 2])
    model = build_model(options, small_features(), small_graph(), interactions(TRAIN)).eval()
    with torch.no_grad():
        whole = model._hidden()
        monkeypatch.setattr("magus_pyg.models.graph_model._EDGES", edges)
        blocks = list(model._blocks())
        assert len(blocks) > 1
        assert [begin for begin, _ in blocks] == [0, *(end for _, end in blocks[:-1])]
        assert blocks[-1][1] == len(whole)
        assert all(end == begin + 1 or model._edge_ptr[end] - model._edge_ptr[begin] <= edges for begin, end in blocks)
        model._forget()
        torch.testing.assert_close(model._hidden(), whole)


def test_a_step_over_neighbours_touches_what_it_reads():
    rows = interactions(TRAIN[:2])
    options = RGCNOptions(dim=4, sampling="neighbours", inhibits=0, layers=1, fanouts=[9])
    model = build_model(options, small_features(), small_graph(), rows).train()
    choose_sparse(model, -1)
    model.training_terms(whole_batch(rows))[0].sum().backward()
    used = model.item.grad._indices()[0].tolist()
    # The items of the rows and, through their words, their neighbours among queries: not the last item.
    assert used == sorted(set(used))
    assert set(rows.item.tolist()) <= set(used)
    assert 9 not in used


def test_inhibits_of_rgcn_is_the_mean_over_all_items_of_r_minus():
    options = RGCNOptions(dim=4, layers=1, fanouts=[5], dropout=0.0, inhibits=50)
    model = build_model(options, small_features(), small_graph(), interactions(TRAIN)).eval()
    # All R- items drawn: their explicit mean is the one through the complement.
    sampled = build_model(replace(options, sampling="neighbours"), small_features(), small_graph(), interactions(TRAIN))
    sampled.load_state_dict(model.state_dict())
    users, items = torch.arange(8), torch.arange(10)
    torch.testing.assert_close(sampled.score(users, items), model.score(users, items))


def test_a_combination_is_its_node_or_the_mean_of_its_words():
    model = build_model(RGCNOptions(dim=4), small_features(), small_graph(), interactions(TRAIN))
    with torch.no_grad():
        hidden = model.eval()._hidden()
    words = node_words(small_graph()).tolist()
    both = model.query_embedding(Ragged.from_lists([[1, 0], [3, 0]]))[:, :4]
    torch.testing.assert_close(both[0], hidden[words.index([0, 1], 10)])
    torch.testing.assert_close(both[1], (hidden[words.index([3], 10)] + hidden[words.index([0], 10)]) / 2)


def test_graph_models_resume_exactly(tmp_path):
    options = RGATOptions(dim=4, heads=2, sampling="neighbours", fanouts=[2, 2])
    training = TrainOptions(epochs=4, batch_size=5, accelerator="cpu", lr=1e-2)

    def train(folder, epochs):
        model = build_model(options, small_features(), small_graph(), interactions(TRAIN))
        fit(model, small_data(), replace(training, epochs=epochs), 0, tmp_path / folder, resume=True, progress=False)
        return model.state_dict()

    whole = train("whole", 4)
    train("cut", 2)
    again = train("cut", 4)
    assert all(torch.equal(again[key], value) for key, value in whole.items())


def test_what_does_not_fit_is_refused():
    graph, features, rows = small_graph(), small_features(), interactions(TRAIN)
    with pytest.raises(ConfigError, match=r"'rgcn' needs graph"):
        build_model(RGCNOptions(), features)
    with pytest.raises(ModelError, match="the graph has 9 items, the features have 10"):
        build_model(RGCNOptions(), features, build_relational_graph(TABLE.iloc[:9], ["tag"]), rows)
    other = build_relational_graph(TABLE.assign(tag=TABLE["tag"].to_numpy()[::-1].copy()), ["tag"])
    with pytest.raises(ModelError, match="words differ"):
        build_model(RGCNOptions(), features, other, rows)
    with pytest.raises(ConfigError, match=r"must divide dim=64 \(got 5\)"):
        RGATOptions(heads=5)
    with pytest.raises(ConfigError, match=r"sampling.*got 'ful'"):
        RGCNOptions(sampling="ful")
    with pytest.raises(ConfigError, match=r"fanouts must be 3 numbers.*\[15, 10\]"):
        RGCNOptions(layers=3)
    assert build_model(FMOptions(dim=2), features, graph, rows).options.name == "fm"


def test_validation_makes_the_vectors_of_all_nodes_once_an_epoch(monkeypatch):
    monkeypatch.setattr("magus_pyg.training.loader._VALIDATION_ROWS", 1)
    model = build_model(RGCNOptions(dim=4), small_features(), small_graph(), interactions(TRAIN))
    made, propagate = [], model._propagate
    monkeypatch.setattr(model, "_propagate", lambda *given: (made.append(model.training), propagate(*given))[1])
    data = small_data()
    assert len(data.validation) > 1
    fit(model, data, TrainOptions(epochs=3, patience=3))
    assert made.count(False) == 3
