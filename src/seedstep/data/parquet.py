"""Parquet files: the text of each row, rows with all columns, and chosen rows written.

Example::

    texts = [row.text for row in Parquet(Path("data.parquet"), "instruction").rows()]
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from seedstep.data.files import whole_file
from seedstep.data.tables import Columns, RowFile, TableRow, Types
from seedstep.errors import InputError, MissingExtraError, first_line, unknown_name

__all__ = ["Parquet"]

T = TypeVar("T")

BATCH = 4096
"""How many rows are held at a time."""


class Parquet(RowFile):
    """A Parquet file with a column of texts."""

    def records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield all rows with all columns, numbered from 1.

        Raises:
            InputError: the file is missing or can't be read.
        """
        number = 0
        for batch in self._all(self._open()):
            try:
                rows = batch.to_pylist()
            except UnicodeDecodeError as error:
                raise self._unreadable(error) from None
            for row in rows:
                number += 1
                yield number, row

    def rows(self) -> Iterator[TableRow]:
        """Yield all rows, as `RowFile.rows` does."""
        number = 0
        for batch in self._batches(self._open(), [self.field]):
            for value in batch.column(0):
                number += 1
                try:
                    row = self.row(number, value.as_py())
                except UnicodeDecodeError as error:
                    message = f"not UTF-8 (byte {error.start + 1})"
                    row = TableRow(number, "", "unreadable", message)
                yield row

    def write_kept(self, out: Path, kept: Iterable[bool]) -> None:
        """Write the kept rows, as `RowFile.write_kept` does."""
        import pyarrow as pa

        file = self._open()
        pairs = self._with_each(file, kept)
        chosen = (batch.filter(pa.array(decisions, pa.bool_())) for batch, decisions in pairs)
        self._write(out, file.schema_arrow, chosen)

    def write_annotated(self, out: Path, added: Types, columns: Iterable[Columns]) -> None:
        """Write all readable rows with columns added, as `RowFile.write_annotated` does."""
        import pyarrow as pa

        kinds = {str: pa.string(), float: pa.float64(), bool: pa.bool_()}
        new = pa.schema([(name, kinds[kind]) for name, kind in added.items()])
        file = self._open()
        kept = [name for name in file.schema_arrow.names if name not in added]
        schema = pa.schema(
            [*(file.schema_arrow.field(name) for name in kept), *new], file.schema_arrow.metadata
        )
        wider = (
            pa.RecordBatch.from_arrays(
                [
                    *batch.select(kept).columns,
                    *pa.RecordBatch.from_pylist(values, new).columns,
                ],
                schema=schema,
            )
            for batch, values in self._with_each(file, columns)
        )
        self._write(out, schema, wider)

    def _open(self) -> Any:
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError:
            raise MissingExtraError("Parquet", "pip install 'seedstep[parquet]'") from None
        try:
            return parquet.ParquetFile(self.path)
        except FileNotFoundError:
            raise InputError(f"{self.path}: no such file", "check the path") from None
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from None

    def _batches(self, file: Any, columns: list[str] | None = None) -> Iterator[Any]:
        if self.field not in file.schema_arrow.names:
            raise unknown_name(
                "column", self.field, file.schema_arrow.names, f"{self.path}, --field"
            )
        yield from self._all(file, columns)

    def _all(self, file: Any, columns: list[str] | None = None) -> Iterator[Any]:
        import pyarrow as pa

        try:
            yield from file.iter_batches(BATCH, columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> InputError:
        what = f"{self.path}: can't be read as Parquet: {first_line(error)}"
        return InputError(what, "check the file")

    def _with_each(self, file: Any, values: Iterable[T]) -> Iterator[tuple[Any, list[T]]]:
        """Yield the batches of the file, each with the values for its rows."""
        rest = iter(values)
        for batch in self._batches(file):
            some = list(islice(rest, batch.num_rows))
            yield from self.aligned([batch], [some] if len(some) == batch.num_rows else [])
        yield from self.aligned([], rest)

    def _write(self, out: Path, schema: Any, batches: Iterable[Any]) -> None:
        from pyarrow import parquet

        with whole_file(out) as file, parquet.ParquetWriter(file, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
