"""Tasks as they are written in files.

Files of SUPER-NATURALINSTRUCTIONS and users' own JSON lines have the same parts under different
names. Each format is a subclass of `WrittenTask` that gives the names.

Example::

    >>> written = WrittenTask(definition="Sort.", instances=(WrittenInstance("b a", "a b"),))
    >>> task_of(written, "sorting").instances
    (Instance(input='b a', outputs=('a b',), id='sorting-1'),)
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from seedstep.data.jsonl import BadLine
from seedstep.data.records import Example, Instance, Task, instance_id

__all__ = ["TextOrTexts", "WrittenExample", "WrittenInstance", "WrittenTask", "steps_of", "task_of"]

_NUMBERED = re.compile(r"\d{1,4}\.[ \t]+")

TextOrTexts = str | tuple[str, ...]
"""One text or a list of texts."""


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
    if faults := list(_faults(written, task_id, bare=bare)):
        return faults
    return Task(
        task_id,
        _first(written.definition),
        tuple(
            Instance(instance.input, _texts(instance.output), _id(instance, task_id, place))
            for place, instance in enumerate(written.instances[:limit])
        ),
        category=_first(written.category),
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


def _texts(texts: TextOrTexts) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else texts


def _first(texts: TextOrTexts) -> str:
    return next(iter(_texts(texts)), "")


def _id(instance: WrittenInstance, task_id: str, place: int) -> str:
    return instance.id or instance_id(task_id, place)


def _examples(written: tuple[WrittenExample, ...]) -> tuple[Example, ...]:
    return tuple(
        Example(example.input, _first(example.output), example.explanation) for example in written
    )


def _faults(written: WrittenTask, task_id: str, *, bare: bool) -> Iterator[BadLine]:
    """Yield the faults of a task whose parts have the right types, by the file's field names."""
    names = {field.name: field.encode_name for field in msgspec.structs.fields(written)}
    if not _first(written.definition).strip():
        yield BadLine(names["definition"], "empty", "write what the task is")
    if not written.instances and not bare:
        yield BadLine(names["instances"], "empty", "add one input and output")
    yield from _no_output(names["positive_examples"], written.positive_examples)
    yield from _no_output(names["negative_examples"], written.negative_examples)
    yield from _no_output(names["instances"], written.instances)
    yield from _same_ids(names["instances"], written.instances, task_id)


def _no_output(
    field: str, written: Sequence[WrittenExample | WrittenInstance]
) -> Iterator[BadLine]:
    for place, part in enumerate(written):
        if not _texts(part.output):
            yield BadLine(f"{field}[{place}].output", "empty", "write an output")


def _same_ids(field: str, written: tuple[WrittenInstance, ...], task_id: str) -> Iterator[BadLine]:
    seen: dict[str, int] = {}
    for place, instance in enumerate(written):
        first = seen.setdefault(_id(instance, task_id, place), place)
        if first != place:
            message = f"the same as in {field}[{first}]"
            yield BadLine(f"{field}[{place}].id", message, "change or remove one")
