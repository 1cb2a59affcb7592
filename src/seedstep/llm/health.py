"""Whether a server is well: what is to blame for a fault, the request or the server.

A server that refuses one request, or never answers one, may answer all others; one that refuses
a harmless request, too, or answers nothing for long, ends the run.

Example::

    health = Health(endpoint, sender, print)
    health.succeeded()
    await health.refused(error, probe, has_answered=True)
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from seedstep.errors import BudgetReached, DeniedError, ModelError, SeedstepError, UnreachableError
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.faults import OVERLOADED, Refused, Retryable
from seedstep.llm.records import Sender

__all__ = ["REFUSALS_IN_A_ROW", "Health"]

REFUSALS_IN_A_ROW = 8
"""After so many refusals without a success between them, the server is taken to refuse all."""

LOOK_SECONDS = 10.0
LOOKS = 2
"""Who ends looks so often for the server, and after so many looks in a row without an answer waits
for no reply any more.
"""


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

    async def is_well(self, error: Retryable, waiting: int) -> bool:
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
    async def watched(self, leave: Callable[[], None]) -> AsyncIterator[None]:
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
