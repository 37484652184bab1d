"""The checked form of a data set."""

from dataclasses import replace

import numpy as np
import pytest
from small_data import make_dataset

from magus_pyg.errors import DataError


def test_properties():
    data = make_dataset([(0, 1, 1, 5), (2, 0, 0, 1), (0, 0, 1, 2)], 3, 2)
    assert (data.n_users, data.n_items, data.has_negatives) == (3, 2, True)
    assert data.user_ptr.tolist() == [0, 2, 2, 3]
    assert data.rows("train").tolist() == [0, 2]
    assert data.rows("validation").tolist() == [1]
    assert data.rows("test").tolist() == []
    assert data.word_columns == ("word",)


def test_searches_and_parts_are_content():
    rows = [(0, 0, 1, 1), (0, 1, 1, 2)]
    prints = {
        make_dataset(rows, 1, 2).fingerprint,
        make_dataset(rows, 1, 2, part=[0, 2]).fingerprint,
        make_dataset(rows, 1, 2, searched=[(0, 1, "w0")]).fingerprint,
        make_dataset(rows, 1, 2, searched=[(0, 1, "w1")]).fingerprint,
        make_dataset(rows, 1, 2, searched=[(0, 2, "w1")]).fingerprint,
    }
    assert len(prints) == 5
    assert make_dataset(rows, 1, 2).fingerprint == make_dataset(rows[::-1], 1, 2).fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": np.array([1, 0, 1])}, r"label must be int8 \[3\] \(got int64 \[3\]\)"),
        ({"time": np.array([1, 2])}, r"time must be int64 \[3\] \(got int64 \[2\]\)"),
        ({"item": np.array([0, 1, 2])}, r"item must be in \[0, 2\) \(got 0 to 2\)"),
        ({"user": np.array([0, -1, 0])}, r"user must be in \[0, 3\) \(got -1 to 0\)"),
        ({"time": np.array([5, 2, 1])}, "must be sorted by user, then by time"),
        ({"user": np.array([0, 2, 0])}, "must be sorted by user, then by time"),
        ({"item_ids": np.array(["a"], dtype=object)}, r"items must have 1 rows \(got 2\)"),
        ({"actions": ("buy",)}, r"RecDataset.actions needs RecDataset.action: the codes"),
        ({"action": np.zeros(3, np.int8)}, r"RecDataset.action needs RecDataset.actions"),
        ({"action": np.zeros(2, np.int8), "actions": ("a", "b")}, r"action must be int8 \[3\] \(got int8 \[2\]\)"),
        ({"action": np.zeros(3, np.int64), "actions": ("a", "b")}, r"action must be int8 \[3\] \(got int64 \[3\]\)"),
        ({"action": np.array([0, 2, 0], np.int8), "actions": ("a", "b")}, r"action must be in \[0, 2\) \(got 0 to 2"),
        ({"action": np.zeros(3, np.int8), "actions": ("a", "a")}, r"at most 127 different names \(got \['a', 'a'\]"),
    ],
)
def test_contradictions(change, message):
    data = make_dataset([(0, 1, 1, 5), (2, 0, 0, 1), (0, 0, 1, 2)], 3, 2)
    with pytest.raises(DataError, match=message):
        replace(data, **change)


def test_actions_and_the_lack_of_order_are_content():
    data = make_dataset([(0, 1, 1, 5), (2, 0, 0, 1), (0, 0, 1, 2)], 3, 2)
    assert (data.ordered, data.action, data.actions) == (True, None, ())
    # As it was before there were actions: runs on logs without them stay valid.
    assert data.fingerprint == "0716e8885e22bece6db596490a2b31f7961135e002a6fe30e4f249c4c36ca782"
    codes = np.array([0, 1, 0], np.int8)
    acted = replace(data, action=codes, actions=("buy", "click"))
    others = [
        acted,
        replace(acted, actions=("buy", "view")),
        replace(acted, action=1 - codes),
        replace(data, ordered=False),
    ]
    assert len({data.fingerprint} | {other.fingerprint for other in others}) == 5
