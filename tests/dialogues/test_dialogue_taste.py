"""What known items say of candidates, by hand."""

import numpy as np
import pytest
import torch
from small_catalogue import HAS

from magus_pyg.data import ItemSets
from magus_pyg.dialogues import dialogue_taste
from magus_pyg.dialogues.dialogue_taste import KnownItems, known_items, log_likeness

POPULARITY = torch.tensor([0, 1, 3, 1, 7, 0])


@pytest.fixture
def known() -> ItemSets:
    """User 0 knows items 2 and 4, user 1 none, user 2 items 1, 3 and 4."""
    return ItemSets.from_pairs(torch.tensor([0, 0, 2, 2, 2]), torch.tensor([2, 4, 1, 3, 4]), 3, 6)


@pytest.fixture(params=[1 << 24, 1], ids=["at once", "one by one"])
def cells(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pairs are compared at once."""
    monkeypatch.setattr(dialogue_taste, "_CELLS", request.param)


def test_known_items_are_gathered_in_the_order_of_the_dialogues(known: ItemSets) -> None:
    found = known_items(torch.tensor([2, 1, 0]), known, HAS, POPULARITY)
    assert found.row.tolist() == [0, 0, 0, 2, 2]
    assert torch.equal(found.has, HAS[[1, 3, 4, 2, 4]])
    # log2(1 + popularity) of items 1, 3, 4 is 1, 1, 3, of items 2, 4 it is 2, 3; over all five the mean is 2.
    assert found.habit / np.log(2) == pytest.approx([5 / 3 - 2, 0.0, 5 / 2 - 2])


def test_users_who_know_nothing_have_no_habit() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    found = known_items(torch.tensor([1]), ItemSets.from_pairs(none, none, 2, 6), HAS, POPULARITY)
    assert (found.row.tolist(), found.has.shape, found.habit.tolist()) == ([], (0, 3), [0.0])


@pytest.mark.usefixtures("cells")
def test_likeness_by_hand(known: ItemSets) -> None:
    found = log_likeness(known_items(torch.tensor([0, 1, 0]), known, HAS, POPULARITY), HAS[[0, 1, 5, 3]])
    # Item 2 {0} and item 4 {0, 1, 2} against {0, 1}, {0, 2}, {0} and {1}.
    mean = [(1 / 2**4 + (2 / 3) ** 4) / 2, (1 / 2**4 + (2 / 3) ** 4) / 2, (1 + 1 / 3**4) / 2, (0 + 1 / 3**4) / 2]
    assert found[0].numpy() == pytest.approx(np.log(np.array(mean) + 1e-3))
    assert found[1].numpy() == pytest.approx(np.full(4, np.log(1e-3)))
    assert torch.equal(found[2], found[0])


@pytest.mark.usefixtures("cells")
def test_likeness_does_not_depend_on_who_is_asked_about_together() -> None:
    generator = torch.Generator().manual_seed(1)
    has = torch.rand((50, 9), generator=generator) < 0.3
    pairs = torch.randint(0, 50, (2, 200), generator=generator)
    known = ItemSets.from_pairs(pairs[0] % 7, pairs[1], 7, 50)
    popularity = torch.bincount(known.item, minlength=50)
    user = torch.arange(7)
    together = log_likeness(known_items(user, known, has, popularity), has)
    alone = [log_likeness(known_items(user[[u]], known, has, popularity), has) for u in range(7)]
    assert torch.equal(together, torch.cat(alone))


def test_nothing_to_compare() -> None:
    empty = KnownItems(torch.zeros(0, dtype=torch.int64), HAS[:0], torch.zeros(0, dtype=torch.float64))
    assert log_likeness(empty, HAS).shape == (0, 6)
    one = known_items(torch.tensor([0]), ItemSets.from_pairs(empty.row, empty.row, 1, 6), HAS, POPULARITY)
    assert log_likeness(one, HAS[:0]).shape == (1, 0)
