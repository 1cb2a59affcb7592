"""Items of work side by side, retired strictly in their order.

Example::

    >>> from contextlib import aclosing
    >>> async def work(number: int) -> int:
    ...     await asyncio.sleep(0.01 / (number + 1))  # the last one ends first
    ...     return number
    >>> async def retire() -> list[int]:
    ...     async with aclosing(in_order(map(work, range(4)), ahead=2)) as retired:
    ...         return [number async for number in retired]
    >>> asyncio.run(retire())
    [0, 1, 2, 3]
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable
from typing import Any, TypeVar

from seedstep.errors import BudgetReached, NotRecordedError

__all__ = ["AHEAD", "in_order"]

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
