"""When the items of a bootstrap go on: one after the other, and while more tasks are needed.

Example::

    demand = TaskDemand(wanted=25)
    await demand.rises()  # before a request for new instructions
    demand.generated(3)  # of which each may become a task
"""

import asyncio

__all__ = ["TaskDemand", "Turnstile"]


class Turnstile:
    """Lets items pass in their order."""

    def __init__(self, first: int) -> None:
        """Let the item `first` pass first."""
        self._next = first
        self._waiting: dict[int, asyncio.Event] = {}

    async def of(self, index: int) -> None:
        """Wait until all items before `index` have passed."""
        if index != self._next:
            await self._waiting.setdefault(index, asyncio.Event()).wait()

    def passes(self, index: int) -> None:
        """Let the item after `index` pass."""
        self._next = index + 1
        if event := self._waiting.pop(self._next, None):
            event.set()


class TaskDemand:
    """Delays requests for new instructions while those in flight may be enough.

    This saves requests at the end of a run. The data does not depend on it: it decides when a
    request is sent, not what the request contains.
    """

    def __init__(self, wanted: int) -> None:
        """Begin with so many tasks that are missing."""
        self._missing = wanted
        self._risen = asyncio.Event()

    async def rises(self) -> None:
        """Wait until more tasks are needed, and expect one task from the next request."""
        while self._missing <= 0:
            self._risen.clear()
            await self._risen.wait()
        self._missing -= 1

    def generated(self, accepted: int) -> None:
        """Note that a request gave `accepted` instructions, each of which may become a task."""
        self._change(1 - accepted)

    def completed(self, *, good: bool) -> None:
        """Note that an instruction became a task, or did not."""
        self._change(0 if good else 1)

    def _change(self, missing: int) -> None:
        self._missing += missing
        if self._missing > 0:
            self._risen.set()
