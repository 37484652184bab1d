import pytest
import torch
from torch import nn

from magus_pyg.models.kernels.embedding_tables import choose_sparse
from magus_pyg.models.kernels.feature_sums import dropped_feature_sums, plain_feature_sums
from magus_pyg.ragged import Ragged

NAMES = ("item", "word")
WORDS = Ragged.from_lists([[0], [1, 2, 2], [], [4], [0, 3], [1]])
IDS = torch.tensor([0, 1, 1, 5, 2, 4])
KNOWN = torch.tensor([1.0, 1, 0, 1, 1, 0, 0], dtype=torch.float64)


def tables(sparse=False):
    generator = torch.Generator().manual_seed(0)
    holder = nn.Module()
    for name, size in (("item", 6), ("word", 5)):
        rows = torch.randn(size, 4, generator=generator, dtype=torch.float64)
        holder.register_parameter(name, nn.Parameter(rows))
    holder.tables, holder.sparse = NAMES, frozenset()
    if sparse:
        choose_sparse(holder, -1)
    return holder


def test_the_plain_sums_are_the_literal_ones():
    holder = tables()
    found = plain_feature_sums(holder, NAMES, IDS, KNOWN[IDS], WORDS.select(IDS), training=True)
    norm = 0.0
    for row, item in enumerate(IDS.tolist()):
        words = WORDS.tolist()[item]
        terms = [(holder.item[item], KNOWN[item]), *((holder.word[word], 1 / len(words)) for word in words)]
        torch.testing.assert_close(found.total[row], sum((table * x for table, x in terms)))
        torch.testing.assert_close(found.square[row], sum((table[:-1] * x).square().sum() for table, x in terms))
        norm = norm + sum(x * table.square().sum() for table, x in terms)
    torch.testing.assert_close(found.norm, norm)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("chosen", [IDS, IDS[:1], IDS[:0]])
def test_dropped_sums_are_the_plain_ones(sparse, chosen):
    holder, results = tables(sparse), []
    for plain in (True, False):
        torch.manual_seed(4)
        holder.zero_grad()
        if plain:
            sums = plain_feature_sums(holder, NAMES, chosen, KNOWN[chosen], WORDS.select(chosen), 0.4, training=True)
        else:
            sums = dropped_feature_sums(holder, NAMES, chosen, KNOWN, WORDS, 0.4)
        generator = torch.Generator().manual_seed(1)
        sum((torch.randn(x.shape, generator=generator, dtype=x.dtype) * x).sum() for x in sums).backward()
        results.append([*sums, *(holder.get_parameter(name).grad.to_dense() for name in NAMES)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_their_gradient():
    def read(item, word):
        holder = nn.Module()
        holder.item, holder.word = item, word
        torch.manual_seed(4)
        return tuple(dropped_feature_sums(holder, NAMES, IDS, KNOWN, WORDS, 0.4))

    item, word = (table.detach().requires_grad_() for table in tables().parameters())
    assert torch.autograd.gradcheck(read, (item, word))
