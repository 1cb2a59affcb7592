"""An engine that answers from what is stored, to find out what a stage still has to ask.

Example::

    kept = KeptAnswers(engine)
    async for _ in write_steps(settings, tasks, kept): ...
    asked = [task for place, task in enumerate(tasks) if kept.missing[place]]
"""

from collections import Counter, defaultdict

from seedstep.llm.engine import Engine
from seedstep.llm.pacing import Priority
from seedstep.llm.records import Answer, Failure, Request

__all__ = ["KeptAnswers"]

NOT_KEPT = "not_kept"
"""The reason of the failure that stands for an answer which is not stored."""


class KeptAnswers(Engine):
    """Answers as another engine would, but sends nothing: a request without an answer fails.

    `found` and `missing` count the requests with and without an answer, by the first number of
    their priority, which is the place of a task, and by purpose. A request that is asked twice is
    sent once: the second time it counts as found. `unanswered` are the places with a request to
    which there is no answer, whoever asked it first.
    """

    def __init__(self, engine: Engine, beside: "KeptAnswers | None" = None) -> None:
        """Answer as `engine` would, which may be closed. Counts are those of `beside`, if given."""
        self._engine = engine
        self.found: dict[int, Counter[str]] = beside.found if beside else defaultdict(Counter)
        self.missing: dict[int, Counter[str]] = beside.missing if beside else defaultdict(Counter)
        self.unanswered: set[int] = beside.unanswered if beside else set()
        self._once: set[str] = beside._once if beside else set()

    def key(self, request: Request) -> str:
        """Return the key under which the ledger stores the answer to a request."""
        return self._engine.key(request)

    async def ask(self, request: Request, priority: Priority = (0,)) -> Answer:
        """Return the stored answer to a request, or a failure."""
        place = priority[0]
        answer = self._engine.kept(request)
        if answer is None:
            self.unanswered.add(place)
        counts = self.missing if answer is None and self._is_first(request) else self.found
        counts[place][request.purpose] += 1
        return answer or Failure(NOT_KEPT, "it was not asked yet")

    def sends(self, request: Request) -> bool:
        """Return whether a request would be sent: there is no answer, and it is the first time."""
        return self._engine.kept(request) is None and self._is_first(request)

    def _is_first(self, request: Request) -> bool:
        key = self.key(request)
        is_first = key not in self._once
        self._once.add(key)
        return is_first
