"""Standard output and standard error, also where nobody reads them any more.

A reader may go away before a command has ended, as in `seedstep status RUN | head -1`. Writing
more then ends the command with status 0. Work that has to be stopped in order stops first.

Example::

    with when_reader_goes(task.cancel):
        ...
"""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["prepare_streams", "reader_has_gone", "when_reader_goes"]


def prepare_streams() -> None:
    """Let standard output end the command where its reader has gone, and let neither stream fail
    at a character that the terminal does not have.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout = _forgiving(sys.stdout)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def when_reader_goes(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` where the reader of standard output goes away, in place of ending at once."""
    _Output.stop = stop
    try:
        yield
    finally:
        _Output.stop = None


def reader_has_gone() -> bool:
    """True once the reader of standard output has gone away."""
    return _Output.has_gone


def _forgiving(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    raw = _Output(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=stream.encoding, line_buffering=stream.line_buffering
    )


class _Output(io.FileIO):
    """Standard output; it goes nowhere once its reader has gone away."""

    has_gone = False
    stop: Callable[[], object] | None = None

    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]  # bytes, as io has it
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            _Output.has_gone = True
            if _Output.stop is None:
                raise SystemExit(0) from None
            _Output.stop()
            return super().write(data)  # type: ignore[arg-type]  # to nowhere
