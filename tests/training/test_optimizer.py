from dataclasses import replace

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from magus_pyg.errors import ConfigError
from magus_pyg.models import FM, GRU, FeatureSpace, FMOptions, GRUOptions, TrainingData
from magus_pyg.models.kernels.embedding_tables import choose_sparse, look_up
from magus_pyg.ragged import Ragged
from magus_pyg.testing import small_data, small_features
from magus_pyg.testing.small_log import interactions
from magus_pyg.training import TrainOptions, fit
from magus_pyg.training.checkpoint import read_checkpoint
from magus_pyg.training.optimizer import RowAdam, gradient_rows

OPTIONS = TrainOptions(epochs=4, batch_size=5, lr=0.05, lr_patience=0, accelerator="cpu", sparse="always")


def twins(rows=5, width=3, seed=0, dtype=torch.float32):
    start = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return nn.Parameter(start.clone()), nn.Parameter(start.clone())


def loss(table, index, sparse):
    return (F.embedding(index, table, sparse=sparse) * torch.arange(1.0, 1 + len(index)).unsqueeze(1)).square().sum()


@pytest.mark.parametrize("fused", [True, False])
def test_where_each_step_uses_all_rows_it_is_adam(fused):
    by_row, dense = twins()
    other, other_dense = twins(2, seed=1)
    optimizer = RowAdam([by_row, other], lr=0.1, fused=fused)
    adam = torch.optim.Adam([dense, other_dense], lr=0.1, fused=fused)
    for step in range(20):
        # In any order, some rows twice.
        index = torch.randperm(5, generator=torch.Generator().manual_seed(step)).repeat(2)[: 5 + step % 5]
        for table, rest, chosen, sparse in ((by_row, other, optimizer, True), (dense, other_dense, adam, False)):
            chosen.zero_grad()
            (loss(table, index, sparse) + rest.square().sum()).backward()
            assert table.grad.is_sparse == sparse
            chosen.param_groups[0]["lr"] = 0.1 / (1 + step // 5)
            chosen.step()
            assert table.grad is not None
        torch.testing.assert_close(by_row, dense)
        torch.testing.assert_close(other, other_dense)


@given(st.lists(st.lists(st.integers(0, 5), max_size=8), min_size=1, max_size=6), st.integers(0, 1000))
@example([[3], [0, 0, 3], [0, 0, 0, 3]], 98)  # told apart 1 - 0.999^t from its float32 value
def test_each_row_is_adam_over_the_steps_that_use_it(steps, seed):
    table, start = twins(6, 2, seed)
    optimizer = RowAdam([table], lr=0.1)
    for used in steps:
        optimizer.zero_grad()
        loss(table, torch.tensor(used, dtype=torch.int64), True).backward()
        optimizer.step()
    for number in range(6):
        row = nn.Parameter(start[number : number + 1].detach().clone())
        adam = torch.optim.Adam([row], lr=0.1)
        for used in steps:
            places = [place for place, other in enumerate(used) if other == number]
            if places:
                adam.zero_grad()
                (row.square().sum() * sum((1 + place) ** 2 for place in places)).backward()
                adam.step()
        torch.testing.assert_close(table[number : number + 1], row)
        if not any(number in used for used in steps):
            assert torch.equal(table[number], start[number])


def test_many_rows_are_moved_some_at_a_time(monkeypatch):
    tables = []
    for most in (2, 1000):
        monkeypatch.setattr("magus_pyg.training.optimizer._ROWS", most)
        table, _ = twins(9, 4)
        optimizer = RowAdam([table], lr=0.1)
        for used in ([0, 3, 4, 5, 8], [8, 1, 3, 3]):
            optimizer.zero_grad()
            loss(table, torch.tensor(used), True).backward()
            optimizer.step()
        tables.append(table)
    assert torch.equal(*tables)


def test_the_rows_of_a_sparse_gradient():
    index, values = torch.tensor([[4, 1, 4]]), torch.tensor([[1.0], [2.0], [3.0]])
    row, value = gradient_rows(torch.sparse_coo_tensor(index, values, (6, 1)))
    assert (row.tolist(), value.tolist()) == ([1, 4], [[2.0], [4.0]])
    ascending = torch.sparse_coo_tensor(torch.tensor([[1, 4]]), values[:2], (6, 1))
    assert gradient_rows(ascending)[1].data_ptr() == values.data_ptr()  # not put together once more
    assert gradient_rows(torch.sparse_coo_tensor(size=(6, 1)))[0].tolist() == []


def test_a_dense_gradient_of_a_table_that_had_sparse_ones():
    table, twin = twins()
    optimizer, adam = RowAdam([table], lr=0.1), torch.optim.Adam([twin], lr=0.1)
    for sparse in (True, False):
        for parameter, chosen, how in ((table, optimizer, sparse), (twin, adam, False)):
            chosen.zero_grad()
            loss(parameter, torch.arange(5), how).backward()
            chosen.step()
    torch.testing.assert_close(table, twin)


def test_a_scaler_of_gradients():
    table, twin = twins()
    optimizer, adam = RowAdam([table], lr=0.1, fused=True), torch.optim.Adam([twin], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(loss(table, torch.arange(5), True)).backward()
    scaler.step(optimizer)
    loss(twin, torch.arange(5), False).backward()
    adam.step()
    torch.testing.assert_close(table, twin)
    scaler.update()
    optimizer.zero_grad()
    scaler.scale(loss(table, torch.arange(5), True) * float("inf")).backward()
    scaler.step(optimizer)
    torch.testing.assert_close(table, twin)


def test_a_closure_is_called():
    table, _ = twins()
    optimizer = RowAdam([table], lr=0.1)

    def closure():
        optimizer.zero_grad()
        value = loss(table, torch.tensor([1]), True)
        value.backward()
        return value

    first = optimizer.step(closure)
    assert float(optimizer.step(closure).detach()) < float(first.detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_its_state_is_saved_and_goes_on_bit_for_bit(dtype):
    (table, _), (twin, _) = twins(dtype=dtype), twins(dtype=dtype)
    optimizer, other = RowAdam([table], lr=0.1), RowAdam([twin], lr=0.1)
    for step in range(6):
        for parameter, chosen in ((table, optimizer), (twin, other)):
            chosen.zero_grad()
            loss(parameter, torch.tensor([step % 3, 4]), True).backward()
            chosen.step()
        state = other.state_dict()
        other = RowAdam([twin], lr=0.1)
        other.load_state_dict(state)
    assert torch.equal(table, twin)
    assert optimizer.state[table]["uses"].tolist() == [2, 2, 2, 0, 6]


def models():
    rows = small_data().train
    yield FM(FMOptions(dim=3, init_std=0.1), small_features())
    yield GRU(GRUOptions(dim=3, hidden=3, history=2, init_std=0.1), small_features(), rows)


def test_which_tables_are_sparse():
    fm, gru = models()
    assert choose_sparse(fm, 8) == ["item"]
    assert choose_sparse(gru, 7) == ["fields.user", "fields.item"]
    look_up(fm, "item", torch.tensor([1])).sum().backward()
    look_up(fm, "user", torch.tensor([1])).sum().backward()
    assert fm.item.grad.is_sparse
    assert not fm.user.grad.is_sparse
    assert choose_sparse(gru, float("inf")) == []
    assert gru.fields.sparse == frozenset()
    assert TrainOptions().sparse_over == 100_000
    with pytest.raises(ConfigError, match="sparse"):
        TrainOptions(sparse="yes")


def test_rows_that_are_never_used_stay(tmp_path):
    for number, model in enumerate(models()):
        tables = getattr(model, "fields", model)
        before = {name: getattr(tables, name).detach().clone() for name in ("user", "item")}
        fit(model, small_data(), replace(OPTIONS, negatives=0), folder=tmp_path / str(number), progress=False)
        # Users 6 and 7, items 8 and 9 have no training row, and validation looks at them alone.
        for name, unused in (("user", [6, 7]), ("item", [8, 9])):
            after = getattr(tables, name)
            assert torch.equal(after[unused], before[name][unused])
            used = sorted(set(range(len(after))) - set(unused))
            assert bool((after[used] != before[name][used]).any(1).all())
        state = read_checkpoint(tmp_path / str(number))["optimizer"]["state"]
        assert sum("uses" in moments for moments in state.values()) == 4
        assert not tables.sparse


def test_dense_and_sparse_training_agree_where_all_rows_are_used():
    # One batch an epoch, and a row for every user, item, word and profile value.
    words, profiles = Ragged.from_lists([[0], [1], [0, 1]]), Ragged.from_lists([[0], [1]])
    rows = interactions([(user, item, (user + item) % 2) for user in range(2) for item in range(3)])
    data = TrainingData(rows, interactions([(0, 1, 1), (1, 2, 0)]))
    tables = []
    for sparse in ("always", "never"):
        model = FM(FMOptions(dim=3, init_std=0.1), FeatureSpace(2, 3, 2, 2, words, profiles), 1)
        fit(model, data, replace(OPTIONS, batch_size=6, negatives=0, sparse=sparse), progress=False)
        tables.append(torch.cat([model.user, model.item, model.word, model.profile]))
    torch.testing.assert_close(*tables)


@pytest.mark.parametrize("number", [0, 1])
def test_a_resumed_training_equals_one_without_a_stop(tmp_path, number):
    weights = []
    for name, stops in (("whole", [4]), ("cut", [1, 2, 4])):
        for epochs in stops:
            model = list(models())[number]
            options = replace(OPTIONS, epochs=epochs)
            fit(model, small_data(), options, folder=tmp_path / name, resume=epochs > stops[0], progress=False)
        weights.append(model.state_dict())
        state = read_checkpoint(tmp_path / name)
        weights.append(
            {f"{k}.{name}": v for k, slot in state["optimizer"]["state"].items() for name, v in slot.items()}
        )
    for first, second in ((weights[0], weights[2]), (weights[1], weights[3])):
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)
