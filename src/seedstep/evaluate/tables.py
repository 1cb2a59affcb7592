"""Write tables of scores, comparisons and verdicts as Markdown, CSV or JSON.

The tables of systems are those of `seedstep.evaluate.systems`; here are those of kept scores, of
verdicts, and of what instructions gain. CSV, for programs, has a row for each score.

Example::

    from seedstep.evaluate.systems import overall_table

    print(markdown(overall_table(systems)))
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any, Literal

from seedstep.evaluate.agreement import LEVELS, preferences, ratings
from seedstep.evaluate.gains import NONE, GainRow, VersionDifference
from seedstep.evaluate.intervals import NOTHING, Value, shown
from seedstep.evaluate.judge import Judged
from seedstep.evaluate.metrics import METRICS
from seedstep.evaluate.scores import ALONE, NO_TOKENS
from seedstep.evaluate.systems import (
    CellTable,
    Difference,
    EvaluatedSystem,
    MeanScores,
    Pairing,
)
from seedstep.text import markdown_table, one_line

__all__ = [
    "comparisons_json",
    "difference_table",
    "gain_table",
    "kept_remarks",
    "kept_table",
    "markdown",
    "scores_csv",
    "scores_json",
    "verdict_table",
]


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
    """Return remarks on stored scores whose metric can't score some references."""
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


def gain_table(rows: Sequence[GainRow], title: str) -> CellTable:
    """Return a table of rows: the loss with each version, and the gain."""
    grouped = any(row.group for row in rows)
    head = ((title,) if grouped else ()) + (
        "in the prompt",
        "nats/token",
        "likelier by",
        "better on",
        "tasks",
    )
    cells = []
    for row in rows:
        better = "" if row.version == NONE else f"{row.better:,}"
        gain = "" if row.version == NONE else shown(row.gain, 4, "+")
        named = (row.group,) if grouped else ()
        cells.append((*named, row.version, f"{row.nats:.4f}", gain, better, f"{row.tasks:,}"))
    return CellTable(head, tuple(cells))


def difference_table(rows: Sequence[VersionDifference], *, is_change: bool = False) -> CellTable:
    """Return a table of differences; the right instruction has a column if there are several."""
    names = {row.right for row in rows}
    columns = ("change", "larger on") if is_change else ("likelier by", "better on")
    head = ("with", "against") if len(names) > 1 else (f"{rows[0].right}, against",)
    cells = []
    for row in rows:
        named = (row.right, row.other) if len(names) > 1 else (row.other,)
        difference = shown(row.difference, 4, "+")
        cells.append((*named, difference, f"{row.likelier:,}", f"{row.tasks:,}"))
    return CellTable((*head, *columns, "tasks"), tuple(cells))


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
