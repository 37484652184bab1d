"""Tests of significance against values worked by hand, printed elsewhere, and scipy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from magus_pyg.errors import ConfigError, SessionError
from magus_pyg.report import compare, holm, mcnemar, paired_bootstrap, wilcoxon_by_user
from magus_pyg.report.significance import unpaired_bootstrap


def successes(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two columns and users from a table of counts."""
    a = np.repeat([1, 1, 0, 0], [both, first, second, neither])
    b = np.repeat([1, 0, 1, 0], [both, first, second, neither])
    return a, b, np.arange(a.size)


def test_mcnemar_by_hand() -> None:
    # Of 7 pairs that differ, 6 are the first's: 2 (C(7,0) + C(7,1)) / 2^7 = 16/128.
    found = mcnemar(*successes(3, 6, 1, 2))
    assert (found.first_only, found.second_only, found.statistic) == (6, 1, 1.0)
    assert found.p == pytest.approx(16 / 128, abs=1e-15)
    # Chi-square with the correction: (|6 - 1| - 1)^2 / 7.
    found = mcnemar(*successes(3, 6, 1, 2), exact=False)
    assert found.statistic == pytest.approx(16 / 7)
    assert found.p == pytest.approx(math.erfc(math.sqrt(16 / 7 / 2)), rel=1e-12)


def test_mcnemar_of_agrestis_approval_ratings() -> None:
    # Categorical Data Analysis (1990): 1,600 people asked twice, 150 and 86 changed their minds; (64 - 1)^2 / 236.
    found = mcnemar(*successes(794, 150, 86, 570), exact=False)
    assert found.statistic == pytest.approx(63**2 / 236)
    assert found.p == pytest.approx(stats.chi2.sf(63**2 / 236, 1), rel=1e-12)


@given(st.integers(0, 60), st.integers(0, 60))
def test_exact_mcnemar_is_the_binomial_test(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(*successes(2, first, second, 1)).p == pytest.approx(expected, rel=1e-9)


def test_mcnemar_without_differences_says_nothing() -> None:
    assert mcnemar(*successes(4, 0, 0, 4)).p == 1.0
    assert mcnemar(*successes(4, 5, 5, 4), exact=False).p == 1.0
    nothing = np.array([])
    assert mcnemar(nothing, nothing, nothing).p == 1.0


def test_mcnemar_refuses_two_sessions_of_a_user_and_shares() -> None:
    with pytest.raises(SessionError, match="user 7 has 2"):
        mcnemar(np.array([1, 0, 1]), np.array([0, 0, 1]), np.array([7, 3, 7]))
    with pytest.raises(SessionError, match=r"got 0.5"):
        mcnemar(np.array([1, 0.5]), np.array([0, 0]), np.array([0, 1]))


def test_columns_of_different_sessions_are_refused() -> None:
    for test in (mcnemar, wilcoxon_by_user, paired_bootstrap, compare):
        with pytest.raises(SessionError, match=r"got \[2\], \[3\], \[2\]"):
            test(np.zeros(2), np.zeros(3), np.zeros(2))


def test_wilcoxon_by_hand() -> None:
    # Means of the users: 1, 2, 3, -4 and a user without a difference: W- = 4, and of the 16 signs of four ranks
    # seven sums are at most 4 (of {}, 1, 2, 3, 12, 4, 13).
    first = np.array([1.0, 1.0, 2.0, 3.0, 0.0, 5.0])
    second = np.array([0.0, 0.0, 0.0, 0.0, 4.0, 5.0])
    found = wilcoxon_by_user(first, second, np.array([0, 0, 1, 2, 3, 4]))
    assert (found.users, found.statistic) == (4, 4.0)
    assert found.p == pytest.approx(2 * 7 / 16)


def test_wilcoxon_is_scipys_on_the_users_means() -> None:
    rng = np.random.default_rng(0)
    users = rng.integers(0, 80, 400)
    first, second = rng.random(400) + 0.05, rng.random(400)
    means = [(first - second)[users == user].mean() for user in np.unique(users)]
    expected = stats.wilcoxon(np.array(means), method="approx")
    found = wilcoxon_by_user(first, second, users)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)


def test_equal_columns_have_no_difference() -> None:
    same = np.full(40, 0.1) * 3
    users = np.arange(40)
    assert wilcoxon_by_user(same, np.full(40, 0.3), users).p == 1.0  # 0.1 * 3 is not 0.3 in floats
    found = paired_bootstrap(same, np.full(40, 0.3), users)
    assert (found.low, found.high, found.p) == (0.0, 0.0, 1.0)
    nothing = np.array([])
    assert math.isnan(paired_bootstrap(nothing, nothing, nothing).value)
    assert wilcoxon_by_user(nothing, nothing, nothing).p == 1.0


def test_bootstrap_resamples_users_with_all_their_pairs() -> None:
    # Two users, one always ahead and one never: a resample's mean is 1, 1/2 or 0 with chances 1/4, 1/2, 1/4,
    # however many pairs they have; independent pairs would give a far narrower interval.
    users = np.repeat([0, 1], 500)
    first = np.repeat([1.0, 0.0], 500)
    found = paired_bootstrap(first, np.zeros(1000), users, resamples=4000)
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)
    assert (found.pairs, found.users) == (1000, 2)
    assert found.p == pytest.approx(0.5, abs=0.05)  # twice the share of 0
    assert paired_bootstrap(first, np.zeros(1000), users, resamples=4000) == found


