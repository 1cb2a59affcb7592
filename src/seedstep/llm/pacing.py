"""How many requests are in flight, in which order they end, and how long they are tried again.

`in_order` works on several items and retires them in their order. `Slots` limits the requests in
flight, and lowers the limit while the server is overloaded. `Patience` decides about a request that
failed: while others are answered, the fault is its own, and it is given up after some attempts. If
nothing is answered any more, the fault is the server's: no request is given up, and after a while
the run stops and can be resumed.

Example::

    verdict = patience.judge(error, last_success=time.monotonic())
"""

import asyncio
import heapq
import itertools
import math
import random
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from seedstep.errors import BudgetReached, NotRecordedError
from seedstep.llm.wire import OVERLOADED, Retryable

__all__ = [
    "AHEAD",
    "FaultAction",
    "Patience",
    "Priority",
    "Slots",
    "backoff",
    "in_order",
    "most_connections",
]

AHEAD = 4
"""Items worked on for each request in flight, where an item is several requests one after another:
one that is slow does not hold up the others."""

Result = TypeVar("Result")


async def in_order(
    items: Iterable[Coroutine[Any, Any, Result]], ahead: int
) -> AsyncGenerator[Result]:
    """Yield the result of each item in order, with at most `ahead` items worked on.

    Item i is taken from `items` when item i - `ahead` was retired and its result used. An error
    of any item ends all at once. A spent budget is no error, nor is a request that a recording
    does not hold: they are raised in their turn, after what comes before was retired.
    """
    source = iter(items)
    waiting: deque[asyncio.Task[Result]] = deque()
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    try:
        while True:
            while len(waiting) < ahead and (item := next(source, None)) is not None:
                waiting.append(asyncio.create_task(item))
                waiting[-1].add_done_callback(lambda done: _pass_on(done, failed))
            if not waiting:
                return
            waited: set[asyncio.Future[Any]] = {waiting[0], failed}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                await failed
            yield waiting.popleft().result()
    finally:
        if not failed.cancel():
            failed.exception()  # read, so that asyncio does not report it
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _pass_on(item: "asyncio.Task[Any]", failed: "asyncio.Future[None]") -> None:
    """Let the first error of any item be seen at once, and not only in its turn."""
    if item.cancelled() or failed.done():
        return
    error = item.exception()
    if error and not isinstance(error, BudgetReached | NotRecordedError):
        failed.set_exception(error)


ATTEMPTS = 8
"""Faults of one request while others are answered: with backoff, about a minute."""

OUTAGE_SECONDS = 120.0
"""So long a server may fail everything before the run ends."""

OVERLOAD_SECONDS = 900.0
"""So long a server may be overloaded for everything before the run ends."""


class FaultAction(Enum):
    """What to do about a fault."""

    ASK_AGAIN = "ask again"
    GIVE_UP = "give up"
    OUTAGE = "outage"


@dataclass(slots=True)
class Patience:
    """How often and how long a request has failed. Times are those of `time.monotonic`."""

    faults: int = 0
    failing_since: float = math.inf
    overloaded_since: float = math.inf

    def judge(self, error: Retryable, last_success: float) -> FaultAction:
        """Count a fault. `last_success` is the time of the newest reply to any request."""
        now = time.monotonic()
        if error.reason == OVERLOADED:
            if last_success > self.overloaded_since:
                self.overloaded_since = math.inf
            self.overloaded_since = min(self.overloaded_since, now)
            late = now - self.overloaded_since > OVERLOAD_SECONDS
            return FaultAction.OUTAGE if late else FaultAction.ASK_AGAIN
        self.faults += 1
        self.failing_since = min(self.failing_since, now)
        if last_success > self.failing_since:
            return FaultAction.GIVE_UP if self.faults >= ATTEMPTS else FaultAction.ASK_AGAIN
        late = now - self.failing_since > OUTAGE_SECONDS
        return FaultAction.OUTAGE if late else FaultAction.ASK_AGAIN


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


OTHER_FILES = 32
"""Open files besides connections: the database's, libraries', what is read late."""


def most_connections() -> int:
    """As many as this process may have files open, less those that it needs for its own work."""
    try:
        import resource
    except ImportError:  # not a Unix
        return sys.maxsize
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if most == resource.RLIM_INFINITY else max(1, most - OTHER_FILES)


def backoff(attempt: int) -> float:
    """0.5, 1, 2, 4 … seconds at the most 60, each made up to a quarter shorter by chance."""
    return min(60.0, 0.5 * 2.0 ** (attempt - 1)) * random.uniform(0.75, 1.0)  # noqa: S311
