"""What users searched before a part begins."""

import numpy as np
import pytest
import torch
from small_data import make_dataset

from magus_pyg.data import Sessions, searched_words
from magus_pyg.data.searches import part_begins
from magus_pyg.errors import DataError

ROWS = [(0, item, 1, 10 * item) for item in range(10)] + [(1, 0, 1, 5)]
SEARCHED = [
    (0, 10, "a|b"), (0, 20, "c"), (0, 55, "b|a"), (0, 59, "d"), (0, 60, "e"), (0, 75, "f"), (0, 85, "g"), (1, 1, "c"),
]  # fmt: skip


def sessions_of(*users: int) -> Sessions:
    n = len(users)
    return Sessions(torch.tensor(users, dtype=torch.int64), torch.zeros(n, 1, dtype=torch.int64), torch.ones(n, 1) > 0)


def texts(data, sessions, part, limit=5):
    rows, queries = searched_words(data, sessions, part, limit)
    return [[queries[position] for position in row] for row in rows.tolist()]


def test_by_hand():
    # User 0: train 0-50, validation from 60, test from 80. User 1 has only a train row, at 5.
    data = make_dataset(ROWS, 2, 10, searched=SEARCHED)
    assert texts(data, sessions_of(0), "validation") == [["d", "a|b", "c"]]  # "b|a" is "a|b", and later than "c"
    assert texts(data, sessions_of(0), "test") == [["f", "e", "d", "a|b", "c"]]
    assert texts(data, sessions_of(0), "test", 2) == [["f", "e"]]
    assert texts(data, sessions_of(0), "test", 0) == [[]]
    assert texts(data, sessions_of(1, 0, 1), "train") == [["c"], [], ["c"]]
    assert texts(data, sessions_of(1), "test") == [[]]  # the part never begins for this user


def test_a_cut_within_a_second_is_one_cut():
    # One cut parts all rows within second 60: the part begins then for user 1 too, who has no row in it.
    rows = [(0, item, 1, time) for item, time in enumerate((10, 20, 50, 60, 60, 70, 71, 80))] + [(1, 0, 1, 60)]
    data = make_dataset(rows, 2, 8, part=[0, 0, 0, 0, 1, 1, 2, 2, 0])
    assert part_begins(data, "validation").tolist() == [60, 60]
    assert part_begins(data, "test").tolist() == [71, 71]
    later = make_dataset([*rows, (1, 1, 1, 61)], 2, 8, part=[0, 0, 0, 0, 1, 1, 2, 2, 0, 0])
    assert part_begins(later, "validation").tolist() == [60, np.iinfo(np.int64).max]  # no cut parts these rows


def test_of_equal_times_the_later_row_comes_first():
    data = make_dataset(ROWS, 2, 10, searched=[(1, 1, "x"), (1, 1, "y")])
    assert texts(data, sessions_of(1), "train") == [["y", "x"]]


def test_nothing_searched_and_no_sessions():
    data = make_dataset(ROWS, 2, 10)
    assert texts(data, sessions_of(0, 1), "test") == [[], []]
    assert texts(make_dataset(ROWS, 2, 10, searched=SEARCHED), sessions_of(), "test") == []


def test_bad_values():
    data = make_dataset(ROWS, 2, 10)
    with pytest.raises(DataError, match="limit must be at least 0"):
        searched_words(data, sessions_of(0), "test", -1)
    with pytest.raises(DataError, match="unknown part"):
        searched_words(data, sessions_of(0), "tests")
