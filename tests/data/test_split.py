"""The three splits: each user's rows by time, all rows by one cut in time, and at random by a hash of the pair."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.data import temporal_split
from magus_pyg.data.split import global_split, hash_split, split_rule
from magus_pyg.errors import ConfigError


@pytest.mark.parametrize(
    ("n", "ends"),
    [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (4, (2, 3)), (5, (3, 4)), (6, (4, 5)), (10, (6, 8)), (30, (18, 24))],
)
def test_split_by_hand(n, ends):
    expected = [0] * ends[0] + [1] * (ends[1] - ends[0]) + [2] * (n - ends[1])
    assert temporal_split(np.zeros(n, np.int64)).tolist() == expected
    # The same for each user on its own.
    assert temporal_split(np.repeat([3, 5], n)).tolist() == expected * 2
    assert temporal_split(np.repeat([3, 5], n), np.zeros(2 * n, dtype=bool)).tolist() == expected * 2


def test_split_of_nothing():
    nothing = np.empty(0, np.int64)
    assert temporal_split(nothing).shape == temporal_split(nothing, nothing.astype(bool)).shape == (0,)
    assert global_split(nothing).shape == global_split(nothing, nothing).shape == (0,)
    ids = np.empty(0, dtype=object)
    assert hash_split(nothing, nothing, ids, ids).shape == (0,)


def ties(user, time):
    return np.array([i > 0 and (user[i], time[i]) == (user[i - 1], time[i - 1]) for i in range(len(user))], dtype=bool)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ([0, 1, 2, 3, 4, 5, 5, 5, 8, 9], [0, 0, 0, 0, 0, 0, 0, 0, 2, 2]),  # both ends in one run of equal times
        ([0, 1, 2, 3, 4, 5, 5, 7, 7, 9], [0, 0, 0, 0, 0, 0, 0, 1, 1, 2]),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 8], [0, 0, 0, 0, 0, 0, 1, 1, 2, 2]),  # a run that begins at an end
        ([4] * 10, [0] * 10),
        ([4] * 7 + [5] * 3, [0] * 7 + [1] * 3),
    ],
)
def test_equal_times_at_a_border_go_to_the_earlier_part(time, expected):
    """Ten rows: train ends after six, validation after eight (reading 32)."""
    user = np.zeros(10, np.int64)
    assert temporal_split(user, ties(user, time)).tolist() == expected
    # The next user's rows of the same time are no tie.
    twice, times = np.repeat([2, 3], 10), time + time
    assert temporal_split(twice, ties(twice, times)).tolist() == expected * 2


rows = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 20)), min_size=1).map(sorted)


@given(rows)
def test_no_time_of_a_user_is_in_two_parts(pairs):
    user, time = (np.array(column) for column in zip(*pairs, strict=True))
    part = temporal_split(user, ties(user, time))
    plain = temporal_split(user)
    assert (part <= plain).all()
    for row in range(user.size):
        same = (user == user[row]) & (time == time[row])
        assert set(part[same]) == {plain[same].min()}  # by loop: where the first row of the time would be
        assert (part[(user == user[row]) & (time < time[row])] <= part[row]).all()


@given(rows, st.booleans())
def test_a_global_cut_is_one_for_all(pairs, fine):
    """With fractions, time and fraction together are the time."""
    _, moment = (np.array(column) for column in zip(*pairs, strict=True))
    part = global_split(moment // 3, moment % 3) if fine else global_split(moment)
    ordered = sorted(moment.tolist())
    ends = [ordered[max((tenths * len(pairs) + 5) // 10 - 1, 0)] for tenths in (6, 8)]
    assert part.tolist() == [sum(value > end for end in ends) for value in moment.tolist()]


def test_a_hash_split_depends_on_the_pair_alone():
    generator = np.random.default_rng(0)
    user, item = np.repeat(np.arange(20), 50), np.concatenate([generator.permutation(200)[:50] for _ in range(20)])
    ids = [np.array([f"{name}{number}" for number in range(200)], dtype=object) for name in "ui"]
    part = hash_split(user, item, *ids)
    # Exactly 6:2:2 of each user's rows, whatever the order of the file or the numbers of users and items.
    assert (np.stack([np.bincount(part[user == one], minlength=3) for one in range(20)]) == [30, 10, 10]).all()
    order = generator.permutation(1000)
    assert np.array_equal(hash_split(user[order], item[order], *ids), part[order])
    assert np.array_equal(hash_split(19 - user, 199 - item, ids[0][19::-1], ids[1][::-1]), part)
    # As it was when it was written: no other release may move a row.
    assert part[:12].tolist() == PARTS
    # At random: an item's rows are in all parts, about as often as any other's.
    low = part[item < 100]
    assert abs((low == 2).mean() - 0.2) < 0.06  # standard deviation 0.018
    # The rows of a user with one item stay together.
    twice = hash_split(np.repeat(user, 2), np.repeat(item, 2), *ids).reshape(-1, 2)
    assert (twice[:, 0] == twice[:, 1]).all()


def test_which_split_a_log_can_have():
    assert split_rule("auto", ordered=True, timed=True, given=False) == "user"
    assert split_rule("auto", ordered=True, timed=False, given=False) == "user"
    assert split_rule("auto", ordered=False, timed=True, given=False) == "hash"
    assert split_rule("auto", ordered=False, timed=False, given=True) == "given"
    assert split_rule("global", ordered=True, timed=True, given=False) == "global"
    assert split_rule("hash", ordered=True, timed=True, given=False) == "hash"
    for split, log, message in (
        ("user", {"ordered": False, "timed": True, "given": False}, "split_by=user needs an order .*split_by=hash"),
        ("global", {"ordered": True, "timed": False, "given": False}, "split_by=global needs times"),
        ("global", {"ordered": True, "timed": True, "given": True}, "split_by=global splits anew .* its own parts"),
    ):
        with pytest.raises(ConfigError, match=message):
            split_rule(split, **log)


PARTS = [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
