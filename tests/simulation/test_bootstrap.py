"""Intervals by resampling users: a literal form with the same draws, and what they are worth."""

import math

import numpy as np
import pytest

from magus_pyg.simulation import bootstrap, bootstrap_interval
from magus_pyg.simulation.bootstrap import resampled_means, user_sums


def test_means_are_those_of_the_users_that_were_drawn() -> None:
    rng = np.random.default_rng(3)
    users = rng.integers(0, 17, size=60) * 10  # not every one of 17 has to be there
    values = rng.random((60, 3))
    found = resampled_means(*user_sums(values, users), resamples=40, seed=5)
    draws, known = np.random.default_rng(5), np.unique(users)
    for row in found:
        drawn = draws.integers(0, known.size, size=known.size, dtype=np.uint32)
        sample = np.concatenate([values[users == known[place]] for place in drawn])
        assert row == pytest.approx(sample.mean(0), abs=1e-12)


def test_users_that_are_alike_count_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """All 27 samples of three users, two of them alike, in their shares; and the same bounds by either way of many."""
    monkeypatch.setattr(bootstrap, "_MANY", 3)
    monkeypatch.setattr(bootstrap, "_FEWER", 1)
    found = resampled_means(np.array([[1.0], [1.0], [4.0]]), np.array([1.0, 1.0, 2.0]), 20_000, 0)[:, 0]
    means, count = np.unique(np.round(found, 9), return_counts=True)
    shares = {1.0: 8 / 27, (2 + 4) / 4: 12 / 27, (1 + 8) / 5: 6 / 27, 2.0: 1 / 27}
    assert dict(zip(means, count / 20_000, strict=True)) == pytest.approx(shares, abs=0.015)

    values, users = np.random.default_rng(0).integers(0, 2, size=(8000, 3)).astype(float), np.arange(8000)
    monkeypatch.undo()
    alike = np.concatenate(bootstrap_interval(values, users))
    monkeypatch.setattr(bootstrap, "_MANY", 10_000)
    assert np.concatenate(bootstrap_interval(values, users)) == pytest.approx(alike, abs=1e-3)


@pytest.mark.parametrize("many", [1, 1000])  # by users that are alike, and by users
def test_how_many_are_drawn_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    monkeypatch.setattr(bootstrap, "_MANY", many)
    monkeypatch.setattr(bootstrap, "_FEWER", 1)
    values, users = np.random.default_rng(0).random((31, 2)), np.arange(31)
    whole = resampled_means(*user_sums(values, users), resamples=50, seed=1)
    for most in (1, 100, 31 * 50):
        monkeypatch.setattr(bootstrap, "_DRAWS", most)
        assert resampled_means(*user_sums(values, users), 50, 1) == pytest.approx(whole, abs=1e-12)


def test_the_bootstrap_resamples_users_not_sessions() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, size=(400, 1)).astype(float)
    low, high = bootstrap_interval(values, np.arange(400))
    spread = values.std() / math.sqrt(400)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * spread, rel=0.1)  # as the normal interval of 400 people
    # Every user four times: 100 people's worth of knowledge, twice the width.
    repeated = np.repeat(values[:100], 4, axis=0)
    low_4, high_4 = bootstrap_interval(repeated, np.repeat(np.arange(100), 4))
    spread = values[:100].std() / math.sqrt(100)
    assert high_4[0] - low_4[0] == pytest.approx(2 * 1.96 * spread, rel=0.1)
    low_1, high_1 = bootstrap_interval(repeated, np.arange(400))
    assert high_4[0] - low_4[0] > 1.7 * (high_1[0] - low_1[0])


def test_interval_properties() -> None:
    values = np.array([[0.0, 1.0], [1.0, 1.0], [0.5, 1.0]])
    users = np.array([5, 5, 2])
    low, high = bootstrap_interval(values, users)
    assert np.array_equal(bootstrap_interval(values, users), (low, high))  # a seed, not a state
    assert low[1] == high[1] == 1.0
    assert low[0] <= 0.5 <= high[0]
    wide = bootstrap_interval(values, users, level=0.99)
    assert wide[0][0] <= low[0]
    assert wide[1][0] >= high[0]
    order = np.array([2, 0, 1])
    assert np.allclose(bootstrap_interval(values[order], users[order]), (low, high))


def test_one_user_has_no_spread_and_none_no_interval() -> None:
    low, high = bootstrap_interval(np.array([[0.0], [1.0]]), np.array([3, 3]))
    assert (low.tolist(), high.tolist()) == ([0.5], [0.5])
    low, high = bootstrap_interval(np.zeros((0, 2)), np.zeros(0))
    assert np.isnan(low).all()
    assert np.isnan(high).all()
