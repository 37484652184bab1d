import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.errors import ConfigError, RunError
from magus_pyg.models import MPS, FeatureSpace, MPSOptions, TrainingData, build_model
from magus_pyg.models import mps as module
from magus_pyg.ragged import Ragged
from magus_pyg.testing import ModelContract, small_data, small_features
from magus_pyg.testing.small_log import ITEM_WORDS, TRAIN, interactions
from magus_pyg.training import TrainOptions, fit
from magus_pyg.training.checkpoint import read_checkpoint


class TestMPS(ModelContract):
    options = MPSOptions()


def test_by_hand():
    # Positive rows of items 0, 1, 2: 3, 1, 0; items 0 and 1 share word 0, item 0 has word 1, too, item 2 word 2.
    space = FeatureSpace(2, 3, 3, 0, Ragged.from_lists([[0, 1], [0], [2]]), Ragged.from_lists([[], []]))
    rows = interactions([(0, 0, 1), (1, 0, 1), (0, 0, 1), (0, 1, 1), (1, 1, 0), (1, 2, 0)])
    model = MPS(MPSOptions(), space, rows)
    logs = [math.log(4), math.log(2), 0.0]
    mean = sum(logs) / 3
    deviation = math.sqrt(sum((value - mean) ** 2 for value in logs) / 3)

    def z(count):
        return pytest.approx((math.log(1 + count) - mean) / deviation, abs=1e-6)

    users = torch.tensor([0, 1])
    scores = model.score(users, torch.arange(3)).tolist()
    assert scores[0] == scores[1] == [z(3), z(1), z(0)]
    words = Ragged.from_lists([[0], [1], [0, 1], [0, 2], [], [2], [1, 1]])
    assert model.score_words(users, words).tolist()[1] == [z(4), z(3), z(3), z(0), z(4), z(0), z(3)]


@given(
    st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=6),
    st.lists(st.lists(st.integers(0, 4), max_size=3), max_size=6),
    st.integers(1, 30),
)
def test_covered_rows_are_those_of_a_loop(items, combinations, block):
    items = [sorted(set(words)) for words in items]
    space = FeatureSpace(1, len(items), 5, 0, Ragged.from_lists(items), Ragged.from_lists([[]]))
    rows = [(0, item, label) for item in range(len(items)) for label in [1] * item + [0]]
    model = MPS(MPSOptions(), space, interactions(rows))
    expected = [float(sum(item for item, own in enumerate(items) if set(words) <= set(own))) for words in combinations]
    old, module._PAIRS = module._PAIRS, block
    try:
        assert model.covered(Ragged.from_lists(combinations)).tolist() == expected
    finally:
        module._PAIRS = old


def test_items_that_are_equally_popular_score_zero():
    space = FeatureSpace(1, 2, 0, 0, Ragged.from_lists([[], []]), Ragged.from_lists([[]]))
    model = MPS(MPSOptions(), space, interactions([(0, 0, 1), (0, 1, 1)]))
    assert model.score(torch.tensor([0]), torch.arange(2)).tolist() == [[0.0, 0.0]]


def test_fit_looks_once_and_counts_the_rows_it_is_given():
    model = MPS(MPSOptions(), small_features(), interactions(TRAIN[:3]))
    result = fit(model, small_data(), TrainOptions(epochs=7, negatives=2), seed=3, progress=False)
    assert result.history["epoch"].tolist() == [0]
    assert result.history["lr"].tolist() == [0.0]
    assert result.best_epoch == 0
    assert not result.stopped_early
    assert model.positives.tolist() == [sum(row[1] == item and row[2] == 1 for row in TRAIN) for item in range(10)]
    assert model.user_known.tolist() == [1] * 6 + [0, 0]
    again = MPS(MPSOptions(), small_features(), interactions(TRAIN))
    assert torch.equal(model.score(torch.arange(8), torch.arange(10)), again.score(torch.arange(8), torch.arange(10)))
    # Item 6 was liked once, item 0 once, item 8 never: the validation rows that say otherwise count for nothing.
    assert 0 <= result.history["val_auc"][0] <= 1


def test_checkpoint_and_resume(tmp_path):
    options = TrainOptions(epochs=2)
    model = MPS(MPSOptions(), small_features(), interactions(TRAIN))
    first = fit(model, small_data(), options, 0, tmp_path, progress=False)
    assert read_checkpoint(tmp_path)["history"] == first.history.to_dict("records")
    again = MPS(MPSOptions(), small_features(), interactions(TRAIN[:1]))
    second = fit(again, small_data(), options, 0, tmp_path, resume=True, progress=False)
    assert second.history.equals(first.history)
    assert torch.equal(again.positives, model.positives)
    with pytest.raises(RunError, match="already holds"):
        fit(again, small_data(), options, 0, tmp_path, progress=False)
    other = TrainingData(small_data().train, small_data().validation, "other")
    with pytest.raises(RunError, match="data is 'small' there"):
        fit(again, other, options, 0, tmp_path, resume=True, progress=False)


def test_the_training_rows_are_needed():
    with pytest.raises(ConfigError, match="needs interactions"):
        build_model(MPSOptions(), small_features())


def test_unseen_words_and_items():
    model = MPS(MPSOptions(), small_features(), interactions([]))
    scores = model.score(torch.arange(8), torch.arange(10))
    assert not bool(scores.any())
    assert len(ITEM_WORDS) == 10
    data = replace(small_data(), train=interactions(TRAIN[2:3]))
    fit(model, data, TrainOptions(epochs=1), progress=False)
    assert not bool(model.positives.any())
