"""Apply the filters of the bootstrap to instructions and to the instances of replies.

Example::

    >>> instruction_fault("Draw a cat.", english=True)
    ('too_short', '3 words')
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from seedstep.bootstrap.filters import FILTERS, Filter, InstanceFilter, InstructionFilter
from seedstep.bootstrap.instances import CandidateReply
from seedstep.bootstrap.records import Candidate, Fault, RejectedInstance
from seedstep.text import script_of

__all__ = ["instruction_fault", "sift_instances"]

F = TypeVar("F", InstructionFilter, InstanceFilter)


def instruction_fault(
    text: str,
    filters: Iterable[Filter] = FILTERS,
    *,
    english: bool,
    extra: bool = True,
    fidelity: str = "paper",
    style: str = "",
) -> Fault | None:
    """Apply the filters of instructions, and return the fault, or None if there is none.

    If the run is not in `english`, words are counted in every script, and an instruction may start
    with a non-ASCII character. With `extra`, filters beyond the paper's are applied, too, those of
    the prompt style `style` among them. Novelty is not checked here.
    """
    for entry in _applied(filters, InstructionFilter, style, extra=extra, english=english):
        find = entry.find if english else entry.in_other_languages or entry.find
        if fidelity == "released" and entry.as_released:
            find = entry.as_released
        if found := find(text):
            return entry.name, _detail(found)
    return None


def _applied(
    filters: Iterable[Filter], kind: type[F], style: str, *, extra: bool, english: bool
) -> Iterator[F]:
    """Yield the filters of a kind that are applied in such a run."""
    for entry in filters:
        left_out = (entry.extra and not extra) or (entry.english_only and not english)
        if isinstance(entry, kind) and not left_out and entry.style in (None, style):
            yield entry


def _detail(found: str | bool) -> str:
    return found if isinstance(found, str) else ""


def sift_instances(
    candidate: Candidate,
    reply: CandidateReply,
    filters: Iterable[Filter] = FILTERS,
    *,
    english: bool = True,
    fidelity: str = "paper",
    extra: bool = True,
    style: str = "",
) -> Candidate:
    """Divide the instances that a reply has for a candidate into good and rejected ones.

    They are in the order of the reply.

    Two outputs for the same non-empty input reject both (paper), or all instances (released).
    With `extra`, filters beyond the paper's are applied too, those of the prompt style `style`
    among them; if the run is not in `english`, those for English are not.
    """
    faults: dict[int, Fault] = {}
    left = list(range(len(reply.instances)))
    for entry in _applied(filters, InstanceFilter, style, extra=extra, english=english):
        find = entry.find
        if fidelity == "released" and entry.as_released:
            find = entry.as_released
        asked = reply.with_only(left)
        for place, number in enumerate(left):
            if entry.by_words and script_of([asked.instances[place].output]).a_word:
                continue
            if found := find(asked, place):
                faults[number] = entry.name, _detail(found)
        left = [number for number in left if number not in faults]
    rejected = (RejectedInstance(reply.instances[at], *faults[at]) for at in sorted(faults))
    return candidate.keep(reply.with_only(left).instances, rejected)
