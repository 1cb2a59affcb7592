"""Instances of a reply, divided by filters as those of a candidate."""

from collections.abc import Iterable
from typing import Any

from seedstep.bootstrap import FILTERS, Candidate
from seedstep.bootstrap.filters import Filter
from seedstep.bootstrap.instances import CandidateReply
from seedstep.bootstrap.sifting import sift_instances
from seedstep.data import Instance, Task


def sifted(
    instruction: str,
    *found: Instance,
    filters: Iterable[Filter] = FILTERS,
    unfinished: bool = False,
    **how: Any,
) -> Candidate:
    """A candidate with this instruction, with what filters make of the instances of a reply."""
    reply = CandidateReply(instruction, found, unfinished)
    return sift_instances(Candidate(Task("g0.1", instruction, ())), reply, filters, **how)
