"""A stage that makes one record for each task, joined with its run directory."""

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
    """Run this work to its end, and return what it returns.

    Where an event loop is running already, as in a notebook, the work gets a thread and a loop of
    its own; what interrupts the wait for it cancels it.
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
    """Is told how a stage gets on: `P` is its progress, `R` what it yields."""

    def began(self, progress: P) -> None:
        """The model answers, and work begins, if any is left."""

    def retired(self, progress: P, record: R) -> None:
        """A record is final, kept and counted."""

    def tick(self, progress: P) -> None:
        """Another second has passed."""


@asynccontextmanager
async def ticking(progress: P, watch: Watcher[P, R] | None) -> AsyncIterator[None]:
    """Tell the watcher that work has begun, and then of every second."""
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
    """How far a run is.

    `problems` are tasks that can't be read and were skipped; `failed` counts tasks without a
    result by reason; `last` says what came of the last one; `stopped` says so where a budget
    ended the run.
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
        """Time since this process began to work on the run."""
        return time.monotonic() - self.started

    @property
    def complete(self) -> bool:
        """True when all tasks are done."""
        return self.done >= self.wanted

    def add(self, failure: str, flaws: str) -> None:
        """Count a task."""
        self.done += 1
        self.last = failure or flaws or "good"
        if failure:
            self.failed[failure] += 1


TaskWatch = Watcher[TaskProgress, Task]
"""Is told how a stage gets on, task by task."""


async def work_on_tasks(
    run: Run[Any, Any, TaskRecords[Result]],
    stage: Callable[[tuple[Task, ...], Engine, Spent], AsyncGenerator[Result]],
    flaws: Flaws,
    watch: TaskWatch | None,
) -> TaskProgress:
    """Make and keep the records of all tasks that have none, in the order of the tasks.

    `flaws` says what is wrong with a record that is none the less one.
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
    """An engine for one of the models of a run, which all spend from one budget.

    `model` is its name, its address, and the address under which its replies are kept.
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
