"""Sets of items, and what is outside them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_data import make_dataset

from magus_pyg.data import ItemSets, items_of_users
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


def test_items_of_users_by_part():
    # User 0: train 0-2, validation 3, test 4. User 1 touched all ten items: train 0-5, validation 6, 7.
    data = make_dataset(ROWS, 3, 10)
    train, known = items_of_users(data, ("train",)), items_of_users(data, ("train", "validation"))
    assert [train.item[train.ptr[user] : train.ptr[user + 1]].tolist() for user in range(3)] == [
        [0, 1, 2], [0, 1, 2, 3, 4, 5], [],
    ]  # fmt: skip
    assert known.n_outside.tolist() == [6, 2, 10]
    with pytest.raises(DataError, match="unknown part"):
        items_of_users(data, ("dev",))
