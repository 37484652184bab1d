"""Which arm of an experiment a person is in."""

import math
from collections import Counter

import pytest

from magus_pyg.errors import ConfigError
from magus_pyg.serve.arms import arm_of

PEOPLE = [f"person {number}" for number in range(20_000)]


def test_people_stay_in_their_arm() -> None:
    # Literal: another release must deal nobody out anew.
    users = ("anna", "berta", "carl", "dora", "", "\ud800")
    assert [arm_of(user, "lists", {"a": 1.0, "b": 1.0}) for user in users] == ["a", "a", "a", "a", "b", "a"]


def test_arms_get_their_shares() -> None:
    shares = {"a": 1.0, "none": 0.0, "b": 2.0, "c": 5.0}
    counts = Counter(arm_of(user, "lists", shares) for user in PEOPLE)
    assert set(counts) == {"a", "b", "c"}
    for arm, count in counts.items():
        share = shares[arm] / 8
        assert abs(count / len(PEOPLE) - share) < 4 * math.sqrt(share * (1 - share) / len(PEOPLE))
    assert {arm_of(user, "lists", {"x": 0.0, "y": 1e-300}) for user in PEOPLE[:100]} == {"y"}
    assert {arm_of(user, "lists", {"x": 3.0}) for user in PEOPLE[:100]} == {"x"}


def test_two_experiments_are_independent() -> None:
    both = Counter((arm_of(user, "x", {"a": 1, "b": 1}), arm_of(user, "y", {"a": 1, "b": 1})) for user in PEOPLE)
    assert all(abs(count / len(PEOPLE) - 0.25) < 0.0125 for count in both.values())
    assert len(both) == 4


@pytest.mark.parametrize("shares", [{}, {"a": 0.0}, {"a": -1.0, "b": 2.0}, {"a": math.nan}, {"a": math.inf}])
def test_shares_that_are_none(shares: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="shares above 0"):
        arm_of("anna", "lists", shares)
