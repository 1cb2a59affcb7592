"""The records that a bootstrap yields: generations, with the candidates of each reply."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from seedstep.bootstrap.axes import Cell
from seedstep.data import Instance, Task
from seedstep.novelty import Neighbor

__all__ = ["Candidate", "Fault", "Generation", "RejectedInstance"]

Fault = tuple[str, str]
"""A named reason, and a detail for people."""


@dataclass(frozen=True, slots=True)
class RejectedInstance:
    """An instance that a filter or a gate rejected. `detail` is for people."""

    instance: Instance
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task whose instruction the model wrote, and the outcome.

    `reason` is empty for a finished task: an accepted instruction with at least one good instance.
    The task has its good instances; one that was rejected has none.
    `neighbor` is the nearest instruction in the pool at that moment, None if another filter
    rejected the candidate before novelty was checked, or if no instruction shares a token.
    `meaning` is the one that is nearest by the cosine of embeddings, None without an encoder. The
    requests are keys in the ledger, empty if there was no request. `notes` say of each instance
    what gates put in place of its output, and are empty if they put nothing there.
    """

    task: Task
    reason: str = ""
    detail: str = ""
    neighbor: Neighbor | None = None
    classification_request: str = ""
    instances_request: str = ""
    rejected_instances: tuple[RejectedInstance, ...] = ()
    notes: tuple[str, ...] = ()
    meaning: Neighbor | None = None

    def keep(
        self, instances: Iterable[Instance], rejected: Iterable[RejectedInstance]
    ) -> "Candidate":
        """Return the candidate with these good instances, and with more rejected ones."""
        task = replace(self.task, instances=tuple(instances))
        return replace(self, task=task, rejected_instances=(*self.rejected_instances, *rejected))


@dataclass(frozen=True, slots=True)
class Generation:
    """A retired request for instructions, with its candidates, all of which are decided.

    `demonstrations` are the ids of the tasks in its prompt, in order. `failure` says why there is
    no reply; it is empty if there is one. `cell` is what was asked for, if tasks are spread along
    axes.
    """

    index: int
    request: str
    demonstrations: tuple[str, ...]
    failure: str
    candidates: tuple[Candidate, ...]
    cell: Cell = ()
