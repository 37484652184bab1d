"""What a training step reads at once, beside the plain operations it stands for."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from magus_pyg.models.kernels.embedding_tables import choose_sparse
from magus_pyg.models.kernels.id_and_bag import BatchIndexer, embed_id_and_bag, plain_id_and_bag, sum_id_and_bag
from magus_pyg.ragged import Ragged

DIM = 3
NAMES = ("item", "word")


class Tables(nn.Module):
    tables = NAMES
    sparse = frozenset()

    def __init__(self, n_items, n_words, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        for name, size in (("item", n_items), ("word", n_words)):
            rows = torch.randn(size, DIM + 1, generator=generator, dtype=torch.float64)
            setattr(self, name, nn.Parameter(rows))


def literal(tables, ids, known, words, weight, joined):
    """Vectors, linear weights, norm and squares of rows, with loops."""
    vectors, linear, norm, square = [], [], tables.item.new_zeros(()), []
    for row, item in enumerate(ids):
        own, values = tables.item[item] * known[item], [tables.word[word] for word in words[item]]
        share = 1 / max(1, len(values))
        mean = sum((value * share for value in values), torch.zeros(DIM + 1, dtype=own.dtype))
        vectors.append((own + mean)[None, :DIM] if joined else torch.stack([own, mean])[:, :DIM])
        linear.append(own[-1] + mean[-1])
        norm = norm + weight[row] * (own.square().sum() + sum(value.square().sum() for value in values) * share)
        alone = [own[:DIM], *(value[:DIM] * share for value in values)]
        square.append(sum(value.square().sum() for value in alone))
    return torch.stack(vectors), torch.stack(linear), norm, torch.stack(square)


def gradients(rows, tables, seed):
    """The gradients of the tables for weights drawn for all that was read."""
    generator = torch.Generator().manual_seed(seed)
    total = sum(
        (torch.randn(part.shape, generator=generator, dtype=part.dtype) * part).sum()
        for part in rows
        if part is not None
    )
    tables.zero_grad()
    total.backward()
    return [table.grad for table in (tables.item, tables.word)]


@st.composite
def problems(draw):
    n_words = draw(st.integers(1, 30))
    words = draw(st.lists(st.lists(st.integers(0, n_words - 1), max_size=4), min_size=1, max_size=12))
    ids = draw(st.lists(st.integers(0, len(words) - 1), min_size=1, max_size=14))
    known = draw(st.lists(st.booleans(), min_size=len(words), max_size=len(words)))
    return n_words, words, ids, known


@given(problems(), st.sampled_from(["apart", "joined", "sums"]), st.booleans(), st.booleans())
def test_it_is_the_literal_one(problem, form, sparse, weighted):
    n_words, words, ids, known = problem
    tables, rows = Tables(len(words), n_words), Ragged.from_lists(words)
    if sparse:
        choose_sparse(tables, -1)
    known = torch.tensor([*known, False], dtype=torch.float64)  # the last one is "no item"
    index = torch.tensor(ids)
    weight = torch.rand(len(ids), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    weight = weight if weighted and form != "sums" else None
    members = BatchIndexer().find(index, known, rows, tables, NAMES)
    every = torch.ones(len(ids), dtype=torch.float64) if weight is None else weight
    vectors, linear, norm, square = literal(tables, ids, known, words, every, form != "apart")
    if form == "sums":
        found = sum_id_and_bag(tables, NAMES, members)
        expected = torch.cat([vectors.squeeze(1), linear.unsqueeze(1)], 1), norm, square
    else:
        found = embed_id_and_bag(tables, NAMES, members, weight, form == "joined")
        plain = plain_id_and_bag(tables, NAMES, index, known[index], rows.select(index), weight, training=True)
        expected = vectors.squeeze(1) if form == "joined" else vectors, linear, norm
        torch.testing.assert_close(plain.vectors.sum(1) if form == "joined" else plain.vectors, expected[0])
        torch.testing.assert_close(plain[1:], expected[1:])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    given_ones = gradients(found, tables, 2)
    expected_ones = gradients(expected, tables, 2)
    for one, other, used in zip(
        given_ones, expected_ones, (set(ids), {word for item in ids for word in words[item]}), strict=True
    ):
        if sparse:
            assert one.is_sparse
            # Each row once, and none that is not used, or its moments would move.
            assert one._indices()[0].tolist() == sorted(used)
        torch.testing.assert_close(one.to_dense(), torch.zeros_like(one.to_dense()) if other is None else other)


def problem_of(n_items, n_words, n, distinct=False):
    generator = torch.Generator().manual_seed(n)
    words = [
        torch.randint(n_words, (item % 3,), generator=generator).tolist() if n_words else [] for item in range(n_items)
    ]
    ids = torch.randperm(n_items, generator=generator)[:n] if distinct else torch.randint(n_items, (n,))
    return Tables(n_items, n_words), Ragged.from_lists(words), ids, torch.ones(n_items + 1, dtype=torch.float64)


@pytest.mark.parametrize(
    ("n_items", "n_words", "n"),
    [(5, 4, 9), (40, 4, 9), (40, 90, 9), (5, 90, 9), (5, 0, 9), (40, 0, 3), (1, 1, 1), (5, 4, 0)],
)
@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize("form", ["apart", "joined", "sums"])
def test_its_gradient(n_items, n_words, n, distinct, form):
    tables, rows, ids, known = problem_of(n_items, n_words, min(n, n_items) if distinct else n, distinct)
    weight = torch.rand(len(ids), dtype=torch.float64)
    members = BatchIndexer().find(ids, known, rows, tables, NAMES, distinct)

    def read(item, word):
        holder = nn.Module()
        holder.item, holder.word = item, word
        if form == "sums":
            return sum_id_and_bag(holder, NAMES, members)
        return tuple(embed_id_and_bag(holder, NAMES, members, weight, form == "joined"))

    item, word = (table.detach().requires_grad_() for table in (tables.item, tables.word))
    assert torch.autograd.gradcheck(read, (item, word))


def test_what_is_the_same_in_each_step_is_kept():
    tables, rows, ids, known = problem_of(5, 4, 9)
    index = BatchIndexer()
    first, second = (index.find(ids, known, rows, tables, NAMES) for _ in range(2))
    assert first.bags.entries is second.bags.entries
    other = Ragged(rows.ptr.clone(), rows.index.clone())
    assert index.find(ids, known, other, tables, NAMES).bags.entries is not first.bags.entries
    # Sparse gradients are those of the rows in use.
    choose_sparse(tables, 4)
    assert tables.sparse == {"item"}
    members = index.find(ids, known, rows, tables, NAMES)
    assert members.ids.tolist() == sorted(set(ids.tolist()))


@pytest.mark.cuda
def test_on_cuda_it_is_that_on_the_cpu():
    tables, rows, ids, known = problem_of(6, 5, 9)
    found = []
    for device in ("cpu", "cuda"):
        tables, moved = tables.to(device), Ragged(rows.ptr.to(device), rows.index.to(device))
        members = BatchIndexer().find(ids.to(device), known.to(device), moved, tables, NAMES)
        read = (*embed_id_and_bag(tables, NAMES, members), *sum_id_and_bag(tables, NAMES, members))
        tables.zero_grad()
        sum(part.sum() for part in read).backward()
        found.append([part.cpu() for part in (*read, tables.item.grad, tables.word.grad)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
