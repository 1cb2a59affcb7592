"""Open files of rows of any kind; and read lists in `*.json`, and data sets of the hub.

Example::

    table = open_table(Path("data.jsonl"), "instruction")
    items = items_of(Path("my_tasks.csv"))  # None: one object a line, or a directory
    rows = load_hub("hub:databricks/databricks-dolly-15k")
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from seedstep.data.files import whole_file
from seedstep.data.reading import MAX_FILE_BYTES, BadLine, decode_json
from seedstep.data.tables import Columns, Csv, JsonLines, RowFile, TableRow, TextLines, Types
from seedstep.errors import InputError, MissingExtraError, first_line, unknown_name

__all__ = [
    "HUB",
    "TABLES",
    "DataRow",
    "Parquet",
    "items_of",
    "items_of_list",
    "load_hub",
    "open_table",
]

T = TypeVar("T")

DataRow = Mapping[str, Any]
"""A row of a table, or a record of a file of rows, by the names of its fields."""

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
            raise MissingExtraError("Parquet", extra="parquet") from None
        try:
            return parquet.ParquetFile(self.path)
        except FileNotFoundError:
            raise InputError(f"{self.path}: no such file", "check the path") from None
        except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
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
        except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
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


_KINDS: Mapping[str, type[RowFile]] = {
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".csv": Csv,
    ".tsv": Csv,
    ".txt": TextLines,
    ".parquet": Parquet,
}


def open_table(path: Path, field: str) -> RowFile:
    """Return a file of rows. The ending of its name says of which kind it is.

    Raises:
        InputError: the file is of an unknown kind.
    """
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(_KINDS)
        raise InputError(f"{path}: a file of an unknown kind", f"name it with one of {known}")
    return kind(path, field)


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


HUB = "hub:"
"""With what the name of a data set of the hub begins, as a source."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w-][\w.-]*(/[^\n]+)?)?")


def load_hub(place: str, split: str | None = None) -> Any:
    """Load a data set of the hub, or of a directory, through `datasets`: the split, or `train`.

    Raises:
        InputError: there is no such data set, configuration or split, or no network.
        MissingExtraError: `datasets` is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("a data set of the hub", "pip install datasets") from None
    name, config = _hub_name(place)
    try:
        with _known_offline(datasets, name):
            return datasets.load_dataset(name, config, split=split or "train")
    except ConnectionError as error:
        what = f"{place}: the hub can't be reached, and no copy is here: {first_line(error)}"
        remedy = "connect to the network, or name a file of its rows"
        raise InputError(what, remedy) from None
    except Exception as error:  # of `datasets`, huggingface_hub, httpx, pyarrow and fsspec
        what = f"{place}: can't be loaded through `datasets`: {first_line(error)}"
        remedy = "check the name: hub:OWNER/NAME or hub:OWNER/NAME/CONFIG, and :SPLIT"
        raise InputError(what, remedy) from None


def _hub_name(place: str) -> tuple[str, str | None]:
    """Return the name and the configuration of a data set; a directory has no configuration.

    Raises:
        InputError: it is neither a directory nor the name of a data set.
    """
    name = place.removeprefix(HUB)
    if Path(name).is_dir():
        return name, None
    if not _HUB_NAME.fullmatch(name):
        what = f"{place}: neither a directory nor the name of a data set"
        raise InputError(what, "write hub:OWNER/NAME, hub:OWNER/NAME/CONFIG or hub:DIRECTORY")
    owner, _, rest = name.partition("/")
    short, _, config = rest.partition("/")
    return f"{owner}/{short}" if short else owner, config or None


@contextmanager
def _known_offline(datasets: Any, name: str) -> Iterator[None]:
    """Let `datasets` use its copies at once where the hub has no address, without retries."""
    import socket
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).hostname or ""
    before = (datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE)
    if not Path(name).is_dir() and not getproxies():
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before
        if shown:
            datasets.enable_progress_bars()
