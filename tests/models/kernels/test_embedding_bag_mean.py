import pytest
import torch
from torch import nn

from magus_pyg.models.kernels.embedding_bag_mean import embedding_bag_mean
from magus_pyg.models.kernels.embedding_tables import choose_sparse
from magus_pyg.ragged import Ragged

ROWS = Ragged.from_lists([[0, 2], [], [1, 1, 3], [2]])


class Table(nn.Module):
    tables = ("word",)
    sparse = frozenset()

    def __init__(self, size=5):
        super().__init__()
        self.word = nn.Parameter(torch.randn(size, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))


@pytest.mark.parametrize("chosen", [[0, 1, 2, 3], [2, 2, 0], [1], []])
@pytest.mark.parametrize("size", [5, 200])
def test_means_and_their_gradient(chosen, size):
    table, chosen = Table(size), torch.tensor(chosen, dtype=torch.int64)
    lists = ROWS.select(chosen).tolist()
    expected = [table.word[row].mean(0) if row else torch.zeros(3, dtype=torch.float64) for row in lists]
    found = embedding_bag_mean(table, "word", ROWS, chosen)
    assert found.shape == (len(chosen), 3)
    if len(chosen):
        torch.testing.assert_close(found, torch.stack(expected))
        holder = nn.Module()

        def read(word):
            holder.word = word
            return embedding_bag_mean(holder, "word", ROWS, chosen)

        assert torch.autograd.gradcheck(read, (table.word.detach().requires_grad_(),))


def test_a_sparse_gradient_has_the_rows_in_use():
    table = Table()
    choose_sparse(table, -1)
    embedding_bag_mean(table, "word", ROWS, torch.tensor([0, 3])).sum().backward()
    assert table.word.grad._indices()[0].tolist() == [0, 2]
    assert table.word.grad.to_dense()[:, 0].tolist() == [0.5, 0, 1.5, 0, 0]
