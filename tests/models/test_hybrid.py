import math
from dataclasses import replace

import pytest
import torch

from magus_pyg.errors import ConfigError
from magus_pyg.models import MPS, FeatureSpace, Hybrid, HybridOptions, MPSOptions
from magus_pyg.models import hybrid as module
from magus_pyg.ragged import Ragged
from magus_pyg.testing import ModelContract, small_data, small_features
from magus_pyg.testing.small_log import ITEM_WORDS, TRAIN, interactions
from magus_pyg.training import TrainOptions, fit

USERS, ITEMS = torch.arange(8), torch.arange(10)


class TestHybrid(ModelContract):
    options = HybridOptions(popularity=0.3, history=2, decay=0.5)


def literal_scores(options, rows, combinations, ordered=True):
    """The definition with loops: all items (their words), then combinations, for all users."""
    idf = [1.0] * 5
    if options.idf:
        idf = [math.log(1 + 10 / max(1, sum(word in own for own in ITEM_WORDS))) for word in range(5)]
    popularity = MPS(MPSOptions(), small_features(), interactions(rows))
    popular = popularity.score(USERS[:1], ITEMS)[0].tolist()
    popular += popularity.score_words(USERS[:1], Ragged.from_lists(combinations))[0].tolist()
    scores = []
    for user in range(8):
        liked = [item for who, item, label in rows if who == user and label]
        weights = [1.0] * len(liked)
        if ordered:
            liked = liked[-options.history :]
            weights = [options.decay**back for back in reversed(range(len(liked)))]
        vector = [
            sum(w * idf[word] for w, item in zip(weights, liked, strict=True) if word in ITEM_WORDS[item])
            for word in range(5)
        ]
        length = math.sqrt(sum(value**2 for value in vector))

        def cosine(words, vector=vector, length=length):
            own = math.sqrt(sum(idf[word] ** 2 for word in words))
            return sum(idf[word] * vector[word] for word in words) / (length * own) if words and length else 0.0

        catalogue = [cosine(words) for words in ITEM_WORDS]
        mean = sum(catalogue) / 10
        deviation = math.sqrt(sum((value - mean) ** 2 for value in catalogue) / 10)
        row = []
        for value, words in zip(popular, ITEM_WORDS + combinations, strict=True):
            alpha = options.popularity if length else 1.0
            row.append(alpha * value + (1 - alpha) * ((cosine(words) - mean) / deviation if length else 0.0))
        scores.append(row)
    return torch.tensor(scores)


@pytest.mark.parametrize("idf", [True, False])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(("popularity", "history", "decay"), [(0.3, 2, 0.5), (0.0, 1, 1.0), (1.0, 9, 0.9)])
def test_scores_are_those_of_loops(popularity, history, decay, idf, ordered):
    rows = [*TRAIN, (0, 5, 1), (0, 2, 1), (4, 3, 1), (4, 4, 1)]
    combinations = [[0], [1, 2], [], [4, 3, 0]]
    options = HybridOptions(popularity=popularity, history=history, decay=decay, idf=idf)
    model = Hybrid(options, small_features(), replace(interactions(rows), ordered=ordered))
    expected = literal_scores(options, rows, combinations, ordered)
    torch.testing.assert_close(model.score(USERS, ITEMS), expected[:, :10], rtol=1e-4, atol=1e-5)
    scored = model.score_words(USERS, Ragged.from_lists(combinations))
    torch.testing.assert_close(scored, expected[:, 10:], rtol=1e-4, atol=1e-5)


def test_by_hand():
    # Without weights of words: the user liked item 0 (words 0, 1), then item 1 (word 1); s = (0.5, 1.5) before scaling.
    space = FeatureSpace(2, 3, 2, 0, Ragged.from_lists([[0, 1], [1], [0]]), Ragged.from_lists([[], []]))
    rows = interactions([(0, 0, 1), (0, 1, 1)])
    model = Hybrid(HybridOptions(popularity=0, decay=0.5, idf=False), space, rows)
    length = math.sqrt(0.25 + 2.25)
    cosines = torch.tensor([2 / (length * math.sqrt(2)), 1.5 / length, 0.5 / length])
    expected = (cosines - cosines.mean()) / cosines.std(correction=0)
    torch.testing.assert_close(model.score(torch.tensor([0]), torch.arange(3))[0], expected)
    # The second user liked nothing: popularity alone, whatever its weight.
    popular = MPS(MPSOptions(), space, rows).score(torch.tensor([1]), torch.arange(3))
    assert torch.equal(model.score(torch.tensor([1]), torch.arange(3)), popular)


