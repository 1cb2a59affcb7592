"""What can go wrong with a request to a server, and what is to blame: the request or the server.

A server that refuses one request, or never answers one, may answer all others; one that refuses
a harmless request, too, or answers nothing for long, ends the run. `Patience` decides about a
request that failed. While other requests are answered, the request is the cause, and it is given up
after some attempts. If no request is answered any more, the server is the cause: no request is
given up, and after a while the run stops and can be continued.

Example::

    health = Health(endpoint, sender, print)
    health.succeeded()
    await health.refused(Refused("too_large", "over 16 MiB"), probe, has_answered=True)
"""

import asyncio
import email.utils
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote

from seedstep.errors import BudgetReached, DeniedError, ModelError, SeedstepError, UnreachableError
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.records import Sender
from seedstep.text import shortened, single_spaced

__all__ = [
    "OVERLOADED",
    "REFUSALS_IN_A_ROW",
    "FaultAction",
    "Health",
    "Patience",
    "Refused",
    "Retryable",
    "ServerError",
    "cleaned",
    "retry_after",
    "storable",
    "without_key",
]

SHORTEST_KEY = 8
"""The fewest characters of a key; shorter texts are placeholders for servers without keys."""

OVERLOADED = "overloaded"
"""The reason of a fault after which a request only has to wait."""


@dataclass(eq=False)
class _Fault(Exception):  # noqa: N818 - a signal inside this room, users never see it
    """A fault of a request. `tokens` are those of prompt and reply that it cost nevertheless."""

    reason: str
    detail: str
    status: int = 0
    tokens: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        return self.detail


@dataclass(eq=False)
class Retryable(_Fault):
    """A fault after which the same request may succeed.

    `after` is the number of seconds that the server asks to wait.
    """

    after: float | None = None


@dataclass(eq=False)
class Refused(_Fault):
    """A fault after which the same request can't succeed, but others may.

    `denial` is the error that ends the run, unless the server has answered other requests.
    """

    denial: DeniedError | None = None


@dataclass(frozen=True, slots=True)
class ServerError:
    """The body of an error, cut, and without the key."""

    status: int
    detail: str
    code: str
    param: str

    @classmethod
    def read(cls, status: int, data: bytes, key: str) -> "ServerError":
        """Read the body of an error."""
        text = data[:20_000].decode("utf-8", "replace")
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, list) and body and isinstance(body[0], dict):
            body = body[0]  # as Gemini's servers wrap their errors
        error = body.get("error", body) if isinstance(body, dict) else text
        fields = error if isinstance(error, dict) else {"message": str(error)}
        said = str(fields.get("message", fields))
        further = [fields[name] for name in ("details", "errors", "metadata") if fields.get(name)]
        if "message" in fields and further:
            said = f"{said} {json.dumps(further[0], ensure_ascii=False)}"
        detail = cleaned(single_spaced(said) or "no explanation", key)
        return cls(status, detail, str(fields.get("code", "")), str(fields.get("param", "")))


def cleaned(text: str, key: str) -> str:
    """Return a server's explanation, cleaned and cut, so that it may be shown and stored."""
    return shortened(storable(without_key(text, key)), 300)


def storable(text: str) -> str:
    """Return a text without lone surrogates, which UTF-8 can't represent."""
    return text.encode("utf-8", "replace").decode("utf-8")


def without_key(text: str, key: str) -> str:
    """Remove the key from a server's text about an error, as some servers repeat it.

    A placeholder for a server without keys, such as `none`, is not removed.
    """
    if len(key) >= SHORTEST_KEY:
        text = text.replace("\0", "")  # between the characters of UTF-16
        for form in {key, repr(key)[1:-1], json.dumps(key)[1:-1], quote(key), quote(key, safe="")}:
            text = text.replace(form, "[key]")
        return text
    return text.replace(f"Bearer {key}", "Bearer [key]") if key else text


def retry_after(headers: Any) -> float | None:
    """Return the seconds that a server asks to wait, from a number or a date, or None."""
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), 300.0) if seconds == seconds else None


ATTEMPTS = 8
"""How often a request is sent while others are answered; with backoff, for about a minute."""

PAID_ATTEMPTS = 4
"""How often a request is sent whose replies break off, or can't be read, and are paid for."""

LOST_SECONDS = 600.0
"""How long a request may fail while others are answered. One that is never answered has two
time-outs in it."""

OUTAGE_SECONDS = 120.0
"""How long a server may fail all requests before the run ends."""

OVERLOAD_SECONDS = 900.0
"""How long a server may be overloaded for all requests before the run ends."""


class FaultAction(Enum):
    """The decision about a request that failed."""

    ASK_AGAIN = "ask again"
    GIVE_UP = "give up"
    OUTAGE = "outage"


@dataclass(slots=True)
class Patience:
    """Records how often and how long a request has failed. Times are those of `time.monotonic`."""

    faults: int = 0
    paid: int = 0
    failing_since: float = math.inf
    overloaded_since: float = math.inf

    def judge(
        self, error: Retryable, last_success: float, *, few_wait: bool = False
    ) -> FaultAction:
        """Count a fault, and decide. `last_success` is the time of the last reply to a request.

        While only a `few_wait`, no other reply may come that shows that the server is well: its
        replies with status 200 that can't be read do.
        """
        now = time.monotonic()
        if error.reason == OVERLOADED:
            if last_success > self.overloaded_since:
                self.overloaded_since = math.inf
            self.overloaded_since = min(self.overloaded_since, now)
            late = now - self.overloaded_since > OVERLOAD_SECONDS
            return FaultAction.OUTAGE if late else FaultAction.ASK_AGAIN
        self.faults += 1
        self.paid += error.tokens[1] > 0
        self.failing_since = min(self.failing_since, now)
        if last_success > self.failing_since:
            is_lost = self.faults >= ATTEMPTS or self.paid >= PAID_ATTEMPTS
            is_lost = is_lost or now - self.failing_since >= LOST_SECONDS
            return FaultAction.GIVE_UP if is_lost else FaultAction.ASK_AGAIN
        late = now - self.failing_since > OUTAGE_SECONDS
        if few_wait and last_success > 0:
            late |= self.paid >= PAID_ATTEMPTS
            late |= error.status == 200 and self.faults >= ATTEMPTS
        return FaultAction.OUTAGE if late else FaultAction.ASK_AGAIN


