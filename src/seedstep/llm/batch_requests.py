"""The requests of a batch: what they may cost before they are sent, and what results say of them.

Their cost is reserved, and what can't be afforded waits. Results have answers by key; what has none
is sent again.

Example::

    lines = Reserve(account, wire, collect).afford("chat/completions", asked)
    found = read_findings(wire, requests, [Path("output.jsonl")])
    answers, again = found.kept, found.missing(is_try=True)
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from seedstep.errors import BudgetReached, DeniedError, InputError, ModelError, SeedstepError
from seedstep.llm.batch_api import ResultLine, line_of, read_results
from seedstep.llm.budget import Account, TokenUsage
from seedstep.llm.exchange import require_readable
from seedstep.llm.faults import Refused, Retryable, ServerError
from seedstep.llm.jobs import shown
from seedstep.llm.ledgers import NOT_MISSED, BatchedRequest, BatchMisses
from seedstep.llm.pacing import Priority
from seedstep.llm.records import (
    UNCHANGED,
    Answer,
    Failure,
    Reply,
    Request,
    RequestChanges,
    tokens_of,
    with_cost,
)
from seedstep.llm.wire import PARAMETER, Wire

__all__ = ["Findings", "PendingRequest", "Reserve", "read_findings", "refuse"]


@dataclass(slots=True)
class PendingRequest:
    """A request that waits to be sent, or for its answer. `changes` says how it was sent last."""

    key: str
    request: Request
    priority: Priority
    future: asyncio.Future[Answer | None]
    missed: BatchMisses = NOT_MISSED
    changes: RequestChanges = UNCHANGED


def refuse(group: Iterable[PendingRequest], error: Exception) -> None:
    """End requests that wait with an error."""
    for asked in group:
        if not asked.future.done():
            asked.future.set_exception(error)


def _most(request: Request, changes: RequestChanges) -> tuple[int, int]:
    """Return the most tokens of prompt and reply that a request may cost."""
    return tokens_of(request) + 1, request.sampling.max_tokens + changes.room


class Reserve:
    """Reserves the cost of an engine's requests in an account that several engines may share."""

    def __init__(
        self, account: Account, wire: Wire, collect: Callable[[Iterable[PendingRequest]], None]
    ) -> None:
        """`collect` is called with requests that waited, when less is reserved."""
        self._account = account
        self._wire = wire
        self._collect = collect
        self._held: list[PendingRequest] = []
        self._reserved: dict[int | str, dict[str, TokenUsage]] = {}
        account.spent.when_released.append(self._wake)

    def close(self) -> None:
        """Cancel what waits."""
        self._held.clear()
        if self._wake in self._account.spent.when_released:
            self._account.spent.when_released.remove(self._wake)

    def abandon(self) -> None:
        """Release all that waits for money: the cost of batches that stay open remains reserved."""
        for key in [name for name in self._reserved if isinstance(name, str)]:
            self.release(key)
        if self._reserved:
            error = ModelError(
                "batches stay open whose cost is set aside in the budget",
                "run the same command again, which takes their results and goes on",
            )
            self._account.spent.release({}, error)

    def afford(self, path: str, group: Sequence[PendingRequest]) -> list[bytes]:
        """Return the lines of the first requests that the budget allows, which are counted.

        The others wait for the results of what is under way, which cost less than was reserved.
        """
        lines: list[bytes] = []
        for place, asked in enumerate(group):
            body, asked.changes = self._wire.prepare(asked.request)
            most = TokenUsage.by_batch(*_most(asked.request, asked.changes))
            if refusal := self._account.reserve(asked.request.purpose, most):
                self._hold(group[place:], refusal)
                break
            lines.append(line_of(asked.key, path, body))
        return lines

    def take_back(self, group: Iterable[PendingRequest]) -> None:
        """Release the reserved cost of requests that no batch contains."""
        for asked in group:
            most = TokenUsage.by_batch(*_most(asked.request, asked.changes))
            self._account.spent.release({asked.request.purpose: most})

    def affords_live(self, asked: PendingRequest) -> bool:
        """Reserve the cost of a live request under its key, if the budget allows it."""
        purpose = asked.request.purpose
        most = TokenUsage(*_most(asked.request, self._wire.prepare(asked.request)[1]))
        if refusal := self._account.reserve(purpose, most):
            self._hold([asked], refusal)
            return False
        self._account.spent.requests -= 1  # it is counted when it is sent
        self._reserved[asked.key] = {purpose: most}
        return True

    def keep(self, number: int, requests: Iterable[BatchedRequest], *, again: bool) -> None:
        """Keep what is reserved for a batch until it is released; reserve it, if `again`."""
        reserved = self._reserved[number] = {}
        for each in requests:
            most = TokenUsage.by_batch(*_most(each.request, each.changes))
            purpose = each.request.purpose
            reserved[purpose] = reserved.get(purpose, TokenUsage()) + most
        for purpose, tokens in reserved.items() if again else ():
            self._account.spent.reserve(purpose, tokens)

    def release(self, name: int | str) -> None:
        """Release what is reserved for a batch, by number, or for a live request, by key."""
        self._account.spent.release(self._reserved.pop(name, {}))

    def _hold(self, group: Sequence[PendingRequest], refusal: BudgetReached) -> None:
        spent = self._account.spent
        if spent.reserved and not spent.stuck:
            self._held += group
        else:
            refuse(group, spent.stuck if spent.reserved and spent.stuck else refusal)

    def _wake(self, error: Exception | None) -> None:
        held, self._held = self._held, []
        if error:
            refuse(held, error)
        else:
            self._collect(held)


