"""Searches, and the pages of what they find.

Example::

    found = page_of(run.database, "id", "FROM tasks WHERE ?1 = ''", "id", ("",), Wanted(page=3))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seedstep.runs.database import Database

__all__ = ["EACH", "FoundPage", "Wanted", "page_of"]

EACH = 50
"""The number of rows of a page."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search: texts and choices, which are empty for any value, and the page, from 1."""

    text: str = ""
    group: str = ""
    state: str = ""
    page: int = 1

    @property
    def start(self) -> int:
        """The number of rows before the page."""
        return EACH * (self.page - 1)


@dataclass(frozen=True, slots=True)
class FoundPage:
    """The rows of a page, and the number of all rows found."""

    rows: tuple[Any, ...]
    total: int

    @property
    def pages(self) -> int:
        """The number of pages."""
        return max(1, -(-self.total // EACH))


def page_of(
    database: Database,
    columns: str,
    table: str,
    order: str,
    values: Sequence[Any],
    wanted: Wanted,
) -> FoundPage:
    """Return a page of the rows of a table, and how many rows there are.

    `table` is all of a query after its columns; `values` are those that it asks for.
    """
    count = database.rows(f"SELECT count(*) {table}", values)
    query = f"SELECT {columns} {table} ORDER BY {order} LIMIT {EACH} OFFSET {wanted.start}"
    return FoundPage(tuple(map(dict, database.rows(query, values))), count[0][0] if count else 0)
