import pytest
import torch

from magus_pyg.errors import ModelError
from magus_pyg.models import History, Interactions, TrainingData
from magus_pyg.testing.small_log import interactions

#: User 1's rows are interleaved with user 0's; user 2 likes nothing.
ROWS = interactions([(1, 5, 1), (0, 3, 1), (0, 4, 0), (0, 2, 1), (1, 6, 1), (2, 0, 0), (0, 7, 1)])


def test_histories_hold_the_rows_before_a_part():
    later = Interactions(torch.tensor([1, 0]), torch.tensor([8, 9]), torch.tensor([1, 1]))
    data = TrainingData(ROWS, later)
    assert data.before("train") is data.before("validation") is ROWS
    assert History(data.before("test"), 4, length=9).rows.tolist() == [[3, 2, 7, 9], [5, 6, 8], [], []]
    seen, bought = ("view", "buy"), torch.tensor([1, 0])
    parts = [Interactions(rows.user[:2], rows.item[:2], rows.label[:2], False, bought, seen) for rows in (ROWS, later)]
    joined = TrainingData(*parts).before("test")
    assert (joined.action.tolist(), joined.actions, joined.ordered) == ([1, 0, 1, 0], seen, False)


def test_the_past_of_a_row_counts_earlier_positives_alone():
    assert ROWS.earlier_positives().tolist() == [0, 0, 1, 1, 1, 0, 2]
    assert interactions([]).earlier_positives().tolist() == []


def test_taken_rows_keep_their_columns():
    rows = Interactions(ROWS.user, ROWS.item, ROWS.label, False, torch.tensor([0, 1, 0, 1, 0, 1, 0]), ("view", "buy"))
    taken = rows.take(torch.tensor([3, 0]))
    assert (taken.user.tolist(), taken.item.tolist(), taken.label.tolist()) == ([0, 1], [2, 5], [1, 1])
    assert (taken.ordered, taken.action.tolist(), taken.actions) == (False, [1, 0], ("view", "buy"))
    with pytest.raises(ModelError, match="action index 2"):
        Interactions(ROWS.user, ROWS.item, ROWS.label, action=torch.full((7,), 2), actions=("view", "buy"))


def test_windows_hold_the_latest_items_oldest_first():
    history = History(ROWS, 4, length=2)
    assert history.rows.tolist() == [[3, 2, 7], [5, 6], [], []]
    window = history.window(torch.tensor([0, 1, 2, 3]))
    assert window.item.tolist() == [[2, 7], [5, 6], [0, 0], [0, 0]]
    assert window.mask.tolist() == [[True, True], [True, True], [False, False], [False, False]]


def test_windows_end_before_the_row():
    history = History(ROWS, 4, length=2)
    window = history.window(ROWS.user, ROWS.earlier_positives())
    items = [row[mask].tolist() for row, mask in zip(window.item, window.mask, strict=True)]
    assert items == [[], [], [3], [3], [5], [], [3, 2]]


@pytest.mark.parametrize("users", [[], [2]])
def test_empty_windows(users):
    history = History(interactions([(0, 1, 0)]), 3, length=5)
    window = history.window(torch.tensor(users, dtype=torch.int64))
    assert window.item.shape == window.mask.shape == (len(users), 1)
    assert not bool(window.mask.any())


def test_a_log_without_order_has_no_history():
    with pytest.raises(ModelError, match="needs the order"):
        History(Interactions(ROWS.user, ROWS.item, ROWS.label, ordered=False), 3, 5)
