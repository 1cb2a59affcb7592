"""The texts of evaluation sets, and the predictions of other programs on them.

An evaluation set is tasks, or rows of any source of data: files, exports, data sets of the hub.

Example::

    for name, text in evaluation_items(Path("questions.jsonl")):
        print(name, text)

A line of predictions has the text in `prediction` (or `Prediction`, `response`, `text`), and names
its instance in one of two ways:

- by the instance's `id` (or `instance`, or the `id` in `Instance`). The leaderboard's files do so,
  and those of Tk-Instruct's scripts, which repeat the whole instance;
- by `instruction` (or `definition`) and `input`. Self-Instruct's published answers to its 252
  user-oriented instructions do so. White space around both is ignored.

Example::

    found = read_predictions(Path("predicted_examples.jsonl"), tasks)
    found.predictions[0].instance  # "task1344-a1b2"
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from seedstep.data.reading import ON_EACH_LINE, BadLine, decode_json, read_jsonl
from seedstep.data.records import Prediction, Problem, Task, instances_of, placed, raise_first
from seedstep.data.row_forms import (
    ASKS,
    ROWS,
    RowSource,
    exported_rows,
    rows_of,
    turn_of,
)
from seedstep.data.rows import HUB, TABLES, DataRow, items_of_list, open_table
from seedstep.data.sources import (
    GIVEN,
    LONGEST_LINE,
    PathOrTasks,
    path_of,
    scan_tasks,
)

__all__ = ["EVALUATION_SETS", "PredictionFile", "evaluation_items", "read_predictions"]


EVALUATION_SETS = (
    f"SUPER-NATURALINSTRUCTIONS (its test split, or task files), {ROWS}, or text lines in a *.txt"
)
"""The evaluation sets, as the help of all flags names them that take one."""

FIELDS = ("instruction", "definition", "input", "prompt", "question", "text")
"""The fields of a row that hold texts, besides `input` of the objects in `instances`."""

OTHER_FIELDS = ("inputs", "inputs_pretokenized")
CHATS = ("messages", "conversations")
"""The fields of a row that has no text in these. Of conversations, what people say is compared."""

CONTEXT = "context"
"""The field of a text that is compared in every row that has it."""

INPUTS = ("input", CONTEXT)
"""The fields that do not say what to do."""

_TASKS = ("definition", "instruction", "Definition")
"""The fields by which a record of a list is a task."""


def evaluation_items(
    source: PathOrTasks, *, inputs: bool = True, as_first: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each item of an evaluation set.

    The set is a directory of task files (its test split, if it has one), a task file, JSON lines, a
    list in a JSON file, a table, an export, a data set of the hub, a text file with one item a
    line, or tasks in memory. Without `inputs`, only definitions and instructions are yielded. With
    `as_first`, they are what version 0.1.0 read: it left out conversations beside a text field that
    is empty, and contexts beside other texts.

    Raises:
        InputError: a file is missing or can't be read, or something in it is no item.
    """
    path = path_of(source)
    path = path if path is GIVEN else exported_rows(path)
    if rows := _rows(path):
        for number, row in rows:
            yield from _of_row(path, number, row, inputs, as_first=as_first)
    elif path.suffix == ".txt":
        for line in open_table(path, "text").rows():
            if line.fault:
                raise_first([Problem(path, line.number, "", line.message, "mend the line")])
            yield f"{path.name}, line {line.number}", line.text
    else:
        has_split = (path / "splits" / "default" / "test_tasks.txt").is_file()
        for task in scan_tasks(source, "test" if has_split else None):
            yield from _of_task(task, inputs)


def _rows(path: Path) -> Iterable[tuple[int, DataRow | BadLine]] | None:
    """Return the rows of a source, numbered from 1; None for tasks and text files."""
    if str(path).startswith(HUB) or path.suffix.lower() in TABLES:
        source = RowSource.parse(str(path))
        return rows_of(source, None) if source else None
    if path.suffix == ".json":
        return _listed_rows(path)
    if path is GIVEN or path.suffix == ".txt" or path.is_dir():
        return None
    return read_jsonl(path, dict[str, Any], LONGEST_LINE)


def _listed_rows(path: Path) -> Iterable[tuple[int, DataRow | BadLine]] | None:
    """Return the rows of a list in a JSON file; None for one of tasks, and for one task."""
    listed = items_of_list(path)
    if listed is None:
        return None
    rows = (
        item if isinstance(item, BadLine) else decode_json(item, dict[str, Any], ON_EACH_LINE)
        for item in listed
    )
    numbered = enumerate(rows, start=1)
    first = next(numbered, None)
    is_task = first is None or isinstance(first[1], BadLine) or any(map(first[1].get, _TASKS))
    return None if first is None or is_task else chain([first], numbered)


def _of_task(task: Task | Problem, inputs: bool) -> Iterator[tuple[str, str]]:
    if isinstance(task, Problem):
        raise_first([task])
        return
    yield f"{task.id}, definition", task.definition
    for instance in task.instances if inputs else ():
        yield f"{task.id}, instance {instance.id}", instance.input


