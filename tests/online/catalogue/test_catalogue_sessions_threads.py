"""Sessions of many threads on one catalogue play as they do one after the other."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from online_cases import Maker, answer, shop

from magus_pyg.online import OnlineSession

GRAPH = shop(400, 3)


@pytest.fixture
def _eager_switches() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def _played(maker: Maker, seed: int) -> list[list[int]]:
    session: OnlineSession = maker.make(list_length=4, rounds=4, min_items=0)
    random, lists = np.random.default_rng(seed), []
    while not session.done:
        lists.append([entry.node for entry in session.recommend()])
        answer(session, random)
    return lists


@pytest.mark.usefixtures("_eager_switches")
@pytest.mark.parametrize("variant", ["base", "bayes"])
def test_threads_do_not_disturb_each_other(variant: str) -> None:
    seeds = range({"base": 24, "bayes": 5}[variant])
    alone = [_played(Maker("catalogue", variant, GRAPH), seed) for seed in seeds]
    maker = Maker("catalogue", variant, GRAPH)
    with ThreadPoolExecutor(5) as pool:
        together = list(pool.map(lambda seed: _played(maker, seed), seeds))
    assert together == alone
    assert not bool(maker.catalogue.index.marks.any())
    assert not bool(maker.catalogue.index.sums.any())
