"""Make a table of a paper from an experiment, and show our values beside the printed ones.

Example::

    >>> printed = printed_table("ss-table-2")
    >>> printed.source
    'Step-by-Step Instruction Tuning, Table 2 (section 4.4)'
    >>> printed.differences(printed.row("tuned-steps"), "tk-instruct")
    {'Base': 1.0, 'Large': 1.7, '3B': 1.9, '11B': 0.9}

Values have 95% intervals over tasks, and differences are paired by instance. A system that has not
predicted all instances has no value yet, and the table says what is missing.

Example::

    for table in paper_tables(Path("runs/ss-table-2")):
        print(table.printed.source, [row.value for row in table.rows])
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import chdir, suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import prod
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from seedstep.errors import InputError, unknown_name
from seedstep.evaluate import score
from seedstep.evaluate.agreement import ACCEPTABLE
from seedstep.evaluate.intervals import Value, mean_over_tasks
from seedstep.evaluate.judge import Judged
from seedstep.evaluate.metrics import OWN_METRICS
from seedstep.evaluate.scores import remarks, remarks_beside
from seedstep.inputs import read_systems
from seedstep.runs import has_rows, open_database, read_entries
from seedstep.stages.directories import TableRequest, kept_experiments, unfinished_stages

__all__ = [
    "PaperDifference",
    "PaperRow",
    "PaperTable",
    "PrintedRow",
    "PrintedTable",
    "ReplicationOutcome",
    "agreement_of",
    "paper_table",
    "paper_tables",
    "printed_table",
    "printed_tables",
    "sign_of",
]


class PrintedRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a printed table: a system, how the paper calls it, and its values by model.

    `against` names the systems with which it is compared. `differences` has what the paper says of
    the difference from each of these where it prints no values: points, or a sign.
    """

    system: str
    method: str
    values: dict[str, float] = {}
    against: tuple[str, ...] = ()
    differences: dict[str, float | str] = {}


class PrintedTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A printed table or figure, with its source. `models` are the models of most rows."""

    paper: str
    table: str
    section: str
    title: str
    measure: str
    measured_on: str
    models: tuple[str, ...]
    rows: tuple[PrintedRow, ...]
    note: str = ""

    @property
    def source(self) -> str:
        """Where it is printed."""
        place = self.section if " " in self.section else f"section {self.section}"
        return f"{self.paper}, {self.table} ({place})"

    def row(self, system: str) -> PrintedRow:
        """Return the row of a system."""
        return next(row for row in self.rows if row.system == system)

    def differences(self, row: PrintedRow, against: str) -> dict[str, float | str]:
        """Return the printed differences of a row from another one, by model; they may be signs."""
        if row.differences:
            return dict(row.differences)
        other = self.row(against).values
        return {
            model: round(value - other[model], 1)
            for model, value in row.values.items()
            if model in other
        }


@cache
def printed_tables() -> dict[str, PrintedTable]:
    """Return all printed tables, by name."""
    text = (resources.files("seedstep.report") / "printed.yaml").read_text("utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, PrintedTable])


def printed_table(name: str) -> PrintedTable:
    """Return the printed table of this name.

    Raises:
        InputError: no printed table has this name.
    """
    tables = printed_tables()
    if name not in tables:
        raise unknown_name("printed table", name, tables)
    return tables[name]


ReplicationOutcome = Literal[
    "agrees", "unsure", "other unsure", "disagrees", "no difference", "not printed", "missing"
]
"""How our difference goes with the printed ones. Unsure: our interval includes zero or is missing.

If the printed differences have several signs, ours agrees if one of them has its sign.
"""


MANY = "*"
"""The end of a printed row's system that stands for all systems whose names begin so."""


@dataclass(frozen=True, slots=True)
class PaperRow:
    """A row of the table: the printed one, and our value, or what is missing for it."""

    printed: PrintedRow
    value: Value | None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class PaperDifference:
    """The difference of a row from another one: ours, the printed ones by model, and the verdict.

    `ours` is None if a value is missing.
    """

    row: PrintedRow
    other: PrintedRow
    ours: Value | None
    printed: Mapping[str, float | str]
    agreement: ReplicationOutcome


