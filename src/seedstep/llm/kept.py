"""An engine that answers from what is stored, to find out what a stage still has to ask.

Example::

    kept = KeptAnswers(engine)
    async for _ in write_steps(settings, tasks, kept): ...
    asked = [task for place, task in enumerate(tasks) if kept.missing[place]]
"""

from collections import Counter

from seedstep.llm.engine import Engine
from seedstep.llm.pacing import Priority
from seedstep.llm.records import Answer, Failure, Request

__all__ = ["KeptAnswers"]

NOT_KEPT = "not_kept"
"""The reason of the failure that stands for an answer which is not stored."""


class KeptAnswers(Engine):
    """Answers as another engine would, but sends nothing: a request without an answer fails.

    `found` and `missing` count the requests with and without an answer, by the first number of
    their priority, which is the place of a task.
    """

    def __init__(self, engine: Engine, beside: "KeptAnswers | None" = None) -> None:
        """Answer as `engine` would. Counts are those of `beside`, if it is given."""
        self._engine = engine
        self.found: Counter[int] = beside.found if beside else Counter()
        self.missing: Counter[int] = beside.missing if beside else Counter()

    def key(self, request: Request) -> str:
        """Return the key under which the ledger stores the answer to a request."""
        return self._engine.key(request)

    async def ask(self, request: Request, priority: Priority = (0,)) -> Answer:
        """Return the stored answer to a request, or a failure."""
        answer = self._engine.kept(request)
        (self.missing if answer is None else self.found)[priority[0]] += 1
        return answer or Failure(NOT_KEPT, "it was not asked yet")
