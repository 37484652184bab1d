"""What was used last stays, up to a number and a size."""

from magus_pyg.serve.recently_used import RecentlyUsed


def _kept(most: int, most_bytes: int = 100) -> RecentlyUsed[str, str]:
    return RecentlyUsed(most, most_bytes, len)


def test_the_least_recently_used_goes_first() -> None:
    kept = _kept(2)
    kept.put("a", "1")
    kept.put("b", "2")
    assert kept.get("a") == "1"
    kept.put("c", "3")
    assert (kept.get("b"), list(kept), len(kept), kept.nbytes) == (None, ["1", "3"], 2, 2)


def test_memory_is_bounded_but_one_value_always_stays() -> None:
    kept = _kept(9, 5)
    for name in "abc":
        kept.put(name, 2 * name)
    assert (list(kept), kept.nbytes) == (["bb", "cc"], 4)
    kept.put("d", "1234567")
    assert (list(kept), kept.nbytes) == (["1234567"], 7)
    kept.put("d", "1")
    assert (list(kept), kept.nbytes) == (["1"], 1)


def test_what_is_taken_is_not_there_any_more() -> None:
    kept = _kept(2)
    kept.put("a", "1")
    assert kept.take("a") == "1"
    assert (kept.take("a"), kept.get("a"), len(kept), kept.nbytes) == (None, None, 0, 0)


def test_none_are_kept_where_none_may_be() -> None:
    kept = _kept(0)
    kept.put("a", "1")
    assert (len(kept), kept.nbytes) == (0, 0)
    kept = _kept(2)
    kept.put("a", "1")
    kept.clear()
    assert (len(kept), kept.nbytes) == (0, 0)
