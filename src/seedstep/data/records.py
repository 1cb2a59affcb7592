"""The records that all rooms share: tasks, instances, examples, predictions, and problems; as HTML.

Example::

    >>> hello = Instance("Hello.", ("Bonjour.", "Salut."))
    >>> Task("seed_001", "Translate into French.", (hello,)).instances[0].output
    'Bonjour.'

Example::

    >>> print(html_table(("system", "score"), [("<b>", "1.5")]))
    <table><thead><tr><th>system</th><th>score</th></tr></thead>
    <tbody><tr><td>&lt;b&gt;</td><td>1.5</td></tr></tbody></table>
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from seedstep.data.reading import BadLine
from seedstep.errors import MOST_WHAT, InputError, MissingExtraError, short_line
from seedstep.text import counted, visible

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = [
    "Example",
    "Instance",
    "Prediction",
    "Problem",
    "Tabulated",
    "Task",
    "TaskList",
    "as_html",
    "html_table",
    "instance_id",
    "instances_of",
    "placed",
    "raise_first",
    "task_record",
    "with_instance_ids",
]


@dataclass(frozen=True, slots=True)
class Instance:
    """An input, which may be empty, with one or more reference outputs.

    `id` is unique within the task. It is empty if instances have no ids.
    """

    input: str
    outputs: tuple[str, ...]
    id: str = ""

    @property
    def output(self) -> str:
        """The first reference output."""
        return self.outputs[0]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The text that a system predicted for an instance. `failed` says why there is none.

    `task` is for people only: scores use the task of the reference with the same instance id.
    `line` is the line of the file from which the prediction was read, or 0. A text that is `cut`
    reached its length limit.
    """

    task: str
    instance: str
    text: str
    failed: str = ""
    line: int = 0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What was found among labelled things: rightly and wrongly found ones, and missed ones."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float | None:
        """The share of what was found that is right; None if nothing was found."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None

    @property
    def recall(self) -> float | None:
        """The share of what should be found that was; None if nothing should be."""
        return self.right / (self.right + self.missed) if self.right + self.missed else None


SHOWN_INSTANCES = 5
"""How many instances of a task a notebook shows."""


SHOWN_ROWS = 20
"""How many rows of a table a notebook shows."""

SHOWN_TEXT = 300
"""How many characters of a text in such a row."""


@dataclass(frozen=True, slots=True)
class Example:
    """A demonstration of a task: a positive one to imitate, or a negative one to avoid."""

    input: str
    output: str
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A definition (Self-Instruct calls it the instruction) with its examples and instances.

    `steps` is the step-by-step instruction, `unrefined_steps` the same before it was refined. Both
    are empty where the task has none.
    """

    id: str
    definition: str
    instances: tuple[Instance, ...]
    is_classification: bool = False
    name: str = ""
    category: str = ""
    positive_examples: tuple[Example, ...] = ()
    negative_examples: tuple[Example, ...] = ()
    steps: tuple[str, ...] = ()
    unrefined_steps: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """Return the task as HTML, as notebooks show it: definition, steps, the first instances."""
        parts = [f"<b>{as_html(self.id)}</b> {as_html(self.definition)}"]
        if self.steps:
            steps = "".join(f"<li>{as_html(step)}</li>" for step in self.steps)
            parts.append(f"<ol>{steps}</ol>")
        if shown := self.instances[:SHOWN_INSTANCES]:
            rows = [(each.input, " | ".join(each.outputs)) for each in shown]
            parts.append(html_table(("input", "output"), rows))
        if more := len(self.instances) - len(shown):
            parts.append(as_html(f"and {more:,} more instances"))
        return "".join(f"<div>{part}</div>" for part in parts)


def instance_id(task: str, place: int) -> str:
    """Return an id for a task's instance without one; `place` is its place from 0."""
    return f"{task}-{place + 1}"


def with_instance_ids(task: Task) -> Task:
    """Return a task whose instances have ids by their places."""
    instances = (
        replace(instance, id=instance_id(task.id, place))
        for place, instance in enumerate(task.instances)
    )
    return replace(task, instances=tuple(instances))


