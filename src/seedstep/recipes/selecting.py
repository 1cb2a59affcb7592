"""Select a step-by-step instruction of each task: the best by measurements, a judge, or checks.

Two controls show what instructions do that cannot help: that of another task, and text of the same
length that says nothing about any task.

Example::

    select_steps(["superni"], Path("best.jsonl"), by="measured", measured=Path("measured.jsonl"))
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, cycle
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from seedstep.data import Task, TaskChoice, write_in_parts
from seedstep.data.choice import OFFICIAL_INSTANCES
from seedstep.encode import StepsKind
from seedstep.errors import InputError
from seedstep.evaluate.gains import OTHER, REFINED, SHUFFLED, read_measured
from seedstep.inputs.tasks import judgements_of
from seedstep.recipes.measuring import (
    MeasuredSteps,
    VersionSource,
    exchanged,
    fingerprint,
    named_sources,
    steps_of,
)
from seedstep.steps import check, parse, render

__all__ = ["Selected", "neutral", "select_steps"]

SelectBy = Literal["measured", "judge", "checks", "exchanged", "neutral"]

NEUTRAL = "neutral"
"""The name of the version that says nothing about any task."""

NEUTRAL_TEXT = (
    "The road along the river leads from the mill to the harbour. On the left there are low hills "
    "with a few old trees, and on the right the water moves slowly between its banks. In spring "
    "the meadows are wet for some weeks, and birds rest there on their way to the north. Most of "
    "the houses are built of grey stone, with small windows and roofs of slate. Behind the church "
    "stands a row of lime trees which somebody planted a long time ago. A cart comes by in the "
    "morning and goes back in the evening, whatever the weather is. The harbour has room for nine "
    "boats, though there are seldom more than four. When the wind comes from the west, the ropes "
    "knock against the masts all night. Beyond the last field the road becomes a path, which "
    "climbs to a hut with a green door. From there one sees the whole valley, and on a clear day "
    "the sea."
)
"""What neutral text is made of: it has no procedure, no label, and no form of an answer."""


@dataclass(frozen=True, slots=True)
class Selected:
    """The number of tasks by selected version, and of those where the choice was limited.

    `undecided` tasks have no value to select by, and keep the first version of `refined`, else of
    `unrefined`. Those `without` an instruction are left out. Of `shortened` ones a version was
    measured, but not compared, as more of its prompts were shortened than of another version.
    """

    counts: Mapping[str, int]
    undecided: int
    without: int
    shortened: int


class _Worth(NamedTuple):
    """The value of a version: more is better. `shortened` of the measured prompts were cut."""

    value: float
    shortened: int = 0


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A version of an instruction, and its worth: None means not known."""

    name: str
    steps: tuple[str, ...]
    worth: _Worth | None

    @property
    def is_refined(self) -> bool:
        return self.name.rpartition(": ")[2] == REFINED


def select_steps(
    sources: Sequence[str | os.PathLike[str]],
    out: Path,
    *,
    by: SelectBy,
    tasks: TaskChoice,
    measured: Path | None = None,
    evaluated: int = OFFICIAL_INSTANCES,
    seed: int = 42,
) -> Selected:
    """Keep the best version of each task's instruction, as JSON lines that `--steps` takes.

    `by` measured: what made the references likeliest, by a file of `measure_steps`; by judge: what
    a model judged correct and complete in runs of `seedstep steps --judge`; by checks: what has
    the fewest faults. Of equal ones the refined one of the first source is kept. Without sources
    the tasks' own instructions are taken. The first `evaluated` instances of a task are those that
    an evaluation uses: measurements on any of them are refused.

    Where a prompt does not fit, examples or the last steps are left out of it, and the model did
    not see what is to be selected. Of a task's measured versions, only those with the fewest
    shortened prompts are compared.

    By exchanged: the refined instruction of another task, each used once. The assignment depends on
    `seed` and on the tasks with an instruction. It is that of `measure_steps` where these are the
    same tasks: `measure_steps` leaves out those with too few instances. By neutral: text that says
    nothing about any task, in as many steps of about as many characters as the refined
    instruction has.

    Raises:
        InputError: there is nothing to select by, or it was measured on evaluated instances.
        RunError: `out` can't be written.
    """
    loaded = replace(tasks, limit_instances=1).load().tasks
    given = named_sources(sources) if sources else []
    _require_other(out, [*(Path(source) for _, source in given), *([measured] if measured else [])])
    joined = [VersionSource.read(name, loaded, source) for name, source in given]
    joined = joined or [VersionSource("", loaded, {})]
    values = _values(by, given, measured, evaluated)
    counts: Counter[str] = Counter()
    undecided = without = shortened = 0
    lines = []
    for task, versions in zip(loaded, _versions(by, joined, seed), strict=True):
        found = [
            _Candidate(name, steps_of(shown, kind), values(name, shown, kind))
            for name, shown, kind in versions
        ]
        if not found:
            without += 1
            continue
        found.sort(key=lambda candidate: not candidate.is_refined)
        known = [(each.worth, each) for each in found if each.worth]
        compared = _comparable(known)
        _, best = max(compared, key=lambda each: each[0].value, default=(None, found[0]))
        undecided += not known
        shortened += len(compared) < len(known)
        counts[best.name] += 1
        lines.append(_line(task, best, by))
    _require_decided(len(lines), undecided, by)
    write_in_parts(out, lines)
    return Selected(counts, undecided, without, shortened)


