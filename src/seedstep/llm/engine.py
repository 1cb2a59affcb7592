"""The request engine, through which every stage sends the requests to its model.

No reply is lost or paid for twice: an answer is stored in the ledger, under a key of the whole
request, before it is returned, and is not asked for again. A bad reply does not end the run: a
request that can't succeed becomes a `Failure`, one that may succeed is sent again with backoff.
Only an endpoint that accepts no request ends it (docs/architecture.md).

Example::

    async with Engine(endpoint, MemoryLedger(), in_flight=8) as engine:
        answer = await engine.ask(Request("test", "Once upon a time", Sampling(16)))
"""

import asyncio
from collections import Counter, defaultdict
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any

from seedstep.errors import (
    BudgetReached,
    InputError,
    ModelError,
    NotRecordedError,
    SeedstepError,
    StoreError,
    UnreachableError,
)
from seedstep.lazy import collector_seldom
from seedstep.llm.batches import BatchSender, begin_batches
from seedstep.llm.budget import NO_LIMITS, UNPRICED, Account, Budget, Pricing, Spent
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.exchange import require_readable
from seedstep.llm.faults import Health, Patience, Refused, Retryable
from seedstep.llm.ledgers import Ledger
from seedstep.llm.pacing import EngineStats, Priority, Slots, backoff, most_connections, under_way
from seedstep.llm.parameters import OPTIONAL
from seedstep.llm.records import (
    LIVE,
    Answer,
    Failure,
    Message,
    Reasoning,
    Reply,
    Request,
    Sampling,
    Sender,
    SendOptions,
    with_cost,
)
from seedstep.llm.servers import ELSEWHERE, open_sender
from seedstep.llm.wire import PARAMETER

__all__ = ["Engine", "KeptAnswers"]


