"""The paths in a run's configuration: where they are, from whichever directory they are read.

What a run was given in memory is named by its place in the run. Other relative paths belong to the
directory in which the run was made, which its configuration keeps. So a run can be worked on from
any directory, and moved together with what it names.

Example::

    values = stored_values(Path("project/runs/steps"), CONFIG)
    values["tasks"]  # "project/tasks.jsonl"
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seedstep.data import make_folder, read_yaml, write_atomically, write_yaml
from seedstep.data.run_tasks import RUN_CONFIG
from seedstep.errors import InputError, UnknownEncodingError
from seedstep.llm.providers import PROVIDERS
from seedstep.runs.entries import TUNE_CONFIG

__all__ = [
    "CONFIG",
    "GIVEN",
    "TUNE_CONFIG",
    "encoding_as_begun",
    "keep_given",
    "paths_as_kept",
    "paths_from_here",
    "place_of_given",
    "stored_values",
    "with_normal_paths",
    "without_directory",
    "write_config",
]

CONFIG = RUN_CONFIG
GIVEN = "given"
"""The directory of tasks that were given in memory, so that the run goes on without them."""

NOTHING: Mapping[str, Any] = MappingProxyType({})

_HERE = f"{{run}}/{GIVEN}/"
"""Stands in a configuration for the directory with what was given: a run may be moved."""


@contextmanager
def encoding_as_begun(path: Path | None) -> Iterator[None]:
    """Say of an encoding that is not known how to go on with a run, if it was begun with it.

    Raises:
        InputError: an encoding is not known, and there is a run.
    """
    try:
        yield
    except UnknownEncodingError as error:
        if path is None or not any((path / name).exists() for name in (CONFIG, TUNE_CONFIG)):
            raise
        begun = f"if {path} was begun with it, name its module there"
        remedy = f"{error.remedy}; {begun}: another encoding would change the prompts"
        raise InputError(error.what, remedy) from None


def place_of_given(path: Path, content: bytes, suffix: str) -> Path:
    """Return the file for what is given to a run in memory: its name is made of its content."""
    return path / GIVEN / f"{sha256(content).hexdigest()[:16]}{suffix}"


def keep_given(path: Path, content: bytes, suffix: str) -> Path:
    """Keep what was given to a run in memory, in a file that is named by its content.

    Raises:
        RunError: the file can't be written.
    """
    file = place_of_given(path, content, suffix)
    make_folder(file.parent)
    if not file.exists():
        write_atomically(file, content)
    return file


def stored_values(path: Path, config: str) -> dict[str, Any]:
    """Return a run's configuration with the paths of what it was given.

    Raises:
        InputError: the file can't be read.
    """
    kept = read_yaml(path / config)
    kept = paths_from_here(path, kept) if config == CONFIG else kept
    kept.pop(MADE_IN, None)
    values: dict[str, Any] = _replaced(kept, _HERE, f"{path / GIVEN}{os.sep}")
    return values


def write_config(path: Path, config: str, values: Mapping[str, Any]) -> None:
    """Replace a run's configuration, in which what it was given is named by its place there.

    Relative paths are written as from the directory in which the run was made. Those of a tuning
    stay as they are given: they are part of what its data are known by.
    """
    kept = _replaced(dict(values), f"{path / GIVEN}{os.sep}", _HERE)
    if config == CONFIG:
        before = read_yaml(path / config) if (path / config).exists() else {}
        kept = paths_as_kept(path, kept) if before else kept
        if MADE_IN in before:
            kept[MADE_IN] = before[MADE_IN]
        elif not before or (_relative_paths(kept) and not _relative_paths(before)):
            kept[MADE_IN] = os.path.relpath(os.path.realpath("."), os.path.realpath(path))
    write_yaml(path / config, kept)


MADE_IN = "made_in"
"""The entry with the directory in which a run was made, from the run's own."""

_MODELS = ("model", "judge", "semantic")
"""The settings that are models, also inside gates. Some are named by a path."""

_GATES = "gates"

_PATHS = (
    "tasks",
    "seeds",
    "pool",
    "source",
    "sources",
    "decontaminate",
    "steps",
    "examples",
    "rubric",
    "tokenizer",
    *_MODELS,
)
"""The settings that are paths, or lists of paths."""