def test_only_earlier_rows_are_read():
    # fit lets the model observe the training rows; the validation rows, which come later, change nothing.
    options = HybridOptions(history=3)
    model = Hybrid(options, small_features(), interactions(TRAIN))
    fit(model, small_data(), TrainOptions(epochs=1), progress=False)
    later = replace(small_data(), validation=interactions([(0, 9, 1), (0, 8, 0), (1, 9, 1)]))
    other = Hybrid(options, small_features(), interactions(TRAIN[:2]))
    fit(other, later, TrainOptions(epochs=1), progress=False)
    assert torch.equal(model.score(USERS, ITEMS), other.score(USERS, ITEMS))


def test_the_latest_words_are_those_of_other_rows_and_popularity_stays():
    options, later = HybridOptions(history=3), [(0, 5, 1), (3, 2, 1), (7, 4, 0)]
    model = Hybrid(options, small_features(), interactions(TRAIN))
    before = model.score(USERS, ITEMS)
    other = model.with_history(interactions(TRAIN + later))
    expected = Hybrid(options, small_features(), interactions(TRAIN + later))
    expected.positives.copy_(model.positives)
    expected.moments.copy_(model.moments)
    assert torch.equal(other.score(USERS, ITEMS), expected.score(USERS, ITEMS))
    assert not torch.equal(other.score(USERS, ITEMS), before)
    assert torch.equal(model.score(USERS, ITEMS), before)


def test_the_order_counts_only_where_there_is_one():
    options = HybridOptions(history=1)
    there, back = [(0, 0, 1), (0, 5, 1)], [(0, 5, 1), (0, 0, 1)]
    scores = {}
    for ordered in (True, False):
        for name, rows in (("there", there), ("back", back)):
            model = Hybrid(options, small_features(), replace(interactions(rows), ordered=ordered))
            scores[ordered, name] = model.score(USERS[:1], ITEMS)
    assert not torch.allclose(scores[True, "there"], scores[True, "back"])
    torch.testing.assert_close(scores[False, "there"], scores[False, "back"])


def test_a_model_of_a_log_without_order_is_loaded_as_such():
    rows = interactions([*TRAIN, (0, 5, 1)])
    model = Hybrid(HybridOptions(history=1), small_features(), replace(rows, ordered=False))
    again = Hybrid(HybridOptions(history=1), small_features(), rows)
    assert not torch.allclose(model.score(USERS, ITEMS), again.score(USERS, ITEMS))
    again.load_state_dict(model.state_dict())
    assert torch.equal(model.score(USERS, ITEMS), again.score(USERS, ITEMS))


def test_a_large_catalogue_is_sampled(monkeypatch):
    monkeypatch.setattr(module, "_SAMPLED_ITEMS", 6)
    monkeypatch.setattr(module, "_FLOATS", 20)  # two users at once
    models = [Hybrid(HybridOptions(), small_features(), interactions(TRAIN), seed) for seed in (1, 1, 2)]
    assert len(models[0]._sample) == 6
    scores = [model.score(USERS, ITEMS) for model in models]
    assert torch.equal(scores[0], scores[1])
    assert not torch.allclose(scores[0], scores[2])


def test_without_words():
    space = FeatureSpace(2, 3, 0, 0, Ragged.from_lists([[], [], []]), Ragged.from_lists([[], []]))
    rows = interactions([(0, 0, 1), (1, 2, 1), (0, 2, 1)])
    model, popular = Hybrid(HybridOptions(), space, rows), MPS(MPSOptions(), space, rows)
    users, items = torch.arange(2), torch.arange(3)
    assert torch.equal(model.score(users, items), popular.score(users, items))
    assert torch.equal(model(users, users), popular(users, users))
    assert model.score_words(users, Ragged.from_lists([[]])).shape == (2, 1)


@pytest.mark.parametrize(("name", "value"), [("popularity", 1.5), ("popularity", -0.1), ("history", 0), ("decay", 0)])
def test_options_are_checked(name, value):
    with pytest.raises(ConfigError, match=rf"HybridOptions.{name} must be (in|at least) .* \(got {value}\)"):
        HybridOptions(**{name: value})
