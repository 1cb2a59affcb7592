"""The formats in which finished tasks are exported, which tuning tools read.

Rows are in the order in which the tasks were retired, without exact duplicates, and the same run
gives the same bytes. A directory is written atomically. `EXPORT_FORMATS` has all formats;
`add_export_format` adds one of your own::

    def write(source: ExportSource, folder: Path) -> int:
        return write_lines(({"text": row.request} for row in source.rows()), folder / "train.jsonl")

    add_export_format(ExportFormat("texts", "the request alone", write))
    export(run, "texts", "data/texts")
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from seedstep.bootstrap import BootstrapSettings
from seedstep.bootstrap.axes import Cell
from seedstep.data import Example, Task, instance_id, task_file
from seedstep.encode import encode_pair
from seedstep.entries import (
    FUNCTION,
    LINE,
    TRUTH,
    WORDS,
    FieldKind,
    require_entry,
    require_fields,
    require_name,
)
from seedstep.errors import InputError, MissingExtraError
from seedstep.exports.hub import ExportRow
from seedstep.runs import Run
from seedstep.text import script_of

__all__ = [
    "EXPORT_FORMATS",
    "HUB",
    "OWN_FORMATS",
    "ExportFormat",
    "ExportRow",
    "ExportSource",
    "add_export_format",
    "check_format",
    "write_lines",
]

HUB = "hub"

SUPERNI_EXAMPLES = 2
"""How many positive examples an exported task has, if it has more instances than this."""


@dataclass(frozen=True, slots=True)
class ExportSource:
    """The source of an export: a run that has tasks with instances, and these tasks.

    `end_of_text` ends each completion; `licence` is the licence of a data set to publish;
    `left_out` says what people rejected, if a review was named. `cells` has what was asked for, by
    task, if tasks were spread along axes.
    """

    run: Run[Any, Any, Any]
    tasks: Sequence[Task]
    end_of_text: str = ""
    licence: str = ""
    left_out: str = ""
    cells: Mapping[str, Cell] = field(default_factory=dict)

    def rows(self) -> Iterator[ExportRow]:
        """Yield all instances, without those whose content equals an earlier one's."""
        seen = set()
        for task in self.tasks:
            for instance in task.instances:
                content = (task.definition, instance.input, instance.output)
                if content not in seen:
                    seen.add(content)
                    cell = dict(self.cells.get(task.id, ()))
                    yield ExportRow(task.id, *content, task.is_classification, cell)


Writer = Callable[[ExportSource, Path], int]


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format for finished tasks.

    `write` is called with the source and an empty directory; it writes the files, and returns the
    number of records. `meaning` says in a line what a record is, `unit` is the word for records. A
    format that is `published` needs a licence. An export that has its rows in a file named as in
    `seedstep.data.row_forms.EXPORTED_ROWS`, such as `train.csv`, can be read again.
    """

    name: str
    meaning: str
    write: Writer
    unit: str = "records"
    published: bool = False


def write_lines(records: Iterable[Any], path: Path) -> int:
    """Write each record as a line of JSON, and return the number of records."""
    count = 0
    with path.open("wb") as file:
        for record in records:
            file.write(msgspec.json.encode(record) + b"\n")
            count += 1
    return count


def _alpaca(source: ExportSource, out: Path) -> int:
    records = (
        {"instruction": row.instruction, "input": row.input, "output": row.output}
        for row in source.rows()
    )
    return write_lines(records, out / "train.jsonl")


def _conversations(
    field: str, role: str, text: str, names: tuple[str, str]
) -> Callable[[ExportSource, Path], int]:
    """Return a writer of conversations of two turns, with the names of fields of a format."""

    def write(source: ExportSource, out: Path) -> int:
        records = (
            {
                field: [
                    {role: names[0], text: row.request},
                    {role: names[1], text: row.output},
                ]
            }
            for row in source.rows()
        )
        return write_lines(records, out / "train.jsonl")

    return write


def _prompt_completion(source: ExportSource, out: Path) -> int:
    """Write the released code's random templates, drawn by the run's seed and the row's place."""
    pairs = {
        encode_pair(
            row.instruction,
            row.input,
            row.output,
            key=f"{getattr(source.run.settings, 'seed', 0)}:{row.id}:{place}",
            end_of_text=source.end_of_text,
        ): None
        for place, row in enumerate(source.rows())
    }
    return write_lines(pairs, out / "train.jsonl")


def _parquet(source: ExportSource, out: Path) -> int:
    return _write_parquet(list(source.rows()), out / "train.parquet")


def _hub(source: ExportSource, out: Path) -> int:
    """Write Parquet in the layout that `datasets` and the hub read, and the card."""
    rows, stage = list(source.rows()), source.run.stage
    if stage.card is None:
        what = f"`seedstep {stage.name}` writes no card, which a published data set needs"
        raise InputError(what, "export it as parquet, and write one, or give the stage a `card`")
    (out / "data").mkdir()
    card = stage.card(source.run, source.tasks, rows, source.licence, source.left_out)
    (out / "README.md").write_text(card, "utf-8")
    return _write_parquet(rows, out / "data" / "train-00000-of-00001.parquet")


