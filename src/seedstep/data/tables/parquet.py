"""Parquet files (the extra `parquet`)."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from seedstep.data.files import whole_file
from seedstep.data.tables.base import Columns, Row, Table, Types
from seedstep.errors import InputError, MissingExtraError

__all__ = ["Parquet"]

BATCH = 4096
"""Rows that are held at a time."""

T = TypeVar("T")


class Parquet(Table):
    """A Parquet file with a column of texts."""

    def rows(self) -> Iterator[Row]:
        """As `Table.rows`."""
        number = 0
        for batch in self._batches(self._open(), [self.field]):
            for value in batch.column(0).to_pylist():
                number += 1
                yield self.row(number, value)

    def write_kept(self, out: Path, kept: Iterable[bool]) -> None:
        """As `Table.write_kept`."""
        import pyarrow as pa

        file = self._open()
        pairs = self._with_each(file, kept)
        chosen = (batch.filter(pa.array(decisions, pa.bool_())) for batch, decisions in pairs)
        self._write(out, file.schema_arrow, chosen)

    def write_annotated(self, out: Path, added: Types, columns: Iterable[Columns]) -> None:
        """As `Table.write_annotated`."""
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
        import pyarrow as pa

        if self.field not in file.schema_arrow.names:
            names = ", ".join(file.schema_arrow.names)
            what = f"{self.path}: there is no column '{self.field}'"
            raise InputError(what, f"name one with --field; there are {names}")
        try:
            yield from file.iter_batches(BATCH, columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> InputError:
        line = str(error).partition("\n")[0]
        return InputError(f"{self.path}: can't be read as Parquet: {line}", "check the file")

    def _with_each(self, file: Any, values: Iterable[T]) -> Iterator[tuple[Any, list[T]]]:
        """The batches of the file, each with the values for its rows."""
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
