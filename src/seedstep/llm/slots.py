"""Places for requests in flight, given to the most urgent first.

Starts unthrottled. When the server says it is overloaded, or lets a request time out, the number of
places halves; when its replies take so long that time-outs are near, it shrinks by one. Each time
that many requests have succeeded it grows by one, up to where it began.

Example::

    async with slots.take((item, 0)):
        ...
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Priority", "Slots"]

Priority = tuple[int, ...]
"""Smaller is more urgent."""


class Slots:
    """At most `limit` holders at a time."""

    def __init__(self, limit: int) -> None:
        """`limit` places, never more."""
        self.limit = limit
        self.taken = 0
        self._most = limit
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._successes = 0
        self._late = 0
        self._closed_until = 0.0

    @asynccontextmanager
    async def take(self, priority: Priority) -> AsyncIterator[None]:
        """Hold a place; wait for one behind more urgent requests."""
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise
        try:
            yield
        finally:
            self._leave()

    async def pass_pause(self) -> None:
        """Wait until the pause that a server asked for is over."""
        while (wait := self._closed_until - time.monotonic()) > 0:  # noqa: ASYNC110 - may grow
            await asyncio.sleep(wait)

    def overloaded(self, pause: float) -> None:
        """Halve the places, and let nobody send for `pause` seconds."""
        now = time.monotonic()
        if now >= self._closed_until:
            self.limit = max(1, self.limit // 2)
        self._successes = 0
        self._closed_until = max(self._closed_until, now + pause)

    def succeeded(self) -> None:
        """Count a success towards one more place."""
        self._late = 0
        self._successes += 1
        if self._successes >= self.limit < self._most:
            self._successes = 0
            self.limit += 1
            self._admit()

    def succeeded_late(self) -> None:
        """Count a success that took long towards one place fewer."""
        self._successes = 0
        self._late += 1
        if self._late >= self.limit > 1:
            self._late = 0
            self.limit -= 1

    def _leave(self) -> None:
        self.taken -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.taken < self.limit:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self.taken += 1
                turn.set_result(None)
