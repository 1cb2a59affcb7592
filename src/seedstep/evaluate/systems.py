"""Scored systems and comparisons of them: their records, and the tables that show them.

A table has a head and rows of cells, which are text. In the tables of the papers a row is a system;
in tables by category or task a row is a group, and a column a system.

Example::

    head, rows = overall_table(systems)
    print(rows[0])  # ("base", "41.2 [39.0, 43.5]", "44.0 [41.9, 46.2]", "12.5", "1,000", "10")
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from seedstep.data.records import Tabulated, as_html, html_table
from seedstep.evaluate.intervals import NOTHING, McNemar, Value, interval_note, shown
from seedstep.evaluate.metrics import Metric, by_metric, category_metric
from seedstep.evaluate.scores import Scores, TrainingOverlap, remarks, remarks_beside

__all__ = [
    "NO_CATEGORY",
    "CellTable",
    "Comparison",
    "Difference",
    "EvaluatedSystem",
    "Grouping",
    "MeanScores",
    "Pairing",
    "Pairings",
    "about_shown",
    "comparison_table",
    "comparison_title",
    "group_table",
    "overall_table",
    "systems_html",
]

Grouping = Literal["category", "task"]


@dataclass(frozen=True, slots=True)
class MeanScores:
    """Mean scores from 0 to 100 over some instances, with 95% intervals over their tasks.

    Missing and failed predictions count as empty ones; `empty` counts those that are there, `cut`
    those that reached their length limit.
    """

    instances: int
    tasks: int
    missing: int
    failed: int
    values: Mapping[str, Value]
    empty: int = 0
    cut: int = 0

    def of(self, metric: str) -> Value:
        """Return the score by the metric of this name.

        Raises:
            InputError: it was not scored by it.
        """
        return by_metric(self.values, metric)


@dataclass(frozen=True, slots=True)
class EvaluatedSystem(Tabulated):
    """A system with its scores.

    `groups` has the scores by category or task, and is empty if there is no `grouping`. `left_out`
    has messages that name, with file and line, the predictions that do not count. `training` has
    the scored tasks on which seedstep tuned the model; it is None if no tuning of it is known.
    """

    name: str
    scores: Scores
    overall: MeanScores
    grouping: Grouping | None
    groups: Mapping[str, MeanScores]
    left_out: tuple[str, ...]
    training: TrainingOverlap | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """The remarks to show with the scores, often none."""
        return remarks(self.scores.results, self.training, self.scores.metrics)

    def _repr_html_(self) -> str:
        """Return the scores as HTML, as notebooks show them."""
        return systems_html([self])

    def to_records(self) -> list[dict[str, Any]]:
        """Return the scores as plain rows, one for each metric over all, then for each group."""
        named = [("", self.overall), *self.groups.items()]
        return [
            {"system": self.name, "group": group, "metric": metric, **_flat(found, value, "score")}
            for group, found in named
            for metric, value in found.values.items()
        ]


def _flat(found: "MeanScores | Difference", value: Value, name: str) -> dict[str, Any]:
    """Return the counts and scores of a record, and one of its values with its interval."""
    plain = {key: part for key, part in asdict(found).items() if isinstance(part, int | float)}
    return {**plain, name: value.value, "low": value.low, "high": value.high}


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two systems' scores, in points from 0 to 100: the first less the second.

    Wins, losses and ties count the instances on which the first system scores more, less, the same.
    """

    metric: Metric
    instances: int
    tasks: int
    first: float
    second: float
    difference: Value
    wins: int
    losses: int
    ties: int


@dataclass(frozen=True, slots=True)
class Comparison(Tabulated):
    """A comparison of two systems: `differences` over all instances, by each `compared` metric.

    `categories` has a difference for each category, by the metric that was published for it.
    `mcnemar` is None if exact matches were not measured.

    `first_absent` and `second_absent` count the pairs in which a system's prediction is missing or
    failed, and counts as empty. Instances on which only one system was scored are not compared;
    `first_unpaired` and `second_unpaired` name them.
    """

    differences: tuple[Difference, ...]
    categories: Mapping[str, Difference]
    mcnemar: McNemar | None
    first_absent: int
    second_absent: int
    first_unpaired: tuple[str, ...]
    second_unpaired: tuple[str, ...]

    def _repr_html_(self) -> str:
        """Return the comparison as HTML, as notebooks show it."""
        return Pairing("A", "B", self)._repr_html_()

    @property
    def overall(self) -> Difference:
        """The difference over all instances by the first metric."""
        return self.differences[0]

    def by(self, metric: str) -> Difference:
        """Return the difference over all instances by the metric of this name.

        Raises:
            InputError: the systems were not compared by it.
        """
        return by_metric({found.metric.name: found for found in self.differences}, metric)

    def to_records(self) -> list[dict[str, Any]]:
        """Return the differences as plain rows: over all by each metric, then by category."""
        named = [*(("", difference) for difference in self.differences), *self.categories.items()]
        return [
            {"category": category, "metric": found.metric.name}
            | _flat(found, found.difference, "difference")
            for category, found in named
        ]


