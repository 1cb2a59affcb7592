"""Find what is damaged in a run's database that SQLite takes for whole.

Example::

    for found in damage_in(database.rows):
        print(found)  # results.category has no text in row 3
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

from seedstep.runs.schema import MIGRATIONS

__all__ = ["damage_in"]

_COLUMNS = """
SELECT tables.name, columns.name, columns.type, columns."notnull" OR columns.pk
FROM sqlite_master tables, pragma_table_info(tables.name) columns WHERE tables.type = 'table'
"""
_TYPES = {
    "TEXT": "'text'",
    "INTEGER": "'integer'",
    "REAL": "'real', 'integer'",
    "BLOB": "'blob'",
    "": "''",
}
"""What values of a column are, by its type, as SQLite calls them."""

_MISSING_ROWS = (
    "SELECT 'it lacks ' || gone || ' generations'"
    " FROM (SELECT max(item) + 1 - count(*) AS gone FROM generations) WHERE gone",
    "SELECT 'the task ' || id || ' has no instance' FROM candidates WHERE reason = ''"
    " AND NOT EXISTS (SELECT 1 FROM instances WHERE task = id AND reason = '') LIMIT 1",
)


def damage_in(rows: Callable[[str], Sequence[Any]]) -> Iterator[str]:
    """Yield what is wrong: columns and rows that are missing, values of another type, and more.

    `rows` returns the rows of a query.
    """
    columns = rows(_COLUMNS)
    there = {(table, column) for table, column, *_ in columns}
    with closing(sqlite3.connect(":memory:")) as whole:
        for _, statement in MIGRATIONS[: rows("PRAGMA user_version")[0][0]]:
            whole.execute(statement)
        for table, column, *_ in whole.execute(_COLUMNS):
            if (table, column) not in there:
                yield f"it has no column {table}.{column}"
    for table, column, kind, required in columns:
        name = f'"{column}"'
        wrong = f"typeof({name}) NOT IN ({_TYPES.get(kind, _TYPES[''])})"
        wrong += f" AND {name} IS NOT NULL" if not required else ""
        query = f'SELECT rowid FROM "{table}" WHERE {wrong} LIMIT 1'  # noqa: S608 - our names
        for row in rows(query):
            yield f"{table}.{column} has no {kind.lower()} in row {row[0]}"
    for query in (*_MISSING_ROWS, "PRAGMA quick_check(1)"):
        yield from (row[0] for row in rows(query) if row[0] != "ok")
