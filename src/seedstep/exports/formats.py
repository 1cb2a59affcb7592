"""Export the finished tasks of a run in the formats that tuning tools read.

Rows are in the order in which the tasks were retired, without exact duplicates, and the same run
gives the same bytes. A directory is written atomically. `EXPORT_FORMATS` has all formats. To use a
format of your own, pass it in place of a name::

    def write(source: ExportSource, folder: Path) -> int:
        return write_lines(({"text": row.request} for row in source.rows()), folder / "train.jsonl")

    export(run, ExportFormat("texts", "the request alone", write), "data/texts")

Example::

    export(open_run("runs/first"), "alpaca", "data/alpaca")
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
from seedstep.data import (
    Example,
    StrPath,
    Task,
    instance_id,
    task_file,
    whole_folder,
)
from seedstep.data.files import EXPORT_MARKER
from seedstep.encode import encode_pair
from seedstep.entries import guarded, require_entry
from seedstep.errors import InputError, MissingExtraError, RunError, unknown_name
from seedstep.exports.hub import ExportRow, require_licence
from seedstep.inputs.labels import without_rejected
from seedstep.runs import GrownTasks, Run, stage_of
from seedstep.runs.stage import STAGES
from seedstep.text import script_of

__all__ = [
    "EXPORT_FORMATS",
    "ExportFormat",
    "ExportRow",
    "ExportSource",
    "export",
    "finished_tasks",
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


def export(
    run: Run[Any, Any, Any] | StrPath,
    format: str | ExportFormat,  # noqa: A002 - the name of the flag
    out: StrPath,
    *,
    end_of_text: str = "",
    licence: str = "",
    reviewed: StrPath | None = None,
) -> int:
    """Write a run's finished tasks to the directory `out` and return the number of records.

    A run may be named by its directory. `format` is a format, or the name of one in
    `EXPORT_FORMATS`. `end_of_text` ends each completion of `prompt-completion`; most tuning tools
    add the one of their model, and the paper's was `<|endoftext|>`. `licence` is the licence of a
    data set in the format `hub`, which only its maker can choose. Tasks and instances that people
    rejected in the review `reviewed` are left out.

    Raises:
        EntryError: a format of your own raised an error, or did not return a number.
        InputError: there is no such format, `hub` has no licence, or the review is of something
            else.
        RunError: `run` is no run or can't be read, there is nothing to export, `out` has other
            files, or it can't be written.
        MissingExtraError: pyarrow, which writes Parquet, is not installed.
    """
    if not isinstance(run, Run):
        more: dict[str, Any] = {"end_of_text": end_of_text, "licence": licence}
        with _opened(Path(run)) as opened:
            return export(opened, format, out, reviewed=reviewed, **more)
    chosen = _named(format) if isinstance(format, str) else format
    require_entry("format", chosen, ExportFormat)
    if chosen.published:
        require_licence(licence)
    with run.snapshot():  # the card counts what the rows are made of
        tasks, left_out = finished_tasks(run), ""
        if not tasks:
            what = f"{run.path} has no finished tasks yet"
            raise RunError(what, f"let `seedstep {run.stage.name}` make some")
        if reviewed is not None:
            kept = without_rejected(tasks, Path(reviewed))
            tasks, left_out = kept.tasks, kept.left_out
            if not tasks:
                raise RunError(f"people rejected all of {run.path}", "leave the review out")
        source = ExportSource(run, tasks, end_of_text, licence, left_out, _cells(run))
        with whole_folder(Path(out), EXPORT_MARKER, {"format": chosen.name}) as folder:
            return _writer(chosen)(source, folder)


def _writer(chosen: ExportFormat) -> Callable[[ExportSource, Path], int]:
    """Return the function of a format; of one that is not seedstep's own, it checks the count."""
    if chosen in EXPORT_FORMATS.values():
        return chosen.write
    entry = f"the format '{chosen.name}'"
    return guarded(entry, chosen.write, "the number of records", _is_count)


def _is_count(found: object) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and found >= 0


def _opened(path: Path) -> Run[Any, Any, Any]:
    """Open a run of any stage for reading; a directory that is none is read as a bootstrap."""
    name = stage_of(path)
    return Run.read(STAGES[name if name in STAGES else "bootstrap"], path)


def finished_tasks(run: Run[Any, Any, Any]) -> tuple[Task, ...]:
    """Return the finished tasks of a run, such as those of a bootstrap.

    Raises:
        InputError: the run is of a stage that makes none, so that there is nothing to export.
    """
    if run.stage.tasks is None:
        what = f"{run.path} is a run of `seedstep {run.stage.name}`, which has no instances"
        raise InputError(what, "name the run of a bootstrap, or of `seedstep distill`")
    return tuple(run.stage.tasks(run.database))


def _cells(run: Run[Any, Any, Any]) -> Mapping[str, Cell]:
    return run.records.task_cells() if isinstance(run.records, GrownTasks) else {}


def _named(name: str) -> ExportFormat:
    if name not in EXPORT_FORMATS:
        raise unknown_name("format", name, EXPORT_FORMATS)
    return EXPORT_FORMATS[name]


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
"""All formats, by name."""