class Engine:
    """Sends requests to an endpoint, at most `in_flight` at a time."""

    def __init__(
        self,
        endpoint: Endpoint,
        ledger: Ledger,
        in_flight: int,
        budget: Budget = NO_LIMITS,
        spent: Spent | None = None,
        pricing: Pricing = UNPRICED,
        reasoning: Reasoning | None = None,
        sending: SendOptions = LIVE,
    ) -> None:
        """Answers are read from `ledger`, if it has them, and stored there before they are used.

        `spent` counts towards the `budget`, and the engine updates it. `pricing` has the prices of
        tokens, for a budget in money. `reasoning` has the options for a model that reasons; they
        become part of each request. `sending` says how requests are sent; a recording answers each
        by itself.
        """
        self.stats = EngineStats()
        self._endpoint = endpoint
        self._ledger = ledger
        self._passed_over = ledger.passed_over
        begins = 1 if endpoint.in_process else None  # so that the first item is soon finished
        self._slots = Slots(min(in_flight, most_connections()), begins)
        self._spent = spent or Spent()
        self._account = Account(budget, self._spent, pricing)
        self._reasoning = reasoning if reasoning != Reasoning() else None
        self._asked: dict[str, asyncio.Task[Answer]] = {}
        self._under_way = under_way(ledger)
        self._sending: set[asyncio.Task[Answer]] = set()
        self._absent: SeedstepError | None = None
        self._closing = False
        self._wire: Sender
        self._health: Health
        self._has_several = False  # servers, each of which has slots of its own
        self._sending_by = LIVE if endpoint.in_process else sending
        self._batches: BatchSender | None = None
        self._contexts = ExitStack()

    async def __aenter__(self) -> "Engine":
        by_batch = self._sending_by.mode != "live"  # which is at one server
        endpoint = replace(self._endpoint, others=()) if by_batch else self._endpoint
        self._has_several = bool(endpoint.others)
        self._wire = open_sender(endpoint, self._slots.most, self.stats)
        self._health = Health(self._endpoint, self._wire, self.stats.tell)
        try:
            self._batches = begin_batches(
                self._endpoint,
                self._ledger,
                self._wire,
                self._sending_by,
                self._account,
                self.stats,
                self._ask_live,
            )
        except BaseException:  # such as a damaged batch: nobody leaves what was not entered
            await self._wire.close()
            raise
        self._contexts.enter_context(collector_seldom())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop. Replies on their way are stored, as they are paid for, if the server is there.

        Without an error, batches that nothing waits for are ended as well.
        """
        try:
            if self._batches and kind is None:
                async with self._health.watched(self._batches.leave):
                    await self._batches.settle()
        finally:
            await self._close(error)

    async def _close(self, error: BaseException | None) -> None:
        self._closing = True
        trials = await self._batches.close() if self._batches else []
        drain = isinstance(error, asyncio.CancelledError | ModelError | BudgetReached | InputError)
        drain = drain and not isinstance(error, UnreachableError)
        tasks = [*self._asked.values(), *trials]
        for task in tasks:
            if not (drain and task in self._sending):
                task.cancel()
        try:
            async with self._health.watched(lambda: [task.cancel() for task in tasks]):
                await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(StoreError):  # what was noted ahead counts as sent then
                await self._spent.settle()
        finally:
            self._contexts.close()
            await self._wire.close()

    async def check(self) -> None:
        """Check that a server answers at the address.

        If requests were sent before, what is stored needs no server: then the first one that is
        not stored raises UnreachableError.

        Raises:
            UnreachableError: no server answers, and nothing was sent before.
        """
        if self._sending_by.mode == "file":
            return  # the requests go to another program
        self._absent = await self._health.absence()
        if self._absent and not self._spent.requests:
            raise self._absent

    def stored_answer(self, request: Request) -> Answer | None:
        """Return the stored answer to a request, or None."""
        return self._ledger.get(self.key(request))

    def key(self, request: Request) -> str:
        """Return the key under which the ledger stores the answer to a request."""
        return self._whole(request).key(self._endpoint.identity, self._endpoint.model)

    def _whole(self, request: Request) -> Request:
        """Return the request with this endpoint's options, and a draw that is not passed over."""
        whole = replace(request, reasoning=self._reasoning) if self._reasoning else request
        return whole.redrawn(self._passed_over, self._endpoint.identity, self._endpoint.model)

    async def ask(self, request: Request, priority: Priority = (0,)) -> Answer:
        """Return the answer to a request, stored or new. A smaller `priority` is sent first.

        Raises:
            ModelError: the endpoint accepts no requests, or no longer answers.
            StoreError: the answer can't be stored. After this and a ModelError, nothing is sent.
            BudgetReached: there is no stored answer, and the budget is spent.
            NotRecordedError: a recording has no such request. Others are still answered.
        """
        request = self._whole(request)
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
        if self._under_way.get(key) is done:
            del self._under_way[key]
        self._sending.discard(done)
        if not done.cancelled():
            done.exception()  # read, so that asyncio does not report it where nobody waits

    async def _obtain(self, key: str, request: Request, priority: Priority) -> Answer:
        while other := self._under_way.get(key):  # asked by another engine of the same model
            await asyncio.wait([other])
            if kept := self._ledger.get(key):
                self.stats.reused += 1
                return kept
        self._under_way[key] = _this_task()
        try:
            if self._absent:
                raise self._absent
            answer = None
            if self._batches and self._batches.takes(key):
                answer = await self._batches.answer(key, request, priority)
            if answer is None:
                answer = await self._ask_live(key, request, priority)
        except (BudgetReached, NotRecordedError):
            raise
        except SeedstepError as error:
            self._health.fatal = error
            raise
        self.stats.count(request.purpose, answer)
        return answer

    async def _ask_live(self, key: str, request: Request, priority: Priority) -> Answer:
        answer = await self._persist(request, priority)
        await self._ledger.put(key, request, answer)
        return answer

    async def _persist(self, request: Request, priority: Priority) -> Answer:
        """Send a request until there is a reply, or until sending it again is pointless."""
        patience = Patience()
        attempts = faults = 0
        lost = Spent()
        while True:
            attempts += 1
            try:
                turn = (patience.faults, *priority)  # after those that may have more luck
                answer = await self._attempt(request, turn)
                break
            except Refused as error:
                self._paid_in_vain(request, lost, error.tokens)
                answer = await self._refused(request, error, lost)
                break
            except Retryable as error:
                self._paid_in_vain(request, lost, error.tokens)
                pause = 0.0
                if error.reason not in (PARAMETER, ELSEWHERE):
                    faults += 1
                    if await self._health.gives_up(patience, error, len(self._asked)):
                        answer = Failure(error.reason, error.detail, error.status)
                        break
                    pause = max(error.after or 0.0, backoff(faults))
                if not self._has_several:
                    self._slots.failed(error.reason, pause)
            self._sending.discard(_this_task())  # a pause is not waited for
            if self._closing:
                raise asyncio.CancelledError
            self.stats.retried += 1
            await asyncio.sleep(pause)
        return with_cost(answer, attempts + lost.requests, lost.total.prompt, lost.total.completion)

    async def _attempt(self, request: Request, priority: Priority) -> Answer:
        async with self._slots.take(priority):
            await self._slots.pass_pause()
            await self._health.require()
            await self._account.require()
            if self._closing:
                raise asyncio.CancelledError  # its reply would come too late to be stored
            self._sending.add(_this_task())  # from here on it is counted, so a stop waits for it
            await self._count_request()
            self.stats.sent += 1
            self.stats.in_flight += 1
            try:
                answer = await self._wire.send(request)
            finally:
                self.stats.in_flight -= 1
        if isinstance(answer, Reply):
            if self._endpoint.gives_texts:
                require_readable(answer)
            self._succeeded(request, answer)
        return answer

    async def _count_request(self) -> None:
        """Count a request towards the budget, durably, before it is sent."""
        budget = self._account.budget
        budget.check(self._spent, self._account.pricing)
        await self._spent.count_request(self._slots.limit, budget.max_requests)
        if self._health.fatal:
            self._spent.requests -= 1
            raise self._health.fatal

    def _succeeded(self, request: Request, reply: Reply) -> None:
        self._health.succeeded()
        self._spent.add(request.purpose, reply.prompt_tokens, reply.completion_tokens)
        self._slots.answered(0.0 if self._has_several else reply.seconds)

    def _paid_in_vain(self, request: Request, lost: Spent, tokens: tuple[int, int]) -> None:
        """Count the tokens of a reply that can't be used, as they are paid for, too."""
        for spent in (lost, self._spent):
            spent.add(request.purpose, *tokens)

    async def _refused(self, request: Request, error: Refused, lost: Spent) -> Failure:
        """Return the failure of a request that was refused, unless the server refuses all.

        Raises:
            ModelError: it refuses a harmless request too, or has answered none yet.
        """
        has_answered = bool(self.stats.reused or self._spent.total.completion)
        probe = partial(self._probe, request, lost)
        await self._health.refused(error, probe, has_answered=has_answered)
        return Failure(error.reason, error.detail, error.status)

    async def _probe(self, request: Request, lost: Spent) -> None:
        """Send a harmless request, again without each parameter that the server does not accept."""
        prompt = "Hi" if isinstance(request.prompt, str) else (Message("user", "Hi"),)
        for _ in OPTIONAL:
            await self._count_request()
            lost.requests += 1
            try:
                reply = await self._wire.send(Request("probe", prompt, Sampling(1)))
            except Refused as error:
                self._paid_in_vain(request, lost, error.tokens)
                raise
            except Retryable as error:
                if error.reason != PARAMETER:
                    raise
                continue
            if isinstance(reply, Reply):
                self._paid_in_vain(request, lost, (reply.prompt_tokens, reply.completion_tokens))
            return


