"""Work beside the event loop: what is quick waits for nothing, and a full queue refuses."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from magus_pyg.errors import BusyError
from magus_pyg.serve.lanes import Lanes, SlowError


@pytest.fixture(params=[False, True])
def lanes(request: pytest.FixtureRequest) -> Iterator[Lanes]:
    lanes = Lanes(1, 1, request.param)
    yield lanes
    lanes.close()


def test_a_full_queue_refuses_and_quick_work_goes_on(lanes: Lanes) -> None:
    free = threading.Event()

    async def play() -> None:
        slow = [asyncio.create_task(lanes.slow(lambda: free.wait(10))) for _ in range(2)]
        await asyncio.sleep(0)
        assert lanes.in_pool == 2
        with pytest.raises(BusyError, match="1 requests wait already for 1 threads") as refused:
            await lanes.slow(lambda: None)
        assert refused.value.retry_after >= 1
        assert await asyncio.wait_for(lanes.quick(lambda: 7), 5) == 7
        assert await asyncio.wait_for(lanes.beside(lambda: 8), 5) == 8
        free.set()
        assert await asyncio.gather(*slow) == [True, True]
        assert lanes.in_pool == 0
        assert await lanes.slow(threading.current_thread) is not threading.current_thread()

    asyncio.run(play())


def test_what_is_not_quick_after_all_goes_to_the_pool(lanes: Lanes) -> None:
    tried: list[bool] = []

    def work(quick: bool) -> str:
        tried.append(quick)
        if quick:
            raise SlowError
        return threading.current_thread().name

    assert asyncio.run(lanes.either(True, work)).startswith("magus-pool")
    assert tried == [True, False]
    assert asyncio.run(lanes.either(False, work)).startswith("magus-pool")
    assert tried == [True, False, False]


def test_errors_come_through_and_leave_room(lanes: Lanes) -> None:
    def fail() -> None:
        raise KeyError("a")

    for _ in range(5):
        with pytest.raises(KeyError):
            asyncio.run(lanes.slow(fail))
    assert lanes.in_pool == 0
