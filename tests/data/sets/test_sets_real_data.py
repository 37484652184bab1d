"""The real data sets: their known counts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from magus_pyg.data import (
    MovieLens100kOptions,
    RecDataset,
    SessionOptions,
    TabularOptions,
    build_sessions,
    load_dataset,
    temporal_split,
)
from magus_pyg.data.itemsets import items_of_users

pytestmark = pytest.mark.real_data

BEAUTY = TabularOptions(
    name="amazon-beauty",
    path="amazon-beauty",
    rating="rating_or_action",
    positive="all",
    word_fields=["brand", "category"],
    merge_fields={"category": ["department", "category", "leaf_category"]},
)
LASTFM = TabularOptions(
    name="lastfm-ear",
    path="lastfm-ear",
    rating="rating_or_action",
    timestamp="",
    positive="all",
    split="split",
    word_fields=["tag"],
    max_words=2,
)


def values(data: RecDataset, field: str) -> set[str]:
    return {value for text in data.items[field] for value in text.split("|")} - {""}


def check_sessions(data: RecDataset) -> None:
    sessions = build_sessions(data, "test", SessionOptions(), 0)
    assert bool((sessions.candidates >= 0).all())
    assert bool(sessions.targets.any(dim=1).all())
    user = sessions.user.repeat_interleave(30)
    others = ~sessions.targets.reshape(-1)
    touched = items_of_users(data, ("train", "validation", "test")).contains(user, sessions.candidates.reshape(-1))
    disliked = (touched & others).reshape(-1, 30).sum(dim=1)
    assert int(disliked.max()) <= 15
    if not data.has_negatives:
        assert int(disliked.max()) == 0


def test_ml_100k(real_data_root):
    data = load_dataset(MovieLens100kOptions(download=False), real_data_root)
    assert (data.n_users, data.n_items, data.user.size, int(data.label.sum())) == (943, 1682, 100_000, 55_375)
    assert len(values(data, "genre")) == 18
    assert "unknown" not in values(data, "genre")
    assert int((data.items["decade"] == "1990s").sum()) == 1337
    assert int((np.diff(data.user_ptr) >= 30).sum()) == 744
    assert data.notes == {"items without words": 1}
    assert set(data.users["gender"]) == {"M", "F"}
    assert data.items[data.title_field].iloc[0] == "Toy Story (1995)"
    # That of the first release, when rows of one time could be in two parts: titles are no part of it.
    parted = replace(data, part=temporal_split(data.user))
    assert parted.fingerprint == "75128ad2868a2671ac7fe07e0b7d9226f9dd22cbae8634bf2246c111ccf6e211"
    assert data.fingerprint == "b89c3186a9457f938ee953ef1a718dfaed102b8e51d6c825978366f8298c1376"
    check_sessions(data)


def test_ml_100k_by_columns_is_the_same_log(real_data_root):
    original = load_dataset(MovieLens100kOptions(download=False), real_data_root)
    data = load_dataset(TabularOptions(path="ml-100k", word_fields=["genre", "decade", "director"]), real_data_root)
    assert (data.n_users, data.n_items, int(data.label.sum())) == (943, 1682, 55_375)
    assert data.items["genre"].tolist() == original.items["genre"].tolist()
    assert data.items["decade"].tolist() == original.items["decade"].tolist()
    assert len(values(data, "director")) == 1136


def test_amazon_hin(real_data_root):
    options = TabularOptions(path="amazon-hin", word_fields=["brand", "category"], empty_values={"brand": ["brand_5"]})
    data = load_dataset(options, real_data_root)
    assert (data.n_users, data.n_items, data.user.size) == (6170, 2753, 195_791)
    assert int(data.label.sum()) == 95_276 + 50_954
    assert data.notes["values of brand that mean no value"] == 1384
    parted = replace(data, part=temporal_split(data.user))
    assert parted.fingerprint == "2ed65c48963905b43c787d307ba969279bf6e53f818d0d7523036c5db3e18659"
    assert data.fingerprint == "8fd805e1a768512163e7621d3dc6455ac1b8b01c849d8f8e4a813a4f6b396805"
    assert len(values(data, "brand")) == 333
    assert int((np.diff(data.user_ptr) >= 30).sum()) == 1595
    check_sessions(data)


def test_amazon_beauty(real_data_root):
    data = load_dataset(BEAUTY, real_data_root)
    assert (data.n_users, data.n_items, data.user.size) == (22_363, 12_101, 198_502)
    assert not data.has_negatives
    assert data.word_columns == ("brand", "department", "category", "leaf_category")
    assert len(values(data, "department")) == 6
    sessions = build_sessions(data, "test", SessionOptions(), 0)
    assert len(torch.unique(sessions.user)) == 519
    check_sessions(data)


def test_lastfm_brings_its_own_split(real_data_root):
    data = load_dataset(LASTFM, real_data_root)
    assert (data.n_users, data.n_items, data.user.size) == (1801, 7432, 76_693)
    assert np.bincount(data.part).tolist() == [52_910, 15_471, 8_312]
    assert len(values(data, "tag")) == 33
    assert data.notes == {"items without history": 309}
    check_sessions(data)