def _require_other(out: Path, read: Sequence[Path]) -> None:
    if out.resolve() in {path.resolve() for path in read}:
        raise InputError(f"{out} is what is selected from", "name another file after --out")


def _require_decided(selected: int, undecided: int, by: SelectBy) -> None:
    if not selected:
        remedy = "name a run or a file with instructions of these tasks, or `superni`"
        raise InputError("none of these tasks has an instruction to select", remedy)
    if undecided == selected:
        what = f"nothing is known of any of these instructions by which to select ({by})"
        raise InputError(what, "name the runs or files that were measured or judged")


def _comparable(known: Sequence[tuple[_Worth, _Candidate]]) -> list[tuple[_Worth, _Candidate]]:
    """Return those of a task's versions of which the fewest prompts were shortened."""
    fewest = min((worth.shortened for worth, _ in known), default=0)
    return [each for each in known if each[0].shortened == fewest]


def _versions(
    by: SelectBy, joined: Sequence[VersionSource], seed: int
) -> list[list[MeasuredSteps]]:
    """Return the versions of each task's instruction to select from."""
    tasks = joined[0].tasks
    if by == "exchanged":
        return _controls(OTHER, tasks, exchanged(tasks, seed))
    if by == "neutral":
        return _controls(NEUTRAL, tasks, {t.id: neutral(t.steps) for t in tasks if t.steps})
    places = range(len(tasks))
    return [[*chain(*(source.versions(place) for source in joined))] for place in places]


def _controls(
    name: str, tasks: Sequence[Task], steps: Mapping[str, tuple[str, ...]]
) -> list[list[MeasuredSteps]]:
    """Return for each task the only version to take, or none."""
    return [
        [(name, replace(task, steps=steps[task.id]), "refined")] if task.id in steps else []
        for task in tasks
    ]


def neutral(steps: Sequence[str]) -> tuple[str, ...]:
    """Return as many steps of about as many characters, which say nothing about any task."""
    words = cycle(NEUTRAL_TEXT.split())
    return tuple(_sentence(words, len(step)) for step in steps)


def _sentence(words: Iterator[str], characters: int) -> str:
    """Return the next words as a sentence of at least so many characters."""
    text = next(words)
    while len(text) < characters:
        text = f"{text} {next(words)}"
    return f"{text[0].upper()}{text[1:].rstrip(',.')}."


def _line(task: Task, best: _Candidate, by: str) -> bytes:
    line = {
        "task": task.id,
        "category": task.category,
        "definition": task.definition,
        "steps": best.steps,
        "text": render(best.steps),
        "selected": {"version": best.name, "by": by, "value": best.worth and best.worth.value},
    }
    return msgspec.json.encode(line) + b"\n"


Valued = Callable[[str, Task, StepsKind], _Worth | None]
"""A function of a version's name, task and kind that returns its worth, or None."""


def _values(
    by: SelectBy,
    given: Sequence[tuple[str, str]],
    measured: Path | None,
    evaluated: int,
) -> Valued:
    if by in ("exchanged", "neutral"):
        return lambda *_: _Worth(0.0)
    if by == "checks":
        return _fewest_faults
    if by == "judge":
        return _judged(given)
    if measured is None:
        raise InputError("nothing was measured", "add --measured FILE of `seedstep steps measure`")
    return _likeliest(measured, evaluated)


def _fewest_faults(_: str, task: Task, kind: StepsKind) -> _Worth:
    return _Worth(-len(check(parse(render(steps_of(task, kind))), task)))


def _judged(given: Sequence[tuple[str, str]]) -> Valued:
    found = {f"{prefix}{REFINED}": judgements_of(Path(source)) for prefix, source in given}

    def value(name: str, task: Task, _: StepsKind) -> _Worth | None:
        judgement = found.get(name, {}).get(task.id)
        if judgement is None or judgement.correct is None:
            return None
        return _Worth(2.0 * judgement.correct + bool(judgement.complete))

    return value


def _likeliest(measured: Path, evaluated: int) -> Valued:
    header, tasks = read_measured(measured)
    if header.skip < evaluated:
        what = (
            f"{measured}: measured on instances from number {header.skip + 1:,} on, and the first "
            f"{evaluated:,} are those that an evaluation uses"
        )
        remedy = (
            f"measure with --skip {evaluated}, or say with --evaluated how many of the first your "
            "evaluation uses"
        )
        raise InputError(what, remedy)
    worths = {
        (task.task, version.steps): _Worth(-version.mean, version.shortened)
        for task in tasks
        for name, version in task.versions.items()
        if version.steps and name not in (SHUFFLED, OTHER)
    }

    return lambda _, task, kind: worths.get((task.id, fingerprint(task, kind)))