def paths_from_here(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a run as kept, with relative paths as the current directory has them."""
    base = _base(path, values)
    if base is None:
        return dict(values)

    def found(text: str) -> str:
        is_there = _is_relative(text) and os.path.lexists(f"{base}{os.sep}{text}")
        return os.path.normpath(f"{os.path.relpath(base)}{os.sep}{text}") if is_there else text

    return _with_paths(values, found)


def paths_as_kept(
    path: Path, values: Mapping[str, Any], before: Mapping[str, Any] = NOTHING
) -> dict[str, Any]:
    """Return settings of a run with relative paths as the run's configuration keeps them.

    `before` are the settings of a system as they were kept, which may say where the run was made.
    """
    base = _base(path, before)
    if base is None:
        return dict(values)
    start = f"{os.path.relpath(base)}{os.sep}"

    def kept(text: str) -> str:
        if _normal(text).startswith(start):
            return _normal(text).removeprefix(start)
        is_there = _is_relative(text) and os.path.lexists(text)
        return os.path.relpath(os.path.realpath(text), base) if is_there else text

    return _with_paths(values, kept)


def with_normal_paths(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which `./seeds.jsonl` is `seeds.jsonl`, to be compared with others."""
    return _with_paths(values, _normal)


def _normal(text: str) -> str:
    return os.path.normpath(text) if text else text


def _base(path: Path, more: Mapping[str, Any]) -> str | None:
    """Return the directory in which a run was made; None if that is the current one.

    A run of a version that did not keep it was made in the current directory if what it names is
    there, or else in the nearest one above the run that has it. If its configuration names nothing
    that is found, what `more` kept settings name says where.
    """
    values = read_yaml(path / CONFIG) if (path / CONFIG).exists() else {}
    here, run = os.path.realpath("."), os.path.realpath(path)
    if MADE_IN in values:
        base = os.path.normpath(f"{run}{os.sep}{values[MADE_IN]}")
    else:
        places = [here, *map(str, Path(run).parents)]
        found = (
            place
            for named in map(_relative_paths, (values, more))
            for place in places
            if any(os.path.lexists(f"{place}{os.sep}{name}") for name in named)
        )
        base = next(found, here)
    return None if base == here else base


def _relative_paths(values: Mapping[str, Any]) -> list[str]:
    found: list[str] = []

    def keep(text: str) -> str:
        found.extend([text] if _is_relative(text) else [])
        return text

    _with_paths(values, keep)
    return found


def _is_relative(text: str) -> bool:
    return bool(text) and not Path(text).is_absolute() and not text.startswith(_HERE)


def _with_paths(values: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Return settings in which each path is changed."""

    def changed(name: str, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [changed(name, inner) for inner in value]
        if not isinstance(value, str):
            return value
        if name not in _MODELS:
            return change(value)
        prefix, _, place = value.partition(":")
        provider = PROVIDERS.get(prefix)
        is_place = place and provider and provider.named_by_path
        return f"{prefix}:{change(place)}" if is_place else value

    def in_gates(name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {inner: in_gates(inner, options) for inner, options in value.items()}
        return changed(name, value) if name in _MODELS else value

    changes = {_GATES: in_gates, **dict.fromkeys(_PATHS, changed)}
    return {
        name: changes[name](name, value) if name in changes else value
        for name, value in values.items()
    }


def without_directory(file: str) -> str:
    """Return a path without the run's directory where it is that of what a run was given."""
    path = Path(file)
    return f"{_HERE}{path.name}" if _GIVEN_FILE.fullmatch("/".join(path.parts[-2:])) else file


_GIVEN_FILE = re.compile(rf"{GIVEN}/[0-9a-f]{{16}}\.jsonl?")


def _replaced(value: Any, start: str, other: str) -> Any:
    """Return a value in whose texts, lists and mappings another text stands at the start."""
    if isinstance(value, str):
        return other + value.removeprefix(start) if value.startswith(start) else value
    if isinstance(value, dict):
        return {name: _replaced(inner, start, other) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(inner, start, other) for inner in value]
    return value
