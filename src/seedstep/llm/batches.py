"""Send requests by batch: collect them in waves, submit these, and wait for the results.

A wave is all that a stage has asked when it asks nothing more, as each of its items waits for a
reply. What is about to be sent is stored before anything is; a process that finds a batch stored
looks for it at the server before it sends anything again. So nothing is paid for twice, and no
batch is lost, at whichever instant a process is killed.

Example::

    by_batch = SendOptions("batch")
    batches = BatchSender(endpoint, ledger, wire, by_batch, account, stats, ask_live)
    answer = await batches.answer(key, request, priority)
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from seedstep.errors import BudgetReached, ModelError
from seedstep.llm.batch_api import split
from seedstep.llm.batch_requests import Findings, PendingRequest, Reserve, read_findings, refuse
from seedstep.llm.batch_work import BatchWork, EndedBatch
from seedstep.llm.budget import Account
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.jobs import state_of
from seedstep.llm.ledgers import (
    NOT_MISSED,
    BatchedRequest,
    BatchLedger,
    BatchMisses,
    Ledger,
    SentBatch,
)
from seedstep.llm.pacing import EngineStats, Priority, until_quiet
from seedstep.llm.records import Answer, Request, Sender, SendOptions
from seedstep.llm.servers import Servers, first_wire
from seedstep.llm.wire import Wire, path_of

__all__ = ["BatchSender", "begin_batches"]

QUIET_SECONDS = 0.25
"""A wave ends when nothing was asked for so long while the event loop was not held up."""
MOST_QUIET_SECONDS = 10 * QUIET_SECONDS
"""It ends after so long all the same: on a busy machine the loop never has time."""

MOST_TRIES = 3
"""After so many batches without an answer to a request, a run ends."""

AskLive = Callable[[str, Request, Priority], Coroutine[Any, Any, Answer]]


class BatchSender:
    """Sends the requests of an engine by batch, and takes in the results of batches sent before."""

    def __init__(
        self,
        endpoint: Endpoint,
        ledger: BatchLedger,
        wire: Wire,
        sending: SendOptions,
        account: Account,
        stats: EngineStats,
        ask_live: AskLive,
    ) -> None:
        """`ask_live` asks and stores a request live, as the first of each purpose is."""
        self._model = endpoint.identity, endpoint.model
        self._wire = wire
        self._ledger = ledger
        self._sending = sending
        self._account = account
        self._stats = stats
        self._ask_live = ask_live
        self._open: dict[str, int] = {}
        self._waiting: dict[str, PendingRequest] = {}
        self._collected: list[PendingRequest] = []
        self._tried: set[str] = set()
        self._closer: asyncio.Task[None] | None = None
        self._followers: set[asyncio.Task[None]] = set()
        self._at_work: set[asyncio.Task[None] | None] = set()
        self._trials: set[asyncio.Task[Answer]] = set()
        self._last = 0.0
        self._has_left = False
        self._fatal: Exception | None = None
        self._missed = ledger.missed()
        self._batch_work = BatchWork(endpoint, ledger, wire, sending, stats.tell)
        self._unwanted = self._batch_work.unwanted
        self._reserve = Reserve(account, wire, self._collect)

    @property
    def _live_at_last(self) -> bool:
        return self._sending.finish_live or self._sending.mode == "live"

    def start(self) -> None:
        """Go on waiting for the batches that were sent before."""
        followed = set(self._open.values())
        for batch in self._ledger.open_batches(*self._model):
            if batch.number not in followed:
                self._follow(batch, self._ledger.batched(batch.number), again=True)

    async def settle(self) -> None:
        """End the batches that nothing waits for, and take what they have answered.

        What can't be ended is told, stays open, and is found by the next process. After an error
        all stay open.
        """
        if self._fatal:
            return
        self._unwanted.set()
        self._reserve.close()
        self._collected.clear()
        if self._closer:
            await asyncio.wait([self._closer])
        if self._has_left:
            return
        self.start()
        await asyncio.sleep(0)  # so that those work that need not wait for another engine
        while at_work := self._followers & self._at_work:
            await asyncio.wait(at_work)

    def leave(self) -> None:
        """Wait for no batch any more, nor for what is being sent. All stay open."""
        self._has_left = True
        for task in [*self._followers, *filter(None, [self._closer])]:
            task.cancel()

    async def close(self) -> list["asyncio.Task[Answer]"]:
        """Stop waiting. The batches go on at the server. Return the live requests under way."""
        self._reserve.close()
        tasks = [*self._followers, *filter(None, [self._closer])]
        self.leave()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._reserve.abandon()
        return list(self._trials)

    def takes(self, key: str) -> bool:
        """Return whether a request is in a batch, or is to be sent by one."""
        if key in self._open:
            return True
        finished = self._sending.finish_live and key in self._missed
        return self._sending.mode != "live" and not finished

    async def answer(self, key: str, request: Request, priority: Priority) -> Answer | None:
        """Return the stored answer to a request that `takes` is true of; None to ask it live.

        Raises:
            ModelError: a batch ended without the answer, or the server can't be asked.
            StoreError: a batch or an answer can't be stored.
            BudgetReached: the budget does not allow the request.
        """
        if self._fatal:
            raise self._fatal
        future: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        asked = PendingRequest(key, request, priority, future, self._missed.get(key, NOT_MISSED))
        self._waiting[key] = asked
        if key not in self._open:
            self._collect([asked])
        try:
            return await future
        finally:
            self._waiting.pop(key, None)

    def _collect(self, asked: Iterable[PendingRequest]) -> None:
        self._collected += asked
        self._last = time.monotonic()
        if self._collected and (self._closer is None or self._closer.done()):
            self._closer = asyncio.create_task(self._close_waves())

    async def _close_waves(self) -> None:
        """Submit what was collected whenever nothing more is asked."""
        try:
            while self._collected:
                await until_quiet(lambda: self._last, QUIET_SECONDS, MOST_QUIET_SECONDS)
                wave, self._collected = self._collected, []
                await self._submit(sorted(wave, key=lambda asked: asked.priority))
        except Exception as error:  # raised where the answers are waited for
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """End all that waits with an error; batches that are under way go on at the server."""
        if self._unwanted.is_set():
            self._stats.tell(str(error))
        else:
            self._fatal = self._fatal or error
            refuse(list(self._waiting.values()), error)
        self._account.spent.release({}, error)  # whoever waits for what is not released

    async def _submit(self, wave: Sequence[PendingRequest]) -> None:
        if self._sending.mode == "batch":
            wave = await self._try_out(wave)
        wave = [asked for asked in wave if self._is_left(asked)]
        if self._unwanted.is_set():
            return
        for path in ("completions", "chat/completions"):
            group = [asked for asked in wave if path_of(asked.request) == path]
            lines, spent = self._reserve.afford(path, group), self._account.spent
            left, unsent = len(lines), list(group[: len(lines)])
            spent.planned += left
            try:
                for part in split(list(map(len, lines))):
                    batch = await self._batch_work.written(path, lines[part])
                    await spent.settle()
                    left -= len(lines[part])
                    spent.planned -= len(lines[part])
                    await self._intend(batch, group[part])
                    del unsent[: len(lines[part])]
            finally:
                self._reserve.take_back(unsent)
                spent.planned -= left
                spent.requests -= left  # which are not sent

    def _is_left(self, asked: PendingRequest) -> bool:
        """Return whether a request has no answer yet; if the ledger has one, hand it over."""
        if not asked.future.done() and (answer := self._ledger.get(asked.key)):
            asked.future.set_result(answer)
        return not asked.future.done()

    async def _try_out(self, wave: Sequence[PendingRequest]) -> Sequence[PendingRequest]:
        """Ask the first request of each purpose live, and return the others.

        So a key that is refused, or a parameter that the server does not take, is known at once,
        and not after the hours of a batch.
        """
        left = []
        for asked in wave:
            known = asked.request.purpose in self._tried or self._unwanted.is_set()
            if known or asked.future.done():
                left.append(asked)
                continue
            try:
                if not (answer := await self._trial(asked)):
                    continue
            except BudgetReached as reached:
                refuse([asked], reached)
                continue
            self._tried.add(asked.request.purpose)
            if not asked.future.done():
                asked.future.set_result(answer)
        return left

    async def _trial(self, asked: PendingRequest) -> Answer | None:
        """Ask a request live, by a task that outlives a stop; None if it waits for the budget."""
        if not self._reserve.affords_live(asked):
            return None
        task: asyncio.Task[Answer] = asyncio.create_task(
            self._ask_live(asked.key, asked.request, asked.priority)
        )
        self._trials.add(task)
        task.add_done_callback(self._trials.discard)
        try:
            return await asyncio.shield(task)
        finally:
            self._reserve.release(asked.key)

    async def _intend(self, batch: SentBatch, group: Sequence[PendingRequest]) -> None:
        """Store the intent of a batch, and begin to send it."""
        requests = {
            asked.key: BatchedRequest(asked.key, asked.request, asked.changes, asked.missed)
            for asked in group
        }
        spent = self._account.spent
        sent = max(spent.sent, spent.noted)
        await self._ledger.intend(batch, self._model, requests.values(), sent)
        spent.noted = max(spent.noted, sent)
        self._stats.sent += len(requests)
        self._follow(batch, requests, again=False)

    def _follow(
        self, batch: SentBatch, requests: Mapping[str, BatchedRequest], *, again: bool
    ) -> None:
        """Send a batch in the background, if it was not sent yet, and wait for its results."""
        self._open |= dict.fromkeys(requests, batch.number)
        self._reserve.keep(batch.number, requests.values(), again=again)
        self._stats.batched[batch.name] = len(requests)
        task = asyncio.create_task(self._work(batch, requests, again=again))
        self._followers.add(task)
        task.add_done_callback(self._followers.discard)
        task.add_done_callback(self._at_work.discard)

    async def _work(
        self, batch: SentBatch, requests: Mapping[str, BatchedRequest], *, again: bool
    ) -> None:
        try:
            async with self._ledger.turn(batch.number):  # which engines of one model share
                self._at_work.add(asyncio.current_task())
                if found := self._ledger.open_batch(batch.number):
                    ended = await self._batch_work.results(found, requests, again=again)
                    await self._take(found, requests, ended)
                    return
            answers = {key: answer for key in requests if (answer := self._ledger.get(key))}
            missed = self._ledger.missed()
            missing = {key: missed[key] for key in requests if key in missed}
            self._hand_over(batch, requests, answers, missing)
            self._ask_again(missing)
        except Exception as error:  # raised where the answers are waited for
            self._fail(error)

    async def _take(
        self, batch: SentBatch, requests: Mapping[str, BatchedRequest], ended: EndedBatch
    ) -> None:
        """Store the answers of a batch, and hand them to whoever waits for them."""
        found = read_findings(self._wire, requests, ended.paths)
        ended = self._batch_work.fitting(batch, found, ended)
        answers = found.kept
        await self._ledger.take(batch, answers, ended.status, found.lost, is_try=ended.is_try)
        self._batch_work.remove(batch, ended.paths)
        for purpose, tokens in found.paid():
            self._account.spent.add(purpose, *tokens, by_batch=True)
        if found.strange:
            self._stats.tell(f"results of {batch.name} that were not used: {found.unused_lines}")
        missing = found.missing(is_try=ended.is_try)
        taken = {key: answer for key, (_, answer) in answers.items()}
        self._hand_over(batch, requests, taken, missing)
        self._go_on(batch, found, missing, ended)

    def _hand_over(
        self,
        batch: SentBatch,
        requests: Iterable[str],
        answers: Mapping[str, Answer],
        missing: Mapping[str, BatchMisses],
    ) -> None:
        """Hand the answers of a batch to whoever waits for them. It is under way no longer."""
        self._stats.batched.pop(batch.name, None)
        for key in requests:
            self._open.pop(key, None)
        self._missed |= missing
        for key, answer in answers.items():
            if (asked := self._waiting.get(key)) and not asked.future.done():
                asked.future.set_result(answer)
        self._reserve.release(batch.number)

    def _go_on(
        self,
        batch: SentBatch,
        found: Findings,
        missing: Mapping[str, BatchMisses],
        ended: EndedBatch,
    ) -> None:
        """Ask again what a batch did not answer, unless that is not needed or would be in vain."""
        count = len(found.requests)
        if self._unwanted.is_set():
            self._stats.tell(
                f"the batch {batch.name} is not needed any more and ended ({ended.status}): "
                f"{count - len(missing):,} of {count:,} answers, which are kept and counted"
            )
            return
        if not missing:
            return
        status, reason = ended.status, ended.said or found.last
        because = f": {reason}" if reason else ""
        what = (
            f"the batch {batch.name} ended ({status}) without {len(missing):,} of {count:,} "
            f"answers{because}"
        )
        stopped = state_of(status) == "ended" and "expir" not in status.lower()
        in_vain = stopped or max(each.tries for each in missing.values()) >= MOST_TRIES
        live = self._live_at_last
        if not live and (found.fatal or in_vain):
            remedy = (
                "see to the server, then run the same command again, which asks for what is "
                "missing; --finish-live asks it live"
            )
            self._fail(found.fatal or ModelError(what, remedy))
            return
        self._stats.tell(f"{what}; they are asked {'live' if live else 'by another batch'}")
        self._ask_again(missing)

    def _ask_again(self, missing: Mapping[str, BatchMisses]) -> None:
        waiting = [asked for key in missing if (asked := self._waiting.get(key))]
        for asked in waiting:
            asked.missed = missing[asked.key]
            if self._live_at_last and not asked.future.done():
                asked.future.set_result(None)
        if not self._live_at_last:
            self._collect(waiting)


def begin_batches(
    endpoint: Endpoint,
    ledger: Ledger,
    sender: Sender,
    sending: SendOptions,
    account: Account,
    stats: EngineStats,
    ask_live: AskLive,
) -> BatchSender | None:
    """Return what sends by batch, which waits for the batches sent before; None for a recording
    or an encoder, and for a ledger that stores no batches.
    """
    if not isinstance(sender, Wire | Servers) or endpoint.sender:
        return None
    if not isinstance(ledger, BatchLedger):
        return None
    batches = BatchSender(endpoint, ledger, first_wire(sender), sending, account, stats, ask_live)
    batches.start()
    return batches
