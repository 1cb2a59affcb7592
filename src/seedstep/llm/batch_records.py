"""The records of batches: how requests are sent, a batch that was sent, and a ledger of batches.

Example::

    Engine(endpoint, ledger, in_flight=8, sending=Sending("batch"))
"""

import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from seedstep.llm.records import UNCHANGED, Answer, Ledger, Manner, Request

__all__ = [
    "GIVEN_UP",
    "GONE",
    "LIVE",
    "LOST",
    "NOT_MISSED",
    "BatchLedger",
    "BatchedRequest",
    "Missed",
    "SendMode",
    "Sending",
    "SentBatch",
]

SendMode = Literal["live", "batch", "file"]
"""How requests are sent: one by one, by batches of the server, or as files for `vllm run-batch`."""


@dataclass(frozen=True, slots=True)
class Sending:
    """How requests are sent. With `finish_live`, what a batch did not answer is asked live."""

    mode: SendMode = "live"
    finish_live: bool = False


LIVE = Sending()
"""One by one."""

GONE, GIVEN_UP = "gone", "given up"
LOST = (GONE, GIVEN_UP)
"""The last statuses of batches whose answers could not be had: the server has them no longer, or is
not asked any more.
"""


@dataclass(frozen=True, slots=True)
class SentBatch:
    """A batch that was sent, or that is about to be. `size` is the length of its file in bytes.

    `file_id` and `batch_id` are the server's, and empty until they are known. `to_file` says that
    it is a file for another program, which no server is asked for. `at` is when it was stored, and
    then when its `batch_id` was known.
    """

    number: int
    name: str
    url: str
    path: str
    size: int
    to_file: bool = False
    file_id: str = ""
    batch_id: str = ""
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Missed:
    """The number of batches that had no answer to a request, and the tokens that those cost."""

    tries: int = 0
    lost_prompt: int = 0
    lost_completion: int = 0

    def again(self, lost: tuple[int, int], *, is_try: bool = True) -> "Missed":
        """Return this with one more batch, which cost so many tokens."""
        tries = self.tries + is_try
        return Missed(tries, self.lost_prompt + lost[0], self.lost_completion + lost[1])


NOT_MISSED = Missed()


@dataclass(frozen=True, slots=True)
class BatchedRequest:
    """A request in a batch. `missed` are the batches before that had no answer to it."""

    key: str
    request: Request
    manner: Manner = UNCHANGED
    missed: Missed = NOT_MISSED


@runtime_checkable
class BatchLedger(Ledger, Protocol):
    """A ledger that also stores batches. What its methods write is on the disk when they return."""

    @property
    def folder(self) -> Path:
        """The folder for the files of batches."""

    def name_of(self, digest: str) -> tuple[int, str]:
        """Return the number and the name of the next batch, whose file has this hash."""

    def open_batches(self, identity: str, model: str) -> list[SentBatch]:
        """Return the batches of a model whose results were not stored yet."""

    def open_batch(self, number: int) -> SentBatch | None:
        """Return a batch as it is now, or None if its results were stored."""

    def turn(self, number: int) -> AbstractAsyncContextManager[None]:
        """Return what is entered to work on a batch, by one engine at a time."""

    def batched(self, number: int) -> dict[str, BatchedRequest]:
        """Return the requests of a batch that is open, by key."""

    def missed(self) -> dict[str, Missed]:
        """Return the requests that a batch did not answer."""

    async def intend(
        self,
        batch: SentBatch,
        model: tuple[str, str],
        requests: Iterable[BatchedRequest],
        sent: int,
    ) -> None:
        """Store a batch of a model before it is sent, and the number of requests sent with it."""

    async def note(self, batch: SentBatch) -> None:
        """Store the server's ids of a batch, and when these were known."""

    async def take(
        self,
        batch: SentBatch,
        answers: Mapping[str, tuple[Request, Answer]],
        status: str,
        lost: Mapping[str, tuple[int, int]],
        *,
        is_try: bool = True,
    ) -> None:
        """Store the answers of a batch; its other requests become missed ones.

        `lost` are the tokens of prompts and replies that were paid in vain. `is_try` says whether
        it counts as a try of what it did not answer.
        """