def _of_row(
    path: Path, number: int, record: DataRow | BadLine, inputs: bool, *, as_first: bool
) -> Iterator[tuple[str, str]]:
    if isinstance(record, BadLine):
        raise_first(placed(path, number, [record]))
        return
    found = [*_texts(record, FIELDS), *_inputs_of(record)]
    if as_first:
        others = [*_texts(record, (*OTHER_FIELDS, CONTEXT)), *_said(record)]
        yield from (
            (f"{path.name}, line {number}, {name}", text)
            for name, text in (found if _has_field(record) else others)
        )
        return
    found = (found or [*_texts(record, OTHER_FIELDS), *_said(record)]) + _texts(record, (CONTEXT,))
    if not found and (_holds_text(record) or not any(name in record for name in FIELDS)):
        names = ", ".join((*FIELDS, *OTHER_FIELDS, CONTEXT, *CHATS))
        raise_first(
            [Problem(path, number, "", "has no text to compare with", f"name a text {names}")]
        )
    for name, text in found:
        is_input = name in INPUTS or name.startswith("instances[")
        if inputs or not is_input:
            yield f"{path.name}, line {number}, {name}", text


def _has_field(record: DataRow) -> bool:
    """Return whether a row has a field with a text that may be empty."""
    instances = record.get("instances")
    given = instances if isinstance(instances, list) else []
    values = [record.get(name) for name in FIELDS]
    values += [instance.get("input") for instance in given if isinstance(instance, dict)]
    return any(isinstance(value, str) for value in values)


def _texts(record: DataRow, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the names and texts of those fields that hold a text which is not empty."""
    return [(name, record[name]) for name in names if _is_text(record.get(name))]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _inputs_of(record: DataRow) -> Iterator[tuple[str, str]]:
    instances = record.get("instances")
    for place, instance in enumerate(instances if isinstance(instances, list) else ()):
        if isinstance(instance, dict) and _is_text(instance.get("input")):
            yield f"instances[{place}].input", instance["input"]


def _said(record: DataRow) -> Iterator[tuple[str, str]]:
    """Yield what people say in the conversations of a row."""
    for name in CHATS:
        turns = record.get(name)
        for place, turn in enumerate(turns if isinstance(turns, list) else ()):
            role, content = turn_of(turn)
            if role in ASKS and isinstance(content, str) and content.strip():
                yield f"{name}[{place}]", content


def _holds_text(value: object) -> bool:
    """Return whether there is a text in a value, or in what it contains."""
    if isinstance(value, Mapping):
        value = list(value.values())
    return any(map(_holds_text, value)) if isinstance(value, list) else _is_text(value)


TEXTS = ("prediction", "Prediction", "response", "text")
IDS = ("id", "instance", "Instance")
TASKS = ("task", "Task")
DEFINITIONS = ("instruction", "definition")


@dataclass(frozen=True, slots=True)
class PredictionFile:
    """The predictions of a file, in order, and the problems of its other lines."""

    predictions: tuple[Prediction, ...]
    problems: tuple[Problem, ...]


def read_predictions(path: Path, tasks: Iterable[Task]) -> PredictionFile:
    """Read all predictions of a file. Lines without an id are looked up in `tasks`.

    The ids of other lines are not looked up.

    Raises:
        InputError: the file is missing or can't be read.
    """
    content = _Content(tasks)
    predictions: list[Prediction] = []
    problems: list[Problem] = []
    for line, record in read_jsonl(path, dict[str, Any], LONGEST_LINE):
        found = record if isinstance(record, BadLine) else _prediction(line, record, content)
        if isinstance(found, BadLine):
            problems += placed(path, line, [found])
        else:
            predictions.append(found)
    return PredictionFile(tuple(predictions), tuple(problems))


class _Content:
    """The ids of instances by definition and input. They are gathered at the first look-up."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks = tasks
        self._ids: dict[tuple[str, str], list[str]] | None = None

    def find(self, definition: str, text: str) -> str | BadLine:
        if self._ids is None:
            self._ids = {}
            for name, task, instance in instances_of(tuple(self._tasks)):
                place = (task.definition.strip(), instance.input.strip())
                self._ids.setdefault(place, []).append(name)
        ids = self._ids.get((definition.strip(), text.strip()), [])
        if len(ids) == 1:
            return ids[0]
        if ids:
            return BadLine(
                "", f"{len(ids)} instances have this input", "add the `id` that is meant"
            )
        return BadLine("", "no instance has this instruction and input", "check the tasks")


def _prediction(line: int, record: Mapping[str, Any], content: _Content) -> Prediction | BadLine:
    text = _text_of(record, TEXTS)
    if text is None:
        return BadLine("prediction", "missing", "add the field")
    if isinstance(text, BadLine):
        return text
    instance = _instance(record, content)
    if isinstance(instance, BadLine):
        return instance
    task = next((record[name] for name in TASKS if isinstance(record.get(name), str)), "")
    return Prediction(task, instance, text, line=line)


def _instance(record: Mapping[str, Any], content: _Content) -> str | BadLine:
    """Return the id of the instance that a line is for."""
    known = dict(_named_ids(record))
    named = _text_of(known, tuple(known))
    if named is not None:
        return named or BadLine(next(iter(known)), "empty", "write the id of an instance")
    definition = _text_of(record, DEFINITIONS)
    if definition is None:
        return BadLine("id", "missing", "add the id of an instance")
    text = _text_of(record, ("input",)) or ""
    for field in (definition, text):
        if isinstance(field, BadLine):
            return field
    return content.find(str(definition), str(text))


def _named_ids(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in IDS:
        value = record.get(name)
        if isinstance(value, dict):
            name, value = f"{name}.id", value.get("id")
        if value is not None:
            yield name, value


def _text_of(record: Mapping[str, Any], names: tuple[str, ...]) -> str | BadLine | None:
    """Return the first of some fields that is there; a `BadLine` if it is no text."""
    for name in names:
        if (value := record.get(name)) is not None:
            if isinstance(value, str):
                return value
            kind = type(value).__name__
            return BadLine(name, f"expected `str`, got `{kind}`", "correct the field's type")
    return None
