"""The printed results of both papers, as data with their source.

Example::

    >>> printed = printed_table("ss-table-2")
    >>> printed.source
    'Step-by-Step Instruction Tuning, Table 2 (section 4.4)'
    >>> printed.differences(printed.row("tuned-steps"), "tk-instruct")
    {'Base': 1.0, 'Large': 1.7, '3B': 1.9, '11B': 0.9}
"""

from functools import cache
from importlib import resources

import msgspec
import yaml

from seedstep.errors import unknown_name

__all__ = ["PrintedRow", "PrintedTable", "printed_table", "printed_tables"]


class PrintedRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a printed table: a system, how the paper calls it, and its values by model.

    `against` names the systems with which it is compared. `differences` has what the paper says of
    the difference from the first of these where it prints no values: points, or a sign.
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
            return dict(row.differences) if against == row.against[0] else {}
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
        InputError: there is none.
    """
    tables = printed_tables()
    if name not in tables:
        raise unknown_name("printed table", name, tables)
    return tables[name]
