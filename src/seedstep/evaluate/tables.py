"""Make tables of scores and comparisons, and write them as Markdown, CSV or JSON.

A table has a head and rows of cells, which are text. In the tables of the papers a row is a system;
in tables by category or task a row is a group, and a column a system. CSV, for programs, has a row
for each score.

Example::

    head, rows = overall_table(systems)
    print(markdown(head, rows))
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any, Literal, NamedTuple

from seedstep.data.records import as_html, html_table
from seedstep.evaluate import METRICS, Metric, category_metric
from seedstep.evaluate.agreement import LEVELS, preferences, ratings
from seedstep.evaluate.compare import Difference, EvaluatedSystem, MeanScores, Pairing
from seedstep.evaluate.intervals import NOTHING, Value, said_of_intervals, shown
from seedstep.evaluate.judge import Judged
from seedstep.evaluate.scores import ALONE, NO_TOKENS, remarks_beside
from seedstep.text import markdown_table, one_line

__all__ = [
    "NO_CATEGORY",
    "CellTable",
    "about_shown",
    "comparison_table",
    "comparison_title",
    "comparisons_json",
    "group_table",
    "kept_remarks",
    "kept_table",
    "markdown",
    "overall_table",
    "scores_csv",
    "scores_json",
    "systems_html",
    "verdict_table",
]

NO_CATEGORY = "(no category)"


class CellTable(NamedTuple):
    """A table of text: the head, and the rows."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


_INTERVAL = re.compile(r"\[[-+]?[\d.]+, [-+]?[\d.]+\]$")


def about_shown(rows: Iterable[Sequence[str]]) -> str:
    """Return "with 95% intervals over tasks" if a cell has one, or why none is there."""
    return said_of_intervals(any(_INTERVAL.search(cell) for row in rows for cell in row))


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


def kept_table(rows: Iterable[Mapping[str, Any]]) -> CellTable:
    """Return an `overall_table` of the scores stored in a run (`seedstep.runs.kept_scores`)."""
    overall = [row for row in rows if not row["grouping"]]
    titles = {metric.name: metric.title for metric in METRICS}
    names = list(dict.fromkeys((*titles, *(row["metric"] for row in overall))))
    return CellTable(
        ("system", "tokenizer", *(titles.get(name, name) for name in names), "instances", "tasks"),
        tuple(_kept_row(*key, [*found], names) for key, found in groupby(overall, _kept_of)),
    )


def kept_remarks(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Say of which systems' kept scores a metric says nothing of how many references."""
    found = [
        f"{row['name']} ({row['tokens'] or 'words of rouge-score'}): {row['reason']}"
        for row in rows
        if not row["grouping"] and (NO_TOKENS in row["reason"] or ALONE in row["reason"])
    ]
    return tuple(dict.fromkeys(found))


def _kept_of(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["name"], row["tokens"]


def _kept_row(
    name: str, tokens: str, rows: Sequence[Mapping[str, Any]], metrics: Iterable[str]
) -> tuple[str, ...]:
    values = {row["metric"]: Value(row["value"], row["low"], row["high"]) for row in rows}
    cells = (shown(values[metric]) if metric in values else NOTHING for metric in metrics)
    counts = (f"{rows[0][count]:,}" for count in ("instances", "tasks"))
    return (name, tokens or "rouge-score's", *cells, *counts)


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


def comparisons_json(pairings: Iterable[Pairing]) -> str:
    """Return comparisons as JSON, with the ids of unpaired instances."""
    return json.dumps([_pairing_record(pairing) for pairing in pairings], indent=2) + "\n"


def _pairing_record(pairing: Pairing) -> dict[str, Any]:
    found = pairing.comparison
    overall, *others = found.differences
    return {
        "first": pairing.first,
        "second": pairing.second,
        **_said(pairing.remarks),
        "comparison": {
            "overall": _difference_record(overall),
            **{difference.metric.name: _difference_record(difference) for difference in others},
            "categories": {
                name: _difference_record(difference)
                for name, difference in found.categories.items()
            },
            "mcnemar": asdict(found.mcnemar) if found.mcnemar else None,
            "first_absent": found.first_absent,
            "second_absent": found.second_absent,
            "first_unpaired": found.first_unpaired,
            "second_unpaired": found.second_unpaired,
        },
    }


def _difference_record(difference: Difference) -> dict[str, Any]:
    return {**asdict(difference), "metric": difference.metric.name}


def verdict_table(mode: Literal["rating", "pairwise"], judged: Sequence[Judged]) -> CellTable:
    """Return a table of verdicts: systems with levels, or pairs with wins, losses and ties."""
    if mode == "rating":
        head = ("system", *LEVELS, "missing", "A or B")
        return CellTable(
            head,
            tuple(
                (
                    rating.system,
                    *(f"{rating.levels[level]:,}" for level in LEVELS),
                    f"{rating.missing:,}",
                    shown(rating.acceptable),
                )
                for rating in ratings(judged)
            ),
        )
    names = ("wins", "losses", "ties", "disagreed", "equal", "missing")
    return CellTable(
        ("A / B", *names, "A - B"),
        tuple(
            (
                f"{preference.first} / {preference.second}",
                *(f"{getattr(preference, name):,}" for name in names),
                shown(preference.lead, sign="+"),
            )
            for preference in preferences(judged)
        ),
    )


def markdown(table: CellTable) -> str:
    """Return a table in Markdown. Markup in a cell is escaped."""
    head, rows = table
    numbers = [any(char.isdigit() for row in rows for char in row[n][:1]) for n in range(len(head))]
    return markdown_table(head, rows, right=[False, *numbers[1:]])


def scores_csv(systems: Iterable[EvaluatedSystem]) -> str:
    """Return CSV with a row for each score: system, group, metric, interval and counts."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    counts = ("instances", "tasks", "missing", "failed", "empty", "cut")
    head = ("system", "grouping", "group", "metric", "value", "low", "high", *counts, "reason")
    writer.writerow(head)
    for system in systems:
        for grouping, name, scores in _all_measured(system):
            for metric, value in scores.values.items():
                figures = (value.value, value.low, value.high)
                numbers = (getattr(scores, count) for count in counts)
                start = (one_line(system.name), grouping, one_line(name), metric)
                writer.writerow((*start, *figures, *numbers, value.reason))
    return out.getvalue()


def _all_measured(system: EvaluatedSystem) -> Iterable[tuple[str, str, MeanScores]]:
    yield "", "", system.overall
    for name, scores in system.groups.items():
        yield system.grouping or "", name, scores


def scores_json(systems: Iterable[EvaluatedSystem]) -> str:
    """Return JSON with each system's scores, intervals, and missing, failed and left-out ids."""
    return json.dumps([_record(system) for system in systems], indent=2) + "\n"


def _record(system: EvaluatedSystem) -> dict[str, Any]:
    groups = {name: _measured_record(found) for name, found in system.groups.items()}
    return {
        "system": system.name,
        "overall": _measured_record(system.overall),
        **({system.grouping: groups} if system.grouping else {}),
        "missing": list(system.scores.missing),
        "failed": dict(system.scores.failed),
        "left_out": list(system.left_out),
        **_said(system.remarks),
    }


def _said(remarks: Iterable[str]) -> dict[str, list[str]]:
    """Return an entry with the remarks, if there are any."""
    texts = list(remarks)
    return {"remarks": texts} if texts else {}


def _measured_record(measured: MeanScores) -> dict[str, Any]:
    record = asdict(measured)
    values = record.pop("values")
    return {**record, **values}
