"""The records of step-by-step instructions and generated examples, and what is counted about them.

A record has the conversation of a task and its result. `statistics` counts the records of a run as
in Table 1 of the paper. `superni_instructions` has the instructions that come with seedstep.

Example::

    >>> shuffled(["Read it.", "Answer."], run_seed=1, task_id="task1")
    ('Answer.', 'Read it.')
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from statistics import fmean
from types import MappingProxyType
from typing import Protocol, TypeVar

import msgspec

from seedstep.data import Example
from seedstep.data.choice import draw_from
from seedstep.steps.checks import Finding
from seedstep.steps.parsing import REASONS
from seedstep.text import count_words

__all__ = [
    "FAILURES",
    "QUESTIONS",
    "RANKING_FAILURES",
    "SUPERNI",
    "CandidateSteps",
    "DescribedTask",
    "ExampleSet",
    "ExamplesStatistics",
    "Judgement",
    "StepsStatistics",
    "SuperniInstruction",
    "Turn",
    "WrittenSteps",
    "examples_statistics",
    "read_packaged",
    "shuffled",
    "statistics",
    "superni_instructions",
]

FAILURES = MappingProxyType(
    {
        "request_failed": "the model refused a request, or could not answer it",
        **REASONS,
        "no_examples": "no examples, or just one, could be read in the reply",
    }
)
"""Why a task has no step-by-step instruction, or no generated examples."""

RANKING_FAILURES = MappingProxyType(
    {
        "request_failed": FAILURES["request_failed"],
        "empty": FAILURES["empty"],
        "unmatched": "the reply does not name two of the examples",
    }
)
"""Why generated examples are not ranked."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A request of a task and its reply.

    `request` is its key. In a conversation `prompt` is the message that was added to the earlier
    ones. `cut` says that the reply ended at its length limit, `failure` why there is no reply.
    """

    name: str
    request: str
    prompt: str
    reply: str = ""
    cut: bool = False
    failure: str = ""


QUESTIONS = ("correct", "complete")
"""The questions to the judge (Step-by-Step Instruction Tuning, section 3.3)."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A model's answers to the paper's two questions (section 3.3).

    Without an answer both are None, and `reason` says why. `request` is the key of the last
    request.
    """

    correct: bool | None
    complete: bool | None
    request: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CandidateSteps:
    """Another first version of an instruction: the key of its request, and its steps.

    Without steps, `failure` is one of `FAILURES`.
    """

    request: str
    steps: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class WrittenSteps:
    """A task's step-by-step instruction, and how it was written.

    `turns` are in the order in which they were asked; `left_out` names those of the paper that were
    not asked. `unrefined` are the steps of the first reply, if it had some. `steps` are those of
    turn number `chosen` (from 0), and `findings` all faults that the checks find in them. Without
    steps, `chosen` is -1 and `failure` is one of `FAILURES`, explained by `detail`. `repairs`
    counts the turns that were asked because of faults. `candidates` are further first versions.
    """

    task_id: str
    turns: tuple[Turn, ...]
    left_out: tuple[str, ...] = ()
    unrefined: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    failure: str = ""
    detail: str = ""
    chosen: int = -1
    repairs: int = 0
    judgement: Judgement | None = None
    candidates: tuple[CandidateSteps, ...] = ()


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """Generated examples of a task, and two of them chosen in each of two ways (appendix C).

    `drawn` and `ranked` are indices into `candidates`: two at random, and the two that the model
    ranked best, the best first. `failure` is one of `FAILURES`. `ranking_failure` is one of
    `RANKING_FAILURES`, where `ranked` is empty.
    """

    task_id: str
    turns: tuple[Turn, ...]
    candidates: tuple[Example, ...] = ()
    drawn: tuple[int, ...] = ()
    ranked: tuple[int, ...] = ()
    failure: str = ""
    detail: str = ""
    ranking_failure: str = ""


@dataclass(frozen=True, slots=True)
class ExamplesStatistics:
    """How many tasks have generated examples, how many of them ranked, and why others do not."""

    made: int
    ranked: int
    failures: Counter[str]
    ranking_failures: Counter[str]


def examples_statistics(results: Iterable[ExampleSet]) -> ExamplesStatistics:
    """Return the counts of the results of some tasks."""
    found = tuple(results)
    return ExamplesStatistics(
        sum(not made.failure for made in found),
        sum(bool(made.ranked) for made in found),
        Counter(made.failure for made in found if made.failure),
        Counter(made.ranking_failure for made in found if made.ranking_failure),
    )


def shuffled(steps: Sequence[str], *, run_seed: int, task_id: str) -> tuple[str, ...]:
    """Return a permutation of the steps that reads differently, each such one equally likely.

    It depends on the seed and the task alone, and is the same on every machine and with every
    version of Python. Equal steps are not told apart: if all are equal, or there is only one, they
    come back unchanged.
    """
    original = tuple(steps)
    order = original
    attempt = 0
    while order == original and len(set(original)) > 1:
        order = _permuted(original, f"{run_seed} {attempt} {task_id}")
        attempt += 1
    return order


def _permuted(steps: Sequence[str], seed: str) -> tuple[str, ...]:
    """Return the steps in the order of a Fisher-Yates shuffle, with choices taken from hashes."""
    rest = list(steps)
    for last in range(len(rest) - 1, 0, -1):
        chosen = draw_from(f"{last} {seed}", last + 1)
        rest[last], rest[chosen] = rest[chosen], rest[last]
    return tuple(rest)


ALL = "all"
NO_CATEGORY = "no category"


class DescribedTask(Protocol):
    """The parts of a run's entry that statistics use."""

    @property
    def category(self) -> str:
        """The category of the task, which may be empty."""

    @property
    def definition(self) -> str:
        """The definition of the task."""

    @property
    def result(self) -> WrittenSteps:
        """The step-by-step instruction of the task."""


