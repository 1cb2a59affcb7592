"""Export the finished tasks of a run: into a directory as a whole, without what people rejected.

Example::

    export(open_run("runs/first"), "alpaca", "data/alpaca")
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedstep.bootstrap.axes import Cell
from seedstep.data import StrPath, Task, files_in, whole_folder
from seedstep.data.files import EXPORT_MARKER
from seedstep.entries import guarded
from seedstep.errors import EntryError, InputError, RunError, unknown_name
from seedstep.exports.formats import (
    EXPORT_FORMATS,
    OWN_FORMATS,
    ExportFormat,
    ExportSource,
    check_format,
)
from seedstep.exports.hub import require_licence
from seedstep.inputs.labels import without_rejected
from seedstep.plugins import PLUGINS
from seedstep.runs import GrownTasks, Run, stage_of
from seedstep.runs.stage import STAGES

__all__ = ["export", "finished_tasks"]


def export(
    run: Run[Any, Any, Any] | StrPath,
    format: str | ExportFormat,  # noqa: A002 - the name of the flag
    out: StrPath,
    *,
    end_of_text: str = "",
    licence: str = "",
    reviewed: StrPath | None = None,
) -> int:
    """Write a run's finished tasks to the directory `out` and return the number of records.

    A run may be named by its directory. `format` is a format, or the name of one in
    `EXPORT_FORMATS`. `end_of_text` ends each completion of `prompt-completion`; most tuning tools
    add the one of their model, and the paper's was `<|endoftext|>`. `licence` is the licence of a
    data set in the format `hub`, which only its maker can choose. Tasks and instances that people
    rejected in the review `reviewed` are left out.

    Raises:
        EntryError: a format of your own has a field that can't be used, raised an error, or did not
            write and count its records.
        InputError: there is no such format, or seedstep has one of that name; `hub` has no licence,
            or the review is of something else.
        RunError: `run` is no run or can't be read, there is nothing to export, `out` has other
            files, or it can't be written.
        MissingExtraError: pyarrow, which writes Parquet, is not installed.
    """
    if not isinstance(run, Run):
        more: dict[str, Any] = {"end_of_text": end_of_text, "licence": licence}
        with _opened(Path(run)) as opened:
            return export(opened, format, out, reviewed=reviewed, **more)
    chosen = _named(format) if isinstance(format, str) else format
    check_format(chosen, "format")
    if chosen.published:
        require_licence(licence)
    with run.snapshot():  # the card counts what the rows are made of
        tasks, left_out = finished_tasks(run), ""
        if not tasks:
            what = f"{run.path} has no finished tasks yet"
            raise RunError(what, f"let `seedstep {run.stage.name}` make some")
        if reviewed is not None:
            kept = without_rejected(tasks, Path(reviewed))
            tasks, left_out = kept.tasks, kept.left_out
            if not tasks:
                raise RunError(f"people rejected all of {run.path}", "leave the review out")
        source = ExportSource(run, tasks, end_of_text, licence, left_out, _cells(run))
        with whole_folder(Path(out), EXPORT_MARKER, {"format": chosen.name}) as folder:
            return _written(chosen, source, folder)


def _written(chosen: ExportFormat, source: ExportSource, folder: Path) -> int:
    """Write the files of a format; of one that is not seedstep's own, check what came of it.

    Raises:
        EntryError: it raised an error, returned no number, or did not write what it counted.
    """
    if chosen in OWN_FORMATS.values():
        return chosen.write(source, folder)
    entry = f"the format '{chosen.name}'"
    count = guarded(entry, chosen.write, "the number of records", _is_count)(source, folder)
    if not folder.is_dir():
        raise EntryError(f"{entry} removed the folder of its files", "let its `write` leave it")
    if count and not any(True for _ in files_in(folder)):
        what = f"{entry} returned {count:,}, and wrote no file"
        raise EntryError(what, "write into the folder that `write` is called with")
    return count


def _is_count(found: object) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and found >= 0


def _opened(path: Path) -> Run[Any, Any, Any]:
    """Open a run of any stage for reading; a directory that is none is read as a bootstrap."""
    name = stage_of(path)
    return Run.read(STAGES[name if name in STAGES else "bootstrap"], path)


def finished_tasks(run: Run[Any, Any, Any]) -> tuple[Task, ...]:
    """Return the finished tasks of a run, such as those of a bootstrap.

    Raises:
        InputError: the run is of a stage that makes none, so that there is nothing to export.
    """
    if run.stage.tasks is None:
        what = f"{run.path} is a run of `seedstep {run.stage.name}`, which has no instances"
        raise InputError(what, "name the run of a bootstrap, or of `seedstep distill`")
    return tuple(run.stage.tasks(run.database))


def _cells(run: Run[Any, Any, Any]) -> Mapping[str, Cell]:
    return run.records.task_cells() if isinstance(run.records, GrownTasks) else {}


def _named(name: str) -> ExportFormat:
    if name not in EXPORT_FORMATS:
        error = unknown_name("format", name, EXPORT_FORMATS)
        raise InputError(error.what, f"{error.remedy}; {PLUGINS} names modules with others")
    return EXPORT_FORMATS[name]
