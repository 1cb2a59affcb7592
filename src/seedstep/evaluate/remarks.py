"""Remarks that users have to know with the scores of a system.

A remark says how many references have no tokens, how many answers are empty or cut, or how many of
the scored tasks and instances the model was tuned on.

Example::

    remarks(system)[0].text  # "3 of 8 tasks and 24 of 80 instances were in its training data"
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from seedstep.evaluate.scores import InstanceResult, tokenless_share

if TYPE_CHECKING:
    from seedstep.evaluate.compare import EvaluatedSystem

__all__ = ["TRAINED_UNKNOWN", "Remark", "TrainingOverlap", "remarks", "remarks_beside"]

WAY_OUT = "`--tokenizer unicode` knows the letters of all scripts, and exact match needs no tokens"


TRAINED_UNKNOWN = "whether its model was trained on what is scored here is not known"
"""Said of models behind a server, and of files of predictions."""


class Remark(NamedTuple):
    """A remark, and whether it is about the data, not about the answers of a system."""

    text: str
    of_data: bool = True


@dataclass(frozen=True, slots=True)
class TrainingOverlap:
    """The ids of the tasks and instances on which a model was tuned, and their `sources`.

    `unknown` has messages on tunings whose data are not known. `inputs` are the ids of further
    instances whose inputs were trained on, with other definitions.
    """

    tasks: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()

    def shown(self, results: Sequence[InstanceResult]) -> Iterator[str]:
        """Yield a text that says how many results are of trained tasks, if any."""
        tasks, instances, inputs = set(self.tasks), set(self.instances), set(self.inputs)
        scored = {result.task for result in results}
        seen = sum(result.instance in instances for result in results)
        known = len(scored & tasks)
        sources = ", ".join(self.sources)
        if known:
            yield (
                f"{known:,} of {len(scored):,} tasks and {seen:,} of {len(results):,} instances "
                f"were in its training data ({sources})"
            )
        if others := sum(result.instance in inputs for result in results):
            yield (
                f"the inputs of {others:,} of {len(results):,} instances were in its training data "
                f"with other definitions ({sources})"
            )
        yield from self.unknown


def remarks(system: "EvaluatedSystem") -> tuple[Remark, ...]:
    """Return the remarks on a system, often none, to be shown with its scores."""
    results = system.scores.results
    found = list(map(Remark, system.training.shown(results))) if system.training else []
    if share := tokenless_share(results):
        found.append(Remark(f"{share}, so that ROUGE says little or nothing of them: {WAY_OUT}"))
    if flaws := list(_flaws(results)):
        text = f"of {len(results):,} answers {' and '.join(flaws)}"
        found.append(Remark(text, of_data=False))
    return tuple(found)


def remarks_beside(systems: Sequence["EvaluatedSystem"]) -> tuple[Remark, ...]:
    """Return the remarks on systems that are shown together, each with the system's name.

    A remark on all systems, such as one on the references, is returned once.
    """
    found = [(system.name, remark) for system in systems for remark in remarks(system)]
    times = Counter(remark for _, remark in found)
    shared = len(systems) if len(systems) > 1 else 0
    return tuple(
        dict.fromkeys(
            remark if times[remark] == shared else remark._replace(text=f"{name}: {remark.text}")
            for name, remark in found
        )
    )


def _flaws(results: Sequence[InstanceResult]) -> Iterator[str]:
    """Yield texts that say how many answers are empty, or cut at their length limit."""
    if empty := sum(result.empty for result in results):
        yield f"{empty:,} {_are(empty)} empty"
    if cut := sum(result.cut for result in results):
        yield f"{cut:,} {_are(cut)} cut at the length limit"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
