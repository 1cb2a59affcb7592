"""Control concurrency: the order of items, the number of requests in flight, and repetitions.

`in_order` processes several items concurrently and yields their results in order. `Slots` limits
the requests in flight, and lowers the limit while the server is overloaded. `EngineStats` tells
what is under way.

Example::

    async for result in in_order((work_on(task) for task in tasks), ahead=32):
        ...
"""

import asyncio
import heapq
import itertools
import random
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from seedstep.errors import BudgetReached, NotRecordedError
from seedstep.llm.faults import OVERLOADED
from seedstep.llm.ledgers import Ledger
from seedstep.llm.records import Answer, Failure
from seedstep.text import counted

__all__ = [
    "AHEAD",
    "AHEAD_BY_BATCH",
    "EngineStats",
    "Priority",
    "RepliesInProgress",
    "ServerStats",
    "Slots",
    "backoff",
    "in_order",
    "most_connections",
    "under_way",
    "until_quiet",
]

AHEAD = 4
"""How many items are processed for each request in flight, if an item is a series of requests.

With more items than requests, a slow item does not delay the others.
"""

AHEAD_BY_BATCH = 20_000
"""How many items are processed at a time, if requests are sent by batch."""

Result = TypeVar("Result")


async def in_order(
    items: Iterable[Coroutine[Any, Any, Result]], ahead: int
) -> AsyncGenerator[Result]:
    """Yield the result of each item in order, with at most `ahead` items processed concurrently.

    Item i is taken from `items` when item i - `ahead` was retired and its result used. An error of
    any item ends all items at once, except for a spent budget, and a request that a recording does
    not have: these are raised in order, after the items before were retired.
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
    """Pass on the error of an item at once, not only when the item is retired."""
    if item.cancelled() or failed.done():
        return
    error = item.exception()
    if error and not isinstance(error, BudgetReached | NotRecordedError):
        failed.set_exception(error)


KEPT_CHARACTERS = 2000
"""The most characters that are kept of a text, its last ones."""

LONGEST_LINE = 1 << 16
"""A longer line of a stream is not read here."""


class RepliesInProgress:
    """The texts of replies that are being written, for people who wait, the oldest first.

    A model in this process sends its replies piece by piece.

    Example::

        with writing.listen("generation") as hear:
            hear(b'data: {"choices": [{"text": "Name a"}]}\\n')
            writing.latest()  # ("generation", "Name a")
    """

    def __init__(self) -> None:
        """Begin without texts."""
        self._texts: dict[int, tuple[str, str]] = {}
        self._numbers = itertools.count()

    @contextmanager
    def listen(self, purpose: str) -> Iterator[Callable[[bytes], None]]:
        """Give a function to call with each piece of a reply, whose text is kept until the end."""
        number = next(self._numbers)
        rest = b""

        def hear(piece: bytes) -> None:
            nonlocal rest
            *lines, rest = (rest + piece).split(b"\n")
            rest = rest if len(rest) < LONGEST_LINE else b""
            if new := "".join(map(_text_in, lines)):
                before = self._texts.get(number, (purpose, ""))[1]
                self._texts[number] = purpose, (before + new)[-KEPT_CHARACTERS:]

        try:
            yield hear
        finally:
            self._texts.pop(number, None)

    def latest(self) -> tuple[str, str] | None:
        """Return purpose and text of the reply that has been written for longest, or None."""
        return next(iter(self._texts.values()), None)


def _text_in(line: bytes) -> str:
    """Return the text in a line of a stream of events, or "" if it has none."""
    if not line.startswith(b"data: {"):
        return ""
    try:
        choice: Any = msgspec.json.decode(line[6:])["choices"][0]
        found = choice["text"] if "text" in choice else choice["delta"]["content"]
    except (ValueError, LookupError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


@dataclass(slots=True)
class ServerStats:
    """Counts of one of several servers of a model. One that is `left_out` is only tried."""

    sent: int = 0
    faults: int = 0
    overloads: int = 0
    left_out: bool = False


@dataclass(slots=True)
class EngineStats:
    """Counts since the engine was opened, and the number of requests that are `in_flight` now.

    `replied` counts new replies by purpose. Tokens are those of new replies. `writing` has what a
    model in this process is writing. `servers` has those of the model by address, if there are
    several. `batched` has the number of requests of each batch that is under way, by its name, and
    `notes` what users should know of batches and servers.
    """

    in_flight: int = 0
    sent: int = 0
    replied: Counter[str] = field(default_factory=Counter)
    reused: int = 0
    failed: int = 0
    retried: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    writing: RepliesInProgress = field(default_factory=RepliesInProgress)
    servers: dict[str, ServerStats] = field(default_factory=dict)
    batched: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def count(self, purpose: str, answer: Answer) -> None:
        """Count a new answer to a request."""
        if isinstance(answer, Failure):
            self.failed += 1
            return
        self.replied[purpose] += 1
        self.prompt_tokens += answer.prompt_tokens
        self.completion_tokens += answer.completion_tokens

    def tell(self, note: str) -> None:
        """Add a note for users."""
        self.notes.append(note)

    @property
    def under_way(self) -> str:
        """How many requests are in flight, and in batches, in words."""
        waiting = sum(self.batched.values())
        parts = [f"{self.in_flight} in flight"] if self.in_flight or not waiting else []
        if waiting:
            parts.append(f"{waiting:,} in {counted(len(self.batched), 'batch')}")
        return ", ".join(parts)


Priority = tuple[int, ...]
"""The priority of a request; a smaller one is more urgent."""


SLOW_SECONDS = 300.0
"""A reply that takes longer counts as late: with more load, requests would time out."""


class Slots:
    """A semaphore of at most `limit` places, with priorities, whose limit adapts to the server."""

    def __init__(self, limit: int, begins: int | None = None) -> None:
        """Begin with `begins` places, or with `limit`, which is the most there will be."""
        self.limit = limit if begins is None else min(begins, limit)
        self.taken = 0
        self.most = limit
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._successes = 0
        self._late = 0
        self._closed_until = 0.0

    @asynccontextmanager
    async def take(self, priority: Priority) -> AsyncIterator[None]:
        """Take a place until the context ends; more urgent requests get theirs first."""
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

    @property
    def is_paused(self) -> bool:
        """Whether a server asked for a pause that is not over."""
        return time.monotonic() < self._closed_until

    def failed(self, reason: str, pause: float = 0.0) -> None:
        """Halve the number of places after a fault of a server that has too much to do.

        If it says so, no request is sent for `pause` seconds.
        """
        if reason not in (OVERLOADED, "timeout"):
            return
        now = time.monotonic()
        if now >= self._closed_until:
            self.limit = max(1, self.limit // 2)
        self._successes = 0
        if reason == OVERLOADED:
            self._closed_until = max(self._closed_until, now + pause)

    def answered(self, seconds: float) -> None:
        """Count a reply. Enough fast ones raise the limit; enough slow ones lower it."""
        if seconds > SLOW_SECONDS:
            self._successes = 0
            self._late += 1
            if self._late >= self.limit > 1:
                self._late = 0
                self.limit -= 1
            return
        self._late = 0
        self._successes += 1
        if self._successes >= self.limit < self.most:
            self._successes = 0
            self.limit += 1
            self._admit()

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
"""How many files the process may open besides connections, such as its database's."""


