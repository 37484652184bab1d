import pytest
import torch

from magus_pyg.models.kernels.bag_index import bag_sums, choose_bags, index_bags, scatter_distinct, scatter_repeated
from magus_pyg.ragged import Ragged

BAGS = Ragged.from_lists([[0, 2], [], [1, 1, 3], [2]])
CHOSEN = [[0, 1, 2, 3], [2, 2, 0], [1], []]


@pytest.mark.parametrize("chosen", CHOSEN)
def test_chosen_bags(chosen):
    found = choose_bags(BAGS, torch.tensor(chosen, dtype=torch.int64), torch.float64)
    rows = [BAGS.tolist()[bag] for bag in chosen]
    assert found.entries.tolist() == [value for row in rows for value in row]
    assert found.bag.tolist() == [bag for bag, row in enumerate(rows) for _ in row]
    assert found.start.tolist() == [sum(map(len, rows[:bag])) for bag in range(len(rows))]
    assert found.scale.tolist() == [1 / max(1, len(row)) for row in rows]


@pytest.mark.parametrize("chosen", CHOSEN)
@pytest.mark.parametrize("n_values", [4, float("inf")])
def test_bags_forwards_and_backwards(chosen, n_values):
    found = index_bags(BAGS, torch.tensor(chosen, dtype=torch.int64), n_values, torch.float64)
    rows = [BAGS.tolist()[bag] for bag in chosen]
    values = range(4) if found.values is None else found.values.tolist()
    assert [values[entry] for entry in found.entries] == [value for row in rows for value in row]
    holders = [[bag for bag, row in enumerate(rows) for entry in row if entry == value] for value in values]
    assert found.holders.tolist() == [bag for bags in holders for bag in bags]
    assert found.first.tolist() == [sum(map(len, holders[:place])) for place in range(len(holders))]


@pytest.mark.parametrize("entries", [[2, 0, 0, 1], [1], []])
def test_sums_of_bags(entries):
    rows, start = torch.randn(3, 2, dtype=torch.float64), torch.tensor([0, 1, 1])[: len(entries)]
    entries = torch.tensor(entries, dtype=torch.int64)
    ends = [*start.tolist()[1:], len(entries)]
    expected = [rows[entries[begin:end]].sum(0) for begin, end in zip(start.tolist(), ends, strict=False)]
    found = bag_sums(rows, entries, start)
    torch.testing.assert_close(found, torch.stack(expected) if len(start) else rows[:0])


@pytest.mark.parametrize("sparse", [False, True])
def test_gradients_of_tables(sparse):
    index, shape = torch.tensor([3, 0, 3]), torch.Size([5, 2])
    gradient = torch.randn(3, 2, dtype=torch.float64)
    expected = torch.zeros(shape, dtype=torch.float64).index_add(0, index, gradient)
    repeated = scatter_repeated(gradient, index, shape, sparse)
    assert repeated.is_sparse == sparse
    torch.testing.assert_close(repeated.to_dense(), expected)
    used = torch.tensor([0, 3])
    distinct = scatter_distinct(expected[used], used, shape, sparse)
    assert distinct.is_sparse == sparse
    torch.testing.assert_close(distinct.to_dense(), expected)
    assert scatter_distinct(expected, None, shape, sparse) is expected
