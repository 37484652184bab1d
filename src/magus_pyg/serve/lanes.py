"""Where the work of a request is done: at once, or in a bounded pool of threads beside the event loop.

A round of a live "base" session takes less than a millisecond: it is done at once, so nothing waits for a thread. What
may take longer goes to the pool, whose queue is bounded: beyond it requests are refused at once (503 with Retry-After),
since a queue that grows helps nobody. Stores that block (a file, a network) get threads of their own, so that short
rounds never stand behind long ones.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from magus_pyg.errors import BusyError
from magus_pyg.serve.measurements import WAITING

__all__ = ["Lanes", "SlowError"]

_STORE_THREADS = 4

_Result = TypeVar("_Result")


class SlowError(Exception):
    """Work that was begun as quick, and would not be: nothing of it was done."""


class Lanes:
    """Does work beside the event loop of one process.

    Args:
        threads: of the pool, for what takes longer than a few milliseconds.
        queue: how much may wait for them.
        blocks: whether the store blocks.
    """

    def __init__(self, threads: int, queue: int, blocks: bool) -> None:
        self.threads, self.queue, self.blocks = threads, queue, blocks
        self.in_pool = 0
        """Pieces of work in the pool, those that wait counted."""
        self._pool = ThreadPoolExecutor(threads, "magus-pool")
        self._quick = ThreadPoolExecutor(_STORE_THREADS, "magus-store")
        self._beside = ThreadPoolExecutor(1, "magus-upkeep")

    async def quick(self, work: Callable[[], _Result]) -> _Result:
        """Do what takes less than a few milliseconds, the store's part counted."""
        if not self.blocks:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._quick, work)

    async def slow(self, work: Callable[[], _Result]) -> _Result:
        """Do what may take longer.

        Raises:
            BusyError: as much as may wait is waiting already.
        """
        if self.in_pool >= self.threads + self.queue:
            raise BusyError(f"{self.queue} requests wait already for {self.threads} threads: ask again soon")
        self.in_pool += 1
        WAITING.inc()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self.in_pool -= 1
            WAITING.dec()

    async def either(self, is_quick: bool, work: Callable[[bool], _Result]) -> _Result:
        """Do what may be quick.

        Args:
            is_quick: whether it seems to be.
            work: called with whether it has to be; then it raises SlowError where it is not.
        """
        if is_quick:
            try:
                return await self.quick(lambda: work(True))
            except SlowError:
                pass
        return await self.slow(lambda: work(False))

    async def beside(self, work: Callable[[], _Result]) -> _Result:
        """Do what no request waits for, one after the other, in a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._beside, work)

    def close(self) -> None:
        """Wait for what is done, and take no more."""
        self._pool.shutdown()
        self._quick.shutdown()
        self._beside.shutdown()
