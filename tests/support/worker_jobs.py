"""Jobs for workers that take no model, so that what workers do can be seen within seconds.

Example::

    found = asyncio.run(done_by(CountingJob(), [("count", 3)], workers=2))
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedstep.infer.workers import in_workers

__all__ = ["CountingJob", "DyingJob", "FaultyJob", "SleepingJob", "done_by", "sleep_with_workers"]


@dataclass(frozen=True, slots=True)
class CountingJob:
    """Counts up to a number. After the second result the first worker that is there dies."""

    mark: str = ""

    def open(self) -> tuple[None, Callable[[int, int], Iterator[int]]]:
        """Return what counts on from the results that are there."""

        def count(most: int, done: int) -> Iterator[int]:
            for number in range(done, most):
                if self.mark and number == 2 and not Path(self.mark).exists():
                    Path(self.mark).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                yield number

        return None, count


@dataclass(frozen=True, slots=True)
class DyingJob:
    """Dies of a signal, or ends with 3, over each unit of work."""

    signal: int = 0

    def open(self) -> tuple[None, Callable[[int, int], Iterator[int]]]:
        """Return what dies."""

        def die(_: int, __: int) -> Iterator[int]:
            if self.signal:
                os.kill(os.getpid(), self.signal)
            os._exit(3)

        return None, die


@dataclass(frozen=True, slots=True)
class FaultyJob:
    """Raises an error that no user is meant to see."""

    def open(self) -> tuple[None, Callable[[int, int], Iterator[int]]]:
        """Return what raises."""

        def fail(_: int, __: int) -> Iterator[int]:
            raise IndexError("the 7th of 3")

        return None, fail


@dataclass(frozen=True, slots=True)
class SleepingJob:
    """Is busy for a minute."""

    def open(self) -> tuple[None, Callable[[int, int], Iterator[int]]]:
        """Return what sleeps."""

        def sleep(_: int, __: int) -> Iterator[int]:
            yield os.getpid()
            time.sleep(60)

        return None, sleep


async def done_by(job: Any, work: list[tuple[str, Any]], workers: int) -> list[tuple[int, Any]]:
    """Return all results with the places of their units, in the order in which they came."""
    async with aclosing(in_workers(job, work, workers)) as results:
        return [result async for result in results]


async def sleep_with_workers() -> None:
    """Print the numbers of two processes as soon as these are busy, and wait for them."""
    async with aclosing(in_workers(SleepingJob(), [("a", 0), ("b", 1)], 2)) as results:
        async for _, process in results:
            print(process, flush=True)
