"""What requests by batch may cost is reserved before they are sent; what can't be afforded waits.

Example::

    lines = Reserve(account, wire, collect).afford("chat/completions", asked)
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from seedstep.errors import BudgetReached
from seedstep.llm.batch_api import line_of
from seedstep.llm.batch_records import NOT_MISSED, BatchedRequest, Missed
from seedstep.llm.budget import Account, Tokens
from seedstep.llm.pacing import Priority
from seedstep.llm.records import UNCHANGED, Answer, Manner, Request, tokens_of
from seedstep.llm.wire import Wire

__all__ = ["Asked", "Reserve", "refuse"]


@dataclass(slots=True)
class Asked:
    """A request that waits to be sent, or for its answer. `manner` is how it was sent last."""

    key: str
    request: Request
    priority: Priority
    future: asyncio.Future[Answer | None]
    missed: Missed = NOT_MISSED
    manner: Manner = UNCHANGED


def refuse(group: Iterable[Asked], error: Exception) -> None:
    """End requests that wait with an error."""
    for asked in group:
        if not asked.future.done():
            asked.future.set_exception(error)


def _most(request: Request, manner: Manner) -> tuple[int, int]:
    """Return the most tokens of prompt and reply that a request may cost."""
    return tokens_of(request) + 1, request.sampling.max_tokens + manner.room


class Reserve:
    """Reserves the cost of an engine's requests in an account that several engines may share."""

    def __init__(
        self, account: Account, wire: Wire, collect: Callable[[Iterable[Asked]], None]
    ) -> None:
        """`collect` is called with requests that waited, when less is reserved."""
        self._account = account
        self._wire = wire
        self._collect = collect
        self._held: list[Asked] = []
        self._reserved: dict[int | str, dict[str, Tokens]] = {}
        account.spent.when_released.append(self._wake)

    def close(self) -> None:
        """Let what waits be."""
        self._held.clear()
        if self._wake in self._account.spent.when_released:
            self._account.spent.when_released.remove(self._wake)

    def afford(self, path: str, group: Sequence[Asked]) -> list[bytes]:
        """Return the lines of the first requests that the budget allows, which are counted.

        The others wait for the results of what is under way, which cost less than was reserved.
        """
        lines: list[bytes] = []
        for place, asked in enumerate(group):
            body, asked.manner = self._wire.prepare(asked.request)
            most = Tokens.by_batch(*_most(asked.request, asked.manner))
            if refusal := self._account.reserve(asked.request.purpose, most):
                self._hold(group[place:], refusal)
                break
            lines.append(line_of(asked.key, path, body))
        return lines

    def affords_live(self, asked: Asked) -> bool:
        """Reserve the cost of a live request under its key, if the budget allows it."""
        purpose = asked.request.purpose
        most = Tokens(*_most(asked.request, self._wire.prepare(asked.request)[1]))
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
            most = Tokens.by_batch(*_most(each.request, each.manner))
            purpose = each.request.purpose
            reserved[purpose] = reserved.get(purpose, Tokens()) + most
        for purpose, tokens in reserved.items() if again else ():
            self._account.spent.reserve(purpose, tokens)

    def release(self, name: int | str) -> None:
        """Release what is reserved for a batch, by number, or for a live request, by key."""
        self._account.spent.release(self._reserved.pop(name, {}))

    def _hold(self, group: Sequence[Asked], refusal: BudgetReached) -> None:
        if self._account.spent.reserved:
            self._held += group
        else:
            refuse(group, refusal)

    def _wake(self, error: Exception | None) -> None:
        held, self._held = self._held, []
        if error:
            refuse(held, error)
        else:
            self._collect(held)
