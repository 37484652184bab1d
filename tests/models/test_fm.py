import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.errors import ConfigError
from magus_pyg.models import FM, FeatureSpace, FMOptions
from magus_pyg.ragged import Ragged
from magus_pyg.testing import ModelContract, small_features
from magus_pyg.testing.small_log import ITEM_WORDS, TRAIN, USER_PROFILES, interactions
from magus_pyg.training.loader import whole_batch


class TestFM(ModelContract):
    options = FMOptions(dim=6)


@torch.no_grad()
def literal_fm(model, user, item, words):
    """Rendle's Eq. 1 with a double loop over the features that are present."""
    profiles = USER_PROFILES[user]
    present = [(model.user[user], float(model.user_known[user]))]
    present += [(model.profile[value], 1 / len(profiles)) for value in profiles]
    if item is not None:
        present.append((model.item[item], float(model.item_known[item])))
    present += [(model.word[word], 1 / len(words)) for word in words]
    y = float(model.bias) + sum(float(row[-1]) * x for row, x in present)
    for (left, x), (right, z) in itertools.combinations(present, 2):
        y += float(left[:-1] @ right[:-1]) * x * z
    return y


@given(st.integers(0, 2**31))
def test_fast_scores_are_the_literal_machine(seed):
    model = FM(FMOptions(dim=3, init_std=1.0), small_features(), seed)
    model.observe(interactions(TRAIN))
    with torch.no_grad():
        for table in (model.user, model.profile, model.item, model.word):
            table[:, -1] = torch.linspace(-1, 1, len(table))
        model.bias.fill_(0.3)
    users = torch.arange(8)
    literal = torch.tensor([[literal_fm(model, u, v, ITEM_WORDS[v]) for v in range(10)] for u in range(8)])
    torch.testing.assert_close(model.score(users, torch.arange(10)), literal, rtol=1e-4, atol=1e-4)
    combinations = [[0], [1, 4], [], [2, 3, 0]]
    literal = torch.tensor([[literal_fm(model, u, None, words) for words in combinations] for u in range(8)])
    scored = model.score_words(users, Ragged.from_lists(combinations))
    torch.testing.assert_close(scored, literal, rtol=1e-4, atol=1e-4)


def test_by_hand():
    # One user with two profile values, one item with two words, vectors of length 1.
    space = FeatureSpace(1, 1, 2, 2, Ragged.from_lists([[0, 1]]), Ragged.from_lists([[0, 1]]))
    model = FM(FMOptions(dim=1), space)
    with torch.no_grad():
        model.user.copy_(torch.tensor([[2.0, 0.5]]))
        model.profile.copy_(torch.tensor([[1.0, 0.25], [3.0, 0.75]]))
        model.item.copy_(torch.tensor([[-1.0, 1.0]]))
        model.word.copy_(torch.tensor([[4.0, 2.0], [2.0, -4.0]]))
        model.bias.fill_(10.0)
    # x·v: user 2, profiles 0.5 and 1.5; item -1, words 2 and 1. Linear: 0.5 + 0.125 + 0.375; 1 + 1 - 2.
    # Pairs: 2·0.5 + 2·1.5 + 0.5·1.5 = 4.75; -1·2 - 1·1 + 2·1 = -1; across (2 + 2)(-1 + 3) = 8.
    one = torch.tensor([0])
    assert model.score(one, one).tolist() == [[10 + 1 + 0 + 4.75 - 1 + 8]]
    assert model.score_words(one, Ragged.from_lists([[1], []])).tolist() == [[10 + 1 - 4 + 4.75 + 8, 10 + 1 + 4.75]]
    assert model.user_embedding(one).tolist() == [[4.0, 15.75, 1.0]]
    assert model.item_embedding(one).tolist() == [[2.0, 1.0, -1.0]]


def test_penalty_is_the_mean_squared_length_in_use():
    space = FeatureSpace(2, 2, 2, 0, Ragged.from_lists([[0, 1], []]), Ragged.from_lists([[], []]))
    model = FM(FMOptions(dim=1, dropout=0.9), space)
    with torch.no_grad():
        for table, row in ((model.user, [1.0, 2.0]), (model.item, [3.0, 0.0]), (model.word, [2.0, 4.0])):
            table.copy_(torch.tensor([row, row]))
    _, penalty, _ = model.train().training_terms(whole_batch(interactions([(0, 0, 1), (1, 1, 1)])))
    # A row: 1 + 4 for the user, 9 for the item; the first row also half of 20 for each of its two words.
    assert float(penalty) == pytest.approx((14 + 20 + 14) / 2)


def test_dropout_is_off_in_scores_and_on_in_training():
    model = FM(FMOptions(dim=4, dropout=0.5, init_std=1.0), small_features())
    user, item = torch.tensor([0, 1, 2]), torch.tensor([1, 2, 5])
    model.train()
    assert not torch.equal(model(user, item), model(user, item))
    model.eval()
    assert torch.equal(model(user, item), model(user, item))


def test_without_words_and_profiles():
    space = FeatureSpace(2, 3, 0, 0, Ragged.from_lists([[], [], []]), Ragged.from_lists([[], []]))
    model = FM(FMOptions(dim=2), space)
    assert model.score(torch.arange(2), torch.arange(3)).shape == (2, 3)
    assert model.score_words(torch.arange(2), Ragged.from_lists([[]])).shape == (2, 1)


def test_options_are_checked():
    with pytest.raises(ConfigError, match=r"FMOptions.dropout must be in \[0, 1\) \(got 1\)"):
        FMOptions(dropout=1)
    with pytest.raises(ConfigError, match=r"dim must be at least 1 \(got 0\)"):
        FMOptions(dim=0)
