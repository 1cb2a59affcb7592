"""Predict with a checkpoint in several processes, each of which loads it: one a GPU, or some cores.

Every task is divided by the batches that one process would make of it, so that the answers are the
same. This process alone writes; a worker that dies is replaced, and what it had not answered is
computed again.

Example::

    async for answers in answer_in_workers(settings, work, frames, opened):
        await run.records.record(system, answers)
"""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import AsyncGenerator, Iterator, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, Any

from seedstep.encode import ChatFrame
from seedstep.errors import ModelError, SeedstepError
from seedstep.infer.predict import Answer, Opened, TaskWork, about_sharing, ask_checkpoint, load
from seedstep.infer.settings import SystemSettings

__all__ = ["answer_in_workers", "serve"]

MOST_LOSSES = 3
"""After so many workers died over the same instances, the run ends."""

COMMAND = (sys.executable, "-P", "-c", "from seedstep.infer.workers import serve; serve()")


@dataclass(frozen=True, slots=True)
class _Beginning:
    """What a worker is told first: the number of all workers, and its own from 0."""

    settings: SystemSettings
    frames: dict[str, ChatFrame]
    first: TaskWork
    workers: int
    number: int


@dataclass(frozen=True, slots=True)
class _Unit:
    """Some batches of a task: every `parts`-th, from `part`. `losses` counts workers that died."""

    work: TaskWork
    part: int
    parts: int
    losses: int = 0


@dataclass(frozen=True, slots=True)
class _Fault:
    """An error in a worker. It has a `kind` if users are to see it, else a traceback as `what`."""

    kind: type[SeedstepError] | None
    what: str
    remedy: str = ""

    def error(self) -> Exception:
        """Return the error, to be raised here."""
        if self.kind is None:
            return RuntimeError(f"a worker failed:\n{self.what}")
        error = self.kind.__new__(self.kind)
        SeedstepError.__init__(error, self.what, self.remedy)
        return error


class _LostError(Exception):
    """A worker has died. The message says how."""


