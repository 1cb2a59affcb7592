"""Whether one request is worth asking again.

A request that fails while others are answered is at fault itself, and given up after some
attempts. If nothing is answered any more, the server is at fault: then no request is given up, and
after a while the run ends, to go on later as if nothing had been.

Example::

    verdict = patience.judge(error, last_success=time.monotonic())
"""

import math
import time
from dataclasses import dataclass
from enum import Enum

from seedstep.llm.wire import OVERLOADED, Retryable

__all__ = ["Patience", "Verdict"]

ATTEMPTS = 8
"""Faults of one request while others are answered: with backoff, about a minute."""

OUTAGE_SECONDS = 120.0
"""So long a server may fail everything before the run ends."""

OVERLOAD_SECONDS = 900.0
"""So long a server may be overloaded for everything before the run ends."""


class Verdict(Enum):
    """What to do about a fault."""

    ASK_AGAIN = "ask again"
    GIVE_UP = "give up"
    OUTAGE = "outage"


@dataclass(slots=True)
class Patience:
    """With one request. Times are those of `time.monotonic`."""

    faults: int = 0
    failing_since: float = math.inf
    overloaded_since: float = math.inf

    def judge(self, error: Retryable, last_success: float) -> Verdict:
        """Count a fault. `last_success` is the time of the newest reply to any request."""
        now = time.monotonic()
        if error.reason == OVERLOADED:
            if last_success > self.overloaded_since:
                self.overloaded_since = math.inf
            self.overloaded_since = min(self.overloaded_since, now)
            late = now - self.overloaded_since > OVERLOAD_SECONDS
            return Verdict.OUTAGE if late else Verdict.ASK_AGAIN
        self.faults += 1
        self.failing_since = min(self.failing_since, now)
        if last_success > self.failing_since:
            return Verdict.GIVE_UP if self.faults >= ATTEMPTS else Verdict.ASK_AGAIN
        late = now - self.failing_since > OUTAGE_SECONDS
        return Verdict.OUTAGE if late else Verdict.ASK_AGAIN
