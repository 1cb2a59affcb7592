"""The tasks of whatever can be tuned on: runs, exports, task files, JSON lines.

Example::

    tasks = load_source(make_source("runs/first"), limit=100).tasks
"""

from dataclasses import replace
from pathlib import Path

from seedstep.data import TaskFiles, has_rows, load_rows, load_tasks
from seedstep.data.files import exported_format
from seedstep.errors import InputError
from seedstep.runs import open_database, read_grown_tasks, stage_of
from seedstep.tune import TuneSource

__all__ = [
    "load_source",
]


def load_source(
    source: TuneSource, *, limit: int | None = None, skip_bad: bool = False
) -> TaskFiles:
    """The tasks of a source, each with its first `limit` instances, which all have ids.

    With `skip_bad` what is wrong with others is returned.

    Raises:
        InputError: nothing is there, or something is wrong with it.
    """
    path = Path(source.path)
    if stage := stage_of(path):
        if stage != "bootstrap":
            what = f"{path} is a run of `seedstep {stage}`, which has no examples"
            raise InputError(what, "name the run of a bootstrap; --steps takes instructions")
        return _no_split(source, _grown(path, limit))
    name = exported_format(path)
    if name == "alpaca":
        return _no_split(source, load_rows(path / "train.jsonl", limit=limit, skip_bad=skip_bad))
    if name not in (None, "superni"):
        what = f"{path} is an export in the format '{name}'"
        raise InputError(what, "export as alpaca or superni, or name the run itself")
    if not path.is_dir() and path.suffix != ".json" and has_rows(path):
        return _no_split(source, load_rows(path, limit=limit, skip_bad=skip_bad))
    return load_tasks(path, source.split, limit=limit, skip_bad=skip_bad)


def _no_split(source: TuneSource, found: TaskFiles) -> TaskFiles:
    if source.split is not None:
        raise InputError(f"{source.path}: only a directory has splits", "leave the split out")
    return found


def _grown(path: Path, limit: int | None) -> TaskFiles:
    """The finished tasks of a bootstrap."""
    with open_database(path, "bootstrap") as database:
        tasks = tuple(
            replace(task, instances=task.instances[:limit]) for task in read_grown_tasks(database)
        )
    if not tasks:
        raise InputError(f"{path} has no finished tasks yet", "let `seedstep bootstrap` make some")
    return TaskFiles(tasks, ())