class _Worker:
    """A process that answers, seen from the process that asks it."""

    def __init__(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(  # noqa: S603 - this program
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, what: object) -> Any:
        """Send something, and return what comes back.

        Raises:
            _LostError: the process died.
            SeedstepError: the model can't be loaded, or a task can't be asked.
        """
        assert self._process.stdin
        assert self._process.stdout
        try:
            _send(self._process.stdin, what)
            found = pickle.load(self._process.stdout)  # noqa: S301 - our own process wrote it
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            self.end()
            code = self._process.returncode
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
            raise _LostError(how) from None
        if isinstance(found, _Fault):
            raise found.error()
        return found

    def end(self) -> None:
        """End the process, if it has not ended."""
        self._process.kill()
        self._process.wait()
        for pipe in filter(None, (self._process.stdin, self._process.stdout)):
            with suppress(OSError):  # what was not sent is lost
                pipe.close()


async def answer_in_workers(
    settings: SystemSettings,
    work: Sequence[TaskWork],
    frames: MutableMapping[str, ChatFrame],
    opened: Opened,
) -> AsyncGenerator[list[Answer]]:
    """Yield the answers of a checkpoint, batch by batch, as the workers have them.

    Raises:
        SeedstepError: the model can't be opened, a task can't be asked, or workers die again and
            again over the same instances.
    """
    units = deque(_units(settings, work))
    number = min(settings.workers, len(units))
    batches: asyncio.Queue[list[Answer] | None] = asyncio.Queue()
    serving: list[asyncio.Task[None]] = []
    with ThreadPoolExecutor(number, thread_name_prefix="seedstep-worker") as threads:
        crew = _Crew(settings, work[0], number, threads)
        crew.frames = dict(frames)
        try:
            first = await crew.start(0)
            frames.update(crew.frames)
            opened(None, crew.note)
            for at in range(number):
                serve = crew.serve(at, units, batches, None if at else first)
                serving.append(asyncio.create_task(serve))
            served = asyncio.gather(*serving)
            served.add_done_callback(lambda _: batches.put_nowait(None))
            while (batch := await batches.get()) is not None:
                yield batch
            await served
        finally:
            for task in serving:
                task.cancel()
            crew.end()
            await asyncio.gather(*serving, return_exceptions=True)


def _units(settings: SystemSettings, work: Sequence[TaskWork]) -> Iterator[_Unit]:
    for task in work:
        parts = min(settings.workers, -(-len(task.instances) // settings.batch))
        yield from (_Unit(task, part, parts) for part in range(parts))


class _Crew:
    """The workers of a system.

    `frames` are what chat templates write, as the first worker found them: all write the same.
    """

    def __init__(
        self, settings: SystemSettings, first: TaskWork, number: int, threads: ThreadPoolExecutor
    ) -> None:
        self.frames: dict[str, ChatFrame] = {}
        self.note = ""
        self._begin = partial(_Beginning, settings, first=first, workers=number)
        self._threads = threads
        self._workers: dict[int, _Worker] = {}

    async def start(self, number: int) -> _Worker:
        """Start the worker of a number, and wait until it has loaded the model."""
        beginning, losses = self._begin(frames=self.frames, number=number), 0
        while True:
            self._workers[number] = worker = _Worker()
            try:
                self.frames, self.note = await self._in_thread(partial(worker.ask, beginning))
            except _LostError as lost:
                losses += 1
                _require_few(losses, f"while it loaded the model, {lost}")
            else:
                return worker

    async def serve(
        self,
        number: int,
        units: deque[_Unit],
        batches: "asyncio.Queue[list[Answer] | None]",
        worker: _Worker | None,
    ) -> None:
        """Let a worker answer units until none is left; replace it where it dies."""
        while units:
            worker = worker or await self.start(number)
            unit = units.popleft() if units else None
            if unit is None:
                return
            try:
                found = await self._in_thread(partial(worker.ask, unit))
            except _LostError as lost:
                worker, unit = None, replace(unit, losses=unit.losses + 1)
                _require_few(unit.losses, f"over instances of task '{unit.work.task.id}', {lost}")
                units.appendleft(unit)
                continue
            for batch in found:
                batches.put_nowait(batch)

    async def _in_thread(self, call: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def end(self) -> None:
        """End all workers."""
        for worker in self._workers.values():
            worker.end()


def _require_few(losses: int, how: str) -> None:
    """Raise ModelError if so many workers have died that the next one would, too."""
    if losses >= MOST_LOSSES:
        raise ModelError(
            f"{losses} workers died one after another: the last one, {how}",
            "use fewer --workers or a smaller --batch if the memory is too small for them",
        )


def _send(file: IO[bytes], what: object) -> None:
    pickle.dump(what, file)
    file.flush()


def serve() -> None:
    """Answer what stands on the standard input, until it ends: the work of a worker's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks ends it
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no reply
    requests = sys.stdin.buffer
    try:
        beginning = pickle.load(requests)  # noqa: S301 - the process that started this one wrote it
        _answer_all(beginning, requests, replies)
    except (EOFError, BrokenPipeError):
        return  # nobody asks any more
    except SeedstepError as error:
        _send(replies, _Fault(type(error), error.what, error.remedy))
    except Exception:
        _send(replies, _Fault(None, traceback.format_exc()))


def _answer_all(beginning: _Beginning, requests: IO[bytes], replies: IO[bytes]) -> None:
    settings, frames = beginning.settings, beginning.frames
    _take_place(beginning.number, beginning.workers)
    checkpoint, tokenizer = load(settings, frames)
    note = about_sharing(settings, [beginning.first], checkpoint, tokenizer)
    _send(replies, (frames, note))
    while True:
        unit = pickle.load(requests)  # noqa: S301 - as before
        part = unit.part, unit.parts
        _send(replies, [*ask_checkpoint(settings, [unit.work], checkpoint, tokenizer, part)])


def _take_place(number: int, workers: int) -> None:
    """Use the GPU of this worker, or its share of the cores."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(number % torch.cuda.device_count())
    else:
        torch.set_num_threads(max(1, torch.get_num_threads() // workers))
