"""Files of lines: JSON objects, or plain text."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data.decoding import BadLine, decode_json
from seedstep.data.files import write_in_parts
from seedstep.data.jsonl import ON_EACH_LINE, read_lines
from seedstep.data.tables.base import Columns, Row, Table, Types

__all__ = ["JsonLines", "TextLines"]

LONGEST_LINE = 64 << 20
"""Bytes of a row."""


class JsonLines(Table):
    """A JSON object a line."""

    def rows(self) -> Iterator[Row]:
        """As `Table.rows`."""
        record = msgspec.defstruct(
            "Line", [("text", Any, msgspec.UNSET)], rename={"text": self.field}
        )
        for number, line in read_lines(self.path, LONGEST_LINE):
            found = line if isinstance(line, BadLine) else decode_json(line, record, ON_EACH_LINE)
            if isinstance(found, BadLine):
                yield Row(number, "", "unreadable", found.message)
            else:
                yield self.row(number, found.text)  # type: ignore[attr-defined]

    def write_kept(self, out: Path, kept: Iterable[bool]) -> None:
        """As `Table.write_kept`."""
        lines = self.aligned(read_lines(self.path, LONGEST_LINE), kept)
        write_in_parts(out, (_ended(line) for (_, line), keep in lines if keep))

    def write_annotated(self, out: Path, added: Types, columns: Iterable[Columns]) -> None:
        """As `Table.write_annotated`."""
        lines = self.aligned(read_lines(self.path, LONGEST_LINE), columns)
        write_in_parts(out, (self._with(line, values) for (_, line), values in lines))

    def _with(self, line: bytes | BadLine, values: Columns) -> bytes:
        """A line with columns added, all else byte for byte; nothing if it is unreadable."""
        whole = dict[str, msgspec.Raw]
        found = line if isinstance(line, BadLine) else decode_json(line, whole, ON_EACH_LINE)
        if isinstance(found, BadLine):
            return b""
        return msgspec.json.encode({**found, **values}) + b"\n"


class TextLines(JsonLines):
    """A text a line. Annotated, it becomes JSON lines."""

    def rows(self) -> Iterator[Row]:
        """As `Table.rows`."""
        for number, line in read_lines(self.path, LONGEST_LINE):
            yield self._text(number, line)

    def _text(self, number: int, line: bytes | BadLine) -> Row:
        if isinstance(line, BadLine):
            return Row(number, "", "unreadable", line.message)
        try:
            return self.row(number, line.decode().strip())
        except UnicodeDecodeError as error:
            return Row(number, "", "unreadable", f"not UTF-8 (byte {error.start + 1})")

    def _with(self, line: bytes | BadLine, values: Columns) -> bytes:
        row = self._text(0, line)
        if row.fault == "unreadable":
            return b""
        return msgspec.json.encode({self.field: row.text, **values}) + b"\n"


def _ended(line: bytes | BadLine) -> bytes:
    """A line with its end, which the last one of a file may lack."""
    if isinstance(line, BadLine):
        return b""
    return line if line.endswith(b"\n") else line + b"\n"
