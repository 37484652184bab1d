import pytest
import torch

from magus_pyg.errors import ConfigError, ModelError
from magus_pyg.models import (
    BaseRecommender,
    Candidates,
    FeatureSpace,
    FMOptions,
    Interactions,
    ModelOptions,
    build_model,
)
from magus_pyg.ragged import Ragged
from magus_pyg.testing import small_features
from magus_pyg.testing.small_log import TRAIN, interactions


def test_feature_rows_must_fit():
    words, none = Ragged.from_lists([[0], [2]]), Ragged.from_lists([[]])
    with pytest.raises(ModelError, match="word index 2"):
        FeatureSpace(1, 2, 2, 0, words, none)
    with pytest.raises(ModelError, match=r"3 \(got 2\)"):
        FeatureSpace(1, 3, 3, 0, words, none)
    with pytest.raises(ModelError, match="profile value index 0"):
        FeatureSpace(1, 2, 3, 0, words, Ragged.from_lists([[0]]))
    with pytest.raises(ModelError, match=r"n_users must be at least 1 \(got 0\)"):
        FeatureSpace(0, 2, 3, 0, words, Ragged.from_lists([]))


def test_fingerprint_sees_every_word():
    first = small_features()
    assert first.fingerprint == small_features().fingerprint
    words = Ragged(first.item_words.ptr, first.item_words.index.clone().index_fill_(0, torch.tensor([0]), 1))
    assert first.fingerprint != FeatureSpace(8, 10, 5, 3, words, first.user_profiles).fingerprint


def test_candidates():
    features = small_features()
    items = Candidates.of_items(torch.tensor([5, 0, 4]), features.item_words)
    assert items.words.tolist() == [[3, 4], [0], []]
    pure = Candidates.of_words(Ragged.from_lists([[1], [2, 3]]), features.n_items)
    assert pure.item.tolist() == [10, 10]
    with pytest.raises(ModelError, match=r"got \[2\], 3"):
        Candidates(torch.tensor([0, 1]), items.words)


def test_interactions_are_checked():
    assert interactions(TRAIN).label.dtype == torch.float32
    with pytest.raises(ModelError, match=r"got 2 in row 1"):
        Interactions(torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([1, 2]))
    with pytest.raises(ModelError, match="one length"):
        Interactions(torch.tensor([0, 1]), torch.tensor([0]), torch.tensor([1, 0]))
    with pytest.raises(ModelError, match="item index 10"):
        interactions([(0, 10, 1)]).check(small_features())


def test_registry_names_what_there_is():
    with pytest.raises(ConfigError, match=r"unknown model 'fn'; choose one of .*fm"):
        build_model(ModelOptions("fn"), small_features())
    with pytest.raises(ConfigError, match="takes FMOptions"):
        build_model(ModelOptions("fm"), small_features())
    assert build_model(FMOptions(dim=2), small_features()).options.dim == 2


class Pairs(BaseRecommender):
    """Scores pairs by a formula, to test the paths of models that are no dot product."""

    has_embeddings = False

    def logits(self, user, candidates):
        words = torch.zeros(len(candidates)).index_add(0, candidates.words.row, candidates.words.index.float())
        return 100.0 * user + 10.0 * candidates.item + words


def test_pairs_are_scored_in_blocks(monkeypatch):
    monkeypatch.setattr("magus_pyg.models.base._PAIRS", 7)
    model = Pairs(ModelOptions("pairs"), small_features())
    users, items = torch.tensor([3, 0, 7]), torch.tensor([1, 5, 9, 0])
    word_sums = torch.tensor([1.0, 7.0, 2.0, 0.0])
    expected = 100.0 * users[:, None] + 10.0 * items + word_sums
    assert torch.equal(model.score(users, items), expected)
    assert torch.equal(model.score(users, items.repeat(3, 1)), expected)
    assert model.score(users[:0], items.repeat(0, 1)).shape == (0, 4)
    combined = model.score_words(users, Ragged.from_lists([[4, 3], []]))
    assert combined.tolist() == [[407.0, 400.0], [107.0, 100.0], [807.0, 800.0]]
    for ask in (model.user_embedding, model.item_embedding):
        with pytest.raises(ModelError, match="'pairs' has no embeddings"):
            ask(users)
    with pytest.raises(ModelError, match="'pairs' has no embeddings"):
        model.query_embedding(Ragged.from_lists([[0]]))
