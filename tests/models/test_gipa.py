import pandas as pd
import pytest
import torch

from magus_pyg.errors import ConfigError
from magus_pyg.graph import build_relational_graph
from magus_pyg.models import GIPAOptions, build_model
from magus_pyg.models.gipa import EDGE_FEATURES
from magus_pyg.models.graph_inputs import INHIBITS_TYPE, RELATIONS
from magus_pyg.testing import ModelContract, small_features
from magus_pyg.testing.small_log import ITEM_WORDS, TRAIN, interactions

TABLE = pd.DataFrame(
    {
        "item_id": [f"i{number}" for number in range(len(ITEM_WORDS))],
        "tag": ["|".join(f"w{word}" for word in words) for words in ITEM_WORDS],
    }
)


class TestGIPA(ModelContract):
    options = GIPAOptions(dim=6, heads=2, attention_dim=4, edge_dim=3, inhibits=3)

    @classmethod
    def graph(cls):
        return build_relational_graph(TABLE, ["tag"])

    def test_cold_users_and_items_score_by_their_features(self, model):
        # Two items with the same words draw different R- samples: finite, but not equal.
        scores = model.score(self.all_users, self.all_items)
        assert bool(torch.isfinite(scores).all())
        torch.testing.assert_close(scores[6], scores[7])


class TestGIPASampled(TestGIPA):
    options = GIPAOptions(dim=6, heads=6, attention_dim=0, sampling="neighbours", fanouts=[3, 2])


def test_edge_features_are_kind_and_direction():
    # Every relation has its own; the two directions of one differ in the last feature alone.
    assert len(EDGE_FEATURES) == len(RELATIONS) == len({tuple(row) for row in EDGE_FEATURES.tolist()})
    assert torch.equal(EDGE_FEATURES[:, :4].sum(1), torch.ones(7))
    there, back = EDGE_FEATURES[0:6:2], EDGE_FEATURES[1:6:2]
    assert torch.equal(there[:, :4], back[:, :4])
    assert torch.equal(there[:, 4], -back[:, 4])
    assert EDGE_FEATURES[INHIBITS_TYPE].tolist() == [0, 0, 0, 1, 0]


def test_scores_are_the_layers_on_the_explicit_graph():
    options = GIPAOptions(dim=4, heads=2, attention_dim=3, edge_dim=2)
    model = build_model(options, small_features(), TestGIPA.graph(), interactions(TRAIN)).eval()
    nodes = torch.arange(model.n_nodes + 8)
    with torch.no_grad():
        start = torch.cat([model._node_start(nodes[: model.n_nodes]), model._user_start(torch.arange(8))])
        x = start[:, :-1]
        for number, layer in enumerate(model.layers):
            edge_attr = torch.relu(layer.embed(EDGE_FEATURES))[model.edge_type]
            x = layer.conv(x, model.edge_index, edge_attr)
            x = x if number else torch.relu(x)
        hidden = start[:, :-1] + x
        user, item = start[model.n_nodes :], start[:10]
        expected = hidden[model.n_nodes :] @ hidden[:10].T + user[:, -1:] + item[:, -1] + model.bias
    torch.testing.assert_close(model.score(torch.arange(8), torch.arange(10)), expected)


def test_options_are_checked():
    with pytest.raises(ConfigError, match=r"must divide dim=64 \(got 5\)"):
        GIPAOptions(heads=5)
    with pytest.raises(ConfigError, match=r"edge_dim must be at least 1 \(got 0\)"):
        GIPAOptions(edge_dim=0)
    with pytest.raises(ConfigError, match=r"attention_dim must be at least 0 \(got -1\)"):
        GIPAOptions(attention_dim=-1)