@dataclass(frozen=True, slots=True)
class Pairing(Tabulated):
    """The names of two systems, their comparison, and `remarks` to show with the figures."""

    first: str
    second: str
    comparison: Comparison
    remarks: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """Return the comparison as HTML, as notebooks show it, with the remarks below."""
        table = html_table(*comparison_table(self), comparison_title(self))
        return table + "".join(f"<div>{as_html(remark)}</div>" for remark in self.remarks)

    def to_records(self) -> list[dict[str, Any]]:
        """Return the differences as plain rows that name both systems."""
        names = {"first_system": self.first, "second_system": self.second}
        return [names | row for row in self.comparison.to_records()]


class Pairings(Tabulated, tuple[Pairing, ...]):
    """Comparisons of several systems: a tuple of `Pairing`, with the rows of all."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        """Return all comparisons as HTML, as notebooks show them."""
        return "".join(pairing._repr_html_() for pairing in self)

    def to_records(self) -> list[dict[str, Any]]:
        """Return the differences of all pairs as plain rows that name both systems."""
        return [row for pairing in self for row in pairing.to_records()]


NO_CATEGORY = "(no category)"


class CellTable(NamedTuple):
    """A table of text: the head, and the rows."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


_INTERVAL = re.compile(r"\[[-+]?[\d.]+, [-+]?[\d.]+\]$")


def about_shown(rows: Iterable[Sequence[str]]) -> str:
    """Return "with 95% intervals over tasks" if a cell has one, or why none is there."""
    return interval_note(any(_INTERVAL.search(cell) for row in rows for cell in row))


def overall_table(systems: Sequence[EvaluatedSystem]) -> CellTable:
    """Return a table with a row for each system: scores over all instances, with intervals."""
    metrics = systems[0].scores.metrics
    return CellTable(
        ("system", *(metric.title for metric in metrics), "instances", "tasks"),
        tuple(
            (
                system.name,
                *(shown(system.overall.of(metric.name)) for metric in metrics),
                f"{system.overall.instances:,}",
                f"{system.overall.tasks:,}",
            )
            for system in systems
        ),
    )


def group_table(systems: Sequence[EvaluatedSystem]) -> CellTable | None:
    """Return a table with a row for each category or task, or None if there are no groups.

    A column is a system.

    The score is by the metric that was published for the category.
    """
    names = sorted({name for system in systems for name in system.groups})
    if not names:
        return None
    grouping = systems[0].grouping or ""
    metrics = _metrics(systems)
    rows = []
    for name in names:
        metric = metrics[name]
        cells = (_group_cell(system.groups.get(name), metric) for system in systems)
        rows.append((name or NO_CATEGORY, metric.title, *cells))
    return CellTable((grouping, "metric", *(system.name for system in systems)), tuple(rows))


def _group_cell(measured: MeanScores | None, metric: Metric) -> str:
    return NOTHING if measured is None else shown(measured.of(metric.name))


def _metrics(systems: Sequence[EvaluatedSystem]) -> dict[str, Metric]:
    """Return the metric of each group."""
    known = systems[0].scores.metrics
    if systems[0].grouping == "category":
        return {name: category_metric(name, known) for system in systems for name in system.groups}
    return {
        result.task: category_metric(result.category, known)
        for system in systems
        for result in system.scores.results
    }


def comparison_table(pairing: Pairing) -> CellTable:
    """Return a table with a row for each metric and category: scores of A and B, and A - B."""
    found = pairing.comparison
    head = ("", "metric", "A", "B", "A - B", "win/lose/tie", "instances")
    named = [("all", difference) for difference in found.differences]
    if set(found.categories) != {""}:
        named += [
            (name or NO_CATEGORY, difference) for name, difference in found.categories.items()
        ]
    return CellTable(head, tuple(_difference_row(name, difference) for name, difference in named))


def systems_html(systems: Sequence[EvaluatedSystem]) -> str:
    """Return the scores of systems as HTML: overall, and by category or task if there are any.

    Remarks on them stand below.
    """
    tables = [overall_table(systems), group_table(systems)]
    said = remarks_beside({system.name: system.remarks for system in systems})
    return "".join(
        [
            *(html_table(*table) for table in tables if table),
            *(f"<div>{as_html(remark)}</div>" for remark in said),
        ]
    )


def comparison_title(pairing: Pairing) -> str:
    """Return a title that says which systems are A and B in the table of a comparison."""
    return f"A: {pairing.first}, B: {pairing.second}"


def _difference_row(name: str, difference: Difference) -> tuple[str, ...]:
    return (
        name,
        difference.metric.title,
        f"{difference.first:.1f}",
        f"{difference.second:.1f}",
        shown(difference.difference, sign="+"),
        f"{difference.wins:,}/{difference.losses:,}/{difference.ties:,}",
        f"{difference.instances:,}",
    )
