"""Do work with a checkpoint in several processes, each of which loads it: one a GPU, or some cores.

This process alone writes. A worker sends each result as soon as it has it; one that dies is
replaced, and what it had not sent back is done again.

Example::

    async for place, result in in_workers(job, [("a", first), ("b", second)], workers=2):
        await keep(place, result)
"""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import (
    AsyncGenerator,
    Callable,
    Iterable,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Generic, Protocol, TypeVar

from seedstep.errors import ModelError, SeedstepError
from seedstep.plugins import load_plugins

__all__ = ["Crew", "WorkerJob", "in_workers", "serve"]

MOST_LOSSES = 3
"""After so many workers died over the same work, the run ends."""

COMMAND = (sys.executable, "-P", "-c", "from seedstep.infer.workers import serve; serve()")

W = TypeVar("W")
W_contra = TypeVar("W_contra", contravariant=True)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class WorkerJob(Protocol[W_contra, R_co]):
    """What workers do. It is sent to them as a pickle, as are its units of work and results."""

    def open(self) -> tuple[Any, Callable[[W_contra, int], Iterable[R_co]]]:
        """Load what is needed; return what the first worker tells, and what does a unit of work.

        That is a function of the unit, and of how many of its results are there already, which
        yields the others.
        """


@dataclass(frozen=True, slots=True)
class _Beginning:
    """What a worker is told first: the number of all workers, and its own from 0."""

    job: WorkerJob[Any, Any]
    workers: int
    number: int


@dataclass(frozen=True, slots=True)
class _Fault:
    """An error in a worker, with its `kind` if it is one that is meant for users."""

    kind: type[SeedstepError] | None
    what: str
    remedy: str = ""

    def error(self, about: str) -> Exception:
        """Return the error, to be raised here. `about` says what the worker did."""
        if self.kind is None:
            return ModelError(
                f"a worker failed {about}: {self.what}",
                "see with --workers 1 if it fails there, too, and report what it says",
            )
        error = self.kind.__new__(self.kind)
        SeedstepError.__init__(error, self.what, self.remedy)
        return error


class _LostError(Exception):
    """A worker has died. The message says how."""

    def __init__(self, code: int) -> None:
        """Tell of a process that ended with a code: a negative one is the number of a signal."""
        self.code = code
        super().__init__(
            f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with {code}"
        )


def _signal_name(number: int) -> str:
    """Return the name of a signal, or its number: those for real-time programs have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class _Worker:
    """A worker's process, seen from the process that gives it work."""

    def __init__(self) -> None:
        """Start it, out of reach of the terminal's Ctrl-C: the process that gives work ends it."""
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(  # noqa: S603 - this program
            COMMAND, stdin=pipe, stdout=pipe, start_new_session=True
        )

    def ask(self, what: object, about: str) -> Any:
        """Send something, and return what comes back first. `about` says what it is for.

        Raises:
            _LostError: the process died.
            SeedstepError: the model can't be loaded, or a task can't be asked.
        """
        assert self._process.stdin
        with suppress(OSError):  # the process died, which is told when its result is taken
            _send(self._process.stdin, what)
        return self.take(about)

    def take(self, about: str) -> Any:
        """Return what comes back next.

        Raises:
            _LostError, SeedstepError: as `ask`.
        """
        assert self._process.stdout
        try:
            found = pickle.load(self._process.stdout)  # noqa: S301 - our own process wrote it
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            self.end()
            raise _LostError(self._process.returncode) from None
        if isinstance(found, _Fault):
            raise found.error(about)
        return found

    def end(self) -> None:
        """End the process, if it has not ended."""
        self._process.kill()
        self._process.wait()
        for pipe in filter(None, (self._process.stdin, self._process.stdout)):
            with suppress(OSError):  # what was not sent is lost
                pipe.close()


async def in_workers(
    job: WorkerJob[W, R],
    work: Sequence[tuple[str, W]],
    workers: int,
    begun: Callable[[Any], WorkerJob[W, R]] | None = None,
) -> AsyncGenerator[tuple[int, R]]:
    """Yield the results of units of work, given with their names, as they come, with their places.

    Those of a unit come in their order.

    `begun` is called with what the first worker tells, and returns the job of all others.

    Raises:
        SeedstepError: the model can't be opened, a task can't be asked, or workers die again and
            again over the same work.
    """
    units = deque(enumerate(work))
    number = min(workers, len(units))
    if not number:
        return
    results: asyncio.Queue[tuple[int, R] | None] = asyncio.Queue()
    crew = Crew(job, number)

    async def serve(at: int) -> None:
        while units:
            place, (about, unit) = units.popleft()
            doing = crew.do(at, unit, f"over instances of task '{about}'")
            async with aclosing(doing) as found:
                async for result in found:
                    results.put_nowait((place, result))

    serving: list[asyncio.Task[None]] = []
    try:
        await crew.start(0)
        crew.job = begun(crew.first_result) if begun else job
        serving += [asyncio.create_task(serve(at)) for at in range(number)]
        served = asyncio.gather(*serving)
        served.add_done_callback(partial(_note_end, results))
        while (result := await results.get()) is not None:
            yield result
        await served
    finally:
        for task in serving:
            task.cancel()
        crew.end()
        await asyncio.gather(*serving, return_exceptions=True)


def _note_end(results: "asyncio.Queue[Any]", served: "asyncio.Future[Any]") -> None:
    results.put_nowait(None)
    if not served.cancelled():
        served.exception()  # read, so that asyncio does not report it where nobody waits


class Crew(Generic[W, R]):
    """Workers that do a job. `told` is what the one that was started last has told."""

    def __init__(self, job: WorkerJob[W, R], number: int) -> None:
        """There are `number` of them, from 0 on. Each is started when it first has work."""
        self.job = job
        self.first_result: Any = None
        self._number = number
        self._workers: dict[int, _Worker] = {}
        self._loaded: set[int] = set()
        self._threads = ThreadPoolExecutor(number, thread_name_prefix="seedstep-worker")

    async def start(self, number: int) -> _Worker:
        """Start the worker of a number, if it is not there, and wait until it has loaded the model.

        Raises:
            SeedstepError: the model can't be opened, or workers die while they load it.
        """
        if number in self._loaded:
            return self._workers[number]
        beginning, losses = _Beginning(self.job, self._number, number), 0
        while True:
            self._workers[number] = worker = _Worker()
            try:
                self.first_result = await self._in_thread(partial(worker.ask, beginning, LOADING))
            except _LostError as lost:
                losses += 1
                _require_few(losses, LOADING, lost)
            else:
                self._loaded.add(number)
                return worker

    async def do(self, number: int, unit: W, about: str) -> AsyncGenerator[R]:
        """Let the worker of a number do a unit of work, and yield the results in their order.

        If it dies it is replaced, and the next one does what is missing. `about` says what it does.

        Raises:
            SeedstepError: the unit can't be done, or workers die again and again over it.
        """
        done = losses = 0
        while True:
            worker = await self.start(number)
            try:
                found = await self._in_thread(partial(worker.ask, (unit, done), about))
                while found:
                    done, losses = done + 1, 0
                    yield found[0]
                    found = await self._in_thread(partial(worker.take, about))
            except _LostError as lost:
                self._loaded.discard(number)
                losses += 1
                _require_few(losses, about, lost)
            else:
                return

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def end(self) -> None:
        """End all workers."""
        for worker in self._workers.values():
            worker.end()
        self._threads.shutdown()


LOADING = "while it loaded the model"
OUT_OF_MEMORY = "use fewer --workers, or smaller batches, if the memory is too small for them"
SELF_ENDED = "see with --workers 1 if this process ends there, too, and how"


def _require_few(losses: int, about: str, lost: _LostError) -> None:
    """Raise ModelError if so many workers have died that the next one would, too."""
    if losses >= MOST_LOSSES:
        raise ModelError(
            f"{losses} workers died one after another: the last one, {about}, {lost}",
            OUT_OF_MEMORY if lost.code == -signal.SIGKILL else SELF_ENDED,
        )


def _send(file: IO[bytes], what: object) -> None:
    pickle.dump(what, file)
    file.flush()


def serve() -> None:
    """Do the work that comes on the standard input, until it ends: all that a worker does."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no reply
    given = sys.stdin.buffer
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        load_plugins()
        beginning = pickle.load(given)  # noqa: S301 - the process that started this one wrote it
        _take_place(beginning.number, beginning.workers)
        told, do = beginning.job.open()
        _send(replies, told)
        while True:
            work, done = pickle.load(given)  # noqa: S301 - as before
            for result in do(work, done):
                _send(replies, (result,))
            _send(replies, ())
    except (EOFError, BrokenPipeError):
        return  # there is no more work
    except SeedstepError as error:
        _send(replies, _Fault(type(error), error.what, error.remedy))
    except MemoryError as error:
        _send(replies, _Fault(ModelError, f"a worker has no memory left: {error}", OUT_OF_MEMORY))
    except Exception as error:
        traceback.print_exc()  # for who mends it; the error itself takes a line
        _send(replies, _Fault(None, f"{type(error).__name__}: {error}"))


def _end_with(parent: int) -> None:
    """End this process in the middle of its work when the one that gives work was killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _take_place(number: int, workers: int) -> None:
    """Use a GPU of this worker's own, in turn where there are fewer, and its share of the cores."""
    try:
        import torch
    except ImportError:
        return  # which the job tells
    if count := torch.cuda.device_count():  # which begins nothing on any GPU
        named = os.environ.get(VISIBLE, "").split(",")
        devices = named if named[0] else [str(device) for device in range(count)]
        os.environ[VISIBLE] = devices[number % count]
        if torch.cuda.device_count() > 1:  # where the driver's list is not read, it is too late
            torch.cuda.set_device(number % count)
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))


VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The environment variable with the GPUs that a process sees, by their numbers or names."""
