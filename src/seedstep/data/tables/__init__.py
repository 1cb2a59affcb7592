"""One text of each row of a file of any origin: JSON lines, Parquet, or plain text by lines.

A file is read twice: once for the texts, and once more to write rows out again, so that no more
than the texts is held. Rows without a text are named, not dropped in silence.

Example::

    table = open_table(Path("data.jsonl"), "instruction")
    texts = [row.text for row in table.rows()]
    table.write_kept(Path("kept.jsonl"), decisions)
"""

from pathlib import Path

from seedstep.data.tables.base import Columns, Row, Table
from seedstep.data.tables.lines import JsonLines, TextLines
from seedstep.data.tables.parquet import Parquet
from seedstep.errors import InputError

__all__ = ["Columns", "Row", "Table", "open_table"]

_KINDS: dict[str, type[Table]] = {
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".parquet": Parquet,
    ".txt": TextLines,
}


def open_table(path: Path, field: str) -> Table:
    """A file of rows, of the kind that its name says.

    Raises:
        InputError: it is of no known kind.
    """
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(_KINDS)
        raise InputError(f"{path}: a file of no known kind", f"name it with one of {known}")
    return kind(path, field)
