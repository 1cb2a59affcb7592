"""Read the records of files that are no JSON lines: tables (CSV, Parquet), and lists in `*.json`.

Example::

    items = items_of(Path("my_tasks.csv"))  # None: one object a line, or a directory
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data.parquet import Parquet
from seedstep.data.reading import MAX_FILE_BYTES, BadLine, decode_json
from seedstep.data.tables import Csv
from seedstep.errors import InputError, first_line

__all__ = ["TABLES", "items_of", "items_of_list"]

TABLES: Mapping[str, type[Csv] | type[Parquet]] = {
    ".csv": Csv,
    ".tsv": Csv,
    ".parquet": Parquet,
}
"""The files whose rows have named columns, by the end of their names."""

TEXTS = ("definition", "instruction")
"""The columns of which a table of tasks has one at least."""

HEAD = 4096
_LIST = re.compile(rb"\s*\[\s*\{")
"""How a list of objects begins, within the first `HEAD` bytes of its file."""

_TRUTH = {"true": True, "false": False}


def items_of(path: Path) -> Iterator[tuple[int, bytes | BadLine]] | None:
    """Return the records of a table of tasks, or of a list in a `*.json` file, with their numbers.

    They are JSON objects without what has no value. None is returned for any other file.

    Raises:
        InputError: a table has no column with tasks, or can't be read.
    """
    if kind := TABLES.get(path.suffix.lower()):
        table = kind(path, "")
        names = table.fields()
        if not set(TEXTS) & set(names):
            what = f"{path}: has the columns {', '.join(names)}, none of which is a task's text"
            remedy = "name the columns instruction (or definition), input and output"
            raise InputError(what, remedy)
        return ((number, _json(row)) for number, row in table.records())
    items = items_of_list(path)
    return None if items is None else iter(enumerate(items, start=1))


def items_of_list(path: Path) -> Iterable[bytes | BadLine] | None:
    """Return the records of a `*.json` file that holds a list; None for any other file."""
    if path.suffix != ".json" or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            start = file.read(HEAD).removeprefix(BOM_UTF8)
            if not _LIST.match(start) or path.stat().st_size > MAX_FILE_BYTES:
                return None
            data = start + file.read()
    except OSError:
        return None
    found = decode_json(data, list[msgspec.Raw], "for each task in the list", path)
    return [found] if isinstance(found, BadLine) else map(bytes, found)


def _json(row: Mapping[str, Any]) -> bytes | BadLine:
    """Return a row as a JSON object. CSV has texts alone, also for what is true or false."""
    label = row.get("is_classification")
    if isinstance(label, str):
        row = {**row, "is_classification": _TRUTH.get(label.strip().lower(), label or None)}
    try:
        return msgspec.json.encode({name: row[name] for name in row if row[name] is not None})
    except (TypeError, ValueError) as error:
        return BadLine("", first_line(error), "give texts, and lists of texts")
