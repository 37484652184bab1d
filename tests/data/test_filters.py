"""Filters of users and items, and what holds of every prepared log."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_logs import write_tmall
from small_data import tabular

from magus_pyg.data import LogOptions, SessionOptions, TmallOptions, build_sessions, load_dataset
from magus_pyg.data.assemble import InteractionLog, SourceTables, assemble
from magus_pyg.data.filters import kept_by_rules
from magus_pyg.data.ordering import copies, stable_order
from magus_pyg.errors import ConfigError, DataError

ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(0, 1), st.integers(-3, 20)), min_size=1, max_size=60
)


def literal(rows: list[tuple[int, int, int, int]], options: LogOptions) -> list[tuple[int, int, int, int]]:
    """The rules as a person would apply them by hand."""
    while True:
        before = len(rows)
        for user in {row[0] for row in rows}:
            own = [row for row in rows if row[0] == user]
            if len(own) < options.min_user_rows or (options.need_positive and not any(row[2] for row in own)):
                rows = [row for row in rows if row[0] != user]
        for item in {row[1] for row in rows}:
            if sum(row[1] == item for row in rows) < options.min_item_rows:
                rows = [row for row in rows if row[1] != item]
        if len(rows) == before:
            return rows


@given(ROWS, st.integers(0, 4), st.integers(0, 4), st.booleans())
def test_rules_agree_with_the_literal_ones(rows, min_user, min_item, positive):
    options = LogOptions(min_user_rows=min_user, min_item_rows=min_item, need_positive=positive)
    user, item, label, _ = np.array(rows).T
    kept = kept_by_rules(user, item, label, 6, 8, options)
    assert [row for row, stays in zip(rows, kept.rows, strict=True) if stays] == literal(rows, options)
    if min_user or positive:
        assert set(np.flatnonzero(kept.users)) == {row[0] for row in literal(rows, options)}
    if min_item:
        assert set(np.flatnonzero(kept.items)) == {row[1] for row in literal(rows, options)}


def tables() -> SourceTables:
    items = pd.DataFrame({"item_id": [f"i{number}" for number in range(8)], "word": ["w"] * 8})
    return SourceTables(items, pd.DataFrame({"user_id": [f"u{number}" for number in range(6)]}))


@given(ROWS, st.integers(0, 3), st.integers(0, 3), st.sampled_from(["drop", "keep"]))
def test_what_holds_of_every_log(rows, min_user, min_item, repeats):
    options = LogOptions(
        word_fields=["word"], min_user_rows=min_user, min_item_rows=min_item, repeats=repeats, need_positive=False
    )
    user, item, label, time = np.array(rows, dtype=np.int64).T
    log = InteractionLog(user, item, label.astype(np.int8), time, value=label)
    distinct = list(dict.fromkeys(rows)) if repeats == "drop" else rows
    expected = literal(distinct, options)
    if not expected:
        with pytest.raises(DataError, match="the filters leave no row"):
            assemble(options, tables(), log)
        return
    data = assemble(options, tables(), log)
    found = list(zip(data.user_ids[data.user], data.item_ids[data.item], data.label, data.time, strict=True))
    named = [(f"u{u}", f"i{i}", label, time) for u, i, label, time in expected]
    # By user and time; rows of one moment keep the order of the file.
    assert found == sorted(named, key=lambda row: (row[0], row[3]))
    for number in range(data.n_users):
        times, part = data.time[data.user == number], data.part[data.user == number]
        assert (np.diff(part) >= 0).all()
        if (part == 2).any():
            assert times[part == 2].min() >= times[part < 2].max(initial=-3)


@given(ROWS)
def test_every_session_holds_a_target(rows):
    user, item, label, time = np.array(rows, dtype=np.int64).T
    data = assemble(LogOptions(word_fields=["word"]), tables(), InteractionLog(user, item, label.astype(np.int8), time))
    for part in ("train", "validation", "test"):
        sessions = build_sessions(data, part, SessionOptions(candidates=4, min_interactions=0), 0)
        assert bool(sessions.targets.any(dim=1).all())


WIDE = st.sampled_from([0, 1, 2, 3, 86_400, 172_800, 2**31, -(2**31), 2**40, -(2**62), 2**62, 2**63 - 1, -(2**63)])


@given(st.lists(st.tuples(st.integers(0, 4) | st.integers(0, 2**40), WIDE), max_size=40))
def test_the_quick_order_is_the_slow_one(rows):
    first, second = (np.array([row[place] for row in rows], dtype=np.int64) for place in (0, 1))
    assert np.array_equal(stable_order(first, second), np.lexsort((second, first)))


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64])
def test_the_ends_of_types(kind):
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    first, second = np.array([1, 1, 1, 0, 1], np.int32), np.array([high, low, 0, high, 5], dtype=kind)
    assert np.array_equal(stable_order(first, second), np.lexsort((second, first)))
    assert copies([second], rows=True)[1].tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("times", [186, 2**30])
def test_the_quick_order_of_many_rows(times):
    generator = np.random.default_rng(0)
    first = generator.integers(0, 50, 5000).astype(np.int32)
    second = (generator.integers(0, times, 5000) * (86_400 if times < 1000 else 1)).astype(np.int64) - 7
    assert np.array_equal(stable_order(first, second), np.lexsort((second, first)))


@given(st.lists(st.tuples(st.integers(0, 2), WIDE, WIDE), min_size=1, max_size=40), st.booleans())
def test_copies_are_those_that_pandas_finds(rows, narrow):
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)][: 1 if narrow else 3]
    expected = pd.DataFrame(dict(enumerate(columns))).duplicated().to_numpy()
    count, repeated = copies(columns, rows=True)
    assert count == expected.sum()
    assert np.array_equal(np.zeros(len(rows), bool) if repeated is None else repeated, expected)
    assert copies(columns, rows=False) == (count, None)


def test_searches_and_tables_follow(write):
    files = {
        "users.csv": "user_id,age\n5,old\n01,young\n1,old\n",
        "queries.csv": "user_id,timestamp,words\n01,1,red\n1,2,blue\n5,3,red\n",
    }
    data = load_dataset(tabular(write(files), profile_fields=["age"], min_user_rows=2))
    # "5" has no row, "1" has one.
    assert data.users.to_dict("list") == {"user_id": ["01"], "age": ["young"]}
    assert data.searched.to_dict("list") == {"user": [0], "time": [1], "words": ["red"]}
    assert data.item_ids.tolist() == ["007", "7", "8"]
    assert data.notes == {"users left out by the filters": 2, "rows left out by the filters": 1}
    data = load_dataset(tabular(write(files), min_item_rows=2))
    assert data.item_ids.tolist() == ["7"]
    assert data.users["user_id"].tolist() == ["5", "01", "1"]
    assert data.item.tolist() == [0, 0]
    with pytest.raises(DataError, match=r"the filters leave no row; lower min_user_rows \(now 2\) or min_item_rows"):
        load_dataset(tabular(write(files), min_user_rows=2, min_item_rows=2))
    data = load_dataset(tabular(write(files), need_positive=True))
    assert data.user_ids.tolist() == ["01"]


def test_options_out_of_range(write):
    for name in ("min_user_rows", "min_item_rows"):
        with pytest.raises(ConfigError, match=rf"{name} must be at least 0 \(got -1\)"):
            load_dataset(tabular(write(), **{name: -1}))


def test_no_event_of_the_test_is_before_one_of_training(tmp_path):
    data = load_dataset(TmallOptions(min_user_rows=5), write_tmall(tmp_path, 3000, 30, 100))
    frame = pd.DataFrame({"user": data.user, "time": data.time, "part": data.part})
    last, first = (frame[frame["part"] == part].groupby("user")["time"] for part in (0, 2))
    both = pd.concat([last.max(), first.min()], axis=1, keys=["train", "test"]).dropna()
    assert len(both) > 20
    assert (both["train"] <= both["test"]).all()