@dataclass(frozen=True, slots=True)
class PaperTable:
    """A table of a paper as an experiment made it.

    `model` is the experiment's, `parameters` their number in the tuned model, if that is known.
    `lacking` names the systems that have no value yet, `unfinished` the stages that are left.
    `remarks` are those on the systems' answers and references. `predictions` is the run of which
    the scores are; None if a judge gave them.
    """

    name: str
    printed: PrintedTable
    size: str
    model: str
    parameters: int | None
    tasks: int
    instances: int
    rows: tuple[PaperRow, ...]
    differences: tuple[PaperDifference, ...]
    lacking: tuple[str, ...]
    unfinished: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    predictions: Path | None = None


def paper_tables(directory: Path) -> tuple[PaperTable, ...]:
    """Return the tables of the experiments that ran in a directory.

    Raises:
        InputError: no experiment with a table ran there.
        RunError: a file can't be read.
    """
    kept = kept_experiments(directory)
    if not kept:
        what = f"{directory}: no experiment with a table of a paper ran here"
        raise InputError(what, "run one of `seedstep run --list`, or name where it ran")
    return tuple(paper_table(directory, name) for name in kept)


def paper_table(directory: Path, name: str) -> PaperTable:
    """Return the table of the experiment of this name that ran in a directory.

    Raises:
        InputError: no such experiment ran there.
        RunError: a file can't be read.
    """
    known = kept_experiments(directory)
    if not known:
        what = f"{directory}: no experiment with a table of a paper ran here"
        raise InputError(what, f"run it first: seedstep run {name}")
    if name not in known:
        raise unknown_name("experiment", name, known, str(directory))
    kept = known[name]
    printed = printed_table(kept.table.printed)
    systems = _systems(directory, kept.table)
    names = {*kept.systems, *systems}
    printed = msgspec.structs.replace(printed, rows=tuple(_expanded(printed.rows, names)))
    wanted = [row.system for row in printed.rows]
    rows = tuple(_row(row, systems) for row in printed.rows)
    whole = {row.printed.system for row in rows if row.value}
    counted = [systems[name].points for name in wanted if name in whole]
    first = max(counted, key=len, default={})
    return PaperTable(
        name,
        printed,
        kept.size,
        kept.values.get("model") or "",
        _parameters(directory),
        len({task for task, _ in first.values()}),
        len(first),
        rows,
        tuple(
            _difference(printed, row, printed.row(other), systems, whole)
            for row in printed.rows
            for other in row.against
            if {row.system, other} <= names
        ),
        tuple(name for name in kept.systems if name not in whole),
        unfinished_stages(directory, kept),
        remarks_beside({name: systems[name].remarks for name in wanted if name in whole}),
        None if kept.table.verdicts else directory / kept.table.predictions,
    )


Points = Mapping[str, tuple[str, float]]
"""The task and the points, from 0 to 100, of each instance."""


@dataclass(frozen=True, slots=True)
class _System:
    """The points of a system by instance, and how many instances have none."""

    points: Points
    missing: int
    remarks: tuple[str, ...] = ()

    @property
    def value(self) -> Value | None:
        """The mean points; None if not all instances have some."""
        return None if self.missing else _mean(list(self.points.values()))


def _mean(points: Sequence[tuple[str, float]]) -> Value | None:
    if not points:
        return None
    return mean_over_tasks([value for _, value in points], [task for task, _ in points], seed=0)


def _expanded(rows: Sequence[PrintedRow], systems: Iterable[str]) -> Iterator[PrintedRow]:
    """Yield the rows, and for each one that ends with `*` a row for each system with this start.

    These are in the order of the numbers in their names, and each is compared with the one before.
    """
    last: dict[str, str] = {}
    for row in rows:
        against = tuple(last.get(other, other) for other in row.against)
        against = tuple(other for other in against if not other.endswith(MANY))
        if not row.system.endswith(MANY):
            yield msgspec.structs.replace(row, against=against)
            continue
        start = row.system.removesuffix(MANY)
        rests = [name.removeprefix(start) for name in systems if name.startswith(start)]
        for rest in sorted(rests, key=lambda rest: (not rest.isdecimal(), len(rest), rest)):
            before = (last[row.system],) if row.system in last else against
            method = row.method.format(
                f"{int(rest):,}" if rest.isdecimal() and len(rest) < 16 else rest
            )
            yield msgspec.structs.replace(
                row, system=f"{start}{rest}", method=method, against=before
            )
            last[row.system] = f"{start}{rest}"


