"""How a stage is called: its settings are made ready, its work is done, and its run is opened.

Tasks in memory are kept in the run, in files that are named by their content, and the paths of
these go where the tasks were. So a run goes on without them, and refuses others as it does another
path.

Example::

    def _write_instructions(out: StrPath, **settings: Unpack[StepsKeywords]) -> StageCall[StepsRun]:
        return StageCall(STEPS, out, settings, partial(work_on_instructions, watch=None))

    write_instructions, write_instructions_async = plain_and_async(_write_instructions)
"""

import inspect
import os
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial, wraps
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, cast, get_args

import msgspec

from seedstep.data import StrPath, Task, load_tasks, sources_of, task_record
from seedstep.errors import InputError
from seedstep.recipes.notebook import as_keywords, notebook_watch
from seedstep.recipes.tasks import (
    StageProgress,
    TaskProgress,
    TaskWatch,
    about_twin,
    finish,
    work_on_tasks,
)
from seedstep.runs import TUNE_CONFIG, Failed, Removed, Run, Stage, StageWork
from seedstep.runs.places import CONFIG, GIVEN, encoding_as_begun, keep_given, place_of_given
from seedstep.values import read_once

__all__ = [
    "StageCall",
    "kept_inputs",
    "plain_and_async",
    "work_of",
    "work_on",
]


P = ParamSpec("P")
T = TypeVar("T", bound=Run[Any, Any, Any])
"""The type of a run."""

Work = Callable[[Path, Mapping[str, Any]], Coroutine[Any, Any, object]]
"""The work of a stage, from the run's directory and the settings that were asked for."""

ONE_SOURCE = ("tasks", "seeds", "source")
"""Settings that name tasks."""

SEVERAL_SOURCES = ("data", "held_out_data", "decontaminate")
"""Settings that name tasks several times."""


@dataclass(frozen=True, slots=True)
class StageCall(Generic[T]):
    """What a function that runs a stage is to do: its stage, its directory, settings and work."""

    stage: Stage[Any, Any, Any]
    out: StrPath
    settings: Mapping[str, Any]
    work: Work


def plain_and_async(
    function: Callable[P, StageCall[T]],
) -> tuple[Callable[P, T], Callable[P, Coroutine[Any, Any, T]]]:
    """Return a plain and an asynchronous function that do what a function asks for.

    Both return the run, opened for reading, with `stopped` and `notes`. The plain one has the name
    of `function` without its underscore, and its docstring; the other has `_async` behind it. What
    was given in memory is read in the thread of the caller, by both, before anything else is done.
    Where an event loop runs already, as in a notebook, the plain one works in another thread.
    """
    name = function.__qualname__ = function.__name__.removeprefix("_")

    @wraps(function)
    def plain(*args: P.args, **settings: P.kwargs) -> T:
        call = function(*args, **settings)
        path = Path(call.out)
        with kept_inputs(path, call.settings) as asked:
            done = finish(_watched(call.work, path, asked))
        return cast("T", _opened(call.stage, path, done))

    @wraps(function)
    async def awaited(*args: P.args, **settings: P.kwargs) -> T:
        call = function(*args, **settings)
        path = Path(call.out)
        with kept_inputs(path, call.settings) as asked:
            done = await _watched(call.work, path, asked)
        return cast("T", _opened(call.stage, path, done))

    (kind_of_run,) = get_args(function.__annotations__["return"])
    signature = inspect.signature(function).replace(return_annotation=kind_of_run)
    for made, suffix in ((plain, ""), (awaited, "_async")):
        made.__name__ = made.__qualname__ = f"{name}{suffix}"
        made.__annotations__ = {**function.__annotations__, "return": kind_of_run}
        vars(made)["__signature__"] = signature
    awaited.__doc__ = about_twin(plain)
    return plain, awaited


def _opened(stage: Stage[Any, Any, Any], path: Path, done: object) -> Run[Any, Any, Any]:
    """Open a run for reading, with why its work stopped and the notes of its progress, `done`."""
    run = Run.read(stage, path)
    if isinstance(done, StageProgress):
        run.stopped, run.notes = done.stopped, tuple(map(as_keywords, done.notes))
        run.problems = done.problems
    return run


async def work_on(
    stage: Stage[Any, Any, Any],
    out: Path,
    asked: Mapping[str, Any],
    watch: TaskWatch | None = None,
    *,
    same_model: bool = False,
    removed: Removed = "keep",
    failed: Failed = "keep",
    make_work: Callable[[Any], StageWork] | None = None,
) -> TaskProgress:
    """Do the work of a stage that makes one record for each task, and return the progress made.

    `make_work` returns how the tasks of its run are worked on, if that is not as the stage says.

    Raises:
        InputError: the stage does not say how, or a setting can't be used. No run is made.
    """
    make_work = make_work or work_of(stage)
    with Run.start(stage, out, asked, same_model=same_model, removed=removed, failed=failed) as run:
        return await work_on_tasks(run, make_work(run), watch)


