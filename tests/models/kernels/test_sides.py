"""What a training step reads at once, beside the plain operations it stands for."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from magus_pyg.models import (
    DIN,
    FM,
    GRU,
    LSTM,
    PNN,
    DeepFM,
    DeepFMOptions,
    DINOptions,
    FMOptions,
    GRUOptions,
    LSTMOptions,
    MMoE,
    MMoEOptions,
    PNNOptions,
)
from magus_pyg.models.base import BaseRecommender
from magus_pyg.models.kernels.dropped_side import read_dropped_side
from magus_pyg.models.kernels.embedding_tables import choose_sparse
from magus_pyg.models.kernels.side_rows import Bags, SideIndex, read_side
from magus_pyg.ragged import Ragged
from magus_pyg.testing import small_features
from magus_pyg.testing.small_log import TRAIN, interactions
from magus_pyg.training.loader import whole_batch

DIM = 3


class Tables(nn.Module):
    tables = ("item", "word")
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


@given(problems(), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_a_side_is_the_literal_one(problem, joined, squares, sparse, weighted):
    n_words, words, ids, known = problem
    tables, rows = Tables(len(words), n_words), Ragged.from_lists(words)
    if sparse:
        choose_sparse(tables, -1)
    known = torch.tensor([*known, False], dtype=torch.float64)  # the last one is "no item"
    index = torch.tensor(ids)
    weight = torch.rand(len(ids), dtype=torch.float64, generator=torch.Generator().manual_seed(1)) if weighted else None
    members = SideIndex().members(index, known, rows, tables, tables.tables)
    found = read_side(tables, "item", "word", members, weight, joined, squares)
    every = torch.ones(len(ids), dtype=torch.float64) if weight is None else weight
    expected = literal(tables, ids, known, words, every, joined)
    assert (found.square is not None) == squares
    expected = expected if squares else expected[:3]
    for one, other in zip(found, expected, strict=False):
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
@pytest.mark.parametrize("joined", [False, True])
def test_the_gradient_of_a_side(n_items, n_words, n, distinct, joined):
    tables, rows, ids, known = problem_of(n_items, n_words, min(n, n_items) if distinct else n, distinct)
    weight = torch.rand(len(ids), dtype=torch.float64)
    members = SideIndex().members(ids, known, rows, tables, tables.tables, distinct)

    def read(item, word):
        holder = nn.Module()
        holder.item, holder.word = item, word
        return tuple(read_side(holder, "item", "word", members, weight, joined, True))

    item, word = (table.detach().requires_grad_() for table in (tables.item, tables.word))
    assert torch.autograd.gradcheck(read, (item, word))


def test_what_is_the_same_in_each_step_is_kept():
    tables, rows, ids, known = problem_of(5, 4, 9)
    index = SideIndex()
    first, second = (index.members(ids, known, rows, tables, tables.tables) for _ in range(2))
    assert first.entries is second.entries
    other = Ragged(rows.ptr.clone(), rows.index.clone())
    assert index.members(ids, known, other, tables, tables.tables).entries is not first.entries
    # Sparse gradients are those of the rows in use.
    choose_sparse(tables, 4)
    assert tables.sparse == {"item"}
    members = index.members(ids, known, rows, tables, tables.tables)
    assert members.ids.tolist() == sorted(set(ids.tolist()))


def test_the_gradient_of_a_dropped_side():
    tables, rows, ids, known = problem_of(6, 5, 9)
    known[2] = 0

    def read(item, word):
        holder = nn.Module()
        holder.item, holder.word = item, word
        bags = Bags.of_rows(rows, ids, item.dtype)
        torch.manual_seed(4)
        return tuple(read_dropped_side(holder, "item", "word", ids, known[ids], bags, 0.4))

    item, word = (table.detach().requires_grad_() for table in (tables.item, tables.word))
    assert torch.autograd.gradcheck(read, (item, word))


MODELS = [
    FMOptions(dim=4, dropout=0.0),
    FMOptions(dim=4, dropout=0.4),
    DeepFMOptions(dim=4, hidden=[5]),
    PNNOptions(dim=4, hidden=[5, 3]),
    PNNOptions(dim=4, hidden=[5, 3], product="outer"),
    MMoEOptions(dim=4),
    DINOptions(dim=4, history=3, attention=[3], layers=[4]),
    GRUOptions(dim=4, hidden=3, history=3),
    LSTMOptions(dim=4, hidden=3, history=3),
]


@pytest.mark.parametrize("options", MODELS, ids=lambda options: options.name)
@pytest.mark.parametrize("sparse", [-1, 1 << 40])
@pytest.mark.parametrize("repeat", [1, 3])
def test_a_step_is_that_of_plain_operations(options, sparse, repeat, monkeypatch):
    """Loss, penalty and gradients, dropout included: the same random numbers go to the same entries."""
    classes = {"fm": FM, "deepfm": DeepFM, "pnn": PNN, "mmoe": MMoE, "din": DIN, "gru": GRU, "lstm": LSTM}
    rows = interactions(TRAIN)
    kind, features = classes[options.name], small_features()
    model = kind(options, features) if options.name in ("fm", "deepfm", "pnn") else kind(options, features, rows)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    model.observe(rows)
    model.item_known[2] = 0
    choose_sparse(model, sparse)
    batch = whole_batch(rows)
    batch = type(batch)(*(column.repeat(repeat) for column in batch))
    found = []
    for plain in (False, True):
        monkeypatch.setattr(BaseRecommender, "_reads_sides", property(lambda self, plain=plain: not plain))
        model.train().zero_grad()
        torch.manual_seed(7)
        logits, penalty, further = model.training_terms(batch)
        (logits.square().sum() + 0.3 * penalty + further).backward()
        found.append([logits, penalty, further, *(parameter.grad.to_dense() for parameter in model.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.cuda
def test_a_side_on_cuda_is_that_on_the_cpu():
    tables, rows, ids, known = problem_of(6, 5, 9)
    found = []
    for device in ("cpu", "cuda"):
        tables, moved = tables.to(device), Ragged(rows.ptr.to(device), rows.index.to(device))
        members = SideIndex().members(ids.to(device), known.to(device), moved, tables, tables.tables)
        read = read_side(tables, "item", "word", members, None, True, True)
        tables.zero_grad()
        sum(part.sum() for part in read).backward()
        found.append([part.cpu() for part in (*read, tables.item.grad, tables.word.grad)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