NOT_KEPT = "not_kept"
"""The reason of the failure that stands for an answer which is not stored."""


class KeptAnswers(Engine):
    """Answers as another engine would, but sends nothing: a request without an answer fails.

    `found` and `missing` count the requests with and without an answer, by the first number of
    their priority, which is the place of a task, and by purpose. A request that is asked twice is
    sent once: the second time it counts as found. `unanswered` are the places with a request to
    which there is no answer, whoever asked it first.
    """

    def __init__(self, engine: Engine, beside: "KeptAnswers | None" = None) -> None:
        """Answer as `engine` would, which may be closed. Counts are those of `beside`, if given."""
        self._engine = engine
        self.found: dict[int, Counter[str]] = beside.found if beside else defaultdict(Counter)
        self.missing: dict[int, Counter[str]] = beside.missing if beside else defaultdict(Counter)
        self.unanswered: set[int] = beside.unanswered if beside else set()
        self._once: set[str] = beside._once if beside else set()

    def key(self, request: Request) -> str:
        """Return the key under which the ledger stores the answer to a request."""
        return self._engine.key(request)

    async def ask(self, request: Request, priority: Priority = (0,)) -> Answer:
        """Return the stored answer to a request, or a failure."""
        place = priority[0]
        answer = self._engine.stored_answer(request)
        if answer is None:
            self.unanswered.add(place)
        counts = self.missing if answer is None and self._is_first(request) else self.found
        counts[place][request.purpose] += 1
        return answer or Failure(NOT_KEPT, "it was not asked yet")

    def sends(self, request: Request) -> bool:
        """Return whether a request would be sent: there is no answer, and it is the first time."""
        return self._engine.stored_answer(request) is None and self._is_first(request)

    def _is_first(self, request: Request) -> bool:
        key = self.key(request)
        is_first = key not in self._once
        self._once.add(key)
        return is_first


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task
    return task
