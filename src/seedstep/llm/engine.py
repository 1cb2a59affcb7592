"""The request engine: every stage asks its model through it.

Nothing paid for is lost or paid twice: an answer is in the ledger before anybody sees it, under
a key of the whole request, and what is in the ledger is never asked again. A bad reply is data,
not a crash: what can't succeed becomes a `Failure`, what might is tried again with backoff, and
only an endpoint that takes nothing from us ends the run (docs/architecture.md).

Example::

    async with Engine(endpoint, MemoryLedger(), in_flight=8) as engine:
        answer = await engine.ask(Request("test", "Once upon a time", Sampling(16)))
"""

import asyncio
import math
import random
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import aiohttp

from seedstep.errors import ModelError, SeedstepError, UnreachableError
from seedstep.llm.models import Endpoint
from seedstep.llm.records import Answer, Failure, Ledger, Reply, Request
from seedstep.llm.slots import Priority, Slots
from seedstep.llm.wire import Refused, Retryable, Wire

__all__ = ["Engine", "Stats"]

CONNECT_SECONDS = 10.0
REPLY_SECONDS = 600.0
"""Time for a whole reply; servers that don't stream send nothing until they are done."""

OVERLOADED = "overloaded"

ATTEMPTS = 5
OVERLOAD_SECONDS = 900.0
"""How long one request is asked again while the server says that it is overloaded."""

FAILURES_IN_A_ROW = 8
"""So many failed requests with no success between them: the fault is not the request's."""