@dataclass(frozen=True, slots=True)
class StepsStatistics:
    """Numbers about the tasks of one category, or of all.

    Means of `words` and `steps` are over the tasks that have an instruction, None where none has.
    Words are separated by white space; the numbers of steps are not counted. `findings` counts
    tasks by check, `faulty` those with any fault, `failures` those without an instruction by
    reason. `judged` counts the tasks that a model judged, `correct` and `complete` its favourable
    answers.
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


def statistics(tasks: Iterable[DescribedTask]) -> tuple[StepsStatistics, ...]:
    """Return the numbers of all tasks, then those of each category, in the order of their names."""
    groups: dict[str, list[DescribedTask]] = {}
    for task in tasks:
        groups.setdefault(task.category or NO_CATEGORY, []).append(task)
    if not groups:
        return ()
    everything = [task for group in groups.values() for task in group]
    rows = (_row(name, groups[name], 1) for name in sorted(groups))
    return (_row(ALL, everything, len(groups)), *rows)


def _row(group: str, tasks: Sequence[DescribedTask], categories: int) -> StepsStatistics:
    written = [task.result for task in tasks]
    good = [result for result in written if result.steps]
    judgements = [result.judgement for result in good if result.judgement]
    answers = [judgement for judgement in judgements if judgement.correct is not None]
    return StepsStatistics(
        group,
        len(tasks),
        categories,
        fmean(count_words(task.definition) for task in tasks),
        fmean(sum(map(count_words, result.steps)) for result in good) if good else None,
        fmean(len(result.steps) for result in good) if good else None,
        Counter(name for result in good for name in {finding.name for finding in result.findings}),
        sum(bool(result.findings) for result in good),
        Counter(result.failure for result in written if result.failure),
        len(answers),
        sum(bool(judgement.correct) for judgement in answers),
        sum(bool(judgement.complete) for judgement in answers),
    )


SUPERNI = "superni"
"""The name that stands for these instructions wherever a run or a file of some is named."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SuperniInstruction:
    """The instruction of a task: its first version, and the one that was refined from it."""

    task: str
    unrefined: tuple[str, ...]
    steps: tuple[str, ...]


@cache
def superni_instructions() -> Mapping[str, SuperniInstruction]:
    """Return the instructions by the ids of their tasks."""
    lines = read_packaged("superni.jsonl", SuperniInstruction)
    return MappingProxyType({line.task: line for line in lines})


def read_packaged(name: str, line: type[T]) -> Iterator[T]:
    """Yield the lines of a file of JSON lines that comes with seedstep."""
    with (resources.files("seedstep.steps") / name).open("rb") as file:
        for raw in file:
            yield msgspec.json.decode(raw, type=line)
