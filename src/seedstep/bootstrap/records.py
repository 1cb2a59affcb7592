"""What the bootstrap yields: each generation request with all that became of its reply."""

from dataclasses import dataclass, replace

from seedstep.data import Instance, Task, instance_id
from seedstep.novelty import Neighbor

__all__ = ["Candidate", "Generation", "RejectedInstance"]


@dataclass(frozen=True, slots=True)
class RejectedInstance:
    """An instance that a filter refused; `detail` is for people."""

    input: str
    output: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instruction that the model wrote, and what became of it.

    `reason` is empty for a finished task: accepted, with at least one good instance.
    `neighbor` is the nearest instruction known at that moment, None where the novelty filter
    was not reached or nothing shares a token. The requests are keys in the ledger, empty where
    none was made.
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

    @property
    def task(self) -> Task | None:
        """The finished task, whose instances have their ids from here on."""
        if self.reason:
            return None
        instances = tuple(
            replace(instance, id=instance_id(self.id, place))
            for place, instance in enumerate(self.instances)
        )
        return Task(self.id, self.instruction, instances, self.is_classification)


@dataclass(frozen=True, slots=True)
class Generation:
    """One instruction-generation request, retired: all its candidates are decided.

    `demonstrations` are the ids of the tasks in its prompt, in their order. `failure` says why
    there is no reply; it is empty where there is one.
    """

    index: int
    request: str
    demonstrations: tuple[str, ...]
    failure: str
    candidates: tuple[Candidate, ...]
