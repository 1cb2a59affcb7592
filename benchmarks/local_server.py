"""A server in a process of its own, for benchmarks."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["PROCESSES", "running_server"]

PROCESSES = multiprocessing.get_context("spawn")


@contextmanager
def running_server(serve: Callable[..., None], *arguments: Any) -> Iterator[Any]:
    """Give what `serve` sends first, such as its address, and end it afterwards.

    `serve` is called with a connection and the arguments.
    """
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=serve, args=(theirs, *arguments), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()
