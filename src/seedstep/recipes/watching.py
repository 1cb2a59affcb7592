"""How whoever watches a stage is told how it gets on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

__all__ = ["Watcher", "ticking"]

P = TypeVar("P", contravariant=True)
R = TypeVar("R", contravariant=True)


class Watcher(Protocol[P, R]):
    """Is told how a stage gets on: `P` is its progress, `R` what it yields."""

    def began(self, progress: P) -> None:
        """The model answers, and work begins, if any is left."""

    def retired(self, progress: P, record: R) -> None:
        """A record is final, kept and counted."""

    def tick(self, progress: P) -> None:
        """Another second has passed."""


@asynccontextmanager
async def ticking(progress: P, watch: Watcher[P, R] | None) -> AsyncIterator[None]:
    """Tell the watcher that work has begun, and then of every second."""
    if watch is None:
        yield
        return

    async def tick() -> None:
        while True:
            await asyncio.sleep(1)
            watch.tick(progress)

    watch.began(progress)
    ticker = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticker.cancel()
