"""A bar on a terminal, and elsewhere a line now and then.

Example::

    with live_bar("tasks") as bar:
        bar.show(3, 10, "2 in flight")
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from seedstep.cli.terminal import console

__all__ = ["LiveBar", "live_bar"]

QUIET_SECONDS = 15
"""Without a terminal, a line at least this often."""


class LiveBar:
    """How far something is."""

    def __init__(self, bar: Progress, what: str, activity: str) -> None:
        """Use `live_bar`."""
        self._bar = bar
        self._task = bar.add_task(what, total=None, activity=activity)
        self._said = time.monotonic()

    def draw(self, done: int, total: int | None, activity: str) -> None:
        """Draw the bar anew."""
        self._bar.update(self._task, completed=done, total=total, activity=activity)

    def say(self, line: Text) -> None:
        """Print a line above the bar."""
        console.print(line, soft_wrap=True)
        self._said = time.monotonic()

    def show(self, done: int, total: int, activity: str, *, is_due: bool = False) -> None:
        """Draw the bar anew, or say it where there is no terminal and it `is_due`, as it always is
        after 15 seconds in which nothing was said.
        """
        self.draw(done, total, activity)
        is_due = is_due or time.monotonic() - self._said >= QUIET_SECONDS
        if is_due and not console.is_terminal:
            self.say(Text(f"{done:,}/{total:,} · {activity}"))


@contextmanager
def live_bar(what: str, activity: str = "") -> Iterator[LiveBar]:
    """A bar that counts `what`, gone when left."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[activity]}", style="dim"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        yield LiveBar(bar, what, activity)