def _systems(directory: Path, request: TableRequest) -> dict[str, _System]:
    """Return the systems of an experiment, by name."""
    if request.verdicts:
        return _judged(directory / request.verdicts)
    if not has_rows("predictions")(directory / request.predictions):
        return {}
    found = {}
    with chdir(directory):  # paths of the experiment's commands start there
        read = read_systems([request.predictions])
    for system in read:
        results = score(system.predictions, system.references, metrics=OWN_METRICS).results
        points = {each.instance: (each.task, 100 * each.marks["rouge_l"]) for each in results}
        missing = sum(result.status == "missing" for result in results)
        said = remarks(results, system.training, OWN_METRICS)
        found[system.name] = _System(points, missing, said)
    return found


def _judged(path: Path) -> dict[str, _System]:
    """Return the systems that a judge rated; their points are 100 for an acceptable answer."""
    if not path.is_dir():
        return {}
    with open_database(path, "judge") as database:
        items = [entry.result for entry in read_entries(database, Judged)]
    points: dict[str, dict[str, tuple[str, float]]] = {}
    for item in items:
        for verdict in item.verdicts:
            if verdict.label:
                rated = points.setdefault(verdict.shown[0], {})
                rated[item.instance] = (item.task, 100.0 * (verdict.label in ACCEPTABLE))
    return {name: _System(found, 0) for name, found in points.items()}


def _row(printed: PrintedRow, systems: Mapping[str, _System]) -> PaperRow:
    found = systems.get(printed.system)
    if found is None:
        return PaperRow(printed, None)
    made = len(found.points) - found.missing
    missing = f"{made:,} of {len(found.points):,} instances" if found.missing else ""
    return PaperRow(printed, found.value, missing)


def _difference(
    table: PrintedTable,
    row: PrintedRow,
    other: PrintedRow,
    systems: Mapping[str, _System],
    whole: set[str],
) -> PaperDifference:
    ours = None
    if {row.system, other.system} <= whole:
        first, second = systems[row.system].points, systems[other.system].points
        pairs = [
            (task, value - second[instance][1])
            for instance, (task, value) in first.items()
            if instance in second
        ]
        ours = _mean(pairs)
    printed = table.differences(row, other.system)
    return PaperDifference(row, other, ours, printed, agreement_of(ours, list(printed.values())))


def agreement_of(ours: Value | None, printed: Sequence[float | str]) -> ReplicationOutcome:
    """Return how our difference goes with the printed ones."""
    if ours is None or ours.value is None:
        return "missing"
    if not printed:
        return "not printed"
    if not round(ours.value, 1):
        return "no difference"
    sure = ours.low is not None and ours.high is not None and (ours.low > 0 or ours.high < 0)
    same = sign_of(ours.value) in {sign_of(value) for value in printed}
    if same:
        return "agrees" if sure else "unsure"
    return "disagrees" if sure else "other unsure"


def sign_of(value: float | str) -> int:
    """Return 1, 0 or -1: the sign of a difference, or of a text such as `+10%`."""
    if isinstance(value, str):
        return -1 if value.startswith("-") else 1
    return (value > 0) - (value < 0)


def _parameters(directory: Path) -> int | None:
    """Return the number of weights of a tuned model of the experiment, by its files' headers."""
    for folder in sorted(directory.glob("*/model")):
        count = 0
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            for path in folder.glob("*.safetensors"):
                with path.open("rb") as file:
                    length = int.from_bytes(file.read(8), "little")
                    header = json.loads(file.read(min(length, MOST_HEADER)))
                for tensor, found in header.items():
                    if tensor != "__metadata__":
                        count += prod(found["shape"])
            if count:
                return count
    return None


MOST_HEADER = 64 << 20
"""The most bytes of a file's header that are read."""
