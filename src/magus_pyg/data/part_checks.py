"""What the parts of a log have to do with each other: whether the test's items were trained on, and what was later."""

import numpy as np

from magus_pyg.data.dataset import RecDataset
from magus_pyg.data.searches import part_begins

__all__ = ["later_share", "rare_share", "unlearnable_test"]

_SELDOM = 1  # training rows of an item that hardly occurs there
_TOO_MANY = 0.5  # share of such test rows from which on it is said; sets split by time have at most 0.11


def rare_share(data: RecDataset) -> float:
    """The share of the test rows whose item has at most one training row; NaN without test rows."""
    test = data.item[data.rows("test")]
    known = np.bincount(data.item[data.rows("train")], minlength=data.n_items)
    return float((known[test] <= _SELDOM).mean()) if test.size else float("nan")


def unlearnable_test(data: RecDataset) -> str | None:
    """What is to be said where test items hardly occur in training, as in a log that is sorted by item; else None."""
    share = rare_share(data)
    if not share > _TOO_MANY:
        return None
    return (
        f"test items hardly occur in training: {share:.0%} of the test rows are of items with at most one row there. "
        "Where the file is sorted by item instead of time, name its column of times, "
        "or set dataset.ordered=false"
    )


def later_share(data: RecDataset) -> float:
    """The share of other users' training rows that are later than the first test row of a user (reading 37).

    A mean over the users with test rows; 0 with one cut in time for all. NaN where there is nothing to compare: no test
    rows, no other users, no order, or times that are but positions in a user's own rows.
    """
    position = np.arange(data.user.size) - data.user_ptr[data.user]
    tested = np.unique(data.user[data.rows("test")])
    if not data.ordered or not tested.size or (data.time == position).all():
        return float("nan")
    rows = data.rows("train")
    user, time = data.user[rows], data.time[rows]
    begins = part_begins(data, "test")
    later = rows.size - np.searchsorted(np.sort(time), begins[tested], side="right")
    later -= np.bincount(user[time > begins[user]], minlength=data.n_users)[tested]
    others = rows.size - np.bincount(user, minlength=data.n_users)[tested]
    return float((later[others > 0] / others[others > 0]).mean()) if (others > 0).any() else float("nan")
