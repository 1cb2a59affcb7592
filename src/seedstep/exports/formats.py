"""Exports: a run's finished tasks in the formats that tuning tools read.

The rows are in the order in which the tasks were retired, without exact duplicates, and the
same run gives the same bytes. A directory appears as a whole or not at all. `EXPORT_FORMATS` has
all formats. One of your own is passed in place of a name::

    def write(source: ExportSource, folder: Path) -> int:
        return write_lines(({"text": row.request} for row in source.rows()), folder / "train.jsonl")

    export(run, ExportFormat("texts", "the request alone", write), "data/texts")

Example::

    export(open_run("runs/first"), "alpaca", "data/alpaca")
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from seedstep.data import Example, Task, files_in, instance_id, read_marker, task_file, whole_folder
from seedstep.data.files import EXPORT_MARKER
from seedstep.encode import encode_pair
from seedstep.errors import InputError, MissingExtraError, RunError, unknown_name
from seedstep.exports.hub import ExportRow, data_card, require_licence
from seedstep.inputs.labels import without_rejected
from seedstep.runs import BootstrapRun

__all__ = [
    "EXPORT_FORMATS",
    "ExportFormat",
    "ExportRow",
    "ExportSource",
    "export",
    "exported_files",
    "write_lines",
]

HUB = "hub"

SUPERNI_EXAMPLES = 2
"""Positive examples of an exported task; it must have more instances than that to have any."""


@dataclass(frozen=True, slots=True)
class ExportSource:
    """What a format is made of: a run, its finished tasks, and what the user chose.

    `end_of_text` ends each completion; `licence` is that of a data set to publish.
    """

    run: BootstrapRun
    tasks: Sequence[Task]
    end_of_text: str = ""
    licence: str = ""

    def rows(self) -> Iterator[ExportRow]:
        """All instances, each content once."""
        seen = set()
        for task in self.tasks:
            for instance in task.instances:
                content = (task.definition, instance.input, instance.output)
                if content not in seen:
                    seen.add(content)
                    yield ExportRow(task.id, *content, task.is_classification)


Writer = Callable[[ExportSource, Path], int]


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format for finished tasks.

    `write` is called with the source and an empty directory; it writes the files, and returns how
    many records they hold. `meaning` says in a line what a record is, `unit` what records are
    called. A format that is `published` needs a licence.
    """

    name: str
    meaning: str
    write: Writer
    unit: str = "records"
    published: bool = False


def export(
    run: BootstrapRun,
    format: str | ExportFormat,  # noqa: A002 - the name of the flag
    out: str | Path,
    *,
    end_of_text: str = "",
    licence: str = "",
    reviewed: str | Path | None = None,
) -> int:
    """Write a run's finished tasks to the directory `out` and return the number of records.

    `format` is one of your own, or the name of one of `EXPORT_FORMATS`. `end_of_text` ends each
    completion of `prompt-completion`. Most tuning tools add their model's own; the paper's was
    `<|endoftext|>`. `licence` is that under which `hub` is published, which only its maker can
    choose. What people rejected in the review `reviewed` is left out.

    Raises:
        InputError: there is no such format, or `hub` without a licence, or the review is of
            something else.
        RunError: there is nothing to export, or `out` holds something else or can't be written.
        MissingExtraError: Parquet needs pyarrow.
    """
    chosen = _named(format) if isinstance(format, str) else format
    if chosen.published:
        require_licence(licence)
    with run.snapshot():  # the card counts what the rows are made of
        tasks = run.tasks()
        if not tasks:
            raise RunError(
                f"{run.path} has no finished tasks yet", "let `seedstep bootstrap` make some"
            )
        if reviewed is not None:
            tasks = without_rejected(tasks, Path(reviewed)).tasks
            if not tasks:
                raise RunError(f"people rejected all of {run.path}", "leave the review out")
        source = ExportSource(run, tasks, end_of_text, licence)
        with whole_folder(Path(out), EXPORT_MARKER, {"format": chosen.name}) as folder:
            return chosen.write(source, folder)


def _named(name: str) -> ExportFormat:
    if name not in EXPORT_FORMATS:
        raise unknown_name("format", name, EXPORT_FORMATS)
    return EXPORT_FORMATS[name]


def exported_files(path: Path) -> dict[str, int]:
    """The files of a data set that is exported as `hub`, with their sizes in bytes.

    Raises:
        InputError: there is none in this directory.
    """
    marker = read_marker(path, EXPORT_MARKER)
    if not marker or marker.format != HUB:
        what = f"{path} was not written by `seedstep export --format hub`"
        raise InputError(what, "export the run in that format first")
    return {name: (path / name).stat().st_size for name in files_in(path) if name in marker.files}


def write_lines(records: Iterable[Any], path: Path) -> int:
    """Write each record as a line of JSON, and return how many there are."""
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
    """A writer of conversations of two turns, under the names that a format has for them."""

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
    """The released code's randomised templates, chosen by the run's seed and the row's place."""
    pairs = {
        encode_pair(
            row.instruction,
            row.input,
            row.output,
            key=f"{source.run.settings.seed}:{row.id}:{place}",
            end_of_text=source.end_of_text,
        ): None
        for place, row in enumerate(source.rows())
    }
    return write_lines(pairs, out / "train.jsonl")


def _parquet(source: ExportSource, out: Path) -> int:
    return _write_parquet(list(source.rows()), out / "train.parquet")


def _hub(source: ExportSource, out: Path) -> int:
    """Parquet where `datasets` and the hub look for it, and the card."""
    rows = list(source.rows())
    (out / "data").mkdir()
    card = data_card(source.run, rows, source.licence)
    (out / "README.md").write_text(card, "utf-8")
    return _write_parquet(rows, out / "data" / "train-00000-of-00001.parquet")


def _write_parquet(rows: Sequence[ExportRow], path: Path) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("Parquet", "pip install 'seedstep[parquet]'") from None
    table = pa.Table.from_pylist([msgspec.to_builtins(row) for row in rows])
    pq.write_table(table, path)
    return int(table.num_rows)


def _superni(source: ExportSource, out: Path) -> int:
    """One task file each, in the SUPER-NATURALINSTRUCTIONS schema, the training split, and a card
    that tells `datasets.load_dataset` which files are data.

    Names are made from numbers: what a model wrote is never part of a path.
    """
    (out / "tasks").mkdir()
    names = []
    for number, task in enumerate(source.tasks, start=1):
        names.append(f"task{number:05d}_machine_generated")
        text = task_file(_superni_task(task, names[-1]), "seedstep", "Machine-generated")
        (out / "tasks" / f"{names[-1]}.json").write_bytes(text)
    split = out / "splits" / "default" / "train_tasks.txt"
    split.parent.mkdir(parents=True)
    split.write_text("".join(f"{name}\n" for name in names))
    card = resources.files("seedstep.exports") / "superni_card.md"
    (out / "README.md").write_bytes(card.read_bytes())
    return len(names)


def _superni_task(task: Task, name: str) -> Task:
    """The task with examples out of its instances, each of which has an id."""
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


EXPORT_FORMATS = _by_name(
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
        "a pair in one of the released code's 13 templates, drawn at random, alike at each export",
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
"""All formats, by name."""