@dataclass(slots=True)
class Stats:
    """What the engine has done since it was opened, and how many requests are `in_flight` now.

    `replied` counts new replies by their request's purpose; tokens are those of new replies.
    """

    in_flight: int = 0
    sent: int = 0
    replied: Counter[str] = field(default_factory=Counter)
    reused: int = 0
    failed: int = 0
    retried: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Engine:
    """Asks one endpoint, at most `in_flight` requests at a time."""

    def __init__(self, endpoint: Endpoint, ledger: Ledger, in_flight: int) -> None:
        """Answers come from `ledger` where it has them, and go there before they are used."""
        self.stats = Stats()
        self._endpoint = endpoint
        self._ledger = ledger
        self._slots = Slots(in_flight)
        self._asked: dict[str, asyncio.Task[Answer]] = {}
        self._sending: set[asyncio.Task[Answer]] = set()
        self._failures = 0
        self._fatal: SeedstepError | None = None
        self._closing = False
        self._wire: Wire

    async def __aenter__(self) -> "Engine":
        timeout = aiohttp.ClientTimeout(total=REPLY_SECONDS, sock_connect=CONNECT_SECONDS)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=timeout,
            trust_env=not self._endpoint.is_loopback,
        )
        self._wire = Wire(session, self._endpoint)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop. After an interruption, or where the server ended the run but still answers,
        requests in flight are waited for and kept: they are paid for.
        """
        self._closing = True
        drain = isinstance(error, asyncio.CancelledError | ModelError)
        drain = drain and not isinstance(error, UnreachableError)
        tasks = list(self._asked.values())
        for task in tasks:
            if not (drain and task in self._sending):
                task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await self._wire.session.close()

    async def check(self) -> None:
        """Make sure that something answers at the address.

        Raises:
            UnreachableError: nothing does.
        """
        try:
            await self._wire.check()
        except Retryable as error:
            raise self._unreachable(error) from None
        except Refused:
            pass  # an answer, if a strange one

    def key(self, request: Request) -> str:
        """The key under which the ledger keeps the request's answer."""
        return request.key(self._endpoint.identity, self._endpoint.model)

    async def ask(self, request: Request, priority: Priority = (0,)) -> Answer:
        """The answer to a request: kept, or asked for and kept. Smaller priorities go first.

        Raises:
            ModelError: the endpoint takes no requests from us, or no longer answers.
            StoreError: the answer can't be kept. After either, nothing more is sent.
        """
        key = self.key(request)
        task = self._asked.get(key)
        if task is None:
            kept = self._ledger.get(key)
            if kept is not None:
                self.stats.reused += 1
                return kept
            task = asyncio.create_task(self._obtain(key, request, priority))
            self._asked[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    def _forget(self, key: str, done: asyncio.Task[Answer]) -> None:
        del self._asked[key]
        self._sending.discard(done)
        if not done.cancelled():
            done.exception()  # read, so that asyncio does not report it where nobody waits

    async def _obtain(self, key: str, request: Request, priority: Priority) -> Answer:
        try:
            answer = await self._persist(request, priority)
            await self._ledger.put(key, request, answer)
        except SeedstepError as error:
            self._fatal = error
            raise
        self._count(request, answer)
        return answer

    async def _persist(self, request: Request, priority: Priority) -> Answer:
        """Ask until there is a reply, or until asking again is pointless."""
        patience = _Patience()
        attempts = 0
        while True:
            attempts += 1
            try:
                return replace(await self._attempt(request, priority), attempts=attempts)
            except Refused as error:
                return self._give_up(error, attempts)
            except Retryable as error:
                if patience.ends(error):
                    return self._give_up(error, attempts)
                pause = max(error.after or 0.0, _backoff(attempts))
                if error.reason == OVERLOADED:
                    self._slots.overloaded(pause)
            self._sending.discard(_this_task())  # a pause is not waited for
            if self._closing:
                raise asyncio.CancelledError
            self.stats.retried += 1
            await asyncio.sleep(pause)

    async def _attempt(self, request: Request, priority: Priority) -> Reply:
        async with self._slots.take(priority):
            await self._slots.pass_pause()
            if self._fatal:
                raise self._fatal
            self.stats.sent += 1
            self._sending.add(_this_task())
            self.stats.in_flight += 1
            try:
                reply = await self._wire.send(request)
            finally:
                self.stats.in_flight -= 1
        self._slots.succeeded()
        self._failures = 0
        return reply

    def _give_up(self, error: Refused | Retryable, attempts: int) -> Failure:
        """A failure that stays with its request, unless all fail."""
        if error.reason == "unreachable":
            raise self._unreachable(error)
        self._failures += 1
        if self._failures >= FAILURES_IN_A_ROW:
            raise ModelError(
                f"{self._failures} requests in a row failed, the last with: {error.detail}",
                "see to the server, then run the same command again to go on",
            )
        return Failure(error.reason, error.detail, error.status, attempts)

    def _unreachable(self, error: Refused | Retryable) -> UnreachableError:
        return UnreachableError(
            f"no server answers at {self._endpoint.url} ({error.detail})",
            "start it or correct --base-url, then run the same command again",
        )

    def _count(self, request: Request, answer: Answer) -> None:
        if isinstance(answer, Failure):
            self.stats.failed += 1
            return
        self.stats.replied[request.purpose] += 1
        self.stats.prompt_tokens += answer.prompt_tokens
        self.stats.completion_tokens += answer.completion_tokens


@dataclass(slots=True)
class _Patience:
    """With one request: so many faults, and so long while the server is overloaded."""

    faults: int = 0
    deadline: float = math.inf

    def ends(self, error: Retryable) -> bool:
        """Count an error; True if asking again is pointless."""
        if error.reason != OVERLOADED:
            self.faults += 1
            return self.faults >= ATTEMPTS
        now = time.monotonic()
        self.deadline = min(self.deadline, now + OVERLOAD_SECONDS)
        return now > self.deadline


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task
    return task


def _backoff(attempt: int) -> float:
    """0.5, 1, 2, 4 … seconds at the most 60, each made up to a quarter shorter by chance."""
    return min(60.0, 0.5 * 2.0 ** (attempt - 1)) * random.uniform(0.75, 1.0)  # noqa: S311
