"""Rows of data sets of any kind: files, exports, lists in a JSON file, and data sets of the hub.

`open_rows` is `open_table` for these too. What is written of them is JSON lines.

Example::

    texts = [row.text for row in open_rows(Path("hub:tatsu-lab/alpaca"), "instruction").rows()]
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data.files import write_in_parts
from seedstep.data.hub import HUB, load_hub
from seedstep.data.reading import not_utf8
from seedstep.data.row_forms import exported_rows
from seedstep.data.tables import Columns, RowFile, TableRow, Types, open_table
from seedstep.errors import InputError, unknown_name

__all__ = ["HeldRows", "open_rows"]

Row = Mapping[str, Any]


class HeldRows(RowFile):
    """Rows that are held in memory, or by `datasets` on the disk."""

    def __init__(self, path: Path, field: str, held: Iterable[Row]) -> None:
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


def _line(row: Row) -> bytes:
    return msgspec.json.encode(row, enc_hook=str) + b"\n"


def open_rows(path: Path, field: str) -> RowFile:
    """Return the rows of a file, of an export, or of a data set of the hub (its split `train`).

    Raises:
        InputError: there is no such data set, or the file is of an unknown kind.
        MissingExtraError: `datasets` is not installed.
    """
    text = str(path)
    if text.startswith(HUB):
        return HeldRows(path, field, load_hub(*_split(text)))
    if path.suffix.lower() == ".json":
        return HeldRows(path, field, _listed(path))
    return open_table(exported_rows(path), field)


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