QUIET_PARTS = 5


async def until_quiet(last: Callable[[], float], seconds: float, most: float) -> None:
    """Wait until nothing has happened for so many seconds in which the event loop was not held up.

    `last` returns the monotonic time of the last event. After `most` seconds without one it ends
    all the same: on a busy machine the loop is always held up.
    """
    part = seconds / QUIET_PARTS
    quiet = 0
    while quiet < QUIET_PARTS and time.monotonic() - last() < most:
        before, began = last(), time.monotonic()
        await asyncio.sleep(part)
        is_quiet = last() == before and time.monotonic() - began < 2 * part
        quiet = quiet + 1 if is_quiet else 0


def most_connections() -> int:
    """Return the most connections that the limit of open files allows."""
    try:
        import resource
    except ImportError:  # not a Unix
        return sys.maxsize
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if most == resource.RLIM_INFINITY else max(1, most - OTHER_FILES)


_UNDER_WAY: WeakKeyDictionary[Ledger, dict[str, asyncio.Task[Answer]]] = WeakKeyDictionary()
"""The requests that the engines of each ledger ask, so that no two of them ask the same."""


def under_way(ledger: Ledger) -> dict[str, asyncio.Task[Answer]]:
    """Return the requests that the engines of a ledger ask, by key."""
    try:
        return _UNDER_WAY.setdefault(ledger, {})
    except TypeError:  # it is of a class without weak references or hashes
        return {}


def backoff(attempt: int) -> float:
    """Return 0.5, 1, 2, 4 … seconds, at most 60, shortened by up to a quarter at random."""
    return min(60.0, 0.5 * 2.0 ** (attempt - 1)) * random.uniform(0.75, 1.0)  # noqa: S311
