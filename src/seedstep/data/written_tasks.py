"""Tasks as lines and files have them, and what is wrong with them.

A field may hold one text or a list of texts where files are written in both ways. `task_of` makes
the task, or names all faults by the fields of the file.

Example::

    >>> written = WrittenTask(definition="Sort.", instances=(WrittenInstance("2 1", "1 2"),))
    >>> task_of(written, "sort").instances
    (Instance(input='2 1', outputs=('1 2',), id='sort-1'),)
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import msgspec

from seedstep.data.reading import BadLine
from seedstep.data.records import Example, Instance, Task, instance_id

__all__ = [
    "TextOrTexts",
    "WrittenExample",
    "WrittenInstance",
    "WrittenTask",
    "as_texts",
    "first_text",
    "steps_of",
    "task_of",
]

TextOrTexts = str | tuple[str, ...]
"""One text or a list of texts."""


_NUMBERED = re.compile(r"\d{1,4}\.[ \t]+")


class WrittenExample(msgspec.Struct, frozen=True):
    """A demonstration. Of several outputs the first is used."""

    input: str
    output: TextOrTexts
    explanation: str = ""


class WrittenInstance(msgspec.Struct, frozen=True):
    """An input with its reference outputs. Without an id it is named after its task and place."""

    input: str
    output: TextOrTexts
    id: str = ""


class WrittenTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task. Of several definitions and categories the first is used.

    `steps` is a list or a numbered text. `unrefined` are the steps before they were refined.
    """

    definition: TextOrTexts = ""
    category: TextOrTexts = ""
    positive_examples: tuple[WrittenExample, ...] = ()
    negative_examples: tuple[WrittenExample, ...] = ()
    instances: tuple[WrittenInstance, ...] = ()
    steps: TextOrTexts = ()
    unrefined: TextOrTexts = ()


def task_of(
    written: WrittenTask, task_id: str, *, limit: int | None = None, bare: bool = False
) -> Task | list[BadLine]:
    """Return the task with its first `limit` instances, or all faults of its file.

    Texts are kept as they are written. Instances beyond the limit are checked too. A task without
    instances is a fault unless it may be `bare`.
    """
    if faults := list(_row_faults(written, task_id, bare=bare)):
        return faults
    return Task(
        task_id,
        first_text(written.definition),
        tuple(
            Instance(
                instance.input,
                as_texts(instance.output),
                instance.id or instance_id(task_id, place),
            )
            for place, instance in enumerate(written.instances[:limit])
        ),
        category=first_text(written.category),
        positive_examples=_examples(written.positive_examples),
        negative_examples=_examples(written.negative_examples),
        steps=steps_of(written.steps),
        unrefined_steps=steps_of(written.unrefined),
    )


def steps_of(written: TextOrTexts) -> tuple[str, ...]:
    """Return the steps of a list, numbered or not, or of a text with one numbered step a line.

    Lines without a number belong to the step before them. A text without numbers is one step.

    Example::

        >>> steps_of("1. Read.\\n2. Answer\\nbriefly.")
        ('Read.', 'Answer\\nbriefly.')
    """
    if not isinstance(written, str):
        steps = tuple(step for step in written if step.strip())
        numbers = [f"{number}. " for number in range(1, len(steps) + 1)]
        if all(map(str.startswith, steps, numbers)):
            return tuple(map(str.removeprefix, steps, numbers))
        return steps
    parts: list[list[str]] = []
    for line in filter(str.strip, written.split("\n")):
        found = _NUMBERED.match(line)
        if found or not parts:
            parts.append([line[found.end() if found else 0 :].strip()])
        else:
            parts[-1].append(line.strip())
    return tuple("\n".join(lines) for lines in parts)


def as_texts(texts: TextOrTexts) -> tuple[str, ...]:
    """Return the texts that are written, of which there may be a single one."""
    return (texts,) if isinstance(texts, str) else texts


def first_text(texts: TextOrTexts) -> str:
    """Return the first text that is written, or an empty one."""
    return next(iter(as_texts(texts)), "")


def _examples(written: tuple[WrittenExample, ...]) -> tuple[Example, ...]:
    return tuple(
        Example(example.input, first_text(example.output), example.explanation)
        for example in written
    )


def _row_faults(written: WrittenTask, task_id: str, *, bare: bool) -> Iterator[BadLine]:
    """Yield the faults of a task whose parts have the right types, by the file's field names."""
    names = _names(type(written))
    if not first_text(written.definition).strip():
        yield BadLine(names["definition"], "empty", "write what the task is")
    if not written.instances and not bare:
        yield BadLine(names["instances"], "empty", "add one input and output")
    yield from _no_output(names["positive_examples"], written.positive_examples)
    yield from _no_output(names["negative_examples"], written.negative_examples)
    yield from _no_output(names["instances"], written.instances)
    yield from _same_ids(names["instances"], written.instances, task_id)


@cache
def _names(kind: type[WrittenTask]) -> Mapping[str, str]:
    """Return the names of fields in files by their names here; msgspec takes long to find them."""
    return {field.name: field.encode_name for field in msgspec.structs.fields(kind)}


def _no_output(
    field: str, written: Sequence[WrittenExample | WrittenInstance]
) -> Iterator[BadLine]:
    for place, part in enumerate(written):
        if part.output == ():
            yield BadLine(f"{field}[{place}].output", "empty", "write an output")


def _same_ids(field: str, written: tuple[WrittenInstance, ...], task_id: str) -> Iterator[BadLine]:
    names = [instance.id or instance_id(task_id, place) for place, instance in enumerate(written)]
    if len(set(names)) == len(names):  # most often, and faster
        return
    seen: dict[str, int] = {}
    for place, name in enumerate(names):
        first = seen.setdefault(name, place)
        if first != place:
            message = f"the same as in {field}[{first}]"
            yield BadLine(f"{field}[{place}].id", message, "change or remove one")
