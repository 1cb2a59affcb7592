"""Rows of data sets of any kind, and the forms in which others publish instruction data.

A source is a file of JSON lines, a list in a `*.json` file, CSV or Parquet, or a data set of the
hub, `hub:OWNER/NAME` or `hub:OWNER/NAME/CONFIG`; after `hub:` may also stand a directory, which is
loaded in the same way.
`FORMS` has the forms that are recognised by their columns: Alpaca's, Dolly's, T0's, prompts with
completions, and conversations. Other columns are named in brackets: `my.parquet[question,answer]`,
or `my.parquet[instruction,input,output]`.

Example::

    tasks = load_row_forms("hub:databricks/databricks-dolly-15k", limit=10).tasks
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from seedstep.data.files import exported_format
from seedstep.data.reading import ON_EACH_LINE, BadLine, decode_json, read_lines
from seedstep.data.records import Instance, Problem, Task, TaskList, placed
from seedstep.data.rows import HUB, TABLES, DataRow, items_of_list, load_hub
from seedstep.data.sources import LONGEST_LINE, LOOKS
from seedstep.data.superni import collect
from seedstep.errors import InputError, unknown_name

__all__ = [
    "ASKS",
    "EXPORTED_ROWS",
    "FORMS",
    "ROWS",
    "RowForm",
    "RowSource",
    "exported_rows",
    "load_row_forms",
    "rows_of",
    "turn_of",
]

ROWS = "JSON lines, CSV, Parquet, a list in a *.json, an export, hub:OWNER/NAME[:SPLIT]"
"""The sources of rows, as the help of flags names them."""


@dataclass(frozen=True, slots=True)
class RowForm:
    """A form of rows: the columns that it has, and what they hold.

    A `rows` form has an instruction, an input, which may be missing, and an output. A `prompts`
    form has a whole prompt and an output. A `chat` form has a conversation.
    """

    kind: Literal["rows", "prompts", "chat"]
    columns: tuple[str, ...]

    @property
    def required(self) -> tuple[str, ...]:
        """The columns by which the form is recognised."""
        return (self.columns[0], self.columns[-1])


FORMS = (
    RowForm("rows", ("instruction", "input", "output")),
    RowForm("rows", ("instruction", "context", "response")),  # Dolly
    RowForm("prompts", ("inputs_pretokenized", "targets_pretokenized")),  # T0's, P3
    RowForm("prompts", ("inputs", "targets")),  # FLAN's
    RowForm("prompts", ("prompt", "completion")),
    RowForm("prompts", ("prompt", "response")),
    RowForm("chat", ("messages",)),
    RowForm("chat", ("conversations",)),
)
"""The forms that are recognised, in the order in which they are tried."""

_NAMED = re.compile(r"(?P<source>[^\n]+?)\[(?P<columns>[^][\n]+)\]")
_KINDS: Sequence[Literal["chat", "prompts", "rows"]] = ("chat", "prompts", "rows")
EXPORTED_ROWS = (
    "train.jsonl",
    *(f"train{ending}" for ending in TABLES),
    "data/train-00000-of-00001.parquet",
)
"""The files in which exports have their rows: those of a format that writes one are read again."""


@dataclass(frozen=True, slots=True)
class RowSource:
    """Where rows are, and the columns that the user named, if any."""

    text: str
    place: str
    form: RowForm | None = None

    @classmethod
    def parse(cls, text: str) -> "RowSource | None":
        """Return the source that a text names; None for one that is read in another way.

        JSON lines in a form that `load_tasks` and `load_rows` read are read by these.

        Raises:
            InputError: columns are named, but not one to three.
        """
        try:
            named = None if Path(text).exists() else _NAMED.fullmatch(text)
        except (OSError, ValueError):  # no possible path
            return None
        place = named["source"] if named else text
        if not place.startswith(HUB):
            place = str(exported_rows(Path(place)))
        if named:
            return cls(text, place, _form_of(text, named["columns"]))
        if place.startswith(HUB) or Path(place).suffix.lower() in TABLES:
            return cls(text, place)
        return cls(text, place) if _has_form(Path(place)) else None

    @property
    def is_hub(self) -> bool:
        """Whether the rows are those of a data set of the hub."""
        return self.place.startswith(HUB)


def exported_rows(path: Path) -> Path:
    """Return the file with the rows of an export; a path without one is returned as it is."""
    if exported_format(path) is None:
        return path
    return next((path / name for name in EXPORTED_ROWS if (path / name).is_file()), path)


def _form_of(text: str, columns: str) -> RowForm:
    names = tuple(name.strip() for name in columns.split(","))
    if not all(names) or len(names) > len(_KINDS):
        what = f"{text}: [{columns}] names no columns"
        raise InputError(what, "write [INSTRUCTION,INPUT,OUTPUT], [PROMPT,OUTPUT] or [MESSAGES]")
    return RowForm(_KINDS[len(names) - 1], names)


def _has_form(path: Path) -> bool:
    """Return whether the first readable row of a file has the columns of a form, not of a task."""
    if not path.is_file():
        return False
    for _, found in islice(_rows_of_json(path), LOOKS):
        if isinstance(found, BadLine):
            continue
        form = _recognised(tuple(found))
        is_known = form is not None and form.columns != FORMS[0].columns
        return is_known and "instances" not in found
    return False


def _rows_of_json(path: Path) -> Iterator[tuple[int, DataRow | BadLine]]:
    """Yield the rows of a list in a *.json file, or of JSON lines."""
    items = items_of_list(path)
    lines = read_lines(path, LONGEST_LINE) if items is None else enumerate(items, start=1)
    for number, line in lines:
        yield number, _decoded(line)


def _recognised(columns: Sequence[str]) -> RowForm | None:
    return next((form for form in FORMS if set(form.required) <= set(columns)), None)


def load_row_forms(
    source: str | RowSource,
    split: str | None = None,
    *,
    limit: int | None = None,
    skip_bad: bool = False,
) -> TaskList:
    """Read the tasks of a source, each with its first `limit` instances.

    Rows with the same instruction or prompt are instances of one task. Tasks and instances are
    named after the row where they begin. With `skip_bad`, problems are returned, not raised.

    Raises:
        InputError: the source can't be read, its columns are not known, a row has a problem, or no
            task is left.
        MissingExtraError: `datasets` or pyarrow is not installed.
    """
    if isinstance(source, str):
        source = RowSource.parse(source) or RowSource(source, source)
    if split and not source.is_hub:
        raise InputError(f"{source.text}: only a directory has splits", "leave the split out")
    rows = rows_of(source, split)
    begin: list[tuple[int, DataRow | BadLine]] = []
    form = source.form or FORMS[0]  # if no row is readable
    for number, row in rows:
        begin.append((number, row))
        if not isinstance(row, BadLine):
            form = _chosen_form(source, tuple(row))
            break
    if not begin:
        raise InputError(f"{source.text}: no rows", "name another source")
    items = _tasks(source, form, chain(begin, rows), limit)
    found = collect(items, skip_bad=skip_bad)
    return TaskList(found.tasks, found.problems, form.kind != "rows")


def _chosen_form(source: RowSource, columns: tuple[str, ...]) -> RowForm:
    if source.form is not None:
        for name in source.form.required:
            if name not in columns:
                raise unknown_name("column", name, columns, source.text)
        return source.form
    form = _recognised(columns)
    if form is None:
        what = f"{source.text}: has the columns {', '.join(columns)}, which are of no known form"
        remedy = "name them: SOURCE[INSTRUCTION,INPUT,OUTPUT] or SOURCE[PROMPT,OUTPUT]"
        raise InputError(what, remedy)
    return form


def rows_of(source: RowSource, split: str | None) -> Iterator[tuple[int, DataRow | BadLine]]:
    """Yield the rows of a source, with the number of each."""
    path = Path(source.place)
    if source.is_hub:
        yield from enumerate(load_hub(source.place, split), start=1)
    elif path.suffix.lower() in TABLES:
        yield from TABLES[path.suffix.lower()](path, "").records()
    else:
        yield from _rows_of_json(path)


def _decoded(line: bytes | BadLine) -> DataRow | BadLine:
    return line if isinstance(line, BadLine) else decode_json(line, dict[str, Any], ON_EACH_LINE)


def _tasks(
    source: RowSource,
    form: RowForm,
    rows: Iterable[tuple[int, DataRow | BadLine]],
    limit: int | None,
) -> Iterator[Task | Problem]:
    path = Path(source.text)
    instances: dict[str, list[Instance]] = {}
    names: dict[str, str] = {}
    kinds: dict[str, bool] = {}
    read = {"rows": _of_row, "prompts": _of_prompt, "chat": _of_chat}[form.kind]
    for number, row in rows:
        found = row if isinstance(row, BadLine) else read(row, form.columns)
        if isinstance(found, BadLine):
            yield from placed(path, number, [found])
            continue
        instruction, text, output = found
        names.setdefault(instruction, f"line_{number}")
        is_true = isinstance(row, Mapping) and row.get("is_classification") is True
        kinds.setdefault(instruction, is_true)
        instance = Instance(text, (output,), f"line_{number}")
        instances.setdefault(instruction, []).append(instance)
    for instruction, some in instances.items():
        yield Task(names[instruction], instruction, tuple(some[:limit]), kinds[instruction])


RowTexts = tuple[str, str, str]
"""An instruction, an input, and an output."""


def _of_row(row: DataRow, columns: Sequence[str]) -> RowTexts | BadLine:
    instruction, text, output = (row.get(name) for name in columns)
    if bad := _not_text(instruction, columns[0]) or _not_text(output, columns[2], empty=True):
        return bad
    if text is not None and not isinstance(text, str):
        return _of_type(text, columns[1])
    return str(instruction), text or "", str(output)


def _of_prompt(row: DataRow, columns: Sequence[str]) -> RowTexts | BadLine:
    prompt, output = (row.get(name) for name in columns)
    bad = _not_text(prompt, columns[0]) or _not_text(output, columns[1], empty=True)
    return bad or (str(prompt), "", str(output))


ASKS = ("user", "human")
ANSWERS = ("assistant", "gpt", "model")


def _of_chat(row: DataRow, columns: Sequence[str]) -> RowTexts | BadLine:
    """Return the request of a conversation, after a system's message, and its one answer."""
    (name,) = columns
    turns = row.get(name)
    if not isinstance(turns, Sequence) or isinstance(turns, str) or not turns:
        return BadLine(name, "no list of messages", "write role and content of each")
    said = []
    for turn in turns:
        role, content = turn_of(turn)
        if role is None or not isinstance(content, str):
            return BadLine(name, "a message without role and content", "write both as texts")
        said.append((role, content))
    start = [said.pop(0)[1]] if said[0][0] == "system" else []
    if [role in ASKS for role, _ in said] != [True, False] or said[1][0] not in ANSWERS:
        what = f"a conversation of {len(said)} turns: one request and its answer are learned"
        return BadLine(name, what, "make rows of one request and its answer")
    request = "\n\n".join([*start, said[0][1]])
    bad = _not_text(request, name) or _not_text(said[1][1], name, empty=True)
    return bad or (request, "", said[1][1])


def turn_of(turn: object) -> tuple[str | None, object]:
    """Return who says something in a conversation, and what it is."""
    if not isinstance(turn, Mapping):
        return None, None
    role = turn.get("role", turn.get("from"))
    return role if isinstance(role, str) else None, turn.get("content", turn.get("value"))


def _not_text(value: object, name: str, *, empty: bool = False) -> BadLine | None:
    if value is None:
        return BadLine(name, "missing", "add the field")
    if not isinstance(value, str):
        return _of_type(value, name)
    return None if empty or value.strip() else BadLine(name, "empty", "write what the task is")


def _of_type(value: object, name: str) -> BadLine:
    return BadLine(name, f"is of type {type(value).__name__}", "write a text")