REFUSALS_IN_A_ROW = 8
"""After so many refusals without a success between them, the server is taken to refuse all."""

LOOK_SECONDS = 10.0
"""How often a run that ends asks whether the server is still there."""

LOOKS = 2
"""After so many questions in a row without an answer, it waits for no more replies."""


class Health:
    """What is known of the server of an engine. `fatal` is the error that ends the run, if any."""

    def __init__(self, endpoint: Endpoint, sender: Sender, tell: Callable[[str], None]) -> None:
        """`sender` asks it. `tell` is called with notes for the user."""
        self._endpoint = endpoint
        self._sender = sender
        self._tell = tell
        self._refusals = 0
        self._probing = asyncio.Lock()
        self.last_success = 0.0
        self.fatal: SeedstepError | None = None

    def succeeded(self) -> None:
        """Count a reply."""
        self.last_success = time.monotonic()
        self._refusals = 0

    async def require(self) -> None:
        """Raise the error that ended the run, if one has; whether it does is waited for."""
        if self._probing.locked():
            async with self._probing:
                pass  # whether the server refuses everything is known in a moment
        if self.fatal:
            raise self.fatal

    async def refused(
        self, error: Refused, probe: Callable[[], Awaitable[None]], *, has_answered: bool
    ) -> None:
        """Count a request that was refused. `probe` sends a harmless one if the server may be why.

        Raises:
            ModelError: the harmless request is refused, too, or can't be sent and the server has
                answered none yet.
        """
        self._refusals += 1
        fatal: SeedstepError | None = error.denial
        if not fatal and self._refusals >= REFUSALS_IN_A_ROW:
            fatal = ModelError(
                f"{self._refusals} requests in a row were refused, the last with: {error.detail}",
                "see to the server or the settings, then run the same command again to go on",
            )
        if not fatal:
            return
        async with self._probing:
            if self.fatal:
                raise self.fatal
            try:
                await probe()
            except Refused as refusal:
                if refusal.status != 200:
                    self.fatal = fatal
                    raise fatal from None
            except DeniedError as denial:
                self.fatal = denial
                raise
            except (Retryable, BudgetReached):
                if not (has_answered or self.last_success):
                    raise fatal from None
                return  # nothing was learned
            self._refusals = 0

    async def gives_up(self, patience: Patience, error: Retryable, waiting: int) -> bool:
        """Count a fault of a request, one of `waiting`, and return whether it is given up.

        Raises:
            UnreachableError: the server is down or overloaded.
        """
        few = waiting < REFUSALS_IN_A_ROW
        verdict = patience.judge(error, self.last_success, few_wait=few)
        if verdict is FaultAction.OUTAGE:
            return await self._is_well(error, waiting)
        return verdict is FaultAction.GIVE_UP

    async def _is_well(self, error: Retryable, waiting: int) -> bool:
        """Return True: the server is, so that a request that fails for long is to blame itself.

        That can be told if only few are `waiting`.

        Raises:
            UnreachableError: the server is down or overloaded.
        """
        if self.fatal:
            raise self.fatal
        if error.reason == "unreachable":
            raise self.unreachable(error)
        up = error.reason != OVERLOADED and waiting < REFUSALS_IN_A_ROW
        try:
            up = up and await self._sender.check() < 500
        except (Retryable, Refused):
            up = False
        if up:
            self.last_success = time.monotonic()  # no outage, for the other requests neither
            return True
        raise UnreachableError(
            f"{self._endpoint.where} has answered nothing for a long time, the last fault: "
            f"{error.detail}",
            "see to the server, then run the same command again to go on",
        )

    async def absence(self) -> UnreachableError | None:
        """Look for the server, and return an error if nothing answers at its address."""
        try:
            with suppress(Refused):  # an answer, if a strange one
                await self._sender.check()
        except Retryable as error:
            return self.unreachable(error)
        return None

    def unreachable(self, error: Retryable) -> UnreachableError:
        """Return the error for a server that can't be reached."""
        return UnreachableError(
            f"no server answers at {self._endpoint.where} ({error.detail})",
            "start it or correct --base-url, then run the same command again",
        )

    @asynccontextmanager
    async def watched(self, leave: Callable[[], object]) -> AsyncIterator[None]:
        """While the context lasts, look for the server, and call `leave` once it is gone."""

        async def watch() -> None:
            missed = 0
            while missed < LOOKS:
                await asyncio.sleep(LOOK_SECONDS)
                missed = 0 if await self._is_there() else missed + 1
            self._tell(f"{self._endpoint.where} answers nothing, and is not waited for any more")
            leave()

        if self._endpoint.in_process:
            yield
            return
        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()

    async def _is_there(self) -> bool:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await self.absence() is None
        except TimeoutError:
            return False
        except SeedstepError:  # an answer, if a strange one
            return True
