"""Sets of items, what is outside them, and sampled negatives."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_data import make_dataset

from magus_pyg.data import ItemSets, NegativeSampler, items_of_users
from magus_pyg.errors import DataError


def test_outside_by_hand():
    sets = ItemSets.from_pairs(torch.tensor([0, 0, 0, 2]), torch.tensor([3, 1, 3, 0]), 3, 5)
    assert sets.ptr.tolist() == [0, 2, 2, 3]
    assert sets.item.tolist() == [1, 3, 0]
    assert sets.n_outside.tolist() == [3, 5, 4]
    row = torch.tensor([0, 0, 0, 1, 1, 2, 2])
    assert sets.outside(row, torch.tensor([0, 1, 2, 0, 4, 0, 3])).tolist() == [0, 2, 4, 0, 4, 1, 4]
    assert sets.contains(row, torch.tensor([1, 2, 3, 0, 1, 0, 4])).tolist() == [
        True,
        False,
        True,
        False,
        False,
        True,
        False,
    ]


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 11))))
def test_outside_counts_through_all_items_that_are_not_in_the_set(n_items, pairs):
    pairs = [(row, item) for row, item in pairs if item < n_items]
    table = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    sets = ItemSets.from_pairs(table[:, 0], table[:, 1], 4, n_items)
    for row in range(4):
        expected = sorted(set(range(n_items)) - {item for of, item in pairs if of == row})
        free = int(sets.n_outside[row])
        found = sets.outside(torch.full((free,), row), torch.arange(free))
        assert found.tolist() == expected
        inside = sets.contains(torch.full((n_items,), row), torch.arange(n_items))
        assert (~inside).nonzero().squeeze(1).tolist() == expected


ROWS = [(0, item, 1, item) for item in range(5)] + [(1, item, 1, item) for item in range(10)]


def test_parts_that_are_avoided():
    # User 0: train 0-2, validation 3, test 4. User 1 touched all ten items: train 0-5, validation 6, 7.
    data = make_dataset(ROWS, 3, 10)
    user = torch.tensor([0, 1, 2]).repeat(400)
    train = NegativeSampler(data).sample(user, 3, 7, torch.arange(1200))
    assert train.shape == (1200, 3)
    assert set(train[user == 0].unique().tolist()) == set(range(3, 10))  # test and validation items are not spared
    assert set(train[user == 1].unique().tolist()) == {6, 7, 8, 9}
    assert set(train[user == 2].unique().tolist()) == set(range(10))
    validation = NegativeSampler(data, "validation").sample(user, 3, 7, torch.arange(1200))
    assert set(validation[user == 0].unique().tolist()) == set(range(4, 10))
    assert set(validation[user == 1].unique().tolist()) == {8, 9}


def test_uniform():
    data = make_dataset(ROWS, 3, 10)
    drawn = NegativeSampler(data).sample(torch.zeros(2000, dtype=torch.int64), 7, 1, torch.arange(2000))
    counts = torch.bincount(drawn.reshape(-1), minlength=10)[3:].double()
    # 2,000 of each of seven items expected, standard deviation 41: five of them.
    assert bool(((counts - 2000).abs() < 205).all())


def test_a_user_who_touched_everything_gets_none():
    data = make_dataset([(0, 0, 1, 1)], 1, 1)
    assert NegativeSampler(data).sample(torch.tensor([0, 0]), 2, 1).tolist() == [[-1, -1], [-1, -1]]


def test_the_same_keys_give_the_same_negatives_in_any_batch():
    data = make_dataset(ROWS, 3, 10)
    sampler = NegativeSampler(data)
    user, key = torch.randint(0, 3, (50,)), torch.arange(50)
    whole = sampler.sample(user, 4, 3, key)
    order = torch.randperm(50)
    assert torch.equal(sampler.sample(user[order], 4, 3, key[order]), whole[order])
    assert torch.equal(sampler.sample(user, 2, 3, key), whole[:, :2])
    assert not torch.equal(sampler.sample(user, 4, 4, key), whole)


def test_sizes_zero_and_one():
    sampler = NegativeSampler(make_dataset(ROWS, 3, 10))
    assert sampler.sample(torch.empty(0, dtype=torch.int64), 3, 1).shape == (0, 3)
    assert sampler.sample(torch.tensor([1]), 0, 1).shape == (1, 0)
    assert sampler.sample(torch.tensor([1]), 1, 1).shape == (1, 1)
    assert repr(sampler) == "NegativeSampler(stage='train', users=3, items=10)"


def test_bad_values():
    data = make_dataset(ROWS, 3, 10)
    with pytest.raises(DataError, match="unknown stage 'test'"):
        NegativeSampler(data, "test")
    with pytest.raises(DataError, match=r"at least 0 \(got -1\)"):
        NegativeSampler(data).sample(torch.tensor([0]), -1, 1)
    with pytest.raises(DataError, match="unknown part"):
        items_of_users(data, ("dev",))
