"""What the tests of the request engine share: a scripted server's endpoint, and short requests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from seedstep.llm import (
    Answer,
    Endpoint,
    Engine,
    Failure,
    Ledger,
    MemoryLedger,
    Message,
    Reply,
    Request,
    Sampling,
)
from support.scripted_server import Fault, Script, ScriptedServer

SHORT = Sampling(16)


def endpoint_of(server: ScriptedServer, key: str = "") -> Endpoint:
    return Endpoint("openai:test", "some-model", server.url, key)


def asked(name: str, sampling: Sampling = SHORT, draw: int = 0) -> Request:
    """A request whose text ends in its name."""
    text = f"Come up with a series of tasks:\n{name}"
    return Request("test", text, sampling, draw=draw)


def name_of(body: dict[str, Any]) -> str:
    """The name of the request with this body."""
    return str(body["prompt"]).rpartition("\n")[2]


def for_named(name: str, fault: Fault) -> Script:
    """Every request of this name gets the fault."""
    return lambda number, body: fault if name_of(body) == name else None


def asked_chat(name: str, sampling: Sampling = SHORT) -> Request:
    return Request("test", (Message("user", f"Here are {name}"),), sampling)


@asynccontextmanager
async def engine_on(
    server: ScriptedServer, ledger: Ledger | None = None, in_flight: int = 4, key: str = ""
) -> AsyncIterator[Engine]:
    """An opened engine. A test that hangs in it fails."""
    engine = Engine(endpoint_of(server, key), ledger or MemoryLedger(), in_flight)
    async with engine, asyncio.timeout(10):
        yield engine


async def ask_all(engine: Engine, *names: str) -> list[Answer]:
    return await asyncio.gather(*(engine.ask(asked(name)) for name in names))


def reply(answer: Answer) -> Reply:
    assert isinstance(answer, Reply), answer
    return answer


def failure(answer: Answer) -> Failure:
    assert isinstance(answer, Failure), answer
    return answer


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a state of the server or the engine; a state that never comes is a failed test."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - any condition, of another thread
            await asyncio.sleep(0.002)


class GatedLedger(MemoryLedger):
    """Keeps nothing before the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.putting = asyncio.Event()
        self.gate = asyncio.Event()

    async def put(self, key: str, request: Request, answer: Answer) -> None:
        self.putting.set()
        await self.gate.wait()
        await super().put(key, request, answer)
