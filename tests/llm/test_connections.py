"""A server that says more on a connection than it was asked: no answer is another request's."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from seedstep.llm import Endpoint, Engine, MemoryLedger
from support.asking import asked, name_of, reply
from support.scripted_server import completion

pytestmark = pytest.mark.usefixtures("no_backoff")

NAMES = [str(number) for number in range(12)]


def _answer(text: str) -> bytes:
    body = completion(text)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


class TalkingServer:
    """Answers each request with its name, and after `pause` seconds says `more`."""

    def __init__(self, more: bytes, pause: float) -> None:
        self.more = more
        self.pause = pause
        self.connections = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                writer.write(_answer(name_of(body)))
                if self.pause:
                    await writer.drain()
                    await asyncio.sleep(self.pause)
                writer.write(self.more)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("pause", [0, 0.002], ids=["at once", "later"])
@pytest.mark.parametrize(
    "more",
    [
        _answer("twice"),
        _answer("twice") * 3,
        b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["an answer", "three answers", "empty lines", "continue"],
)
async def test_each_request_gets_its_own_answer(more: bytes, pause: float, in_flight: int) -> None:
    server = TalkingServer(more, pause)
    async with asyncio.timeout(20), server.serving() as url:
        endpoint = Endpoint("openai:test", "m", url)
        async with Engine(endpoint, MemoryLedger(), in_flight) as engine:
            for few in range(0, len(NAMES), in_flight):
                names = NAMES[few : few + in_flight]
                answers = await asyncio.gather(*(engine.ask(asked(name)) for name in names))
                assert [reply(answer).text for answer in answers] == names
                await asyncio.sleep(0.01)


async def test_a_quiet_connection_is_used_again() -> None:
    server = TalkingServer(b"", 0)
    async with server.serving() as url:
        async with Engine(Endpoint("openai:test", "m", url), MemoryLedger(), 1) as engine:
            for name in NAMES:
                assert reply(await engine.ask(asked(name))).text == name
        assert server.connections == 1


async def test_an_answer_that_came_unasked_ends_all_use_of_connections_again() -> None:
    server = TalkingServer(_answer("twice"), 0.001)
    async with server.serving() as url:
        async with Engine(Endpoint("openai:test", "m", url), MemoryLedger(), 1) as engine:
            for name, _ in pairwise(NAMES):
                await engine.ask(asked(name))
                await asyncio.sleep(0.005)
        assert server.connections == len(NAMES) - 1


async def test_what_came_too_late_to_be_told_from_an_answer_is_so_once() -> None:
    server = TalkingServer(_answer("twice"), 0.01)
    async with asyncio.timeout(20), server.serving() as url:
        async with Engine(Endpoint("openai:test", "m", url), MemoryLedger(), 2) as engine:
            wrong = 0
            for names in zip(NAMES[::2], NAMES[1::2], strict=True):
                answers = await asyncio.gather(*(engine.ask(asked(name)) for name in names))
                pairs = zip(answers, names, strict=True)
                wrong += sum(reply(each).text != name for each, name in pairs)
        assert wrong <= 2
