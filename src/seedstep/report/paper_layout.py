"""Show a table of a paper, as an experiment made it: as text, as JSON, and as part of a report.

Example::

    table = paper_table(Path("runs/ss-table-2"), "ss-table-2")
    print(markdown(values_cells(table)), markdown(differences_cells(table)))

Example::

    parts = [paper_part(table) for table in paper_tables(Path("runs/ss-table-2"))]
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seedstep.evaluate.intervals import NOTHING, shown
from seedstep.evaluate.systems import CellTable
from seedstep.report.bars import interval_chart
from seedstep.report.figures import size_chart
from seedstep.report.paper_tables import PaperDifference, PaperTable, ReplicationOutcome, sign_of
from seedstep.report.records import (
    Chart,
    Headline,
    Paragraph,
    ReportBlock,
    ReportPart,
    Section,
    Table,
)
from seedstep.report.sections.results import CERTAIN, certainty_of
from seedstep.text import single_spaced

__all__ = [
    "LEGEND",
    "about",
    "differences_cells",
    "on_lines",
    "paper_part",
    "printed_text",
    "standing",
    "tables_json",
    "values_cells",
    "verdict",
]


BETWEEN = " · "

LEGEND = (
    "Ours with 95% intervals over tasks, differences paired by instance. Unsure: the interval "
    "holds 0, or there are too few tasks for one."
)

VERDICTS: Mapping[ReplicationOutcome, str] = MappingProxyType(
    {
        "agrees": "{the} sign",
        "unsure": "{the} sign, unsure",
        "other unsure": "the other sign, unsure",
        "disagrees": "the other sign",
        "no difference": "no difference",
        "not printed": "",
        "missing": "",
    }
)


def about(table: PaperTable) -> tuple[str, ...]:
    """Return lines that say what the table is, what is ours, and what was printed."""
    printed = table.printed
    ours = [f"{table.name}, size {table.size}" if table.size else table.name]
    weights = f" ({_weights(table.parameters)} weights)" if table.parameters else ""
    ours += [f"model {table.model}{weights}"] if table.model else []
    if table.instances:
        ours.append(f"{table.tasks:,} tasks, {table.instances:,} instances")
    models = f"{', '.join(printed.models)}; " if printed.models else ""
    return (
        f"{printed.title}: {printed.measure}",
        f"ours: {'; '.join(ours)}",
        f"printed: {models}{printed.measured_on}",
        *([printed.note] if printed.note else []),
    )


def _weights(count: int) -> str:
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return str(count)


def standing(table: PaperTable) -> tuple[str, ...]:
    """Return lines that say what is missing, and what is to be known of the values."""
    return (*_missing(table), *table.remarks)


def _missing(table: PaperTable) -> tuple[str, ...]:
    if not (table.lacking or table.unfinished):
        return ()
    begun = [f"{row.printed.method}: {row.missing}" for row in table.rows if row.missing]
    if not table.unfinished:
        return (*begun, f"not predicted: {', '.join(table.lacking)}")
    count = len(table.unfinished)
    stages = f"{count:,} stage{' is' if count == 1 else 's are'} not finished"
    named = f"{stages}: {', '.join(table.unfinished)}"
    return (*begun, named, "The same `seedstep run` goes on with what is left.")


def values_cells(table: PaperTable) -> CellTable:
    """Return the rows of the printed table, with our value beside the printed ones."""
    head = ("", f"ours, {table.printed.measure}", _printed_head(table))
    rows = (
        (
            row.printed.method,
            shown(row.value) if row.value else NOTHING,
            printed_text(table, row.printed.values, "{:.1f}"),
        )
        for row in table.rows
    )
    return CellTable(head, tuple(rows))


def _printed_head(table: PaperTable) -> str:
    models = BETWEEN.join(table.printed.models)
    return f"printed\n{models}" if models else "printed"


def printed_text(table: PaperTable, values: Mapping[str, float | str], form: str) -> str:
    """Return printed values in the order of the models, or with their models if some lack one."""
    if not values:
        return NOTHING
    texts = {
        model: value if isinstance(value, str) else form.format(value)
        for model, value in values.items()
    }
    if tuple(texts) == table.printed.models:
        return BETWEEN.join(texts.values())
    return BETWEEN.join(f"{text} ({model})" if model else text for model, text in texts.items())


def differences_cells(table: PaperTable) -> CellTable:
    """Return the differences that the paper compares, ours and the printed, with our verdict."""
    head = ("difference", "ours", _printed_head(table), "ours against printed")
    rows = (
        (
            f"{found.row.method}\n  less {found.other.method.removeprefix('+ ')}",
            shown(found.ours, sign="+") if found.ours else NOTHING,
            printed_text(table, found.printed, "{:+.1f}"),
            verdict(found),
        )
        for found in table.differences
    )
    return CellTable(head, tuple(rows))


def verdict(found: PaperDifference) -> str:
    """Say whether our difference has the sign of the printed ones; empty if there is none."""
    ours = found.ours.value if found.ours else None
    signs = {model: sign_of(value) for model, value in found.printed.items()}
    the = "the same"
    if ours is not None and len(set(signs.values())) > 1:
        same = [model for model, sign in signs.items() if sign == sign_of(round(ours, 1))]
        the = f"{' and '.join(same)}'s"
    return VERDICTS[found.agreement].format(the=the)


def tables_json(tables: Iterable[PaperTable]) -> str:
    """Return tables as JSON: values with intervals, the printed ones, and the verdicts."""
    return json.dumps(list(map(_record, tables)), indent=2) + "\n"


def _record(table: PaperTable) -> dict[str, Any]:
    return {
        "experiment": table.name,
        "size": table.size,
        "model": table.model,
        "parameters": table.parameters,
        "tasks": table.tasks,
        "instances": table.instances,
        "source": table.printed.source,
        "measure": table.printed.measure,
        "rows": [
            {
                "system": row.printed.system,
                "method": row.printed.method,
                "ours": asdict(row.value) if row.value else None,
                "printed": row.printed.values,
            }
            for row in table.rows
        ],
        "differences": [
            {
                "system": found.row.system,
                "against": found.other.system,
                "ours": asdict(found.ours) if found.ours else None,
                "printed": dict(found.printed),
                "agreement": found.agreement,
            }
            for found in table.differences
        ],
        "unfinished": list(table.unfinished),
        "remarks": list(table.remarks),
    }


FEW_SIZES = 2
"""The fewest sizes of data for which a figure is drawn."""

_SIZE = re.compile(r".*-([0-9]{1,15})")


def paper_part(table: PaperTable) -> ReportPart:
    """Return the part with the table, and with our differences for the first screen."""
    values, differences = values_cells(table), differences_cells(table)
    blocks: list[ReportBlock] = [Paragraph(line) for line in (*about(table), *standing(table))]
    blocks.append(_table("Values", values))
    if differences.rows:
        blocks.append(_table("Differences", differences))
    blocks.append(Paragraph(LEGEND))
    blocks += _by_size(table)
    section = Section(
        "Ours beside the printed", tuple(blocks), "", tuple(_headlines(table)), _figure(table)
    )
    return ReportPart(table.printed.source, (), (section,))


def on_lines(cells: CellTable) -> CellTable:
    """Return a table without line breaks in its cells."""
    head, *rows = (tuple(map(single_spaced, row)) for row in (cells.head, *cells.rows))
    return CellTable(head, tuple(rows))


def _table(caption: str, cells: CellTable) -> Table:
    flat = on_lines(cells)
    return Table(caption, flat.head, flat.rows)


def _headlines(table: PaperTable) -> Iterator[Headline]:
    """Yield an answer to each question that the paper answers with a number or a sign."""
    for found in table.differences:
        if found.ours and found.printed:
            certainty = certainty_of(found.ours)
            printed = printed_text(table, found.printed, "{:+.1f}")
            first, second = (row.method.removeprefix("+ ") for row in (found.row, found.other))
            told = (
                f"{CERTAIN[certainty]}: {shown(found.ours, sign='+')} points "
                f"({table.printed.measure}). {table.printed.table} prints {printed}, for "
                f"“{first}” against “{second}”: {verdict(found)}."
            )
            asked = f"Does {found.row.system} do better than {found.other.system}?"
            yield Headline(asked, told, certainty, _compares(table, found))


def _compares(table: PaperTable, found: PaperDifference) -> frozenset[tuple[Path, str]]:
    """Return the systems of a difference with their run; none if a judge scored them."""
    if table.predictions is None:
        return frozenset()
    run = table.predictions.resolve()
    return frozenset((run, row.system) for row in (found.row, found.other))


def _figure(table: PaperTable) -> Chart | None:
    """Return a figure of our differences; None if there is none yet."""
    found = {
        f"{each.row.system} - {each.other.system}": each.ours
        for each in table.differences
        if each.ours
    }
    title = f"Our differences, as in {table.printed.table}"
    unit = f"{table.printed.measure}: difference (95% interval)"
    return interval_chart("paper", title, found, unit) if found else None


def _by_size(table: PaperTable) -> Iterator[Chart]:
    """Yield a figure of our values by the size of the data, if there are several sizes."""
    sizes = {
        int(match[1]): row.value
        for row in table.rows
        if row.value and (match := _SIZE.fullmatch(row.printed.system))
    }
    if len(sizes) >= FEW_SIZES:
        title = f"{table.printed.table}: more data"
        yield size_chart("sizes", title, sizes, ("tasks", table.printed.measure))
