"""Write a task file once more with one field added; all else stays byte for byte.

Example::

    write_task_with(Path("tasks/task001_x.json"), Path("out"), "Step-by-Step Instruction", steps)
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from seedstep.data.decoding import BadLine
from seedstep.data.files import write_atomically
from seedstep.data.problems import placed, raise_first
from seedstep.data.superni import load_file
from seedstep.errors import InputError, RunError

__all__ = ["write_task_with"]

_GAP = re.compile(r"[\s,:]*")
"""What stands between the names and values of an object that is known to be valid."""


def write_task_with(source: Path, folder: Path, field: str, value: str | Sequence[str]) -> Path:
    """Write `source` under its name into `folder`, with `field` at its end; returns where.

    A field of that name keeps its place and gets the new value. The indentation is the file's.

    Raises:
        InputError: `source` is no task file, or it is in `folder` itself.
        RunError: `folder` can't be written.
    """
    data, found = load_file(source, any_steps=True)
    if isinstance(found, BadLine):
        raise_first(placed(source, 0, [found]))
    try:
        text = _with(data.decode(), field, value)
    except RecursionError:
        raise InputError(f"{source}: nested too deeply", "remove the nested field") from None
    target = folder / source.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.samefile(source):
            raise InputError(f"{target}: would replace the original", "name another directory")
    except OSError as error:
        raise RunError(f"{folder}: {error.strerror}", "name another directory") from None
    write_atomically(target, text.encode(errors="replace"))
    return target


def _with(text: str, field: str, value: str | Sequence[str]) -> str:
    """The text of an object that is not empty, with a field more."""
    start = text.index("{") + 1
    gap = text[start : _after_gap(text, start)]
    spans = _spans(text, start)
    lines = "\n" in gap
    new = json.dumps(value, ensure_ascii=False, indent=gap.rpartition("\n")[2] if lines else None)
    if lines:
        new = new.replace("\n", gap)
    if field in spans:
        begin, end = spans[field]
        return text[:begin] + new + text[end:]
    _, end = max(spans.values())
    return f"{text[:end]},{gap or ' '}{json.dumps(field)}: {new}{text[end:]}"


def _spans(text: str, at: int) -> dict[str, tuple[int, int]]:
    """Where the value of each field of an object begins and ends. `at` is behind its brace."""
    decoder = json.JSONDecoder(parse_int=str)
    spans = {}
    at = _after_gap(text, at)
    while text[at] != "}":
        name, at = decoder.raw_decode(text, at)
        begin = _after_gap(text, at)
        _, end = decoder.raw_decode(text, begin)
        spans[name] = (begin, end)
        at = _after_gap(text, end)
    return spans


def _after_gap(text: str, at: int) -> int:
    found = _GAP.match(text, at)
    return found.end() if found else at