REFUSALS = 8
"""If so many requests of a batch are refused and none answered, the server is taken to refuse all.
"""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

STRANGERS = "ids that are of no request in it"

PARAMETER_STATUSES = (400, 422, 501)
"""The statuses with which a server refuses a parameter."""


@dataclass(slots=True)
class Findings:
    """What the results of a batch have: answers by key, faults, and lines that fit nothing.

    `parameters` are the errors about parameters that are left out from now on. `known` counts the
    lines of its requests, and `in_vain` the tokens of replies that can't be used, by key. `fatal`
    is the error that ends the run, and `last` the server's last word about a fault.
    """

    requests: Mapping[str, BatchedRequest]
    answers: dict[str, tuple[Request, Answer]] = field(default_factory=dict)
    strange: Counter[str] = field(default_factory=Counter)
    fatal: SeedstepError | None = None
    last: str = ""
    parameters: set[str] = field(default_factory=set)
    known: int = 0
    denial: SeedstepError | None = None
    in_vain: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def kept(self) -> dict[str, tuple[Request, Answer]]:
        """The answers to store, with their requests; none if the server is to blame for all."""
        return {} if self.fatal and not self.replied else self.answers

    @property
    def lost(self) -> dict[str, tuple[int, int]]:
        """The tokens that were paid in vain, by key."""
        found, kept = {}, self.kept
        for key, (_, answer) in self.answers.items():
            if isinstance(answer, Failure):
                before = self.requests[key].missed
                prompt = answer.lost_prompt_tokens - before.lost_prompt
                found[key] = prompt, answer.lost_completion_tokens - before.lost_completion
        found |= {key: tokens for key, tokens in self.in_vain.items() if key not in kept}
        return {key: tokens for key, tokens in found.items() if any(tokens)}

    def paid(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield the purpose of each request that was paid for, and its tokens."""
        for request, answer in self.kept.values():
            if isinstance(answer, Reply):
                yield request.purpose, (answer.prompt_tokens, answer.completion_tokens)
        for key, tokens in self.lost.items():
            yield self.requests[key].request.purpose, tokens

    def missing(self, *, is_try: bool) -> dict[str, BatchMisses]:
        """Return the requests without an answer, after a batch that was a try of them or not."""
        kept, lost = self.kept, self.lost
        return {
            key: each.missed.again(lost.get(key, (0, 0)), is_try=is_try)
            for key, each in self.requests.items()
            if key not in kept
        }

    @property
    def strangers(self) -> int:
        """The number of lines that are of no request in the batch."""
        return self.strange[STRANGERS]

    @property
    def unused_lines(self) -> str:
        """What lines were not used, in words."""
        return ", ".join(f"{count:,} {what}" for what, count in self.strange.items())

    @property
    def refused(self) -> int:
        """The number of requests that were refused, and not answered in vain."""
        answers = (answer for _, answer in self.answers.values())
        return sum(isinstance(each, Failure) and each.status != 200 for each in answers)

    @property
    def replied(self) -> int:
        """The number of requests with a reply."""
        return sum(isinstance(answer, Reply) for _, answer in self.answers.values())


def read_findings(
    wire: Wire, requests: Mapping[str, BatchedRequest], paths: Iterable[Path]
) -> Findings:
    """Read the results of a batch with these requests, as `wire` reads replies."""
    found = Findings(requests)
    for line in read_results(paths):
        if line is None:
            found.strange["lines that can't be read"] += 1
            continue
        if line.key not in requests:
            found.strange[STRANGERS] += 1
            continue
        found.known += 1
        if line.key in found.answers:
            found.strange["second results of a request"] += 1
        elif not line.status:
            found.last = shown(line.error, wire.endpoint.key)
        elif answer := _answer(wire, line, found):
            found.answers[line.key] = requests[line.key].request, answer
    if not found.replied:
        found.fatal = found.fatal or found.denial
    refused = found.refused
    if refused >= REFUSALS and refused == len(found.answers):
        found.fatal = found.fatal or ModelError(
            f"all {refused} requests of a batch were refused, the last with: {found.last}",
            "see to the server or the settings, then run the same command again to go on",
        )
    return found


def _answer(wire: Wire, line: ResultLine, found: Findings) -> Answer | None:
    """Return the answer in a line of results, or None if the request is to be sent again."""
    batched = found.requests[line.key]
    if line.status in PARAMETER_STATUSES and found.parameters:
        said = ServerError.read(line.status, line.body, wire.endpoint.key).detail
        if said in found.parameters:
            return None
    sent = line.status, NO_HEADERS, line.body
    whole = batched.missed.again((0, 0))
    answer: Answer
    try:
        body = wire.prepare(batched.request)[0]
        answer = reply = wire.read(batched.request, body, batched.changes, sent)
        require_readable(reply)
    except Refused as error:
        found.last, found.denial = error.detail, error.denial or found.denial
        whole = batched.missed.again(error.tokens)
        answer = Failure(error.reason, error.detail, error.status)
    except Retryable as error:
        found.last = error.detail
        if error.reason == PARAMETER:
            found.parameters.add(error.detail)
        if any(error.tokens):
            found.in_vain[line.key] = error.tokens
        return None
    except (DeniedError, InputError) as error:  # no reply; others may have one
        found.fatal, found.last = error, error.what
        return None
    lost = whole.lost_prompt, whole.lost_completion
    return with_cost(answer, whole.tries, *lost, by_batch=True)
