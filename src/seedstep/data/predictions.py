"""Read predictions of other programs from JSON lines.

A line has the text in `prediction` (or `Prediction`, `response`, `text`), and names its instance in
one of two ways:

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
from pathlib import Path
from typing import Any

from seedstep.data.reading import BadLine, read_jsonl
from seedstep.data.records import Prediction, Problem, Task, instances_of, placed
from seedstep.data.sources import LONGEST_LINE

__all__ = ["PredictionFile", "read_predictions"]

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
