"""Self-Instruct as one call: seeds in, a run directory with finished tasks out.

Example::

    run = self_instruct("runs/first", tasks=25)
    for task in run.tasks():
        print(task.definition)
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedstep.bootstrap import Candidate, Generation, Settings, bootstrap
from seedstep.llm import Engine, Stats, open_model
from seedstep.store import Run

__all__ = ["Progress", "self_instruct", "self_instruct_async"]


@dataclass(slots=True)
class Progress:
    """How far a run is; told to the caller whenever something was retired."""

    settings: Settings
    stats: Stats
    started: float = field(default_factory=time.monotonic)
    generations: int = 0
    finished: int = 0
    before: int = 0
    instances: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    latest: tuple[Candidate, ...] = ()

    @property
    def seconds(self) -> float:
        """Time since this process began to work on the run."""
        return time.monotonic() - self.started

    @property
    def complete(self) -> bool:
        """True when all tasks asked for are finished."""
        return self.finished >= self.settings.tasks

    @property
    def seconds_left(self) -> float | None:
        """Time left at the speed of this process; None while it has finished nothing."""
        new = self.finished - self.before
        return (self.settings.tasks - self.finished) * self.seconds / new if new else None

    def add(self, generation: Generation) -> None:
        """Count a retired generation."""
        self.generations += 1
        self.latest = generation.candidates
        for one in generation.candidates:
            if one.reason:
                self.rejected[one.reason] += 1
            else:
                self.finished += 1
                self.instances += len(one.instances)


Watcher = Callable[[Progress, Engine], None]
"""Called after each retired generation."""


def self_instruct(out: str | Path, *, watch: Watcher | None = None, **settings: Any) -> Run:
    """Make a run, or go on with one, and return it opened for reading.

    `settings` are those of `seedstep.bootstrap.Settings`. A run that is killed goes on when the
    same call is made again; nothing that came back is asked for twice.

    Raises:
        SeedstepError: with what is wrong and what to do.
    """
    asyncio.run(self_instruct_async(Path(out), settings, watch))
    return Run.read(Path(out))


async def self_instruct_async(
    out: Path, asked: dict[str, Any], watch: Watcher | None = None
) -> Progress:
    """As `self_instruct`, inside a running event loop; returns how far it came."""
    with Run.start(out, asked) as run:
        try:
            return await _work(run, watch)
        finally:
            await run.database.aclose()


async def _work(run: Run, watch: Watcher | None) -> Progress:
    settings = run.settings
    async with (
        open_model(settings.model, settings.base_url, settings.in_flight) as endpoint,
        Engine(endpoint, run.ledger, settings.in_flight) as engine,
    ):
        await engine.check()
        progress = Progress(settings, engine.stats, before=run.status().finished)
        stage = bootstrap(settings, run.seeds(), engine, settings.style)
        async with aclosing(stage) as generations:
            async for generation in generations:
                await run.record(generation)
                progress.add(generation)
                if watch:
                    watch(progress, engine)
        return progress
