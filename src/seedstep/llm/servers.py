"""Several servers of one model: which one a request is sent to, and which ones are left out.

Requests that begin alike go to the same server, which has their beginning in its cache, as long as
it has not much more to do than the others for its speed. A server that fails is left out, and tried
again after a while with a single request. Replies do not say which server they are from: the keys
of requests, and so the data, are those of one server.

Example::

    servers = Servers([Wire(session, endpoint), Wire(other_session, other_endpoint)], 64, stats)
    reply = await servers.send(request)
"""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from seedstep.errors import DeniedError
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.exchange import open_session
from seedstep.llm.faults import OVERLOADED, Refused, Retryable
from seedstep.llm.pacing import EngineStats, ServerStats, Slots, backoff
from seedstep.llm.records import Reply, Request, Sender
from seedstep.llm.wire import PARAMETER, Wire

__all__ = ["ELSEWHERE", "Servers", "first_wire", "open_sender"]

ELSEWHERE = "elsewhere"
"""The reason of a fault after which the request is sent again at once, to another server."""

FAULTS = 3
"""A server is left out if so many requests fail there without a reply between them."""

OUT_SECONDS = 10.0
"""How long a server is left out; twice as long each time that its trial fails, up to the most."""

MOST_OUT_SECONDS = 300.0

SLACK = 1.25
"""How much more than its share a server may have to do before a request goes to another one.

The share is that of its speed. With less, few requests find a place where their beginning is known;
with more, the slowest server delays the others.
"""

NEWEST = 0.1
"""The weight of the newest reply in the mean duration of a server's replies."""

PREFIX = 128
"""The characters, after what all prompts have in common, by which requests are told apart."""

SAME_FRAME = 32
"""Prompts that are equal in so many characters are taken to have a frame in common."""

LOOK_AGAIN_SECONDS = 0.5
"""How often a request that waits for a server looks whether the pause of one is over."""


@dataclass(slots=True)
class _Server:
    wire: Wire
    slots: Slots
    stats: ServerStats
    seconds: float = 0.0
    failing: list[Request] = field(default_factory=list)
    overloads: int = 0
    out_seconds: float = OUT_SECONDS
    out_until: float = 0.0

    @property
    def url(self) -> str:
        return self.wire.endpoint.url

    @property
    def has_place(self) -> bool:
        """Whether a request can be sent now: only a trial after faults, none in a pause."""
        most = 1 if self.stats.left_out else self.slots.limit
        return self.slots.taken < most and not self.slots.is_paused

    def is_tried(self, now: float) -> bool:
        """Return whether requests are sent there: it is not left out, or it is time for a trial."""
        return not self.stats.left_out or now >= self.out_until

    def answered(self, seconds: float) -> None:
        self.failing.clear()
        self.overloads = 0
        self.stats.left_out = False
        self.out_seconds = OUT_SECONDS
        self.seconds = seconds if not self.seconds else self.mean_with(seconds)
        self.slots.answered(seconds)

    def mean_with(self, seconds: float) -> float:
        return (1 - NEWEST) * self.seconds + NEWEST * max(seconds, 0.001)

    def failed(self, request: Request | None, *, at_once: bool) -> None:
        """Count a fault; leave the server out if it is one too many, or its trial."""
        self.stats.faults += 1
        if request and not any(each is request for each in self.failing):
            self.failing.append(request)
        if at_once or len(self.failing) >= FAULTS:
            if self.stats.left_out:
                self.out_seconds = min(2 * self.out_seconds, MOST_OUT_SECONDS)
            self.stats.left_out = True
            self.out_until = time.monotonic() + self.out_seconds


@dataclass(slots=True)
class _Tried:
    """The servers at which a request has failed. It holds the request, so that its id stays."""

    request: Request
    servers: list[_Server] = field(default_factory=list)


def open_sender(endpoint: Endpoint, in_flight: int, stats: EngineStats) -> Sender:
    """Return what sends requests to an endpoint, at most `in_flight` at a time to each server."""
    if endpoint.sender:
        return endpoint.sender
    first, *others = (
        Wire(open_session(each), each, stats.writing) for each in (endpoint, *endpoint.others)
    )
    if not others:
        return first
    return Servers([first, *others], in_flight, stats)


