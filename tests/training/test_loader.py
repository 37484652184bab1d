import torch
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.data import ItemSets
from magus_pyg.models import FeatureSpace, FMOptions, TrainingData, build_model
from magus_pyg.models.binary_metrics import auc, log_loss
from magus_pyg.ragged import Ragged
from magus_pyg.testing.small_log import TRAIN, VALIDATION, interactions
from magus_pyg.training import TrainOptions
from magus_pyg.training.loader import (
    Loaders,
    TrainLoader,
    ValidationLoader,
    draw_batch,
    draw_negatives,
    flatten_batch,
    resolve_negatives,
)


def known_items(rows, n_users=8, n_items=10):
    return ItemSets.from_pairs(rows.user, rows.item, n_users, n_items)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=30), st.integers(0, 99))
def test_negatives_are_items_the_user_has_no_row_with(pairs, seed):
    user, item = torch.tensor(pairs, dtype=torch.int64).view(-1, 2).unbind(1)
    drawn = draw_negatives(ItemSets.from_pairs(user, item, 4, 6), torch.arange(4), torch.arange(4), seed, 0, 200)
    for person in range(4):
        free = set(range(6)) - {i for u, i in pairs if u == person}
        assert set(drawn[person].tolist()) == (free or {-1})  # 200 draws miss one of six items with odds below 1e-15


def test_negatives_depend_on_their_keys_alone():
    known = known_items(interactions(TRAIN))
    user, row = torch.tensor([0, 1, 2, 0]), torch.tensor([7, 3, 11, 90])
    whole = draw_negatives(known, user, row, 5, 2, 4)
    assert torch.equal(draw_negatives(known, user[2:], row[2:], 5, 2, 4), whole[2:])
    assert torch.equal(draw_negatives(known, user, row, 5, 2, 2), whole[:, :2])
    assert not torch.equal(draw_negatives(known, user, row, 5, 3, 4), whole)
    assert not torch.equal(draw_negatives(known, user, row, 6, 2, 4), whole)


def test_negatives_are_uniform_and_none_where_a_user_touched_everything():
    known = ItemSets.from_pairs(torch.tensor([0, 0, 0, *[1] * 10]), torch.tensor([0, 1, 2, *range(10)]), 3, 10)
    row = torch.arange(2000)
    counts = torch.bincount(draw_negatives(known, torch.zeros_like(row), row, 1, 0, 7).flatten(), minlength=10)
    # 2,000 of each of seven items expected, standard deviation 41: five of them.
    assert counts[:3].tolist() == [0, 0, 0]
    assert bool(((counts[3:] - 2000).abs() < 205).all())
    assert draw_negatives(known, torch.tensor([1, 1]), row[:2], 1, 0, 2).tolist() == [[-1, -1], [-1, -1]]
    assert draw_negatives(known, torch.empty(0, dtype=torch.int64), row[:0], 1, 0, 3).shape == (0, 3)
    assert draw_negatives(known, torch.tensor([2]), row[:1], 1, 0, 0).shape == (1, 0)


def test_negatives_follow_the_positive_rows():
    rows = interactions([(0, 0, 1), (0, 1, 0), (1, 0, 1), (1, 1, 1), (1, 2, 1)])
    batch = flatten_batch(
        draw_batch(rows, rows.earlier_positives(), torch.tensor([1, 0, 2]), known_items(rows, 2, 3), 0, 0, 2)
    )
    # User 1 has a row with every item, so none can be drawn.
    assert batch.user.tolist() == [0, 0, 0, 0, 1]
    assert batch.item.tolist() == [1, 0, 2, 2, 0]
    assert batch.label.tolist() == [0, 1, 0, 0, 1]
    assert batch.past.tolist() == [1, 0, 0, 0, 0]
    assert batch.action.tolist() == [-1, -1, -1, -1, -1]


def test_auto_negatives():
    assert resolve_negatives("auto", interactions(TRAIN)) == 0
    assert resolve_negatives("auto", interactions([(0, 0, 1)])) == 1
    assert resolve_negatives(3, interactions(TRAIN)) == 3


def test_every_epoch_holds_every_row_once_in_its_own_order():
    rows = interactions(TRAIN)
    loader = TrainLoader(rows, known_items(rows), 4, 0, 9)
    seen = []
    for epoch in (0, 1, 0):
        loader.epoch = epoch
        batches = list(loader)
        assert [len(batch.user) for batch in batches] == [4, 4, 4, 2]
        assert len(loader) == 4
        seen.append(
            list(zip(*(torch.cat(column).tolist() for column in list(zip(*batches, strict=True))[:3]), strict=True))
        )
        assert sorted(seen[-1]) == sorted(TRAIN)
    assert seen[0] == seen[2] != seen[1]


