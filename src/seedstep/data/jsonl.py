"""Read JSON lines from files that may be broken, huge or hostile.

A line that can't be read becomes a `BadLine`, so that a caller can report all of them or stop at
the first.

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

__all__ = [
    "MAX_LINE_BYTES",
    "ON_EACH_LINE",
    "BadLine",
    "decode_json",
    "read_jsonl",
    "read_lines",
]

T = TypeVar("T")

_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_NOT_NUMBERS = re.compile(
    r'("(?:[^"\\]++|\\.?)*+"?)|\bNaN\b|-?\bInfinity\b',  # a string, closed or not, as it is
    re.DOTALL,
)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")


@dataclass(frozen=True, slots=True)
class BadLine:
    """What is wrong with a line, or with a file that is one JSON object.

    `field` is a JSON path such as `instances[3].output`. It is empty where the whole line is meant.
    """

    field: str
    message: str
    remedy: str


def decode_json(data: bytes, record: type[T], where: str) -> T | BadLine:
    """Decode a JSON object as a `record`. `where` says in the remedy where it has to be.

    `NaN` and `Infinity`, which Python writes and some released task files have, are read as null.
    """
    one_object = f"write one JSON object {where}"
    try:
        return msgspec.json.decode(_without_nan(data.decode()), type=record)
    except msgspec.ValidationError as error:
        return _validation(str(error), one_object)
    except msgspec.DecodeError as error:
        return BadLine("", f"not valid JSON: {error}", one_object)
    except UnicodeDecodeError as error:
        return BadLine("", f"not UTF-8 (byte {error.start + 1})", "save the file as UTF-8")
    except RecursionError:
        return BadLine("", "nested too deeply", f"write one flat JSON object {where}")


def _without_nan(text: str) -> str:
    if "NaN" not in text and "Infinity" not in text:
        return text
    return _NOT_NUMBERS.sub(lambda found: found[1] or "null", text)


def _validation(message: str, one_object: str) -> BadLine:
    """Turn msgspec's message and JSON path into a field, a message and a remedy."""
    place = _PATH.search(message)
    path = place["path"] if place else ""
    text = _PATH.sub("", message)
    if missing := _MISSING.fullmatch(text):
        field = f"{path}.{missing['field']}" if path else missing["field"]
        return BadLine(field, "missing", "add the field")
    remedy = "correct the field's type" if path else one_object
    return BadLine(path, text[:1].lower() + text[1:], remedy)


MAX_LINE_BYTES = 1 << 20
"""The length in bytes of the longest line by default. Longer lines are skipped and reported."""

ON_EACH_LINE = "on each line"
"""Where a JSON object has to be, for error messages."""


def read_jsonl(
    path: Path, record: type[T], longest: int = MAX_LINE_BYTES
) -> Generator[tuple[int, T | BadLine]]:
    """Yield (line number from 1, record or `BadLine`). Blank lines are left out.

    `longest` is the length of the longest line, in bytes; it is a whole number of MiB.

    Raises:
        InputError: the file is missing or can't be read.
    """
    for number, line in read_lines(path, longest):
        yield number, line if isinstance(line, BadLine) else decode_json(line, record, ON_EACH_LINE)


def read_lines(path: Path, longest: int = MAX_LINE_BYTES) -> Generator[tuple[int, bytes | BadLine]]:
    """Yield (line number from 1, line or `BadLine`). Blank lines are left out.

    Raises:
        InputError: the file is missing or can't be read.
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
    """Yield a binary file's lines without a byte order mark; None for a line that is too long."""
    if file.peek(len(BOM_UTF8)).startswith(BOM_UTF8):
        file.read(len(BOM_UTF8))
    while line := file.readline(longest):
        if line.endswith(b"\n") or len(line) < longest:
            yield line
            continue
        while (rest := file.readline(longest)) and not rest.endswith(b"\n"):
            pass
        yield None
