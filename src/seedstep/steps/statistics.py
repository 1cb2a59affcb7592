"""What is counted about step-by-step instructions, as in Table 1 of the paper.

Example::

    for row in statistics(described):
        print(row.group, row.tasks, row.words, row.steps)
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from seedstep.steps.records import Written

__all__ = ["Described", "Statistics", "statistics"]

ALL = "all"
NO_CATEGORY = "no category"


@dataclass(frozen=True, slots=True)
class Described:
    """A task, as far as statistics go, with what came of it."""

    category: str
    definition: str
    written: Written


@dataclass(frozen=True, slots=True)
class Statistics:
    """The tasks of one category, or of all.

    Means of `words` and `steps` are over the tasks that have an instruction, None where there is
    none. Words are parted by white space; the numbers of the steps are none. `findings` counts
    tasks by check, `faulty` those with any, `failures` those without an instruction by reason.
    `judged` is how many a model judged; so many of them are `correct`, and `complete`.
    """

    group: str
    tasks: int
    categories: int
    definition_words: float
    words: float | None
    steps: float | None
    findings: Counter[str]
    faulty: int
    failures: Counter[str]
    judged: int
    correct: int
    complete: int


def statistics(tasks: Iterable[Described]) -> tuple[Statistics, ...]:
    """All tasks first, then each category, in the order of their names."""
    groups: dict[str, list[Described]] = {}
    for one in tasks:
        groups.setdefault(one.category or NO_CATEGORY, []).append(one)
    if not groups:
        return ()
    everything = [one for group in groups.values() for one in group]
    rows = (_row(name, groups[name], 1) for name in sorted(groups))
    return (_row(ALL, everything, len(groups)), *rows)


def _row(group: str, tasks: Sequence[Described], categories: int) -> Statistics:
    written = [one.written for one in tasks]
    good = [one for one in written if one.steps]
    judgements = [one.judgement for one in good if one.judgement]
    answers = [one for one in judgements if one.correct is not None]
    return Statistics(
        group,
        len(tasks),
        categories,
        fmean(len(one.definition.split()) for one in tasks),
        fmean(sum(len(step.split()) for step in one.steps) for one in good) if good else None,
        fmean(len(one.steps) for one in good) if good else None,
        Counter(name for one in good for name in {finding.name for finding in one.findings}),
        sum(bool(one.findings) for one in good),
        Counter(one.failure for one in written if one.failure),
        len(answers),
        sum(bool(one.correct) for one in answers),
        sum(bool(one.complete) for one in answers),
    )