def work_of(stage: Stage[Any, Any, Any]) -> Callable[[Any], StageWork]:
    """Return how a stage works on the tasks of a run.

    Raises:
        InputError: the stage does not work on tasks by asking a model.
    """
    if stage.work is None:
        what = f"`seedstep {stage.name}` does not work on tasks by asking a model"
        raise InputError(what, "give its `Stage` a `work`")
    return stage.work


async def _watched(work: Work, path: Path, asked: Mapping[str, Any]) -> object:
    """Do the work, and return what it returns.

    In a notebook, work that has no watcher gets one that shows progress.
    """
    watch = None
    if isinstance(work, partial) and work.keywords.get("watch", ()) is None:
        watch = notebook_watch()
        work = partial(work, watch=watch)
    try:
        return await work(path, asked)
    finally:
        if watch:
            watch.ended()


@contextmanager
def kept_inputs(out: Path, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give settings in which paths stand for tasks in memory, which are kept in the run.

    A file that the run does not name when the block ends is removed, and a directory that was not
    there and has nothing else.

    Raises:
        InputError: what was given are no tasks, or something is wrong with one.
        RunError: the files can't be written.
    """
    new = [folder for folder in (out / GIVEN, out) if not folder.exists()]
    kept: list[Path] = []

    def keep(name: str, given: Any) -> str:
        tasks = load_tasks(given, skip_bad=bool(settings.get("skip_bad"))).tasks
        content, suffix = _seed_file(out, tasks) if name == "seeds" else _task_list(tasks)
        kept.append(keep_given(out, content, suffix))
        return str(kept[-1])

    try:
        with encoding_as_begun(out):
            yield {name: _placed(name, value, keep) for name, value in settings.items()}
    finally:
        if kept:
            _remove_unnamed(out, kept, new)


Keep = Callable[[str, Any], str]


def _placed(name: str, value: Any, keep: Keep) -> Any:
    """Return the value of a setting with paths in place of tasks."""
    if name in ONE_SOURCE:
        return _source(name, value, keep)
    if name not in SEVERAL_SOURCES:
        return read_once(value)
    return [_source(name, source, keep) for source in sources_of(value)]


def _source(name: str, value: Any, keep: Keep) -> Any:
    if isinstance(value, Mapping) and "path" in value:
        return {**value, "path": _source(name, value["path"], keep)}
    in_memory = isinstance(value, Iterable) and not isinstance(value, Mapping)
    return keep(name, value) if in_memory and not _is_path(value) else value


def _is_path(value: object) -> bool:
    return isinstance(value, str | os.PathLike)


def _task_list(tasks: Iterable[Task]) -> tuple[bytes, str]:
    return msgspec.json.encode(list(map(task_record, tasks))), ".json"


_GENERATED = re.compile(r".*g\d+\.\d+", re.DOTALL)
"""The ids of tasks that a bootstrap makes."""


def _seed_file(out: Path, tasks: Sequence[Task]) -> tuple[bytes, str]:
    """Return tasks as a seed file, with ids that are not those of the tasks that the run makes.

    A run that was begun with the ids as they are goes on with them.
    """
    first, suffix = _seed_lines(tasks), ".jsonl"
    if place_of_given(out, first, suffix).exists():
        return first, suffix
    named = (
        replace(task, id=f"seed_{task.id}") if _GENERATED.fullmatch(task.id) else task
        for task in tasks
    )
    return _seed_lines(named), suffix


def _seed_lines(tasks: Iterable[Task]) -> bytes:
    """Return tasks as a seed file has them, each with the first output of each instance."""
    lines = (
        {
            "id": task.id,
            "name": task.name,
            "instruction": task.definition,
            "instances": [
                {"input": instance.input, "output": instance.output} for instance in task.instances
            ],
            "is_classification": task.is_classification,
        }
        for task in tasks
    )
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def _remove_unnamed(out: Path, kept: Iterable[Path], new: Iterable[Path]) -> None:
    """Remove the files that the run's configuration does not name, and new empty directories."""
    config = ""
    for name in (CONFIG, TUNE_CONFIG):
        with suppress(OSError):
            config += (out / name).read_text("utf-8", "replace")
    for file in kept:
        if file.name not in config:
            file.unlink(missing_ok=True)
    for folder in new:
        with suppress(OSError):  # something else is there
            folder.rmdir()
