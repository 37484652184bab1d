"""How a folder of one's own is split: by user, by one cut in time, at random, by its own column."""

from pathlib import Path

import numpy as np
import pytest
from small_data import tabular

from magus_pyg.data import RecDataset, SyntheticOptions, load_dataset
from magus_pyg.data.part_checks import rare_share, unlearnable_test
from magus_pyg.errors import ConfigError

USERS, ROWS, SHOP = 12, 20, 60


def write_log(folder: Path, order: np.ndarray) -> Path:
    """A log without times: 12 users with 20 of 60 items each, in the order given of a file that is sorted by item."""
    generator = np.random.default_rng(0)
    pairs = sorted((item, user) for user in range(USERS) for item in generator.permutation(SHOP)[:ROWS])
    lines = [f"u{user},{item:02d}" for item, user in pairs]
    (folder / "items.csv").write_text(
        "item_id,brand,tag\n" + "".join(f"{item:02d},b{item % 7},t{item % 5}\n" for item in range(SHOP))
    )
    (folder / "interactions.csv").write_text("user_id,item_id\n" + "\n".join(lines[row] for row in order) + "\n")
    return folder


def parts_of_pairs(data: RecDataset) -> dict[tuple[str, str], int]:
    users, items = data.user_ids[data.user], data.item_ids[data.item]
    return dict(zip(zip(users, items, strict=True), data.part.tolist(), strict=True))


NO_TIMES = {"rating": "", "timestamp": "", "positive": "all"}


def test_a_log_without_order_is_split_at_random_whatever_the_order_of_its_file(tmp_path: Path) -> None:
    by_item = np.arange(USERS * ROWS)
    options = tabular(write_log(tmp_path, by_item), **NO_TIMES, ordered=False)
    data = load_dataset(options)
    counts = np.stack([np.bincount(data.part[data.user == user], minlength=3) for user in range(USERS)])
    assert (counts == [12, 4, 4]).all()
    assert rare_share(data) < 0.35
    assert unlearnable_test(data) is None
    write_log(tmp_path, np.random.default_rng(1).permutation(by_item))
    assert parts_of_pairs(load_dataset(options)) == parts_of_pairs(data)
    # Taken for an order of time, the order of the file has the new items in the test: that is said.
    sorted_by_item = load_dataset(tabular(write_log(tmp_path, by_item), **NO_TIMES))
    assert rare_share(sorted_by_item) > 0.7
    warning = unlearnable_test(sorted_by_item)
    assert warning is not None
    assert "test items hardly occur in training" in warning


def test_times_below_a_second_are_no_ties(write):
    """Five rows: train ends after three, validation after four."""
    moments = ["00:00:01.000", "00:00:01.001", "00:00:01.002", "00:00:01.002", "00:00:01.003"]
    log = "user_id,item_id,rating,timestamp\n" + "".join(
        f"1,{item},5,2024-01-01T{moment}\n" for item, moment in zip(("7", "8", "007", "7", "8"), moments, strict=True)
    )
    data = load_dataset(tabular(write({"interactions.csv": log}), timestamp_format="iso"))
    assert len(set(data.time.tolist())) == 1
    assert data.part.tolist() == [0, 0, 0, 0, 2]
    data = load_dataset(tabular(write({"interactions.csv": log}), timestamp_format="iso", split_by="global"))
    assert data.part.tolist() == [0, 0, 0, 0, 2]


def test_one_cut_in_time_for_all(write):
    log = "user_id,item_id,rating,timestamp\n" + "".join(
        f"{user},{item},5,{time}\n"
        for user, item, time in [(1, "7", 1), (1, "8", 2), (1, "007", 3), (2, "7", 4), (2, "8", 5), (2, "007", 6),
                                 (3, "7", 6), (3, "8", 8), (1, "7", 9), (2, "7", 10)]
    )  # fmt: skip
    options = tabular(write({"interactions.csv": log}), split_by="global")
    data = load_dataset(options)
    # Ten rows: train ends with the sixth, at 6, and both rows of that time are in it; validation with the eighth.
    assert data.part.tolist() == [0 if time <= 6 else 1 if time <= 8 else 2 for time in data.time]
    assert data.part.tolist() == [0, 0, 0, 2, 0, 0, 0, 2, 0, 1]
    options.split_by = "user"
    assert load_dataset(options).part.tolist() == [0, 0, 1, 2, 0, 0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split_by": "item"}, "dataset.split_by must be one of auto, user, global, hash .got 'item'"),
        ({"split_by": "user", "ordered": False}, "split_by=user needs an order .*split_by=hash"),
        ({"split_by": "global", "timestamp": ""}, "split_by=global needs times"),
        ({"split_by": "hash", "split": "set"}, "split_by=hash splits anew a log that brings its own parts"),
    ],
)
def test_a_split_that_cannot_be_is_refused_before_anything_is_read(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        load_dataset(tabular(tmp_path / "nowhere", **changes))


def test_the_synthetic_shop_by_every_split() -> None:
    found = {}
    for split in ("auto", "user", "global", "hash"):
        data = load_dataset(SyntheticOptions(users=30, items=90, brands=6, split_by=split))
        found[split] = data.part.tobytes()
        shares = np.bincount(data.part, minlength=3) / data.part.size
        assert np.abs(shares - [0.6, 0.2, 0.2]).max() < 0.01
        if split == "global":
            assert data.time[data.part == 0].max() < data.time[data.part == 1].min()
            assert data.time[data.part == 1].max() < data.time[data.part == 2].min()
    assert found["auto"] == found["user"]
    assert len(set(found.values())) == 3
