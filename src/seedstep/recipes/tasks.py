"""Run a stage that makes one record for each task, and write the records to its run.

`work_on_tasks` runs the stage and calls a `Watcher` as it proceeds. `finish` runs an asynchronous
function to its end, also inside a running event loop, as in a notebook; `in_thread` makes the
asynchronous twin of a function that is none.

Example::

    progress = finish(work_on_tasks(run, work_of(stage)(run), watch))
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from seedstep.data import Problem, Task
from seedstep.errors import BudgetReached
from seedstep.llm import Engine, EngineStats, KeptAnswers, Preview, Spent
from seedstep.runs import Run, StageWork, TaskRecords
from seedstep.runs.batches import has_open_batches, opened_engine
from seedstep.text import counted
from seedstep.values import read_once

__all__ = [
    "StageProgress",
    "TaskProgress",
    "TaskWatch",
    "Watcher",
    "about_twin",
    "finish",
    "in_thread",
    "share_notes",
    "still_asked",
    "ticking",
    "unfit",
    "work_on_tasks",
]


def share_notes(progress: Any, stats: EngineStats) -> None:
    """Give a progress the engine's counts, and let both add to one list of notes."""
    progress.notes += stats.notes
    progress.stats, stats.notes = stats, progress.notes


P = TypeVar("P", contravariant=True)
R = TypeVar("R", contravariant=True)
T = TypeVar("T")
Arguments = ParamSpec("Arguments")


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, and return its result.

    If an event loop is already running, as in a notebook, the coroutine runs in another thread with
    its own loop. An interruption of the wait cancels it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    tasks: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = []

    async def watched() -> T:
        task = asyncio.ensure_future(work)
        tasks.append((asyncio.get_running_loop(), task))
        return await task

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(asyncio.run, watched())
        try:
            return done.result()
        except BaseException:
            if not done.done():
                for loop, task in tasks:
                    loop.call_soon_threadsafe(task.cancel)
            raise


def in_thread(function: Callable[Arguments, T]) -> Callable[Arguments, Coroutine[Any, Any, T]]:
    """Return the asynchronous twin of a function: it does its work in another thread.

    Its name has `_async` behind it. What can be read once only is read in the thread of the caller.
    A call that is cancelled is no longer waited for; its work goes on to the end.
    """
    name = function.__name__

    @wraps(function)
    async def awaited(*args: Arguments.args, **named: Arguments.kwargs) -> T:
        by_name: Any = {key: read_once(value) for key, value in named.items()}
        return await asyncio.to_thread(function, *map(read_once, args), **by_name)

    awaited.__name__ = awaited.__qualname__ = f"{name}_async"
    awaited.__doc__ = about_twin(function, "Its work is done in another thread.")
    return awaited


def about_twin(function: Callable[..., object], more: str = "") -> str:
    """Return the docstring of the asynchronous twin of a function."""
    *_, raises = str(function.__doc__).partition("    Raises:")
    first = f"As `{function.__name__}`, awaited in a running event loop."
    whole = f"{first}\n\n    {more}" if more else first
    return f"{whole}\n\n    Raises:{raises}"


class Watcher(Protocol[P, R]):
    """An object with methods that are called as a stage proceeds.

    `P` is the type of the stage's progress, `R` the type of its records.
    """

    def began(self, progress: P) -> None:
        """Called when the model has answered and the work begins."""

    def retired(self, progress: P, record: R) -> None:
        """Called after a record was written and counted."""

    def tick(self, progress: P) -> None:
        """Called every second."""


@asynccontextmanager
async def ticking(progress: P, watch: Watcher[P, R] | None) -> AsyncIterator[None]:
    """Call `began` of the watcher, and then `tick` every second until the context ends."""
    if watch is None:
        yield
        return

    async def tick() -> None:
        while True:
            await asyncio.sleep(1)
            watch.tick(progress)

    watch.began(progress)
    ticker = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticker.cancel()


@dataclass(slots=True, kw_only=True)
class StageProgress(ABC):
    """The progress of a stage of any kind.

    `notes` are messages for the user, and `problems` are tasks that can't be read and were skipped.
    `stopped` is the budget that ended the run, if one did.
    """

    notes: list[str] = field(default_factory=list)
    problems: tuple[Problem, ...] = ()
    started: float = field(default_factory=time.monotonic)
    stopped: BudgetReached | None = None

    @property
    @abstractmethod
    def counted(self) -> tuple[int, int, int]:
        """How many are done, how many of them by earlier processes, and how many are wanted."""

    @property
    def seconds(self) -> float:
        """Seconds since this process began to work on the run."""
        return time.monotonic() - self.started

    @property
    def complete(self) -> bool:
        """Whether all that was wanted is done."""
        return self.counted[0] >= self.counted[2]

    @property
    def seconds_left(self) -> float | None:
        """Seconds left at the speed of this process; None while it has done nothing."""
        done, before, wanted = self.counted
        return (wanted - done) * self.seconds / (done - before) if done > before else None


@dataclass(slots=True)
class TaskProgress(StageProgress):
    """The progress of a stage that makes one record for each task.

    `failed` counts tasks without a result by reason. `last` describes the last task's result.
    """

    settings: Any
    wanted: int
    before: int = 0
    stats: EngineStats = field(default_factory=EngineStats)
    done: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    last: str = ""

    @property
    def counted(self) -> tuple[int, int, int]:
        """How many tasks are done, how many by earlier processes, and how many there are."""
        return self.done, self.before, self.wanted

    def add(self, failure: str, flaws: str) -> None:
        """Count a task."""
        self.done += 1
        self.last = failure or flaws or "good"
        if failure:
            self.failed[failure] += 1


