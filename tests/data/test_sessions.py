"""Sessions: what may be a candidate, a target, and that a session does not depend on its company."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import make_dataset

from magus_pyg.data import SessionOptions, Sessions, build_sessions
from magus_pyg.errors import ConfigError, DataError, SessionError


def random_log(seed: int, n_users: int = 12, n_items: int = 60, n: int = 400):
    generator = np.random.default_rng(seed)
    columns = (generator.integers(0, high, n) for high in (n_users, n_items, 2, 200))
    return make_dataset(list(zip(*(column.tolist() for column in columns), strict=True)), n_users, n_items)


def same(a: Sessions, b: Sessions) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("user", "candidates", "targets", "id"))


def last_labels(data, user: int, part: int) -> dict[int, int]:
    """By loop: the distinct items of a user in a part with the label of the last row."""
    rows = (data.user == user) & (data.part == part)
    return dict(zip(data.item[rows].tolist(), data.label[rows].tolist(), strict=True))


@given(
    st.integers(0, 5),
    st.integers(0, 1000),
    st.integers(1, 40),
    st.integers(1, 4),
    st.sampled_from([0, 1, 2]),
    st.data(),
)
def test_standard_sessions_against_loops(log, seed, size, most, part, draw):
    data = random_log(log)
    most = min(most, size)
    least = draw.draw(st.integers(1, most))
    options = SessionOptions(candidates=size, min_targets=least, max_targets=most, min_interactions=20, per_user=2)
    name = ("train", "validation", "test")[part]
    sessions = build_sessions(data, name, options, seed)
    expected_users = []
    for user in range(data.n_users):
        positives = [item for item, label in last_labels(data, user, part).items() if label]
        if (data.user == user).sum() >= 20 and len(positives) >= least:
            expected_users += [user, user]
    assert sessions.user.tolist() == expected_users
    for position, user in enumerate(expected_users):
        labels = last_labels(data, user, part)
        touched = set(data.item[(data.user == user) & (data.part <= part)].tolist())  # later rows are not looked at
        shown = [item for item in sessions.candidates[position].tolist() if item >= 0]
        targets = sessions.candidates[position][sessions.targets[position]].tolist()
        others = set(shown) - set(targets)
        disliked = others & touched
        assert len(set(shown)) == len(shown)
        assert least <= len(targets) <= most
        assert all(labels[item] == 1 for item in targets)
        assert all(labels.get(item) == 0 for item in disliked)
        assert len(disliked) == min(size // 2, size - len(targets), sum(label == 0 for label in labels.values()))
        untouched = data.n_items - len(touched)
        assert len(others) - len(disliked) == min(size - len(targets) - len(disliked), untouched)


@given(st.integers(0, 5), st.integers(0, 100), st.sampled_from(["standard", "paper"]), st.permutations(range(12)))
def test_any_subset_and_order_of_users_gives_the_same_sessions(log, seed, kind, order):
    data = random_log(log)
    options = SessionOptions(kind=kind, candidates=10, min_interactions=10, per_user=3)
    whole = build_sessions(data, "test", options, seed)
    shards = [build_sessions(data, "test", options, seed, torch.tensor(order[start::4])) for start in range(4)]
    ids = torch.cat([shard.id for shard in shards])
    back = ids.argsort()
    assert torch.equal(ids[back], whole.id)
    joined = Sessions(
        *(torch.cat([getattr(shard, name) for shard in shards])[back] for name in ("user", "candidates", "targets")),
        id=ids[back],
    )
    assert same(joined, whole)
    assert torch.equal(whole.id, whole.user * 3 + torch.arange(3).repeat(len(whole) // 3))


@given(st.integers(0, 5), st.integers(0, 100), st.integers(1, 12))
def test_paper_sessions_are_the_users_own_items(log, seed, size):
    data = random_log(log)
    options = SessionOptions(kind="paper", candidates=size, max_targets=1, min_interactions=10)
    sessions = build_sessions(data, "train", options, seed)
    assert bool(sessions.targets.any(dim=1).all())
    for position, user in enumerate(sessions.user.tolist()):
        labels = last_labels(data, user, 0)
        shown = [item for item in sessions.candidates[position].tolist() if item >= 0]
        assert len(shown) == min(size, len(labels))
        assert [labels[item] == 1 for item in shown] == sessions.targets[position, : len(shown)].tolist()


def test_the_last_row_of_an_item_decides():
    # All rows in the test part: item 0 is liked in the end, item 1 is not.
    rows = [(0, 0, 0, 1), (0, 1, 1, 2), (0, 0, 1, 3), (0, 1, 0, 4)]
    data = make_dataset(rows, 1, 4, part=[2, 2, 2, 2])
    sessions = build_sessions(data, "test", SessionOptions(candidates=4, min_interactions=4), 0)
    order = sessions.candidates[0].argsort()
    assert sessions.candidates[0][order].tolist() == [0, 1, 2, 3]
    assert sessions.targets[0][order].tolist() == [True, False, False, False]


def test_an_undrawn_positive_is_no_candidate():
    rows = [(0, item, 1, item) for item in range(8)]
    data = make_dataset(rows, 1, 10, part=[2] * 8)
    sessions = build_sessions(data, "test", SessionOptions(candidates=10, max_targets=1, min_interactions=1), 3)
    shown = sessions.candidates[0]
    assert set(shown[~sessions.targets[0] & (shown >= 0)].tolist()) == {8, 9}
    assert int(sessions.targets.sum()) == 1
    assert shown[3:].tolist() == [-1] * 7


def test_choices_are_uniform():
    rows = [(0, item, int(item < 6), item) for item in range(10)]
    data = make_dataset(rows, 1, 40, part=[2] * 10)
    options = SessionOptions(candidates=12, min_interactions=1, per_user=3000)
    sessions = build_sessions(data, "test", options, 5)
    number = sessions.targets.sum(dim=1)
    # Expected 1,000 of each number of targets, sd 26; of 6,000 targets 1,000 each, sd 29; four disliked items always.
    assert bool(((torch.bincount(number)[1:4] - 1000).abs() < 130).all())
    chosen = torch.bincount(sessions.candidates[sessions.targets], minlength=40)
    assert int(chosen[6:].sum()) == 0
    assert bool(((chosen[:6] - 1000).abs() < 150).all())
    assert torch.bincount(sessions.candidates.reshape(-1), minlength=40)[6:10].tolist() == [3000] * 4
    # 12 - 4 - 2 = 6 of 30 untouched items: 600 each, sd 22.
    untouched = torch.bincount(sessions.candidates.reshape(-1), minlength=40)[10:]
    assert bool(((untouched - 600).abs() < 120).all())
    # Shuffled: a target is as often in any place (6,000 / 12 = 500, sd 21).
    assert bool(((sessions.targets.sum(dim=0) - 500).abs() < 110).all())


def test_seeds_and_parts_differ():
    data = random_log(0)
    options = SessionOptions(candidates=10, min_interactions=10)
    base = build_sessions(data, "test", options, 0)
    assert same(base, build_sessions(data, "test", options, 0))
    assert not same(base, build_sessions(data, "test", options, 1))


def test_parts_draw_apart_from_the_same_items():
    rows = [(0, item, int(item < 6), 10 * part + item) for part in (1, 2) for item in range(10)]
    data = make_dataset(rows, 1, 40, part=[1] * 10 + [2] * 10)
    options = SessionOptions(candidates=12, min_interactions=1, per_user=20)
    held_out, test = (build_sessions(data, part, options, 5) for part in ("validation", "test"))
    assert torch.equal(held_out.user, test.user)
    assert not torch.equal(held_out.candidates, test.candidates)


def test_fewer_candidates_are_said_once(caplog):
    data = make_dataset([(0, 0, 1, 0), (0, 1, 0, 1)], 1, 3, part=[2, 2])
    options = SessionOptions(candidates=5, min_interactions=1, per_user=3)
    with caplog.at_level(logging.INFO):
        sessions = build_sessions(data, "test", options, 0)
    assert (sessions.candidates >= 0).sum(dim=1).tolist() == [3, 3, 3]
    assert [record.message for record in caplog.records] == ["3 of 3 test sessions have fewer than 5 candidates"]
    caplog.clear()
    build_sessions(data, "test", SessionOptions(candidates=3, min_interactions=1), 0)
    assert not caplog.records


def test_nobody_is_eligible():
    data = make_dataset([(0, 0, 0, 0), (1, 1, 1, 1)], 2, 3, part=[2, 0])
    options = SessionOptions(candidates=4, min_interactions=1)
    for kind in ("standard", "paper"):
        options.kind = kind
        sessions = build_sessions(data, "test", options, 0)
        assert (len(sessions), tuple(sessions.candidates.shape)) == (0, (0, 3))  # there are three items
    assert len(build_sessions(data, "train", options, 0, torch.empty(0, dtype=torch.int64))) == 0
    assert len(build_sessions(data, "train", options, 0)) == 1


def test_one_candidate():
    data = make_dataset([(0, 0, 1, 0)], 1, 1)
    sessions = build_sessions(data, "train", SessionOptions(candidates=1, max_targets=1, min_interactions=1), 0)
    assert sessions.candidates.tolist() == [[0]]
    assert sessions.targets.tolist() == [[True]]


@settings(max_examples=10)
@given(st.integers(0, 50))
def test_nearly_all_items_touched(seed):
    """Where 31 of 32 untouched items are needed, drawing goes on until all are distinct."""
    data = make_dataset([(0, item, 1, item) for item in range(8)], 1, 40, part=[2] * 8)
    sessions = build_sessions(data, "test", SessionOptions(candidates=32, max_targets=1, min_interactions=1), seed)
    assert sorted(sessions.candidates[0].tolist())[0] >= 0
    assert len(set(sessions.candidates[0].tolist())) == 32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "papers"}, "kind must be one of standard, paper, did you mean 'paper'. .got 'papers'"),
        ({"candidates": 0}, "candidates must be at least 1"),
        ({"per_user": 0}, "per_user must be at least 1"),
        ({"min_targets": 0}, "min_targets must be at least 1"),
        ({"min_targets": 4}, r"min_targets \(4\) <= max_targets \(3\)"),
        ({"candidates": 2}, r"max_targets \(3\) <= candidates \(2\)"),
        ({"min_interactions": -1}, "min_interactions must be at least 0"),
    ],
)
def test_bad_options(change, message):
    with pytest.raises(ConfigError, match=message):
        build_sessions(random_log(0), "test", SessionOptions(**change), 0)


def test_bad_users_and_parts():
    with pytest.raises(DataError, match=r"users must be in \[0, 12\) \(got 3 to 12\)"):
        build_sessions(random_log(0), "test", SessionOptions(), 0, torch.tensor([3, 12]))
    with pytest.raises(DataError, match="unknown part 'dev'"):
        build_sessions(random_log(0), "dev", SessionOptions(), 0)


def test_minimal_constructor_and_take():
    sessions = Sessions(
        torch.tensor([4, 2]), torch.tensor([[1, 2], [3, -1]]), torch.tensor([[True, False], [True, False]])
    )
    assert sessions.id.tolist() == [0, 1]
    taken = sessions.take(torch.tensor([1]))
    assert (taken.id.tolist(), taken.user.tolist(), taken.candidates.tolist()) == ([1], [2], [[3, -1]])
    assert len(sessions.take(torch.tensor([False, False]))) == 0
    assert repr(sessions) == "Sessions(2, candidates=2, targets=2)"
    assert same(sessions.to("cpu"), sessions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user": torch.tensor([0.0, 1.0])}, r"user must be int64 \[B\] \(got float32 \[2\]\)"),
        ({"candidates": torch.tensor([1, 2])}, r"candidates must be int64 \[2, C\] \(got int64 \[2\]\)"),
        ({"candidates": torch.tensor([[1, 2]])}, r"candidates must be int64 \[2, C\]"),
        ({"targets": torch.tensor([[1, 0], [0, 1]])}, r"targets must be bool \[2, 2\].*got int64"),
        ({"targets": torch.tensor([[True, False], [False, True]])}, r"session 1: a pad \(-1\) is marked as a target"),
        ({"candidates": torch.tensor([[1, 2], [3, 3]])}, "session 1: the candidate 3 is there more than once"),
        ({"candidates": torch.tensor([[1, -2], [3, 4]])}, "session 0: a candidate is below -1"),
        ({"searched": torch.tensor([1, 2])}, r"searched must be int64 \[2, S\]"),
        ({"id": torch.tensor([1])}, r"id must be int64 \[2\]"),
    ],
)
def test_checks_of_sessions(change, message):
    whole = {
        "user": torch.tensor([0, 1]),
        "candidates": torch.tensor([[1, 2], [3, -1]]),
        "targets": torch.tensor([[True, False], [True, False]]),
    }
    with pytest.raises(SessionError, match=message):
        Sessions(**{**whole, **change})


def test_the_whole_catalogue_as_candidates():
    data = random_log(3)
    some = build_sessions(data, "test", SessionOptions(candidates=20, min_interactions=0), 1)
    sessions = build_sessions(data, "test", SessionOptions(candidates="all", min_interactions=0), 1)
    assert torch.equal(sessions.user, some.user)
    for user, candidates, targets in zip(sessions.user.tolist(), sessions.candidates, sessions.targets, strict=True):
        touched = set(data.item[data.user == user].tolist())
        test = last_labels(data, user, 2)
        aims = set(candidates[targets].tolist())
        assert aims <= {item for item, label in test.items() if label}
        disliked = {item for item, label in test.items() if not label}
        assert set(candidates[candidates >= 0].tolist()) == (set(range(60)) - touched) | aims | disliked
    assert int((sessions.candidates >= 0).sum(1).max()) == sessions.candidates.shape[1]
    with pytest.raises(ConfigError, match="at least 1 or \"all\" \\(got 'every'\\)"):
        SessionOptions(candidates="every").check()


def test_too_many_sessions_are_refused_before_any_is_numbered():
    # Their users alone would be 8 TB: numbered first, torch would have said so instead.
    data, options = random_log(0), SessionOptions(candidates=4, min_interactions=0, per_user=100_000)
    with pytest.raises(DataError, match=r"000 test sessions of 4 candidates.*sessions\.per_user"):
        build_sessions(data, "test", options, 0, torch.zeros(10_000_000, dtype=torch.int64))