def instances_of(tasks: Sequence[Task]) -> Iterator[tuple[str, Task, Instance]]:
    """Yield (id, task, instance) for each instance.

    An id that several instances have is preceded by the id of the task.

    Raises:
        InputError: two instances of a task have the same id.
    """
    counts = Counter(instance.id for task in tasks for instance in task.instances)
    if len(counts) == sum(len(task.instances) for task in tasks):  # most often, and faster
        yield from ((instance.id, task, instance) for task in tasks for instance in task.instances)
        return
    seen: set[str] = set()
    for task in tasks:
        for instance in task.instances:
            name = instance.id if counts[instance.id] == 1 else f"{task.id}/{instance.id}"
            if name in seen:
                raise InputError(f"two instances have the id {name!r}", "change one of them")
            seen.add(name)
            yield name, task, instance


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a file.

    `line` counts from 1; 0 means the whole file. `field` is a JSON path such as
    `Instances[3].output`; it is empty where the whole line or file is meant.
    """

    path: Path
    line: int
    field: str
    message: str
    remedy: str

    @property
    def what(self) -> str:
        """Where the problem is and what it is, in one phrase."""
        line = f", line {self.line}" if self.line else ""
        field = f", field '{short_line(self.field)}'" if self.field else ""
        return short_line(f"{self.path}{line}{field}: {self.message}", MOST_WHAT)


def placed(path: Path, line: int, found: Iterable[BadLine]) -> list[Problem]:
    """Return the faults of a line as problems of its file; `line` 0 means the whole file."""
    return [Problem(path, line, fault.field, fault.message, fault.remedy) for fault in found]


def raise_first(problems: Sequence[Problem], hint: str = "") -> None:
    """Raise the first problem, if there is one, and say how many more there are.

    Raises:
        InputError: with the problem's remedy, followed by the `hint`.
    """
    if not problems:
        return
    first, *others = problems
    more = f" (and {len(others)} more)" if others else ""
    raise InputError(first.what + more, f"{first.remedy}; {hint}" if hint else first.remedy)


class Tabulated(ABC):
    """Something that can be had as plain rows, and so as a data set."""

    __slots__ = ()

    @abstractmethod
    def to_records(self) -> list[dict[str, Any]]:
        """Return rows of numbers, texts, lists and dicts."""

    def to_dataset(self) -> "Dataset":
        """Return the rows of `to_records` as a `datasets.Dataset`.

        Raises:
            MissingExtraError: `datasets` is not installed.
        """
        try:
            from datasets import Dataset
        except ImportError:
            raise MissingExtraError("a data set", "pip install datasets") from None
        return Dataset.from_list(self.to_records())

    def _repr_html_(self) -> str:
        """Return the first rows as HTML, as notebooks show them."""
        shown, count = self._first_records()
        names = list(dict.fromkeys(name for row in shown for name in row))
        cells = ([_cell(row.get(name)) for name in names] for row in shown)
        more = count - len(shown)
        below = f"<div>{as_html(f'and {more:,} more rows')}</div>" if more else ""
        return f"<div><b>{as_html(type(self).__name__)}</b></div>{html_table(names, cells)}{below}"

    def _first_records(self) -> tuple[list[dict[str, Any]], int]:
        """Return the first rows of `to_records`, and how many it has."""
        rows = self.to_records()
        return rows[:SHOWN_ROWS], len(rows)


def _cell(value: object) -> str:
    """Return a value as a cell of a table shows it: a number in short, a long text cut."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else short_line(str(value), SHOWN_TEXT)


def task_record(task: Task) -> dict[str, Any]:
    """Return a task as a line of JSON has it: what `load_tasks` makes the same task of."""
    return {
        "id": task.id,
        "name": task.name,
        "category": task.category,
        "definition": task.definition,
        "is_classification": task.is_classification,
        "positive_examples": [asdict(example) for example in task.positive_examples],
        "negative_examples": [asdict(example) for example in task.negative_examples],
        "instances": [
            {"id": instance.id, "input": instance.input, "output": list(instance.outputs)}
            for instance in task.instances
        ],
        "steps": list(task.steps),
        "unrefined": list(task.unrefined_steps),
    }


@dataclass(frozen=True, slots=True)
class TaskList(Tabulated, Sequence[Task]):
    """Tasks in the order in which they were read or made, and the problems of the others.

    It is a sequence of its tasks, which goes wherever tasks go. `whole_prompts` says that
    definitions are prompts as they stand, of a prompt/completion file or of conversations.
    """

    tasks: tuple[Task, ...]
    problems: tuple[Problem, ...] = ()
    whole_prompts: bool = False

    def __len__(self) -> int:
        return len(self.tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)

    @overload
    def __getitem__(self, place: int) -> Task: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Task, ...]: ...
    def __getitem__(self, place: int | slice) -> Task | tuple[Task, ...]:
        return self.tasks[place]

    def to_records(self) -> list[dict[str, Any]]:
        """Return the tasks as plain rows, of which `load_tasks` makes the same tasks."""
        return list(map(task_record, self.tasks))

    def _first_records(self) -> tuple[list[dict[str, Any]], int]:
        return list(map(task_record, self.tasks[:SHOWN_ROWS])), len(self.tasks)

    def __repr__(self) -> str:
        """Say how many tasks there are: they may be thousands."""
        problems = f", {counted(len(self.problems), 'problem')}" if self.problems else ""
        return f"<TaskList of {counted(len(self.tasks), 'task')}{problems}>"


def as_html(text: str) -> str:
    """Return a text as HTML: markup is escaped, harmful characters are replaced."""
    return escape(visible(text)).replace("\n", "<br/>")


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """Return a table as HTML. An empty `head` is left out, and an empty `caption`."""
    parts = ["<table>"]
    if caption:
        parts.append(f"<caption>{as_html(caption)}</caption>")
    if head:
        parts.append(f"<thead>{_row(head, 'th')}</thead>\n")
    body = "\n".join(_row(row, "td") for row in rows)
    return "".join([*parts, f"<tbody>{body}</tbody></table>"])


def _row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{as_html(cell)}</{tag}>" for cell in cells) + "</tr>"