class Servers:
    """Sends requests to several servers of one model. It is used like a `Wire`."""

    def __init__(self, wires: Sequence[Wire], in_flight: int, stats: EngineStats) -> None:
        """Each server takes up to `in_flight` requests at a time.

        `stats` gets the counts of each, and a note when one is left out.
        """
        self._servers = [_Server(wire, Slots(in_flight), ServerStats()) for wire in wires]
        self._stats = stats
        stats.servers.update((server.url, server.stats) for server in self._servers)
        self._frames: dict[str, str] = {}
        self._tried: dict[int, _Tried] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def first(self) -> Wire:
        """The client of the first server."""
        return self._servers[0].wire

    async def send(self, request: Request) -> Reply:
        """Send a request once, to one of the servers.

        Raises:
            Retryable: a `Wire` raised it; with the reason ELSEWHERE if another server may answer.
            Refused: the server does not accept this request, and none denies less.
            DeniedError: all servers that can be asked deny the key or the model.
        """
        server = await self._free_server(request)
        server.stats.sent += 1
        try:
            async with server.slots.take((0,)):
                reply = await server.wire.send(request)
        except (Retryable, Refused, DeniedError) as error:
            elsewhere = self._failed(server, request, error)
            if elsewhere is None:
                raise
            raise elsewhere from None
        finally:
            self._wake()
        self._tried.pop(id(request), None)
        server.answered(reply.seconds)
        return reply

    async def check(self) -> int:
        """Return the best HTTP status of the lists of models. Who does not answer is left out.

        Raises:
            Retryable: no server answers.
            Refused: the servers that answer send more than can be read.
        """
        checks = (server.wire.check() for server in self._servers)
        found = await asyncio.gather(*checks, return_exceptions=True)
        errors = [each for each in found if isinstance(each, BaseException)]
        for server, each in zip(self._servers, found, strict=True):
            if isinstance(each, Retryable):
                self._count_fault(server, None, each)
        if unexpected := [each for each in errors if not isinstance(each, Retryable | Refused)]:
            raise unexpected[0]
        if statuses := [each for each in found if isinstance(each, int)]:
            return min(statuses)
        raise next((each for each in errors if isinstance(each, Refused)), errors[0])

    async def close(self) -> None:
        """Close the connections."""
        for server in self._servers:
            await server.wire.close()

    def _failed(
        self, server: _Server, request: Request, error: Retryable | Refused | DeniedError
    ) -> Retryable | None:
        """Count a fault. Return the error after which the request is sent to another server."""
        if isinstance(error, Retryable) and error.reason == PARAMETER:
            return None
        if isinstance(error, Refused) and not error.denial:
            self._tried.pop(id(request), None)
            return None  # an answer: another server of the model would give it, too
        reason = error.reason if isinstance(error, Retryable) else ""
        if isinstance(error, Retryable) and reason == OVERLOADED:
            server.overloads += 1
            server.stats.overloads += 1
            server.slots.failed(reason, max(error.after or 0.0, backoff(server.overloads)))
        else:
            self._count_fault(server, request, error)
            server.slots.failed(reason)
        tried = self._tried.setdefault(id(request), _Tried(request)).servers
        tried.append(server)
        now = time.monotonic()
        if not any(each.is_tried(now) for each in self._servers if each not in tried):
            del self._tried[id(request)]
            return None
        tokens = (0, 0) if isinstance(error, DeniedError) else error.tokens
        return Retryable(ELSEWHERE, str(error), tokens=tokens)

    def _count_fault(self, server: _Server, request: Request | None, error: Exception) -> None:
        """Count a fault, and tell if the server is left out from now on."""
        was_used = not server.stats.left_out
        at_once = isinstance(error, Retryable) and error.reason == "unreachable"
        server.failed(request, at_once=at_once or request is None)
        if was_used and server.stats.left_out:
            self._stats.notes.append(f"{server.url} is left out for now: {error}")

    async def _free_server(self, request: Request) -> _Server:
        """Return the server for a request, as soon as one has a place for it."""
        while (server := self._choose(request)) is None:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await asyncio.wait([turn], timeout=LOOK_AGAIN_SECONDS)
            finally:
                turn.cancel()
        return server

    def _wake(self) -> None:
        """Let the request that has waited longest look for a place."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _choose(self, request: Request) -> _Server | None:
        """Return the server for a request, or None if none has a place.

        Of the servers at which it did not fail, it is the first in the order of the request's
        beginning that has no more than its share to do; if there is none, the least busy one.
        """
        now = time.monotonic()
        used = [server for server in self._servers if server.is_tried(now)] or self._servers
        tried = self._tried.get(id(request))
        used = [each for each in used if not (tried and each in tried.servers)] or used
        free = [server for server in used if server.has_place]
        if not free:
            return None
        fastest = min((server.seconds for server in used if server.seconds), default=1.0)
        speeds = {server.url: 1 / (server.seconds or fastest) for server in used}
        all_taken = 1 + sum(server.slots.taken for server in used)
        load = {
            server.url: server.slots.taken / speeds[server.url] * sum(speeds.values())
            for server in free
        }
        begins = self._beginning(request)
        for server in sorted(free, key=lambda each: _rank(each.url, begins)):
            if load[server.url] < SLACK * all_taken:
                return server
        return min(free, key=lambda each: load[each.url])

    def _beginning(self, request: Request) -> str:
        """Return what tells a request's prompt apart: its start, without what all others share."""
        text = request.prompt
        if not isinstance(text, str):
            text = "\n".join(message.content for message in text)
        kind = text[:SAME_FRAME]
        frame = self._frames.setdefault(kind, text)
        if not text.startswith(frame):
            frame = self._frames[kind] = _common(frame, text)
        return text[len(frame) :][:PREFIX]


def _common(frame: str, text: str) -> str:
    """Return what two texts have in common at the start."""
    pairs = enumerate(zip(frame, text, strict=False))
    return frame[: next((at for at, (a, b) in pairs if a != b), min(len(frame), len(text)))]


def _rank(url: str, begins: str) -> bytes:
    """Return the place of a server in the order for a beginning (rendezvous hashing)."""
    return hashlib.blake2b(f"{url}\n{begins}".encode(errors="replace"), digest_size=8).digest()


def first_wire(sender: "Wire | Servers") -> Wire:
    """Return the client of the only server, or of the first of several."""
    return sender.first if isinstance(sender, Servers) else sender