def _write_parquet(rows: Sequence[ExportRow], path: Path) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("Parquet", extra="parquet") from None
    records = [msgspec.to_builtins(row) for row in rows]
    if not any(row.cell for row in rows):
        for record in records:
            del record["cell"]
    table = pa.Table.from_pylist(records)
    pq.write_table(table, path)
    return int(table.num_rows)


def _superni(source: ExportSource, out: Path) -> int:
    """Write task files in the schema of SUPER-NATURALINSTRUCTIONS, the training split, and a card.

    From the card `datasets.load_dataset` knows which files are data. File names are made from
    numbers: text that a model wrote is never part of a path.
    """
    (out / "tasks").mkdir()
    names = []
    for number, task in enumerate(source.tasks, start=1):
        names.append(f"task{number:05d}_machine_generated")
        made = _superni_task(task, names[-1])
        language = dict(source.cells.get(task.id, ())).get("language") or language_of(source)
        text = task_file(made, "seedstep", "Machine-generated", language)
        (out / "tasks" / f"{names[-1]}.json").write_bytes(text)
    split = out / "splits" / "default" / "train_tasks.txt"
    split.parent.mkdir(parents=True)
    split.write_text("".join(f"{name}\n" for name in names))
    card = resources.files("seedstep.exports") / "superni_card.md"
    (out / "README.md").write_bytes(card.read_bytes())
    return len(names)


def language_of(source: ExportSource) -> str:
    """Return the language that was asked for, or that follows from the script of the tasks."""
    settings = source.run.settings
    if isinstance(settings, BootstrapSettings):
        if settings.language:
            return settings.language
        if settings.tokens == "latin":
            return "English"
    return script_of(task.definition for task in source.tasks).language


def _superni_task(task: Task, name: str) -> Task:
    """Return the task with some instances as its examples, and ids for the others."""
    contents = {(instance.input, instance.outputs): instance for instance in task.instances}
    instances = list(contents.values())
    shown = instances[:SUPERNI_EXAMPLES] if len(instances) > SUPERNI_EXAMPLES else []
    rest = enumerate(instances[len(shown) :])
    return replace(
        task,
        category="Classification" if task.is_classification else "Open Generation",
        positive_examples=tuple(Example(instance.input, instance.output) for instance in shown),
        instances=tuple(replace(instance, id=instance_id(name, place)) for place, instance in rest),
    )


def _by_name(*formats: ExportFormat) -> Mapping[str, ExportFormat]:
    return MappingProxyType({entry.name: entry for entry in formats})


OWN_FORMATS = _by_name(
    ExportFormat("alpaca", "instruction, input, output", _alpaca),
    ExportFormat(
        "messages",
        "a conversation of two turns, each with role and content",
        _conversations("messages", "role", "content", ("user", "assistant")),
    ),
    ExportFormat(
        "sharegpt",
        "a conversation of two turns, each with from and value",
        _conversations("conversations", "from", "value", ("human", "gpt")),
    ),
    ExportFormat(
        "prompt-completion",
        "a pair in one of the released code's 13 templates, drawn at random, the same at each "
        "export",
        _prompt_completion,
    ),
    ExportFormat(
        "superni",
        "one task file each, in the format of SUPER-NATURALINSTRUCTIONS",
        _superni,
        unit="tasks",
    ),
    ExportFormat("parquet", "all fields in one Parquet file; needs the extra parquet", _parquet),
    ExportFormat(
        HUB,
        "as parquet, with a card that says what made it and what to beware of; needs a licence",
        _hub,
        published=True,
    ),
)
"""The formats of seedstep, by name."""

EXPORT_FORMATS: dict[str, ExportFormat] = dict(OWN_FORMATS)
"""All formats, by name: those of seedstep, then those that were added."""


_FIELDS: Mapping[str, FieldKind] = MappingProxyType(
    {"meaning": LINE, "write": FUNCTION, "unit": WORDS, "published": TRUTH}
)
"""What the fields of a format have to be."""


def check_format(chosen: ExportFormat, where: str) -> None:
    """Check that a format is one, with fields that can be used; `where` names the argument.

    Raises:
        EntryError: it is none, or its name or another field can't be used.
        InputError: seedstep has another format of that name.
    """
    require_entry(where, chosen, ExportFormat)
    require_name(where, chosen.name)
    require_fields(f"the format '{chosen.name}'", chosen, _FIELDS)
    if OWN_FORMATS.get(chosen.name, chosen) != chosen:
        raise _taken(chosen.name)


def _taken(name: str) -> InputError:
    return InputError(f"seedstep has a format '{name}' already", "give yours another name")


def add_export_format(added: ExportFormat) -> None:
    """Add a format of your own to the table. One of its name that was added before is replaced.

    Raises:
        EntryError: it is no format, or its name or another field can't be used.
        InputError: seedstep has a format of that name.
    """
    check_format(added, "add_export_format")
    if added.name in OWN_FORMATS:
        raise _taken(added.name)
    EXPORT_FORMATS[added.name] = added
