"""One text of each row of a file of any origin: JSON lines, Parquet, or plain text by lines.

A file is read twice: once for the texts, and once more to write rows out again, so that no more
than the texts is held. Rows without a text are named, not dropped in silence.

Example::

    table = open_table(Path("data.jsonl"), "instruction")
    texts = [row.text for row in table.rows()]
    table.write_kept(Path("kept.jsonl"), decisions)
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from seedstep.data.decoding import BadLine, decode_json
from seedstep.data.files import whole_file, write_in_parts
from seedstep.data.jsonl import ON_EACH_LINE, read_lines
from seedstep.errors import InputError, MissingExtraError

__all__ = ["Columns", "Row", "Table", "open_table"]

LONGEST_LINE = 64 << 20
"""Bytes of a row in a file of lines."""

BATCH = 4096
"""Rows of a Parquet file that are held at a time."""

T = TypeVar("T")

Columns = Mapping[str, str | float | bool | None]
"""What is added to a row, by name. All rows have the same names."""


@dataclass(frozen=True, slots=True)
class Row:
    """The text of a row, whose `number` is from 1.

    Where there is none, `fault` names what is wrong: unreadable, missing_field, not_text or empty.
    """

    number: int
    text: str
    fault: str = ""
    message: str = ""


class Table(ABC):
    """A file of rows."""

    def __init__(self, path: Path, field: str) -> None:
        """`field` is where a row has its text; a line of plain text is one."""
        self.path = path
        self.field = field

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Yield all rows.

        Raises:
            InputError: the file is not there or can't be read.
        """

    @abstractmethod
    def write_kept(self, out: Path, kept: Iterable[bool]) -> None:
        """Write the rows that are kept, as they are, to a file of the same kind.

        Raises:
            InputError: the file is no longer what it was when its rows were read.
            RunError: `out` can't be written.
        """

    @abstractmethod
    def write_annotated(self, out: Path, columns: Iterable[Columns]) -> None:
        """Write all rows with columns added, but for unreadable ones.

        Raises:
            InputError: the file is no longer what it was when its rows were read.
            RunError: `out` can't be written.
        """

    def _aligned(self, rows: Iterable[T], with_each: Iterable[Any]) -> Iterator[tuple[T, Any]]:
        try:
            yield from zip(rows, with_each, strict=True)
        except ValueError:
            what = f"{self.path}: has other rows than a moment ago"
            raise InputError(what, "wait until nobody writes to it, and start again") from None

    def _row(self, number: int, value: object) -> Row:
        if value is None or value is msgspec.UNSET:
            return Row(number, "", "missing_field", f"there is no field '{self.field}'")
        if not isinstance(value, str):
            kind = type(value).__name__
            return Row(number, "", "not_text", f"the field '{self.field}' is of type {kind}")
        if not value.strip():
            return Row(number, "", "empty", "the text is empty")
        return Row(number, value)


def open_table(path: Path, field: str) -> Table:
    """A file of rows, of the kind that its name says.

    Raises:
        InputError: it is of no known kind.
    """
    for suffixes, kind in _KINDS.items():
        if path.suffix.lower() in suffixes:
            return kind(path, field)
    known = ", ".join(suffix for suffixes in _KINDS for suffix in suffixes)
    raise InputError(f"{path}: a file of no known kind", f"use one of {known}")


class _JsonLines(Table):
    def rows(self) -> Iterator[Row]:
        record = msgspec.defstruct(
            "Line", [("text", Any, msgspec.UNSET)], rename={"text": self.field}
        )
        for number, line in read_lines(self.path, LONGEST_LINE):
            found = line if isinstance(line, BadLine) else decode_json(line, record, ON_EACH_LINE)
            if isinstance(found, BadLine):
                yield Row(number, "", "unreadable", found.message)
            else:
                yield self._row(number, found.text)  # type: ignore[attr-defined]

    def write_kept(self, out: Path, kept: Iterable[bool]) -> None:
        lines = self._aligned(read_lines(self.path, LONGEST_LINE), kept)
        write_in_parts(out, (_ended(line) for (_, line), keep in lines if keep))

    def write_annotated(self, out: Path, columns: Iterable[Columns]) -> None:
        lines = self._aligned(read_lines(self.path, LONGEST_LINE), columns)
        write_in_parts(out, (self._with(line, added) for (_, line), added in lines))

    def _with(self, line: bytes | BadLine, added: Columns) -> bytes:
        """A line with columns added, all other values byte for byte; nothing if it is unreadable."""
        whole = dict[str, msgspec.Raw]
        found = line if isinstance(line, BadLine) else decode_json(line, whole, ON_EACH_LINE)
        if isinstance(found, BadLine):
            return b""
        return msgspec.json.encode({**found, **added}) + b"\n"


class _TextLines(_JsonLines):
    def rows(self) -> Iterator[Row]:
        for number, line in read_lines(self.path, LONGEST_LINE):
            yield self._text(number, line)

    def _text(self, number: int, line: bytes | BadLine) -> Row:
        if isinstance(line, BadLine):
            return Row(number, "", "unreadable", line.message)
        try:
            return self._row(number, line.decode().strip())
        except UnicodeDecodeError as error:
            return Row(number, "", "unreadable", f"not UTF-8 (byte {error.start + 1})")

    def _with(self, line: bytes | BadLine, added: Columns) -> bytes:
        row = self._text(0, line)
        if row.fault == "unreadable":
            return b""
        return msgspec.json.encode({self.field: row.text, **added}) + b"\n"


def _ended(line: bytes | BadLine) -> bytes:
    """A line with its end, which the last one of a file may lack."""
    if isinstance(line, BadLine):
        return b""
    return line if line.endswith(b"\n") else line + b"\n"


class _Parquet(Table):
    def rows(self) -> Iterator[Row]:
        number = 0
        for batch in self._batches([self.field]):
            for value in batch.column(0).to_pylist():
                number += 1
                yield self._row(number, value)

    def write_kept(self, out: Path, kept: Iterable[bool]) -> None:
        import pyarrow as pa

        decisions = iter(kept)
        self._write(
            out, lambda batch: batch.filter(pa.array(self._next(decisions, batch.num_rows)))
        )
