"""Send requests by batch: collect them in waves, submit these, and wait for the results.

A wave is all that a stage has asked when it asks nothing more, as each of its items waits for a
reply. What is about to be sent is stored before anything is; a process that finds a batch stored
looks for it at the server before it sends anything again. So nothing is paid for twice, and no
batch is lost, at whichever instant a process is killed.

Example::

    batches = BatchSender(endpoint, ledger, wire, Sending("batch"), account, stats, ask_live)
    answer = await batches.answer(key, request, priority)
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedstep.data.files import write_in_parts
from seedstep.errors import BudgetReached, ModelError
from seedstep.llm.batch_api import line_of, split
from seedstep.llm.batch_records import BatchedRequest, BatchLedger, Sending, SentBatch
from seedstep.llm.batch_work import BatchWork, Ended
from seedstep.llm.budget import Account, Tokens
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.jobs import state_of
from seedstep.llm.pacing import EngineStats, Priority
from seedstep.llm.records import Answer, Ledger, Reply, Request, Sender, tokens_of
from seedstep.llm.servers import Servers, first_wire
from seedstep.llm.wire import UNCHANGED, Manner, Wire, path_of

__all__ = ["BatchSender", "begin_batches"]

QUIET_SECONDS = 0.25
"""A wave ends when nothing was asked for so long."""

MOST_TRIES = 3
"""After so many batches without an answer to a request, a run ends."""


@dataclass(slots=True)
class _Asked:
    """A request that waits to be sent, or for its answer."""

    key: str
    request: Request
    priority: Priority
    future: "asyncio.Future[Answer | None]"
    tries: int = 0


def _reserve(reserved: dict[str, Tokens], request: Request, manner: Manner) -> None:
    """Add the most tokens that a request may cost."""
    most = Tokens.by_batch(tokens_of(request) + 1, request.sampling.max_tokens + manner.room)
    reserved[request.purpose] = reserved.get(request.purpose, Tokens()) + most


AskLive = Callable[[str, Request, Priority], Awaitable[Answer]]


class BatchSender:
    """Sends the requests of an engine by batch, and takes in the results of batches sent before."""

    def __init__(
        self,
        endpoint: Endpoint,
        ledger: BatchLedger,
        wire: Wire,
        sending: Sending,
        account: Account,
        stats: EngineStats,
        ask_live: AskLive,
    ) -> None:
        """`ask_live` asks and stores a request live, as the first of each purpose is."""
        self._endpoint = endpoint
        self._ledger = ledger
        self._wire = wire
        self._sending = sending
        self._account = account
        self._stats = stats
        self._ask_live = ask_live
        self._open: dict[str, int] = {}
        self._reserved: dict[int, dict[str, Tokens]] = {}
        self._waiting: dict[str, _Asked] = {}
        self._collected: list[_Asked] = []
        self._held: list[_Asked] = []
        self._tried: set[str] = set()
        self._closer: asyncio.Task[None] | None = None
        self._followers: set[asyncio.Task[None]] = set()
        self._last = 0.0
        self._fatal: Exception | None = None
        self._missed = ledger.missed()
        self._batch_work = BatchWork(endpoint, ledger, wire, sending, stats.tell)

    @property
    def _model(self) -> tuple[str, str]:
        return self._endpoint.identity, self._endpoint.model

    def start(self) -> None:
        """Go on waiting for the batches that earlier processes sent."""
        for batch in self._ledger.open_batches(*self._model):
            self._follow(batch, self._ledger.batched(batch.number), again=True)

    async def close(self) -> None:
        """Stop waiting. The batches go on at the server."""
        tasks = [*self._followers, *filter(None, [self._closer])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
        asked = _Asked(key, request, priority, future, self._missed.get(key, 0))
        self._waiting[key] = asked
        if key not in self._open:
            self._collect([asked])
        try:
            return await future
        finally:
            self._waiting.pop(key, None)

    def _collect(self, asked: Iterable[_Asked]) -> None:
        self._collected += asked
        self._last = time.monotonic()
        if self._collected and (self._closer is None or self._closer.done()):
            self._closer = asyncio.create_task(self._close_waves())

    async def _close_waves(self) -> None:
        """Submit what was collected whenever nothing more is asked."""
        try:
            while self._collected:
                await self._quiet()
                wave, self._collected = self._collected, []
                await self._submit(sorted(wave, key=lambda asked: asked.priority))
        except Exception as error:  # raised where the answers are waited for
            self._fail(error)

    async def _quiet(self) -> None:
        while (wait := self._last + QUIET_SECONDS - time.monotonic()) > 0:
            await asyncio.sleep(wait)
            for _ in range(3):  # what became ready meanwhile may ask
                await asyncio.sleep(0)

    def _fail(self, error: Exception) -> None:
        """End all that waits with an error; batches that are under way go on at the server."""
        self._fatal = self._fatal or error
        for asked in list(self._waiting.values()):
            if not asked.future.done():
                asked.future.set_exception(error)

    async def _submit(self, wave: Sequence[_Asked]) -> None:
        if self._sending.mode == "batch":
            wave = await self._try_out(wave)
        wave = [asked for asked in wave if self._is_left(asked)]
        for path in ("completions", "chat/completions"):
            group = self._afford([asked for asked in wave if path_of(asked.request) == path])
            bodies = [self._wire.prepare(asked.request) for asked in group]
            pairs = zip(group, bodies, strict=True)
            lines = [line_of(asked.key, path, body) for asked, (body, _) in pairs]
            for part in split(list(map(len, lines))):
                manners = [manner for _, manner in bodies[part]]
                await self._send(path, group[part], manners, lines[part])

    def _is_left(self, asked: _Asked) -> bool:
        """Return whether a request has no answer yet; if the ledger has one, hand it over."""
        if not asked.future.done() and (answer := self._ledger.get(asked.key)):
            asked.future.set_result(answer)
        return not asked.future.done()

    async def _try_out(self, wave: Sequence[_Asked]) -> Sequence[_Asked]:
        """Ask the first request of each purpose live, and return the others.

        So a key that is refused, or a parameter that the server does not take, is known at once,
        and not after the hours of a batch.
        """
        left = []
        for asked in wave:
            if asked.request.purpose in self._tried or asked.future.done():
                left.append(asked)
                continue
            try:
                answer = await self._ask_live(asked.key, asked.request, asked.priority)
            except BudgetReached as reached:
                self._refuse([asked], reached)
                continue
            self._tried.add(asked.request.purpose)
            if not asked.future.done():
                asked.future.set_result(answer)
        return left

    def _afford(self, group: list[_Asked]) -> list[_Asked]:
        """Return the first requests that the budget allows.

        The others wait for the results of batches under way, which cost less than was reserved.
        """
        tokens: dict[str, Tokens] = {}
        for each in self._reserved.values():
            for purpose, count in each.items():
                tokens[purpose] = tokens.get(purpose, Tokens()) + count
        for place, asked in enumerate(group):
            _reserve(tokens, asked.request, UNCHANGED)
            if refusal := self._account.refusal(place + 1, tokens):
                if place or self._open:
                    self._held += group[place:]
                else:
                    self._refuse(group, refusal)
                return group[:place]
        return group

    def _refuse(self, group: Iterable[_Asked], refusal: BudgetReached) -> None:
        for asked in group:
            if not asked.future.done():
                asked.future.set_exception(refusal)

    async def _send(
        self, path: str, group: Sequence[_Asked], manners: Sequence[Manner], lines: list[bytes]
    ) -> None:
        """Store the intent of a batch, and begin to send it."""
        digest = hashlib.sha256(b"".join(lines)).hexdigest()
        number, name = self._ledger.name_of(digest)
        self._ledger.folder.mkdir(exist_ok=True)
        file = self._ledger.folder / f"{name}.jsonl"
        await asyncio.to_thread(write_in_parts, file, lines)
        batch = SentBatch(
            number,
            name,
            self._endpoint.url,
            path,
            sum(map(len, lines)),
            to_file=self._sending.mode == "file",
        )
        requests = {
            asked.key: BatchedRequest(asked.key, asked.request, manner, asked.tries)
            for asked, manner in zip(group, manners, strict=True)
        }
        spent = self._account.spent
        await spent.settle()
        spent.requests += len(requests)
        await self._ledger.intend(batch, self._model, requests.values(), spent.requests)
        spent.noted = max(spent.noted, spent.requests)
        self._stats.sent += len(requests)
        self._follow(batch, requests, again=False)

    def _follow(
        self, batch: SentBatch, requests: Mapping[str, BatchedRequest], *, again: bool
    ) -> None:
        """Send a batch in the background, if it was not sent yet, and wait for its results."""
        reserved: dict[str, Tokens] = {}
        for key, each in requests.items():
            self._open[key] = batch.number
            _reserve(reserved, each.request, each.manner)
        self._reserved[batch.number] = reserved
        self._stats.batched[batch.name] = len(requests)
        task = asyncio.create_task(self._work(batch, requests, again=again))
        self._followers.add(task)
        task.add_done_callback(self._followers.discard)

    async def _work(
        self, batch: SentBatch, requests: Mapping[str, BatchedRequest], *, again: bool
    ) -> None:
        try:
            ended = await self._batch_work.results(batch, len(requests), again=again)
            await self._take(batch, requests, ended)
        except Exception as error:  # raised where the answers are waited for
            self._fail(error)

    async def _take(
        self,
        batch: SentBatch,
        requests: Mapping[str, BatchedRequest],
        ended: Ended,
    ) -> None:
        """Store the answers of a batch, and hand them to whoever waits for them."""
        found = self._batch_work.findings(requests, ended.paths)
        if batch.to_file and not found.answers:
            raise ModelError(
                f"{ended.paths[0]} has no result of this batch: {_listed(found.strange)}",
                f"remove it, and put the results of {batch.name}.jsonl there",
            )
        answers = {} if found.fatal and not found.replied else found.answers
        await self._ledger.take(batch, answers, ended.status)
        if not batch.to_file:
            for path in (self._ledger.folder / f"{batch.name}.jsonl", *ended.paths):
                path.unlink(missing_ok=True)
        self._count(answers)
        if found.strange:
            self._stats.tell(
                f"results of {batch.name} that were not used: {_listed(found.strange)}"
            )
        missing = {key: each.tries + 1 for key, each in requests.items() if key not in answers}
        self._stats.batched.pop(batch.name, None)
        self._reserved.pop(batch.number, None)
        for key in requests:
            self._open.pop(key, None)
        self._missed |= missing
        for key, (_, answer) in answers.items():
            if (asked := self._waiting.get(key)) and not asked.future.done():
                asked.future.set_result(answer)
        self._go_on(batch, missing, len(requests), found.fatal, ended, found.last)

    def _count(self, answers: Mapping[str, tuple[Request, Answer]]) -> None:
        for request, answer in answers.values():
            if isinstance(answer, Reply):
                tokens = answer.prompt_tokens, answer.completion_tokens
            else:
                tokens = answer.lost_prompt_tokens, answer.lost_completion_tokens
            self._account.spent.add(request.purpose, *tokens, by_batch=True)

    def _go_on(
        self,
        batch: SentBatch,
        missing: Mapping[str, int],
        count: int,
        fatal: Exception | None,
        ended: Ended,
        last: str,
    ) -> None:
        """Ask again what a batch did not answer, unless that would be in vain."""
        held, self._held = self._held, []
        self._collect(held)
        if not missing:
            return
        status, reason = ended.status, ended.said or last
        because = f": {reason}" if reason else ""
        what = (
            f"the batch {batch.name} ended ({status}) without {len(missing):,} of {count:,} "
            f"answers{because}"
        )
        stopped = state_of(status) == "ended" and "expir" not in status.lower()
        in_vain = stopped or max(missing.values()) >= MOST_TRIES
        live = self._sending.finish_live or self._sending.mode == "live"
        if not live and (fatal or in_vain):
            remedy = (
                "see to the server, then run the same command again, which asks for what is "
                "missing; --finish-live asks it live"
            )
            self._fail(fatal or ModelError(what, remedy))
            return
        self._stats.tell(f"{what}; they are asked {'live' if live else 'by another batch'}")
        waiting = [asked for key in missing if (asked := self._waiting.get(key))]
        for asked in waiting:
            asked.tries = missing[asked.key]
            if live and not asked.future.done():
                asked.future.set_result(None)
        if not live:
            self._collect(waiting)


def _listed(strange: Mapping[str, Any]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in strange.items()) or "it is empty"


def begin_batches(
    endpoint: Endpoint,
    ledger: Ledger,
    sender: Sender,
    sending: Sending,
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
