"""The part of a report about data that is no run: a file, an export, a data set of the hub.

Self-Instruct's Table 1 and Figures 3 to 5 of any instruction data: that of the paper, Alpaca, or
your own. Figures 4 and 8 compare with the `test_sets` of the report, such as the seed tasks.

Example::

    part = data_part(Path("alpaca_data.json"), context)
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from seedstep.data import Task, TaskList
from seedstep.data.files import exported_format
from seedstep.data.row_forms import RowSource
from seedstep.data.rows import HUB
from seedstep.errors import InputError, MissingExtraError
from seedstep.inputs import load_source
from seedstep.novelty import NamedText
from seedstep.report.parsing import structure
from seedstep.report.records import Paragraph, ReportPart, Section
from seedstep.report.sections.grown import (
    labels_section,
    lengths_section,
    novelty_section,
    overlap_section,
    size_section,
    structure_section,
    tasks_section,
)
from seedstep.report.statistics import (
    counts,
    label_balance,
    lengths,
    nearest,
    nearest_before,
)
from seedstep.stages import STAGES
from seedstep.text import TOKENIZERS
from seedstep.tune import make_source

__all__ = ["TellActivity", "TestSets", "data_part", "is_data", "place_beside", "structure_of"]

TestSets = Mapping[str, Sequence[NamedText]]
"""The instructions of test sets, by the names of the sets."""

TellActivity = Callable[[str], None]
"""Called with a text that says what is being done."""

DATA_FILES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
"""How names of files of data end."""

SHOWN_PROBLEMS = 3
"""How many rows that can't be read are named."""


def is_data(path: Path) -> bool:
    """Return whether a path is data and no run: a file, an export, tasks, or a data set.

    Raises:
        InputError: it is named like a file of data, and is not there.
    """
    is_hub = str(path).startswith(HUB)
    if path.suffix.lower() in DATA_FILES and not is_hub and not path.exists():
        raise InputError(f"{path}: no such file", "check the path")
    if any((path / config).is_file() for config in STAGES.configs.values()):
        return False
    is_folder = exported_format(path) is not None or (path / "tasks").is_dir()
    return path.is_file() or is_folder or RowSource.parse(str(path)) is not None


def place_beside(source: Path) -> Path:
    """Return where the report on a run or on data goes: into a run, or beside a file.

    Raises:
        InputError: the source is a data set of the hub, beside which nothing can be.
    """
    rows = None if source.exists() else RowSource.parse(str(source))
    if rows and rows.is_hub:
        raise InputError(f"{source}: no place for its report", "add --out DIR")
    file = Path(rows.place) if rows else source
    return file.with_name(f"{file.stem}-report") if file.is_file() else file / "report"


def data_part(path: Path, test_sets: TestSets, tell: TellActivity) -> ReportPart:
    """Return the part about data, with the sections that need no run.

    Rows and tasks that can't be read are left out and counted.

    Raises:
        InputError: the data can't be read, or nothing of it can.
    """
    tell(f"reading {path}")
    found = load_source(make_source(str(path)), skip_bad=True)
    tasks = found.tasks
    texts = [(task.id, task.definition) for task in tasks]
    classified = any(task.is_classification for task in tasks)
    sections: list[Section | None] = [
        size_section(counts(tasks), "this data", "What is in the data?", classified=classified),
        _left_out(found),
        lengths_section(lengths(tasks)),
        structure_of(tasks, tell),
        *_novelty(texts, test_sets, tell),
        labels_section(label_balance(tasks)) if classified else None,
        tasks_section(tasks),
    ]
    facts = (("data", str(path)), ("tasks", f"{len(tasks):,}"))
    title = f"data: {path.name or path}"
    return ReportPart(title, facts, tuple(section for section in sections if section))


def _left_out(found: TaskList) -> Section | None:
    if not found.problems:
        return None
    named = "; ".join(problem.what for problem in found.problems[:SHOWN_PROBLEMS])
    text = f"{len(found.problems):,} rows or tasks can't be read and are left out: {named}"
    return Section("What is left out", (Paragraph(text),))


def structure_of(tasks: Sequence[Task], tell: TellActivity) -> Section:
    """Return the section on verbs and objects; it says so if spaCy is not installed."""
    told = _Counting(tell, "parsing instruction", len(tasks))
    try:
        pairs = structure([task.definition for task in tasks], told)
    except MissingExtraError as missing:
        return Section("What the instructions ask for", (), str(missing))
    return structure_section(pairs, len(tasks))


def _novelty(
    texts: Sequence[NamedText], test_sets: TestSets, tell: TellActivity
) -> list[Section | None]:
    tokenizer = TOKENIZERS["latin"]
    told = _Counting(tell, "comparing instruction", len(texts))
    sections = [novelty_section((), nearest_before(texts, tokenizer, told), grown=False)]
    overlaps = {}
    for name, items in test_sets.items():
        told = _Counting(tell, f"comparing with {name}: instruction", len(texts))
        overlaps[name] = {"This data": nearest(texts, items, tokenizer, told)}
    return [*sections, overlap_section(overlaps)]


EVERY = 200
"""After how many texts the number of texts that are done is told."""


class _Counting:
    """Tells how many texts are done, each time that `EVERY` more are, and at the end."""

    def __init__(self, tell: TellActivity, doing: str, whole: int) -> None:
        self._tell = tell
        self._doing = doing
        self._whole = whole
        self._told = 0

    def __call__(self, done: int) -> None:
        if done - self._told >= EVERY or (done == self._whole and done > self._told):
            self._told = done
            self._tell(f"{self._doing} {done:,} of {self._whole:,}")
