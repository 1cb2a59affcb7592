"""From the bytes of one JSON object to a record, or to what is wrong with it.

Example::

    found = decode_json(b'{"input": 3}', SeedLine, "on each line")
"""

import re
from dataclasses import dataclass
from typing import TypeVar

import msgspec

__all__ = ["BadLine", "decode_json"]

T = TypeVar("T")

_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_NOT_NUMBERS = re.compile(
    r'("(?:[^"\\]++|\\.?)*+"?)|\bNaN\b|-?\bInfinity\b',  # a string, closed or not, as it is
    re.DOTALL,
)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")


@dataclass(frozen=True, slots=True)
class BadLine:
    """What is wrong with one line, or one file that is a JSON object.

    `field` is a JSON path as in `instances[3].output`; empty where all of it is meant.
    """

    field: str
    message: str
    remedy: str


def decode_json(data: bytes, record: type[T], where: str) -> T | BadLine:
    """One JSON object as a `record`; `where` it belongs is told in the remedy.

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
