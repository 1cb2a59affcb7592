"""Read JSON lines and other texts that may be broken, huge or hostile.

A line that can't be read becomes a `BadLine`, so that a caller can report all of them or stop at
the first.

Example::

    for number, record in read_jsonl(Path("seeds.jsonl"), SeedLine):
        ...
"""

import re
import shlex
from codecs import BOM_UTF8
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

import msgspec

from seedstep.errors import InputError, reason_of

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_LINE_BYTES",
    "ON_EACH_LINE",
    "BadLine",
    "as_utf8",
    "decode_json",
    "not_utf8",
    "read_jsonl",
    "read_lines",
    "read_text",
]


T = TypeVar("T")

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_OTHER_FILES = {
    b"PK\x03\x04": ("a workbook or an archive", "save it as CSV in UTF-8, or unpack it"),
    b"\x1f\x8b": ("compressed", "unpack it"),
}
"""How files begin that are no text in UTF-8, with what they are and what to do about it."""

_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_NOT_NUMBERS = re.compile(
    r'("(?:[^"\\]++|\\.?)*+"?)|\bNaN\b|-?\bInfinity\b',  # a string, closed or not, as it is
    re.DOTALL,
)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")

SAMPLE = 1 << 16
"""By how many bytes an encoding is guessed."""


def as_utf8(path: Path | None, data: bytes) -> str:
    """Return what to do with a file that is not in UTF-8: the command that converts it.

    `data` is a part of the file by which its encoding is guessed.
    """
    name, new = "FILE", "NEW_FILE"
    if path is not None:
        name, new = str(path), str(path.with_name(f"{path.stem}-utf8{path.suffix}"))
        name, new = shlex.quote(name), shlex.quote(new)
    command = f"iconv -f {_encoding_of(data)} -t UTF-8 {name} > {new}"
    return f"save the file as UTF-8, as `{command}` does"


def _encoding_of(data: bytes) -> str:
    """Return the likely encoding of a text, by the name that iconv and Python have for it."""
    if data.startswith(UTF_16):
        return "UTF-16"
    for name in ("CP932", "EUC-JP"):  # a Japanese text has kana if it is read as what it is
        if _KANA.search(data.decode(name, "ignore")):
            return name
    return "CP1252"


def not_utf8(path: Path) -> InputError:
    """Return the error that a file is not in UTF-8, with the command that converts it."""
    data = b""
    with suppress(OSError), path.open("rb") as file:
        data = file.read(MOST_BYTES)
    return InputError(f"{path}: not UTF-8", as_utf8(path, data))


@dataclass(frozen=True, slots=True)
class BadLine:
    """What is wrong with a line, or with a file that is one JSON object.

    `field` is a JSON path such as `instances[3].output`. It is empty where the whole line is meant.
    """

    field: str
    message: str
    remedy: str


def decode_json(data: bytes, record: type[T], where: str, path: Path | None = None) -> T | BadLine:
    """Decode a JSON object as a `record`. `where` says in the remedy where it has to be.

    `path` is the file that it is from, for the remedy.

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
        return _not_utf8(error, data, path)
    except RecursionError:
        return BadLine("", "nested too deeply", f"write one flat JSON object {where}")


def _not_utf8(error: UnicodeDecodeError, data: bytes, path: Path | None) -> BadLine:
    found = data[error.start : error.start + SAMPLE]
    return BadLine("", f"not UTF-8 (byte {error.start + 1})", as_utf8(path, found))


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

MAX_FILE_BYTES = 256 << 20
"""The size in bytes of the largest file that is one JSON object or list."""

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
        InputError: the file is missing, is no text in UTF-8, or can't be read.
    """
    try:
        with path.open("rb") as file:
            _require_text(path, file)
            for number, line in enumerate(_lines(file, longest), start=1):
                if line is None:
                    message = f"longer than {longest >> 20} MiB"
                    yield number, BadLine("", message, "shorten or remove the line")
                elif line.strip():
                    yield number, _in_utf8(path, line)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "check the path") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "check the path and its rights") from None


def _in_utf8(path: Path, line: bytes) -> bytes | BadLine:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return _not_utf8(error, line, path)
    return line


def _require_text(path: Path, file: BufferedReader) -> None:
    start = file.peek(4)
    if start.startswith(UTF_16):
        raise InputError(f"{path}: UTF-16, not lines of text in UTF-8", as_utf8(path, start))
    for mark, (what, remedy) in _OTHER_FILES.items():
        if start.startswith(mark):
            raise InputError(f"{path}: {what}, not lines of text in UTF-8", remedy)


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


MOST_BYTES = 1 << 20
"""The most bytes of a file."""


def read_text(path: Path) -> str:
    """Return the text of a file of at most 1 MiB.

    Raises:
        InputError: the file can't be read, is larger, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "check the path") from None
    except (OSError, ValueError) as error:  # a ValueError where a path can't be one
        raise InputError(f"{path}: {reason_of(error)}", "check the path") from None
    if len(data) > MOST_BYTES:
        raise InputError(f"{path}: larger than {MOST_BYTES >> 20} MiB", "name a smaller file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise not_utf8(path) from None
