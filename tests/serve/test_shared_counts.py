"""Counts that forked processes share."""

import os
import time

import pytest
from limits import RateLimitItemPerSecond
from limits.strategies import FixedWindowRateLimiter

from magus_pyg.serve import shared_counts
from magus_pyg.serve.shared_counts import SharedCounts


def test_a_window_begins_with_its_first_count_and_ends() -> None:
    counts = SharedCounts()
    assert counts.get("a") == 0
    assert [counts.incr("a", 0.05) for _ in range(3)] == [1, 2, 3]
    assert counts.incr("b", 0.05, 5) == 5
    assert 0 < counts.get_expiry("a") - time.time() <= 0.05
    time.sleep(0.06)
    assert counts.get("a") == 0
    assert counts.incr("a", 10) == 1
    counts.clear("a")
    assert counts.get("a") == 0
    counts.incr("a", 10)
    counts.reset()
    assert counts.get("a") == 0


def test_the_library_limits_by_it() -> None:
    limiter, item = FixedWindowRateLimiter(SharedCounts()), RateLimitItemPerSecond(2)
    assert [limiter.hit(item, "a") for _ in range(3)] == [True, True, False]
    assert limiter.hit(item, "b")
    assert limiter.get_window_stats(item, "a").remaining == 0


def test_a_forked_process_counts_with_its_parent() -> None:
    counts = SharedCounts()
    counts.incr("a", 60)
    child = os.fork()
    if not child:
        counts.incr("a", 60)
        os._exit(0)
    os.waitpid(child, 0)
    assert counts.get("a") == 2


def test_where_there_is_no_room_the_window_that_ends_first_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_counts, "_SLOTS", 4)
    monkeypatch.setattr(shared_counts, "_TRIED", 4)
    counts = SharedCounts()
    for place, name in enumerate("abcd"):
        counts.incr(name, 10 + place)
    assert counts.incr("e", 60) == 1
    assert [counts.get(name) for name in "abcd"] == [0, 1, 1, 1]
