"""Open rows of any source for the text in each, and write chosen ones.

A source is a file, an export, a data set of the hub, a run that made tasks, or tasks in memory.
What is written of rows that are in no file of lines or columns is JSON lines.

Example::

    texts = [row.text for row in open_rows("hub:tatsu-lab/alpaca", "instruction").rows()]
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data.files import write_in_parts
from seedstep.data.reading import not_utf8
from seedstep.data.records import Task, task_record
from seedstep.data.row_forms import exported_rows
from seedstep.data.rows import HUB, DataRow, load_hub, open_table
from seedstep.data.run_tasks import made_tasks
from seedstep.data.sources import GIVEN, PathOrTasks, path_of
from seedstep.data.tables import Columns, RowFile, TableRow, Types
from seedstep.errors import InputError, unknown_name
from seedstep.values import read_once

__all__ = ["HeldRows", "open_rows"]

INSTRUCTION = "instruction"
"""The field that instruction data has for what a task's definition says."""


class HeldRows(RowFile):
    """Rows that are held in memory, or by `datasets` on the disk."""

    def __init__(self, path: Path, field: str, held: Iterable[DataRow]) -> None:
        """Take the rows, which are read several times."""
        super().__init__(path, field)
        self._held = held

    def rows(self) -> Iterator[TableRow]:
        """Yield all rows, as `RowFile.rows` does."""
        for number, row in enumerate(self._held, start=1):
            if number == 1 and self.field not in row:
                raise unknown_name("column", self.field, list(row), f"{self.path}, --field")
            yield self.row(number, row.get(self.field))

    def write_kept(self, out: Path, kept: Iterable[bool]) -> None:
        """Write the kept rows as JSON lines."""
        pairs = self.aligned(self._held, kept)
        write_in_parts(out, (_line(row) for row, keep in pairs if keep))

    def write_annotated(self, out: Path, added: Types, columns: Iterable[Columns]) -> None:
        """Write all rows as JSON lines, with columns added."""
        pairs = self.aligned(self._held, columns)
        write_in_parts(out, (_line({**row, **values}) for row, values in pairs))


def _line(row: DataRow) -> bytes:
    return msgspec.json.encode(row, enc_hook=str) + b"\n"


def open_rows(source: PathOrTasks, field: str) -> RowFile:
    """Return the rows of a file, an export, or a data set of the hub (its split `train`); or tasks.

    Tasks are those in memory, and those that a run made. The definition of a task is its
    `instruction`, too, as in other instruction data.

    Raises:
        InputError: there is no such data set, the file is of an unknown kind, or what is given in
            memory are neither tasks nor records.
        MissingExtraError: `datasets` is not installed.
        RunError: a run can't be read.
    """
    path = path_of(source)
    if not isinstance(source, str | os.PathLike):
        return HeldRows(path, field, _GivenRows(read_once(source), field))
    if (made := made_tasks(path)) is not None:
        return HeldRows(path, field, _GivenRows(made, field))
    text = str(path)
    if text.startswith(HUB):
        return HeldRows(path, field, load_hub(*_split(text)))
    if path.suffix.lower() == ".json":
        return HeldRows(path, field, _listed(path))
    return open_table(exported_rows(path), field)


@dataclass(frozen=True, slots=True)
class _GivenRows:
    """The rows of tasks, or of records of them, which can be read several times."""

    given: Iterable[Task | DataRow]
    field: str

    def __iter__(self) -> Iterator[DataRow]:
        for number, item in enumerate(self.given, start=1):
            row = task_record(item) if isinstance(item, Task) else item
            if not isinstance(row, Mapping):
                what = f"{GIVEN}, number {number}: is of type {type(row).__name__}"
                raise InputError(what, "give tasks, or records with an instruction")
            yield self._named(row)

    def _named(self, row: DataRow) -> DataRow:
        """Return a row whose definition is called its instruction, if that is the field wanted."""
        if self.field != INSTRUCTION or INSTRUCTION in row or "definition" not in row:
            return row
        return {INSTRUCTION if name == "definition" else name: row[name] for name in row}


def _split(text: str) -> tuple[str, str | None]:
    place, colon, split = text.removeprefix(HUB).rpartition(":")
    return (f"{HUB}{place}", split) if colon else (text, None)


def _listed(path: Path) -> list[dict[str, Any]]:
    try:
        rows = msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "check the path") from None
    except UnicodeDecodeError:
        raise not_utf8(path) from None
    except (ValueError, RecursionError):
        what = f"{path}: holds no list of JSON objects"
        raise InputError(what, "write one, or JSON lines in a *.jsonl") from None
    return rows
