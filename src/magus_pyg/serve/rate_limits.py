"""How many requests one who asks may send in a second, counted by the library `limits`."""

import math
import time

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter as SharedLimiter
from limits.strategies import FixedWindowRateLimiter

from magus_pyg.errors import LimitError, StoreError
from magus_pyg.serve.serve_options import ServeOptions
from magus_pyg.serve.shared_counts import SharedCounts

__all__ = ["RateLimits"]


class RateLimits:
    """Counts requests by who sent them: in Redis where that is the store, so that all machines count together, else in
    memory that the workers of this machine share.

    Args:
        options: of the service.
    """

    def __init__(self, options: ServeOptions) -> None:
        limits = options.limits
        self._items = {
            what: RateLimitItemPerSecond(most, namespace=f"magus-{what}")
            for what, most in {"requests": limits.requests, "new_sessions": limits.new_sessions}.items()
            if most
        }
        self._shared: SharedLimiter | None = None
        if options.store.startswith(("redis://", "rediss://", "unix://")):
            address = options.store.replace("unix://", "redis+unix://", 1)
            self._shared = SharedLimiter(RedisStorage(f"async+{address}", implementation="redispy"))
        self._own = FixedWindowRateLimiter(SharedCounts())

    async def count(self, what: str, caller: str) -> None:
        """Count one thing of somebody.

        Args:
            what: "requests" or "new_sessions".
            caller: who.

        Raises:
            LimitError: they had as many as they may have in this second, with when to ask again.
            StoreError: Redis cannot be reached.
        """
        item = self._items.get(what)
        if item is None:
            return
        if self._shared is None:
            if self._own.hit(item, caller):
                return
            reset = self._own.get_window_stats(item, caller).reset_time
        else:
            try:
                within, reset = await _hit(self._shared, item, caller)
            except (OSError, _redis_error()):
                try:  # a connection that was there before Redis was started again
                    within, reset = await _hit(self._shared, item, caller)
                except (OSError, _redis_error()) as error:
                    raise StoreError(f"requests cannot be counted: {type(error).__name__}") from error
            if within:
                return
        wait = min(max(1.0, math.ceil(reset - time.time())), 60.0)
        raise LimitError(f"more than {item.amount} {what.replace('_', ' ')} a second: ask again in {wait:g} s", wait)


async def _hit(limiter: SharedLimiter, item: RateLimitItem, caller: str) -> tuple[bool, float]:
    if await limiter.hit(item, caller):
        return True, 0.0
    return False, (await limiter.get_window_stats(item, caller)).reset_time


def _redis_error() -> type[Exception]:
    from redis.exceptions import RedisError  # of an extra that only those need whose store is Redis

    return RedisError
