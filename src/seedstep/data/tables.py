"""Read the text of each row of a file (JSON lines, CSV, text), and write chosen rows.

A file is read twice, once for the texts and once to write rows, so that only the texts are held in
memory. A row without a text is yielded with its fault.

Example::

    table = JsonLines(Path("data.jsonl"), "instruction")
    texts = [row.text for row in table.rows()]
    table.write_kept(Path("kept.jsonl"), decisions)
"""

import csv
import io
from abc import ABC, abstractmethod
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from seedstep.data.files import write_in_parts
from seedstep.data.reading import ON_EACH_LINE, BadLine, decode_json, not_utf8, read_lines
from seedstep.errors import InputError, first_line, unknown_name

__all__ = ["Columns", "Csv", "JsonLines", "RowFile", "TableRow", "TextLines", "Types"]

T = TypeVar("T")

Types = Mapping[str, type]
"""The types of added columns by name: str, float or bool. All values may be None."""

Columns = Mapping[str, str | float | bool | None]
"""The values that are added to a row, by column name."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """The text of a row. `number` counts from 1.

    Where there is no text, `fault` is unreadable, missing_field, not_text or empty.
    """

    number: int
    text: str
    fault: str = ""
    message: str = ""


class RowFile(ABC):
    """A file of rows with a text in each."""

    def __init__(self, path: Path, field: str) -> None:
        """Take the `field` in which rows have their text. It names the text of a plain line."""
        self.path = path
        self.field = field

    @abstractmethod
    def rows(self) -> Iterator[TableRow]:
        """Yield all rows.

        Raises:
            InputError: the file is missing or can't be read.
        """

    def fields(self) -> tuple[str, ...]:
        """Return the names of the fields of the first readable row, as far as rows have names."""
        return ()

    @abstractmethod
    def write_kept(self, out: Path, kept: Iterable[bool]) -> None:
        """Write the rows that are kept, unchanged, to a file of the same kind.

        Raises:
            InputError: the file has changed since its rows were read.
            RunError: `out` can't be written.
        """

    @abstractmethod
    def write_annotated(self, out: Path, added: Types, columns: Iterable[Columns]) -> None:
        """Write all readable rows with their `columns`, whose types are `added`.

        Raises:
            InputError: the file has changed since its rows were read.
            RunError: `out` can't be written.
        """

    def aligned(self, rows: Iterable[T], with_each: Iterable[Any]) -> Iterator[tuple[T, Any]]:
        """Yield the rows of a second reading, each with what was decided about it.

        Raises:
            InputError: the numbers of rows and decisions differ.
        """
        try:
            yield from zip(rows, with_each, strict=True)
        except ValueError:
            what = f"{self.path}: has other rows than a moment ago"
            raise InputError(what, "wait until nobody writes to it, and start again") from None
        finally:
            if isinstance(rows, Generator):
                rows.close()  # closes the file

    def row(self, number: int, value: object) -> TableRow:
        """Return the row for what stands in the field."""
        if value is None or value is msgspec.UNSET:
            return TableRow(number, "", "missing_field", f"there is no field '{self.field}'")
        if not isinstance(value, str):
            kind = type(value).__name__
            return TableRow(number, "", "not_text", f"the field '{self.field}' is of type {kind}")
        if not value.strip():
            return TableRow(number, "", "empty", "the text is empty")
        return TableRow(number, value)


LONGEST_LINE = 64 << 20
"""The length in bytes of the longest row."""


class JsonLines(RowFile):
    """A file with a JSON object on each line."""

    def rows(self) -> Iterator[TableRow]:
        """Yield all rows, as `RowFile.rows` does."""
        record = msgspec.defstruct(
            "Line", [("text", Any, msgspec.UNSET)], rename={"text": self.field}
        )
        for number, line in read_lines(self.path, LONGEST_LINE):
            found = line if isinstance(line, BadLine) else decode_json(line, record, ON_EACH_LINE)
            if isinstance(found, BadLine):
                yield TableRow(number, "", "unreadable", found.message)
            else:
                yield self.row(number, found.text)  # type: ignore[attr-defined]

    def fields(self) -> tuple[str, ...]:
        """Return the names of the fields of the first readable line."""
        for _, line in read_lines(self.path, LONGEST_LINE):
            whole = dict[str, msgspec.Raw]
            found = line if isinstance(line, BadLine) else decode_json(line, whole, ON_EACH_LINE)
            if not isinstance(found, BadLine):
                return tuple(found)
        return ()

    def write_kept(self, out: Path, kept: Iterable[bool]) -> None:
        """Write the kept rows, as `RowFile.write_kept` does."""
        lines = self.aligned(read_lines(self.path, LONGEST_LINE), kept)
        write_in_parts(out, (_ended(line) for (_, line), keep in lines if keep))

    def write_annotated(self, out: Path, added: Types, columns: Iterable[Columns]) -> None:
        """Write all readable rows with columns added, as `RowFile.write_annotated` does."""
        lines = self.aligned(read_lines(self.path, LONGEST_LINE), columns)
        write_in_parts(out, (self._with(line, values) for (_, line), values in lines))

    def _with(self, line: bytes | BadLine, values: Columns) -> bytes:
        """Return a line with columns added, all else byte for byte; nothing if it is unreadable."""
        whole = dict[str, msgspec.Raw]
        found = line if isinstance(line, BadLine) else decode_json(line, whole, ON_EACH_LINE)
        if isinstance(found, BadLine):
            return b""
        return msgspec.json.encode({**found, **values}) + b"\n"


class TextLines(JsonLines):
    """A file with a text on each line. Annotated, it becomes JSON lines."""

    def fields(self) -> tuple[str, ...]:
        """Return nothing, as lines have no names."""
        return ()

    def rows(self) -> Iterator[TableRow]:
        """Yield all rows, as `RowFile.rows` does."""
        for number, line in read_lines(self.path, LONGEST_LINE):
            yield self._text(number, line)

    def _text(self, number: int, line: bytes | BadLine) -> TableRow:
        if isinstance(line, BadLine):
            return TableRow(number, "", "unreadable", line.message)
        try:
            return self.row(number, line.decode().strip())
        except UnicodeDecodeError as error:
            return TableRow(number, "", "unreadable", f"not UTF-8 (byte {error.start + 1})")

    def _with(self, line: bytes | BadLine, values: Columns) -> bytes:
        row = self._text(0, line)
        if row.fault == "unreadable":
            return b""
        return msgspec.json.encode({self.field: row.text, **values}) + b"\n"


def _ended(line: bytes | BadLine) -> bytes:
    """Return a line with its line feed, which the last line of a file may lack."""
    if isinstance(line, BadLine):
        return b""
    return line if line.endswith(b"\n") else line + b"\n"


class Csv(RowFile):
    """A file of values below a row of names, as spreadsheets write it.

    Values are separated by commas, semicolons or tabs: by what separates the names. The text is
    UTF-8 or, where it begins with a byte order mark of that, UTF-16. What is written is UTF-8.

    Rows are numbered as a spreadsheet does: the first one below the names is row 2.
    """

    def rows(self) -> Iterator[TableRow]:
        """Yield all rows, as `RowFile.rows` does."""
        place = self._place()
        for number, (_, values) in enumerate(self._records(), start=1):
            if number > 1:
                yield self.row(number, values[place] if place < len(values) else None)

    def records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield all rows with all columns, by name; what a row lacks is None.

        Raises:
            InputError: the file is missing or can't be read.
        """
        names = self.fields()
        for number, (_, values) in enumerate(self._records(), start=1):
            if number > 1:
                yield number, dict(zip_longest(names, values[: len(names)]))

    def fields(self) -> tuple[str, ...]:
        """Return the names of the columns.

        Raises:
            InputError: the file is missing or can't be read.
        """
        for _, values in self._records():
            return tuple(values)
        return ()

    def write_kept(self, out: Path, kept: Iterable[bool]) -> None:
        """Write the kept rows, as `RowFile.write_kept` does."""
        records = self._records()
        head = (_ended(raw) for raw, _ in islice(records, 1))
        rows = (_ended(raw) for (raw, _), keep in self.aligned(records, kept) if keep)
        write_in_parts(out, chain(head, rows))

    def write_annotated(self, out: Path, added: Types, columns: Iterable[Columns]) -> None:
        """Write all rows with columns added, as `RowFile.write_annotated` does."""
        names = self.fields()
        places = [place for place, name in enumerate(names) if name not in added]
        records = self._records()

        def lines() -> Iterator[bytes]:
            for _, values in islice(records, 1):
                yield self._line([*(values[place] for place in places), *added])
            for (_, values), new in self.aligned(records, columns):
                old = (values[place] if place < len(values) else "" for place in places)
                yield self._line([*old, *(new[name] for name in added)])

        write_in_parts(out, lines())

    @cached_property
    def _sign(self) -> str:
        """What separates values: in *.tsv a tab, else what makes the most names, or a comma."""
        if self.path.suffix.lower() == ".tsv":
            return "\t"
        first = next(self._lines([]), "")
        return max(",;\t", key=lambda sign: len(next(csv.reader([first], delimiter=sign), ())))

    def _place(self) -> int:
        names = self.fields()
        if self.field not in names:
            raise unknown_name("column", self.field, names, f"{self.path}, --field")
        return names.index(self.field)

    def _line(self, values: Iterable[object]) -> bytes:
        text = io.StringIO()
        csv.writer(text, delimiter=self._sign, lineterminator="\n").writerow(values)
        return text.getvalue().encode()

    def _records(self) -> Iterator[tuple[bytes, list[str]]]:
        """Yield each row, the one of names first, as it stands in the file and as values."""
        taken: list[bytes] = []

        csv.field_size_limit(max(LONGEST_LINE, csv.field_size_limit()))
        try:
            for values in csv.reader(self._lines(taken), delimiter=self._sign):
                raw = b"".join(taken)
                taken.clear()
                if values:
                    yield raw, values
        except FileNotFoundError:
            raise InputError(f"{self.path}: no such file", "check the path") from None
        except UnicodeError:
            raise not_utf8(self.path) from None
        except (OSError, csv.Error) as error:
            what = f"{self.path}: can't be read as CSV: {first_line(error)}"
            raise InputError(what, "put quotes around texts, and close each quote") from None

    def _lines(self, taken: list[bytes]) -> Iterator[str]:
        """Yield the lines of the file, and add each to `taken`, in UTF-8."""
        with self.path.open("rb") as file:
            is_utf_16 = file.peek(2)[:2] in (BOM_UTF16_LE, BOM_UTF16_BE)
            lines: Iterable[bytes | str] = file
            if is_utf_16:
                lines = io.TextIOWrapper(file, "utf-16", newline="")
            for number, line in enumerate(lines):
                raw = line if isinstance(line, bytes) else line.encode()
                taken.append(raw)
                yield (raw if number else raw.removeprefix(BOM_UTF8)).decode()