TaskWatch = Watcher[TaskProgress, Task]
"""A watcher of a stage that makes one record for each task."""


async def work_on_tasks(
    run: Run[Any, Any, TaskRecords[Any]], work: StageWork, watch: TaskWatch | None
) -> TaskProgress:
    """Run the stage for all tasks without a record, and write the records in the tasks' order.

    Where the list or the settings changed, the notes of the progress say how many requests are to
    be sent.
    """
    found = run.records.listed()
    done = {entry.task: entry.result for entry in run.entries()}
    progress = TaskProgress(run.settings, len(found.tasks), problems=found.problems)
    progress.notes += [*run.changes.messages, *work.notes]
    left = run.records.left()
    unsure = [
        (place, task) for place, task in enumerate(found.tasks) if task.id in run.changes.unsure
    ]
    try:
        if left or unsure or has_open_batches(run.database):
            await _work(run, work, done, left, unsure, progress, watch)
        else:
            _count_done(progress, found.tasks, done, work.flaws)
    except BudgetReached as reached:
        progress.stopped = reached
    finally:
        await run.settle()
    return progress


def _count_done(
    progress: TaskProgress,
    tasks: Sequence[Task],
    done: Mapping[str, Any],
    flaws: Callable[[Any], str],
) -> None:
    """Count the tasks that have a record."""
    for task in tasks:
        if task.id in done:
            progress.add(done[task.id].failure, flaws(done[task.id]))
    progress.before = progress.done


async def _work(
    run: Run[Any, Any, TaskRecords[Any]],
    work: StageWork,
    done: dict[str, Any],
    left: list[tuple[int, Task]],
    unsure: list[tuple[int, Task]],
    progress: TaskProgress,
    watch: TaskWatch | None,
) -> None:
    spent = run.spent()
    settings = run.settings
    model = (settings.model.name, settings.model.base_url, run.identity_url)
    async with (
        AsyncExitStack() as stack,  # it ends after the engine, which may wait for batches
        opened_engine(run, model, spent) as engine,
    ):
        share_notes(progress, engine.stats)
        if unsure:
            left = await _compared(run, work, done, left, unsure, engine, spent)
        if run.changes.has_work:
            told = await _to_ask(work, [task for _, task in left], engine, spent)
            progress.notes.append(f"to do: {counted(len(left), run.stage.noun)}{told}")
        _count_done(progress, run.records.listed(), done, work.flaws)
        tasks = tuple(task for _, task in left)
        await stack.enter_async_context(ticking(progress, watch))
        async with aclosing(work.stage(tasks, engine, spent)) as results:
            places = iter(left)
            async for result in results:
                place, task = next(places)
                await run.records.record(place, task, result)
                progress.add(result.failure, work.flaws(result))
                if watch:
                    watch.retired(progress, task)


async def _compared(
    run: Run[Any, Any, TaskRecords[Any]],
    work: StageWork,
    done: dict[str, Any],
    left: list[tuple[int, Task]],
    unsure: list[tuple[int, Task]],
    engine: Engine,
    spent: Spent,
) -> list[tuple[int, Task]]:
    """Return what is left to do, after records of 0.1.0 were compared with their tasks."""
    other = {task.id for task in await unfit(work, [task for _, task in unsure], engine, spent)}
    await run.records.affirm([task.id for _, task in unsure if task.id not in other])
    await run.records.set_aside(other)
    for name in other:
        del done[name]
    return sorted(
        [*left, *(each for each in unsure if each[1].id in other)], key=lambda each: each[0]
    )


async def unfit(
    work: StageWork, unsure: Sequence[Task], engine: Engine, spent: Spent
) -> tuple[Task, ...]:
    """Return those of some tasks whose records, of 0.1.0, don't fit them as they are now.

    A record fits if each request of its task is one that the run has sent.
    """
    kept = KeptAnswers(engine)
    await _run_through(work, unsure, kept, spent)
    return tuple(task for place, task in enumerate(unsure) if place in kept.unanswered)


async def _to_ask(work: StageWork, tasks: list[Task], engine: Engine, spent: Spent) -> str:
    """Return a note on how many requests will be sent for some tasks."""
    view, asked = await still_asked(work, tasks, engine, spent)
    if not asked:
        return ", for which all replies are there"
    requests = counted(sum(view.counts.values()), "request")
    return f"; about {requests}" + (f" for {asked:,} of them" if asked < len(tasks) else "")


async def still_asked(
    work: StageWork, tasks: Sequence[Task], engine: Engine, spent: Spent
) -> tuple[Preview, int]:
    """Return the estimate of a stage without the replies that are kept, and for how many tasks.

    `engine` sends nothing, and may be closed.
    """
    kept = KeptAnswers(engine)
    await _run_through(work, tasks, kept, spent)
    asked = [place for place in range(len(tasks)) if kept.missing[place]]
    view = work.estimate([tasks[place] for place in asked])
    there = sum((kept.found[place] for place in asked), Counter[str]())
    missing = sum((kept.missing[place] for place in asked), Counter[str]())
    left = {
        purpose: max(view.counts.get(purpose, 0) - there[purpose], missing[purpose])
        for purpose in {**view.counts, **missing}
    }
    view = view.with_counts({purpose: count for purpose, count in left.items() if count})
    return view, len(asked)


async def _run_through(
    work: StageWork, tasks: Sequence[Task], kept: KeptAnswers, spent: Spent
) -> None:
    async with aclosing(work.stage(tuple(tasks), kept, spent)) as results:
        async for _ in results:
            pass
