"""Read JSON lines from files that may be broken, huge or hostile.

Every bad line becomes a `BadLine` that says where and what, so that a caller can report all
of them or stop at the first.

Example::

    for number, record in read_jsonl(Path("seeds.jsonl"), SeedLine):
        ...
"""

import re
from codecs import BOM_UTF8
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

import msgspec

from seedstep.errors import InputError

__all__ = ["MAX_LINE_BYTES", "BadLine", "read_jsonl"]

MAX_LINE_BYTES = 1 << 20
"""Longest line read unless told otherwise. A longer one is reported, and skipped unheld."""

ONE_OBJECT = "write one JSON object on each line"

T = TypeVar("T")

_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")


@dataclass(frozen=True, slots=True)
class BadLine:
    """What is wrong with one line. `field` is empty where the whole line is meant."""

    field: str
    message: str
    remedy: str


def read_jsonl(
    path: Path, record: type[T], longest: int = MAX_LINE_BYTES
) -> Generator[tuple[int, T | BadLine]]:
    """Yield (line number from 1, record or `BadLine`), leaving blank lines out.

    `longest` is that of a line, in bytes: whole MiB.

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
                    yield number, _decode(line, record)
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


def _decode(line: bytes, record: type[T]) -> T | BadLine:
    try:
        return msgspec.json.decode(line.decode(), type=record)
    except msgspec.ValidationError as error:
        return _validation(str(error))
    except msgspec.DecodeError as error:
        return BadLine("", f"not valid JSON: {error}", ONE_OBJECT)
    except UnicodeDecodeError as error:
        return BadLine("", f"not UTF-8 (byte {error.start + 1})", "save the file as UTF-8")
    except RecursionError:
        return BadLine("", "nested too deeply", "write one flat JSON object on each line")


def _validation(message: str) -> BadLine:
    """Turn msgspec's message and JSON path into a field, a message and a remedy."""
    place = _PATH.search(message)
    path = place["path"] if place else ""
    text = _PATH.sub("", message)
    if missing := _MISSING.fullmatch(text):
        field = f"{path}.{missing['field']}" if path else missing["field"]
        return BadLine(field, "missing", "add the field")
    remedy = "correct the field's type" if path else ONE_OBJECT
    return BadLine(path, text[:1].lower() + text[1:], remedy)
