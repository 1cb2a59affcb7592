"""The part of a report that shows a table of a paper, as an experiment made it.

Example::

    parts = [paper_part(table) for table in paper_tables(Path("runs/ss-table-2"))]
"""

import re
from collections.abc import Iterator

from seedstep.evaluate.tables import CellTable, shown
from seedstep.report.charts import interval_chart, size_chart
from seedstep.report.paper_layout import (
    LEGEND,
    about,
    differences_cells,
    printed_text,
    standing,
    values_cells,
    verdict,
)
from seedstep.report.paper_tables import PaperDifference, PaperTable
from seedstep.report.records import (
    Block,
    Chart,
    Headline,
    Paragraph,
    ReportPart,
    Section,
    Table,
)
from seedstep.report.sections.results import CERTAIN, certainty_of

__all__ = ["paper_part"]

FEW_SIZES = 2
"""The fewest sizes of data for which a figure is drawn."""

_SIZE = re.compile(r".*-([0-9]{1,15})")


def paper_part(table: PaperTable) -> ReportPart:
    """Return the part with the table, and with our differences for the first screen."""
    values, differences = values_cells(table), differences_cells(table)
    blocks: list[Block] = [Paragraph(line) for line in (*about(table), *standing(table))]
    blocks.append(_table("Values", values))
    if differences.rows:
        blocks.append(_table("Differences", differences))
    blocks.append(Paragraph(LEGEND))
    blocks += _by_size(table)
    section = Section(
        "Ours beside the printed", tuple(blocks), "", tuple(_headlines(table)), _figure(table)
    )
    return ReportPart(table.printed.source, (), (section,))


def _table(caption: str, cells: CellTable) -> Table:
    head, *rows = (
        tuple(" ".join(cell.split()) for cell in row) for row in (cells.head, *cells.rows)
    )
    return Table(caption, head, tuple(rows))


def _headlines(table: PaperTable) -> Iterator[Headline]:
    """Yield an answer to each question that the paper answers with a number or a sign."""
    for found in table.differences:
        if found.ours and found.printed:
            certainty = certainty_of(found.ours)
            printed = printed_text(table, found.printed, "{:+.1f}")
            told = (
                f"{CERTAIN[certainty]}: {shown(found.ours, sign='+')} points "
                f"({table.printed.measure}). {table.printed.table} prints {printed}: "
                f"{verdict(found)}."
            )
            yield Headline(
                f"Does {_name(found)[0]} do better than {_name(found)[1]}?", told, certainty
            )


def _name(found: PaperDifference) -> tuple[str, str]:
    return found.row.method.removeprefix("+ "), found.other.method.removeprefix("+ ")


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
