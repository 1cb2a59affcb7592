"""Read raters' labels, from reviews, files, and runs of judges; and leave out rejected tasks.

A file has JSON lines of `id` (the instance), `system`, and `label`: a level from A to D; for two
systems, named `first / second`, `win`, `lose` or `tie` of the first; or `yes` or `no`.
`without_rejected` removes the tasks and instances that people rejected in a review.

Example::

    (ann, bob) = read_raters(Path("reviews/answers"))
    ann.labels["task1344-a1b2", "gpt3"]  # "B"
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from seedstep.data import BadLine, Problem, Task, read_jsonl
from seedstep.data.records import placed, raise_first
from seedstep.data.reviews import Form, ReviewItem, Subject
from seedstep.errors import InputError, RunError, unknown_name
from seedstep.evaluate.agreement import OUTCOMES
from seedstep.evaluate.people import StandingLabels, scale_of
from seedstep.inputs.scales import (
    LABELS_IN_FILES,
    LabelScale,
    answers_to,
    known_scale,
    scale_in_file,
    scale_of_words,
)
from seedstep.llm.models import either
from seedstep.runs import STAGES, open_database, stage_of
from seedstep.runs.reviews import OWNER, STAGE, Review
from seedstep.steps import render

__all__ = [
    "RaterLabels",
    "ReviewedTasks",
    "accepted_rows",
    "accepted_tasks",
    "left_out_words",
    "questions_of",
    "read_labels",
    "read_raters",
    "rejected_steps",
    "without_rejected",
]

Item = tuple[str, str]
"""The id of an instance or a task, and the name of the system, or of the question."""


@dataclass(frozen=True, slots=True)
class RaterLabels:
    """The labels of a rater, the items without a label, and the problems of bad lines."""

    name: str
    labels: Mapping[Item, str]
    missing: tuple[Item, ...]
    problems: tuple[Problem, ...]
    scale: LabelScale


@dataclass(frozen=True, slots=True)
class _Line:
    id: str
    system: str
    label: str


def questions_of(path: Path) -> tuple[str, ...]:
    """Return the questions of a review or a run that can be compared; none where it has but one."""
    name = stage_of(path)
    if name != STAGE:
        return stage.questions if (stage := STAGES.get(name)) else ()
    with Review.open(path) as review:
        return _choosing(review.form)


def read_raters(path: Path, question: str = "") -> tuple[RaterLabels, ...]:
    """Return the raters of a review who labelled anything, or the rater of a file or another run.

    `question` chooses among the questions of a form.

    Raises:
        InputError: there are no labels, they are of several scales, or can't be read; or the form
            has no such question.
        RunError: the directory is a run that has no labels.
    """
    if stage_of(path) != STAGE:
        return (read_labels(path, question),)
    with Review.open(path) as review:
        names = _choosing(review.form)
        if question and question not in names:
            raise unknown_name("question", question, names, str(path))
        found = StandingLabels.of(review.form, review.items, review.rows(), review.raters, OWNER)
        asked = next(each for each in review.form.questions if each.name == (question or names[0]))
        values = found.values(asked.name)
        skipped = {
            rater: [each.item for each in review.assigned(rater) if each.item not in own]
            for rater, own in values.items()
        }
    levels, acceptable = scale_of(asked)
    labels = OUTCOMES if asked.compares else asked.values
    own_scale = LabelScale(answers_to(asked.name), labels, bool(levels), acceptable)
    scale = replace(known_scale(labels) or own_scale, is_stated=True)
    raters = tuple(
        RaterLabels(
            f"{path.name}/{rater}",
            {_key(review.items[item], asked.name): value for item, value in own.items()},
            tuple(_key(review.items[item], asked.name) for item in skipped[rater]),
            (),
            scale,
        )
        for rater, own in values.items()
        if own
    )
    if not raters:
        raise InputError(f"{path}: no labels", "let somebody label some items first")
    return raters


def _choosing(form: Form) -> tuple[str, ...]:
    return tuple(question.name for question in form.questions if question.choices)


def _key(item: ReviewItem, question: str) -> Item:
    """Return the item under the name that a judge uses for it."""
    if item.systems:
        return item.instance, " / ".join(item.systems)
    of_group = "" if item.group in ("", "refined") else f", {item.group}"
    return item.instance or item.task, f"{question}{of_group}"


def read_labels(path: Path, question: str = "") -> RaterLabels:
    """Return the labels in a file, or in a run that a model judged, as one of `judge`.

    Raises:
        InputError: there are no labels, they are of several scales, or the file can't be read.
        RunError: the directory is a run that has no labels.
    """
    found = _of_run(path, question) if path.is_dir() else _of_file(path)
    if not found.labels:
        raise_first(found.problems)
        raise InputError(f"{path}: no labels", "judge some answers first")
    return found


def _labelling() -> str:
    """Return the commands whose runs have labels, in words."""
    stages = [name for name in STAGES if name == STAGE or STAGES[name].labels]
    return either([f"`seedstep {name}`" for name in stages])


def _of_run(path: Path, question: str) -> RaterLabels:
    name = stage_of(path) or "judge"  # where there is no run, it is said below
    stage = STAGES.get(name)
    if stage is None or stage.labels is None:
        what = f"{path} is a run of `seedstep {name}`"
        raise RunError(what, f"name one of {_labelling()}")
    if stage.questions and question and question not in stage.questions:
        raise unknown_name("question", question, stage.questions, str(path))
    asked = question or next(iter(stage.questions), "")
    with open_database(path, name) as database:
        labels = stage.labels(database, asked)
    given = {item: label for item, label in labels.items() if label}
    missing = tuple(item for item in labels if item not in given)
    scale = scale_of_words(
        answers_to(asked) if asked else f"labels of `seedstep {name}`", given.values()
    )
    return RaterLabels(str(path), given, missing, (), scale)


def _of_file(path: Path) -> RaterLabels:
    labels: dict[Item, str] = {}
    lines: dict[Item, int] = {}
    problems: list[Problem] = []
    for number, line in read_jsonl(path, _Line):
        if isinstance(line, BadLine):
            problems += placed(path, number, [line])
            continue
        item = (line.id, line.system)
        label = LABELS_IN_FILES.get(line.label.strip().lower())
        if label is None:
            message = f"'{line.label[:40]}' is no label"
            problems.append(
                Problem(
                    path,
                    number,
                    "label",
                    message,
                    "write A, B, C or D; win, lose or tie; or yes or no",
                )
            )
        elif item in labels:
            message = f"the same item as in line {lines[item]}, whose label counts"
            problems.append(Problem(path, number, "id", message, "remove one"))
        else:
            labels[item], lines[item] = label, number
    return RaterLabels(str(path), labels, (), tuple(problems), scale_in_file(path, labels.values()))


INSTRUCTION = "instruction"
"""The question about a whole task; the others are about one of its instances."""


@dataclass(frozen=True, slots=True)
class ReviewedTasks:
    """The tasks that are left, and counts of what was left out."""

    tasks: tuple[Task, ...]
    left_out_tasks: int
    left_out_instances: int

    @property
    def left_out(self) -> str:
        """What was left out, in words."""
        return left_out_words(self.left_out_tasks, self.left_out_instances)


def left_out_words(tasks: int, instances: int) -> str:
    """Return how many tasks, and instances of others, are left out, in words."""
    return f"{tasks:,} tasks and {instances:,} instances of others, as people rejected them"


def without_rejected(tasks: Iterable[Task], path: Path, subject: Subject = "data") -> ReviewedTasks:
    """Leave out the tasks and instances that count as rejected in a review of a `subject`.

    In a review of data: if the instruction is not valid, the task is left out, otherwise the
    instance that was shown. A task without instances is left out, too. In a review of steps, the
    tasks are left out whose step-by-step instruction was rejected. Items without labels, or not
    settled, are kept.

    Raises:
        InputError: the review is of something else, or it is of steps, and no task has any.
        RunError: there is no review.
    """
    tasks = tuple(tasks)
    if subject == "steps":
        texts = rejected_steps(path)
        if not any(task.steps for task in tasks):
            what = f"{path} is a review of step-by-step instructions, and these tasks have none"
            raise InputError(what, "add --steps, or name a review of the tasks")
        good = tuple(task for task in tasks if (task.id, render(task.steps)) not in texts)
        return ReviewedTasks(good, len(tasks) - len(good), 0)
    bad_tasks, items = _rejected(_labels_of(path, "data"))
    bad_instances = {(item.task, item.instance) for item in items}
    kept = []
    instances = 0
    for task in tasks:
        left = tuple(
            instance for instance in task.instances if (task.id, instance.id) not in bad_instances
        )
        if task.id not in bad_tasks:
            instances += len(task.instances) - len(left)
            if left:
                kept.append(replace(task, instances=left))
    return ReviewedTasks(tuple(kept), len(tasks) - len(kept), instances)


def accepted_tasks(
    tasks: tuple[Task, ...], reviewed: str | None, subject: Subject
) -> tuple[tuple[Task, ...], list[str]]:
    """Return tasks to tune on without what people rejected of a subject, and how much that is.

    Without a review, or with one of the other subject, that is all of them.

    Raises:
        InputError: the review is of something else, or no task is left.
        RunError: there is no review.
    """
    if reviewed is None:
        return tasks, []
    with Review.open(Path(reviewed)) as review:
        is_of_other = review.form.subject in OF_SUBJECT and review.form.subject != subject
    if is_of_other:
        return tasks, []
    kept = without_rejected(tasks, Path(reviewed), subject)
    if not kept.tasks:
        raise InputError(f"{reviewed}: people rejected all tasks", "tune on other tasks")
    return kept.tasks, [kept.left_out] if kept.left_out_tasks or kept.left_out_instances else []


def rejected_steps(path: Path) -> frozenset[tuple[str, str]]:
    """Return the tasks and texts of step-by-step instructions that count as rejected in a review.

    Raises:
        InputError: the review is of something else.
        RunError: there is no review.
    """
    labels = _labels_of(path, "steps")
    rejected = (labels.items[item] for item, good in labels.accepted().items() if not good)
    return frozenset((item.task, _subject(item)) for item in rejected)


def _subject(item: ReviewItem) -> str:
    """Return the text that was judged."""
    return next((field.text for field in item.fields if field.role == "subject"), "")


def accepted_rows(rows: Iterable[tuple[str, str, str]], path: Path) -> tuple[bool, ...]:
    """Return for each row of task, input and output whether it does not count as rejected.

    Raises:
        InputError: the review is not of tasks with their instances.
        RunError: there is no review.
    """
    bad_tasks, items = _rejected(_labels_of(path, "data"))
    contents = set()
    for item in items:
        texts = {field.role: field.text for field in item.fields}
        contents.add((item.task, texts.get("input", "").strip(), _subject(item).strip()))
    return tuple(
        task not in bad_tasks and (task, given.strip(), output.strip()) not in contents
        for task, given, output in rows
    )


OF_SUBJECT: Mapping[Subject, str] = MappingProxyType(
    {
        "data": "name one of data: it has tasks with their instances",
        "steps": "name one of steps: it has step-by-step instructions",
    }
)
"""Which review to name, by its subject."""


def _labels_of(path: Path, subject: Subject) -> StandingLabels:
    with Review.open(path) as review:
        if review.form.subject != subject:
            raise InputError(f"{path} is a review of {review.form.subject}", OF_SUBJECT[subject])
        return StandingLabels.of(review.form, review.items, review.rows(), review.raters, OWNER)


def _rejected(labels: StandingLabels) -> tuple[set[str], tuple[ReviewItem, ...]]:
    """Return the tasks that count as rejected, and the items with rejected instances of others."""
    tasks: set[str] = set()
    instances: list[ReviewItem] = []
    for item, accepted in labels.accepted().items():
        if not accepted:
            shown = labels.items[item]
            if labels.settled[item].get(INSTRUCTION) == "no":
                tasks.add(shown.task)
            else:
                instances.append(shown)
    return tasks, tuple(instances)
