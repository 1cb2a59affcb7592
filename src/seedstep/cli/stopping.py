"""Work that a signal stops in order: what is in flight is waited for, and a second signal drops it.

Example::

    progress = run_to_the_end(work_on_bootstrap(out, asked), f"seedstep bootstrap --out {out}")
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import typer

from seedstep.cli.streams import reader_has_gone, when_reader_goes
from seedstep.cli.terminal import console, errors

__all__ = ["run_to_the_end", "stop_flag", "stopped_status"]

INTERRUPTED = 130
"""The exit status after a signal."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

T = TypeVar("T")


def run_to_the_end(work: Coroutine[Any, Any, T], again: str) -> T:
    """Run to the end, or until a signal comes or the reader of the output goes away.

    `again` is the command that goes on; it is told before the command exits.
    """
    return asyncio.run(_run(work, again))


async def _run(work: Coroutine[Any, Any, T], again: str) -> T:
    task = asyncio.create_task(work)
    stopped = False
    terminals = [number for number in (1, 2) if os.isatty(number)]

    def stop() -> None:
        nonlocal stopped
        _let_go(terminals)
        if stopped:
            drop()
        else:
            stopped = True
            task.cancel()
            teller = console if console.is_terminal else errors  # above the live display
            teller.print("\nStopping: requests in flight are waited for. Ctrl-C again drops them.")

    def drop() -> None:
        """Cancel whatever is being waited for, and what is waited for after that."""
        task.cancel()
        loop.call_later(0.1, drop)

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as it is under nohup
            loop.add_signal_handler(number, stop)
    try:
        with when_reader_goes(lambda: loop.call_soon_threadsafe(task.cancel)):
            return await task
    except asyncio.CancelledError:
        errors.print(
            f"Stopped. All that came back is kept; go on with: {again}",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(stopped_status()) from None


def stopped_status() -> int:
    """The exit status of a command that was stopped: 0 where nobody reads its output any more."""
    return 0 if reader_has_gone() else INTERRUPTED


def _let_go(terminals: Sequence[int]) -> None:
    """Write to nowhere from now on where a terminal has gone away."""
    for number in terminals:
        if not os.isatty(number):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)


@contextmanager
def stop_flag(notice: str) -> Iterator[Callable[[], bool]]:
    """Tells whether a signal asked to stop; then `notice` is printed. A second one interrupts."""
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        errors.print(f"\n{notice}", markup=False)

    with ExitStack() as restored:
        restored.enter_context(when_reader_goes(stop))
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                restored.callback(signal.signal, number, signal.signal(number, stop))
        yield lambda: asked
