"""Whether a test can be learned for, and whose time is whose: by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from small_data import make_dataset

from magus_pyg.data.part_checks import later_share, rare_share, unlearnable_test

# User 0: train at 0 to 5, validation 6 and 7, test 8 and 9. User 1: train at 4 to 10, validation 14 and 16, test 18.
ROWS = [(0, item, 1, item) for item in range(10)] + [
    (1, item, 1, 4 + 2 * (item % 10)) for item in (0, 1, 2, 3, 5, 6, 7)
]


def test_the_share_of_test_rows_of_rare_items() -> None:
    # Rows of one time are all for training.
    data = make_dataset([*ROWS, (2, 8, 1, 0), (2, 8, 1, 0)], 3, 10)
    # Test rows: items 8 and 9 of user 0, 7 of user 1; training rows: item 8 twice, 7 and 9 never.
    assert data.item[data.rows("test")].tolist() == [8, 9, 7]
    assert rare_share(data) == pytest.approx(2 / 3)
    message = unlearnable_test(data)
    assert message is not None
    assert "67% of the test rows are of items with at most one row there" in message
    assert "dataset.ordered=false" in message
    common = make_dataset([*ROWS, *[(user, item, 1, 0) for user in (2, 3) for item in (7, 8, 9)]], 4, 10)
    assert rare_share(common) == 0.0
    assert unlearnable_test(common) is None


def test_the_share_of_later_training_rows() -> None:
    data = make_dataset(ROWS, 2, 10)
    assert data.time[data.part == 0].tolist() == [0, 1, 2, 3, 4, 5, 4, 6, 8, 10]
    # After user 0's first test row at 8: that at 10 of user 1's four. After user 1's at 16: none of six.
    assert data.time[data.part == 2].tolist() == [8, 9, 18]
    assert later_share(data) == pytest.approx((1 / 4 + 0 / 6) / 2)
    one_cut = replace(data, part=np.where(data.time <= 6, 0, np.where(data.time <= 9, 1, 2)).astype(np.int8))
    assert later_share(one_cut) == 0.0
    # A user's own later training rows do not count, as a split by hash has.
    own = replace(data, part=np.array([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1], np.int8))
    assert later_share(own) == 1.0  # all three training rows of user 1 are after 0; user 1 has no test row


@pytest.mark.parametrize("rows", [[(0, 0, 1, 5)], [(0, item, 1, 5 + item) for item in range(10)]])
def test_nothing_to_compare(rows: list[tuple[int, int, int, int]]) -> None:
    data = make_dataset(rows, 1, 10)
    assert math.isnan(later_share(data))  # no test row, or no other user
    if len(rows) == 1:
        assert math.isnan(rare_share(data))
        assert unlearnable_test(data) is None


def test_positions_are_no_times() -> None:
    data = make_dataset([(user, item, 1, item) for user in (0, 1) for item in range(10)], 2, 10)
    assert math.isnan(later_share(data))
    late = replace(data, time=data.time + 1)
    assert later_share(late) == 0.0
    assert math.isnan(later_share(replace(late, ordered=False)))
