"""Read JSON lines from files that may be broken, huge or hostile.

Every bad line becomes a `BadLine` that says where and what, so that a caller can report all
of them or stop at the first.

Example::

    for number, record in read_jsonl(Path("seeds.jsonl"), SeedLine):
        ...
"""

from codecs import BOM_UTF8
from collections.abc import Generator, Iterator
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from seedstep.data.decoding import BadLine, decode_json
from seedstep.errors import InputError

__all__ = ["MAX_LINE_BYTES", "ON_EACH_LINE", "read_jsonl", "read_lines"]

MAX_LINE_BYTES = 1 << 20
"""Longest line read unless told otherwise. A longer one is reported, and skipped unheld."""

ON_EACH_LINE = "on each line"
"""Where a JSON object belongs, as remedies say."""

T = TypeVar("T")


def read_jsonl(
    path: Path, record: type[T], longest: int = MAX_LINE_BYTES
) -> Generator[tuple[int, T | BadLine]]:
    """Yield (line number from 1, record or `BadLine`), leaving blank lines out.

    `longest` is that of a line, in bytes: whole MiB.

    Raises:
        InputError: the file is not there or can't be read.
    """
    for number, line in read_lines(path, longest):
        yield number, line if isinstance(line, BadLine) else decode_json(line, record, ON_EACH_LINE)


def read_lines(path: Path, longest: int = MAX_LINE_BYTES) -> Generator[tuple[int, bytes | BadLine]]:
    """Yield (line number from 1, line or `BadLine`), leaving blank lines out.

    Raises:
        InputError: the file is not there or can't be read.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(_lines(file, longest), start=1):
                if line is None:
                    message = f"longer than {longest >> 20} MiB"
                    yield number, BadLine("", message, "shorten or remove the line")
                elif line.strip():
                    yield number, line
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "check the path") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "check the path and its rights") from None


def _lines(file: BufferedReader, longest: int) -> Iterator[bytes | None]:
    """Lines of a binary file, without a byte order mark; None for one that is too long."""
    if file.peek(len(BOM_UTF8)).startswith(BOM_UTF8):
        file.read(len(BOM_UTF8))
    while line := file.readline(longest):
        if line.endswith(b"\n") or len(line) < longest:
            yield line
            continue
        while (rest := file.readline(longest)) and not rest.endswith(b"\n"):
            pass
        yield None
