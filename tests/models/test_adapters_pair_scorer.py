import pytest
import torch
from torch_geometric.nn import LightGCN

from magus_pyg.errors import ModelError
from magus_pyg.models import PairScorer, adapters


def test_items_of_all_and_of_each_user():
    scorer = PairScorer(lambda user, item: 10.0 * user + item, 3, 4)
    assert repr(scorer) == "PairScorer(3 users, 4 items)"
    users = torch.tensor([2, 0])
    assert scorer.score(users, torch.tensor([1, 3])).tolist() == [[21, 23], [1, 3]]
    own = torch.tensor([[3, -1, 0], [-1, 2, 2]])
    inf = float("-inf")
    assert scorer.score(users, own).tolist() == [[23, inf, 20], [inf, 2, 2]]
    assert scorer.score(users, own).dtype == torch.float32


def test_empty_and_many_pairs(monkeypatch):
    scorer = PairScorer(lambda user, item: 10.0 * user + item, 3, 4)
    none = torch.empty(0, dtype=torch.int64)
    assert scorer.score(none, torch.arange(4)).shape == (0, 4)
    assert scorer.score(torch.arange(3), none).shape == (3, 0)
    assert scorer.score(none, none.view(0, 2)).shape == (0, 2)
    whole = scorer.score(torch.arange(3), torch.arange(4))
    monkeypatch.setattr(adapters, "_PAIRS", 5)
    assert torch.equal(scorer.score(torch.arange(3), torch.arange(4)), whole)


def test_lightgcn_as_it_is():
    model = LightGCN(7, 4, 2).eval()
    edge_index = torch.tensor([[0, 1, 2, 0], [3, 4, 5, 6]])
    edge_index = torch.cat([edge_index, edge_index.flip(0)], 1)
    scorer = PairScorer(lambda user, item: model(edge_index, torch.stack([user, item + 3])), 3, 4)
    scores = scorer.score(torch.arange(3), torch.arange(4))
    assert not scores.requires_grad
    out = model.get_embedding(edge_index)
    torch.testing.assert_close(scores, out[:3] @ out[3:].T)


def test_bad_inputs():
    scorer = PairScorer(lambda user, item: 10.0 * user + item, 3, 4)
    with pytest.raises(ModelError, match="user index 3"):
        scorer.score(torch.tensor([3]), torch.arange(4))
    with pytest.raises(ModelError, match="item index 4"):
        scorer.score(torch.tensor([0]), torch.arange(5))
    with pytest.raises(ModelError, match=r"\[3\] and \[2, 2\]"):
        scorer.score(torch.arange(3), torch.zeros(2, 2, dtype=torch.int64))
    with pytest.raises(ModelError, match=r"floating \[4\].*\[4, 1\]"):
        PairScorer(lambda user, item: torch.ones(len(user), 1), 3, 4).score(torch.tensor([0]), torch.arange(4))
    with pytest.raises(ModelError, match=r"floating \[4\].*int64"):
        PairScorer(lambda user, item: user, 3, 4).score(torch.tensor([0]), torch.arange(4))