def test_a_bounded_epoch_is_the_head_of_a_whole_one():
    rows = interactions(TRAIN)  # 14, four batches of 4
    known = known_items(rows)
    seen = []
    for epoch in (0, 1, 0):
        whole, bounded = TrainLoader(rows, known, 4, 1, 9), TrainLoader(rows, known, 4, 1, 9, steps=2)
        whole.epoch = bounded.epoch = epoch
        assert (len(bounded), bounded.steps_of_all) == (2, 4)
        batches = list(bounded)
        assert len(batches) == 2
        for one, other in zip(batches, whole, strict=False):
            assert all(torch.equal(column, same) for column, same in zip(one, other, strict=True))
        seen.append(bounded.order(epoch).tolist())
    assert seen[0] == seen[2] != seen[1]
    assert len(TrainLoader(rows, known, 4, 1, 9, steps=9)) == 4
    parts = [TrainLoader(rows, known, 2, 0, 9, rank, 2, steps=3) for rank in range(2)]
    assert torch.equal(torch.stack([part.order(3) for part in parts], 1).view(-1), whole.order(3)[:12])


def test_how_many_batches_are_made_at_once_does_not_matter(monkeypatch):
    rows = interactions(TRAIN)
    known = known_items(rows)
    expected = list(TrainLoader(rows, known, 3, 2, 9))
    assert len(expected) == 5
    for most, at_once in ((7, 2), (2, 1), (100, 32)):
        monkeypatch.setattr("magus_pyg.training.loader._ROWS_AT_ONCE", most)
        loader = TrainLoader(rows, known, 3, 2, 9)
        assert loader.batches_at_once == at_once
        for one, other in zip(loader, expected, strict=True):
            assert all(torch.equal(column, same) for column, same in zip(one, other, strict=True))


def test_devices_share_an_epoch():
    rows = interactions(TRAIN)
    parts = [TrainLoader(rows, known_items(rows), 2, 0, 9, rank, 4) for rank in range(4)]
    orders = [part.order(3) for part in parts]
    assert {len(order) for order in orders} == {4}
    assert {len(part) for part in parts} == {len(list(part)) for part in parts} == {2}
    together = torch.stack(orders, 1).view(-1)
    assert torch.equal(together[:14], TrainLoader(rows, known_items(rows), 2, 0, 9).order(3))
    assert torch.equal(together[14:], together[:2])


def test_validation_is_fixed_and_shared_out():
    rows = interactions(VALIDATION)
    whole = ValidationLoader(rows, known_items(rows), 1, 4)
    assert len(whole.label) == 9
    assert torch.equal(whole.shard.item, ValidationLoader(rows, known_items(rows), 1, 4).shard.item)
    shards = [ValidationLoader(rows, known_items(rows), 1, 4, rank, 2).shard.item for rank in range(2)]
    assert torch.equal(torch.stack(shards, 1).view(-1)[:9], whole.shard.item)
    assert [len(batch.user) for batch in whole] == [9]
    assert len(whole) == 1


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=40))
def test_auc_is_the_share_of_ordered_pairs(rows):
    score = torch.tensor([float(value) for value, _ in rows])
    label = torch.tensor([float(positive) for _, positive in rows])
    pairs = [(float(value > other) + 0.5 * (value == other)) for value, p in rows for other, n in rows if p and not n]
    if pairs:
        assert auc(score, label) == sum(pairs) / len(pairs)
    else:
        assert auc(score, label) != auc(score, label)


def test_log_loss_by_hand():
    # -log(1/2) for a zero logit; log(1 + e^-2) for a right one of 2.
    assert (
        abs(log_loss(torch.tensor([0.0, 2.0]), torch.tensor([0.0, 1.0])) - (0.6931471805599453 + 0.126928011) / 2)
        < 1e-9
    )


def test_negatives_look_at_no_later_part_and_are_no_known_item():
    """Twelve items: a user's training rows hold four of them, those of validation four others, the test the rest."""
    rows = [(user, (3 * user + item) % 12, 1) for user in range(8) for item in range(12)]
    parts = [[row for number, row in enumerate(rows) if number % 12 // 4 == part] for part in range(3)]
    features = FeatureSpace(8, 12, 1, 0, Ragged.from_lists([[0]] * 12), Ragged.from_lists([[]] * 8))
    model = build_model(FMOptions(dim=2), features, seed=0)
    data = TrainingData(interactions(parts[0]), interactions(parts[1]))
    loaders = Loaders(data, model, TrainOptions(negatives=6), 1)

    def drawn(batches):
        pairs = [pair for batch in batches for pair in zip(batch.user[batch.label == 0].tolist(),
                 batch.item[batch.label == 0].tolist(), strict=True)]  # fmt: skip
        assert len(pairs) == 8 * 4 * 6
        return {part: sum(pair in {row[:2] for row in parts[part]} for pair in pairs) for part in range(3)}

    of_training = drawn(loaders.train())
    assert of_training[0] == 0
    assert min(of_training[1], of_training[2]) > 50  # half of 192 each: what comes later is not known
    assert drawn(loaders.validation()) == {0: 0, 1: 0, 2: 192}