def test_p_of_a_bootstrap_is_never_0() -> None:
    """Where no resample is on the other side, p is that of one more that is."""
    found = paired_bootstrap(np.ones(20), np.zeros(20), np.arange(20), resamples=99)
    assert found.p == pytest.approx(2 / 100)


def test_bootstrap_agrees_with_a_literal_one() -> None:
    rng = np.random.default_rng(1)
    users = rng.integers(0, 40, 150)
    first, second = rng.random(150) + 0.1, rng.random(150)
    found = paired_bootstrap(first, second, users, resamples=4000)
    parts = [(first - second)[users == user] for user in np.unique(users)]
    means = [
        np.concatenate([parts[index] for index in rng.integers(0, len(parts), len(parts))]).mean() for _ in range(4000)
    ]
    assert [found.low, found.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.01)
    assert found.value == pytest.approx((first - second).mean())
    assert found.p == pytest.approx(2 * np.mean(np.array(means) <= 0), abs=0.02)


def test_bootstrap_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    columns = rng.random(60) + 0.1, rng.random(60), np.arange(60)
    whole = paired_bootstrap(*columns, resamples=2000)
    monkeypatch.setattr("magus_pyg.simulation.bootstrap._DRAWS", 6000)  # 100 resamples at once
    pieces = paired_bootstrap(*columns, resamples=2000)
    assert (pieces.value, pieces.low, pieces.high, pieces.p) == pytest.approx(
        (whole.value, whole.low, whole.high, whole.p), abs=1e-12
    )


def test_what_compare_chooses() -> None:
    first, second, users = successes(20, 25, 5, 10)
    found = compare(first, second, users)
    assert (found.test, found.users, found.pairs) == ("mcnemar", 60, 60)
    assert found.p == mcnemar(first, second, users).p
    assert found.value == pytest.approx(20 / 60)
    # Two seeds: the same users twice.
    found = compare(np.tile(first, 2), np.tile(second, 2), np.tile(users, 2))
    assert (found.test, found.users, found.pairs) == ("wilcoxon", 60, 120)
    # Repeating the same runs adds no evidence.
    assert found.p == wilcoxon_by_user(first, second, users).p
    assert compare(first * 0.3, second * 0.3, users).test == "wilcoxon"
    assert compare(first, second, users, test="bootstrap").p == paired_bootstrap(first, second, users).p
    with pytest.raises(ConfigError, match="auto, mcnemar"):
        compare(first, second, users, test="t")


def test_few_users_get_an_interval_and_no_p() -> None:
    first, second, users = successes(0, 29, 0, 0)
    found = compare(first, second, users)
    assert (found.value, found.low, found.test) == (1.0, 1.0, "")
    assert math.isnan(found.p)
    assert compare(*successes(0, 30, 0, 0)).p == pytest.approx(2 * 0.5**30)


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.9 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.9.
    assert holm([0.9, 0.03, 0.01, 0.02]).tolist() == pytest.approx([0.9, 0.06, 0.04, 0.06])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    kept = holm([0.02, math.nan, 0.01])  # what was not tested does not count
    assert kept[[0, 2]].tolist() == [0.02, 0.02]
    assert math.isnan(kept[1])
    assert holm([]).tolist() == []
    with pytest.raises(ConfigError, match=r"got 1\.5"):
        holm([0.5, 1.5])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_the_literal_rule_rejects(values: list[float]) -> None:
    adjusted = holm(values)
    for level in (0.001, 0.05, 0.5):
        rejected = set()
        for rank, index in enumerate(np.argsort(values, kind="stable")):
            if values[index] * (len(values) - rank) > level:
                break
            rejected.add(int(index))
        assert set(np.flatnonzero(adjusted <= level).tolist()) == rejected


def test_the_unpaired_bootstrap_is_of_two_groups_of_people() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(1.0, 1.0, 300), rng.normal(0.6, 1.0, 500)
    found = unpaired_bootstrap(first, np.arange(300), second, np.arange(500))
    assert found.value == pytest.approx(first.mean() - second.mean())
    error = math.sqrt(first.var() / 300 + second.var() / 500)
    assert (found.low, found.high) == pytest.approx((found.value - 1.96 * error, found.value + 1.96 * error), abs=0.03)
    assert (found.pairs, found.users, found.test) == (800, 800, "bootstrap")
    assert found.p < 0.01
    # Ten sessions of each person are no more people.
    again = unpaired_bootstrap(np.repeat(first, 10), np.repeat(np.arange(300), 10), second, np.arange(500))
    assert (again.low, again.high) == pytest.approx((found.low, found.high))
    # The groups turned round.
    turned = unpaired_bootstrap(second, np.arange(500), first, np.arange(300))
    assert turned.value == pytest.approx(-found.value)
    same = unpaired_bootstrap(np.ones(40), np.arange(40), np.ones(50), np.arange(50))
    assert (same.value, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    few = unpaired_bootstrap(np.ones(29), np.arange(29), np.zeros(50), np.arange(50))
    assert (few.value, few.test) == (1.0, "")
    assert math.isnan(few.p)
    assert math.isnan(unpaired_bootstrap(np.ones(0), np.ones(0), np.ones(3), np.arange(3)).value)
