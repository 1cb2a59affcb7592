"""The records that a bootstrap yields: generations, with the candidates of each reply."""

from dataclasses import dataclass, replace

from seedstep.bootstrap.axes import Cell
from seedstep.data import Instance, Task, instance_id
from seedstep.novelty import Neighbor

__all__ = ["Candidate", "Generation", "RejectedInstance"]


@dataclass(frozen=True, slots=True)
class RejectedInstance:
    """An instance that a filter rejected. `detail` is for people."""

    input: str
    output: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instruction that the model wrote, and the outcome.

    `reason` is empty for a finished task: an accepted instruction with at least one good instance.
    `neighbor` is the nearest instruction in the pool at that moment, None if another filter
    rejected the candidate before novelty was checked, or if no instruction shares a token.
    `meaning` is the one that is nearest by the cosine of embeddings, None without an encoder. The
    requests are keys in the ledger, empty if there was no request. `notes` say of each instance
    what gates put in place of its output, and are empty if they put nothing there.
    """

    id: str
    instruction: str
    reason: str
    detail: str = ""
    neighbor: Neighbor | None = None
    is_classification: bool = False
    classification_request: str = ""
    instances_request: str = ""
    instances: tuple[Instance, ...] = ()
    rejected_instances: tuple[RejectedInstance, ...] = ()
    notes: tuple[str, ...] = ()
    meaning: Neighbor | None = None

    @property
    def task(self) -> Task | None:
        """The finished task, or None. Its instances have ids."""
        if self.reason:
            return None
        instances = tuple(
            replace(instance, id=instance_id(self.id, place))
            for place, instance in enumerate(self.instances)
        )
        return Task(self.id, self.instruction, instances, self.is_classification)


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
