"""What files of rows have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from seedstep.errors import InputError

__all__ = ["Columns", "Row", "Table", "Types"]

T = TypeVar("T")

Types = Mapping[str, type]
"""Columns that are added, by name: str, float or bool. All may be None."""

Columns = Mapping[str, str | float | bool | None]
"""What is added to a row, by name."""


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
    def write_annotated(self, out: Path, added: Types, columns: Iterable[Columns]) -> None:
        """Write all rows with their `columns`, which are `added`, but for unreadable rows.

        Raises:
            InputError: the file is no longer what it was when its rows were read.
            RunError: `out` can't be written.
        """

    def aligned(self, rows: Iterable[T], with_each: Iterable[Any]) -> Iterator[tuple[T, Any]]:
        """Rows as they are read again, each with what was decided about it."""
        try:
            yield from zip(rows, with_each, strict=True)
        except ValueError:
            what = f"{self.path}: has other rows than a moment ago"
            raise InputError(what, "wait until nobody writes to it, and start again") from None

    def row(self, number: int, value: object) -> Row:
        """A row with what stands in the field."""
        if value is None or value is msgspec.UNSET:
            return Row(number, "", "missing_field", f"there is no field '{self.field}'")
        if not isinstance(value, str):
            kind = type(value).__name__
            return Row(number, "", "not_text", f"the field '{self.field}' is of type {kind}")
        if not value.strip():
            return Row(number, "", "empty", "the text is empty")
        return Row(number, value)
