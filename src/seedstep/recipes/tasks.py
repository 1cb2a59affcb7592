"""Run a stage that makes one record for each task, and write the records to its run.

`work_on_tasks` runs the stage and calls a `Watcher` as it proceeds. `finish` runs an asynchronous
function to its end, also inside a running event loop, as in a notebook.

Example::

    progress = finish(work_on_tasks(run, stage, lambda result: result.failure, watch))
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from seedstep.data import Problem, Task
from seedstep.errors import BudgetReached
from seedstep.llm import Engine, EngineStats, Spent, open_model
from seedstep.runs import Run, TaskRecords, TaskResult

__all__ = [
    "TaskProgress",
    "TaskWatch",
    "Watcher",
    "finish",
    "opened_engine",
    "ticking",
    "work_on_tasks",
]

P = TypeVar("P", contravariant=True)
R = TypeVar("R", contravariant=True)
T = TypeVar("T")


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


Result = TypeVar("Result", bound=TaskResult)
Flaws = Callable[[Any], str]


@dataclass(slots=True)
class TaskProgress:
    """The progress of a run.

    `problems` are tasks that can't be read and were skipped. `failed` counts tasks without a result
    by reason. `last` describes the last task's result. `stopped` is True if a budget ended the run.
    """

    settings: Any
    wanted: int
    before: int
    problems: tuple[Problem, ...] = ()
    stats: EngineStats = field(default_factory=EngineStats)
    started: float = field(default_factory=time.monotonic)
    done: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    last: str = ""
    stopped: BudgetReached | None = None

    @property
    def seconds(self) -> float:
        """Seconds since this process began to work on the run."""
        return time.monotonic() - self.started

    @property
    def complete(self) -> bool:
        """Whether all tasks are done."""
        return self.done >= self.wanted

    def add(self, failure: str, flaws: str) -> None:
        """Count a task."""
        self.done += 1
        self.last = failure or flaws or "good"
        if failure:
            self.failed[failure] += 1


TaskWatch = Watcher[TaskProgress, Task]
"""A watcher of a stage that makes one record for each task."""


async def work_on_tasks(
    run: Run[Any, Any, TaskRecords[Result]],
    stage: Callable[[tuple[Task, ...], Engine, Spent], AsyncGenerator[Result]],
    flaws: Flaws,
    watch: TaskWatch | None,
) -> TaskProgress:
    """Run the stage for all tasks without a record, and write the records in the tasks' order.

    `flaws` returns what is wrong with a record that is not a failure, for the progress.
    """
    found = run.tasks()
    progress = TaskProgress(run.settings, len(found.tasks), run.records.count(), found.problems)
    try:
        if progress.before >= progress.wanted:
            for entry in run.entries():
                if entry.position < progress.wanted:
                    progress.add(entry.result.failure, flaws(entry.result))
        else:
            await _work(run, stage, flaws, found.tasks, progress, watch)
    except BudgetReached as reached:
        progress.stopped = reached
    finally:
        await run.settle()
    return progress


async def _work(
    run: Run[Any, Any, TaskRecords[Any]],
    stage: Callable[[tuple[Task, ...], Engine, Spent], AsyncGenerator[Any]],
    flaws: Flaws,
    tasks: tuple[Task, ...],
    progress: TaskProgress,
    watch: TaskWatch | None,
) -> None:
    spent = run.spent()
    settings = run.settings
    model = (settings.model.name, settings.model.base_url, run.identity_url)
    async with opened_engine(run, model, spent) as engine:
        progress.stats = engine.stats
        async with (
            aclosing(stage(tasks, engine, spent)) as results,
            ticking(progress, watch),
        ):
            async for result in results:
                task = tasks[progress.done]
                await run.records.record(progress.done, task, result)
                progress.add(result.failure, flaws(result))
                if watch:
                    watch.retired(progress, task)


@asynccontextmanager
async def opened_engine(
    run: Run[Any, Any, TaskRecords[Any]], model: tuple[str, str | None, str | None], spent: Spent
) -> AsyncIterator[Engine]:
    """Open an engine for a model of a run. All engines of a run share its budget.

    `model` is its name, its address, and the address under which its replies are stored.
    """
    settings = run.settings
    name, base_url, identity_url = model
    in_flight = settings.model.in_flight
    manner = settings.model.manner if name == settings.model.name else None
    limits = (settings.budget, spent, settings.pricing)
    async with (
        open_model(name, base_url, in_flight, identity_url) as endpoint,
        Engine(endpoint, run.ledger, in_flight, *limits, manner) as engine,
    ):
        await engine.check()
        yield engine
