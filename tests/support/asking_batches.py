"""Engines that ask by batch and share the database of a run, without a stage.

Example::

    with asking_by_batch(folder / "run.db") as asking:
        run = asking(budget=Budget(max_tokens=3000))
        async with run.engine() as engine:
            found = await answers(engine, chat(0), chat(1))
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seedstep.llm import Budget, Engine, Pricing, Request, Sampling, SendOptions, Spent
from seedstep.llm.budget import UNPRICED
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.records import Answer, Message
from seedstep.runs.batches import RunLedger
from seedstep.runs.database import Database
from seedstep.runs.requests import read_spent
from support.batch_server import BatchServer
from support.scripted_server import Fault, Script

__all__ = ["BY_BATCH", "FINE", "Asking", "answers", "asking_by_batch", "chat", "number_in", "said"]


def said(text: str, completion: int = 1, ending: str = "stop") -> Fault:
    """A reply whose prompt has seven tokens."""
    choice = {"index": 0, "finish_reason": ending, "message": {"content": text}}
    usage = {"prompt_tokens": 7, "completion_tokens": completion}
    return Fault(body=json.dumps({"choices": [choice], "usage": usage}).encode())


FINE = said("fine")
BY_BATCH = SendOptions("batch")


def chat(number: int, most: int = 16) -> Request:
    return Request("p", (Message("user", f"say {number}"),), Sampling(most))


def number_in(body: dict[str, Any]) -> int:
    return int(body["messages"][-1]["content"].split()[-1])


@dataclass
class Asking:
    """Engines that share the database of a run, and what it has spent.

    With `first` they know two servers, of which that is the first.
    """

    server: BatchServer
    path: Path
    budget: Budget = field(default_factory=Budget)
    first: BatchServer | None = None

    def __post_init__(self) -> None:
        self.database = Database.open(self.path)
        self.ledger = RunLedger(self.database)
        self.spent = read_spent(self.database)

    @asynccontextmanager
    async def engine(
        self,
        model: str = "scripted",
        sending: SendOptions = BY_BATCH,
        key: str = "",
        pricing: Pricing = UNPRICED,
    ) -> AsyncIterator[Engine]:
        endpoint = Endpoint(f"openai:{self.server.url}", model, self.server.url, key)
        if self.first:
            endpoint = replace(endpoint, url=self.first.url, others=(endpoint,))
        engine = Engine(endpoint, self.ledger, 8, self.budget, self.spent, pricing, sending=sending)
        async with engine:
            yield engine

    def stored(self) -> Spent:
        return read_spent(self.database)


@contextmanager
def asking_by_batch(path: Path) -> Iterator[Callable[..., Asking]]:
    """What opens the database of a run again and again, with one server as long as no other
    script is given.
    """
    opened: list[Asking] = []
    servers: list[BatchServer] = []

    def open_(script: Script | None = None, **others: Any) -> Asking:
        if not servers or script:
            servers.append(BatchServer(script or (lambda number, body: FINE)).__enter__())
        opened.append(Asking(servers[-1], path, **others))
        return opened[-1]

    try:
        yield open_
    finally:
        for each in opened:
            each.database.close()
        for server in servers:
            server.__exit__(None, None, None)


async def answers(
    engine: Engine, *requests: Request, seconds: float = 20
) -> list[Answer | BaseException]:
    asked = asyncio.gather(*map(engine.ask, requests), return_exceptions=True)
    return await asyncio.wait_for(asked, seconds)
