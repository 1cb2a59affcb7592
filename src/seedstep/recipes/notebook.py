"""Show the progress of a stage in a notebook, in the output of the cell that runs it.

The functions that run stages do so by themselves in a notebook, unless they are given a `watch`.

Example::

    watch = NotebookWatch(display)
    write_instructions("runs/steps", tasks="my_tasks.jsonl", watch=watch)
"""

import sys
from collections.abc import Callable
from typing import Any, Protocol

from seedstep.data.records import as_html, html_table
from seedstep.runs.stage import duration

__all__ = ["NotebookWatch", "notebook_watch"]

SHOWN = 5
"""How many of the last records are shown."""


class _Handle(Protocol):
    """What is displayed, and can be replaced."""

    def update(self, content: Any) -> None:
        """Replace it."""


class _Page:
    """HTML, as notebooks show it."""

    def __init__(self, html: str) -> None:
        self._html = html

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return "progress"


class NotebookWatch:
    """A watcher that shows a bar, figures and the last records, and replaces them as they change.

    `display` is that of IPython: called with an object and `display_id`, it returns a handle.
    """

    def __init__(self, display: Callable[..., _Handle]) -> None:
        self._display = display
        self._handle: _Handle | None = None
        self._last: list[tuple[str, str]] = []

    def began(self, progress: Any) -> None:
        """Show the bar."""
        self._draw(progress)

    def retired(self, progress: Any, record: Any) -> None:
        """Show the record, and the new state."""
        self._last = [*self._last, *_told(progress, record)][-SHOWN:]
        self._draw(progress)

    def tick(self, progress: Any) -> None:
        """Show the new state."""
        self._draw(progress)

    def _draw(self, progress: Any) -> None:
        page = _Page(_html(progress, self._last))
        if self._handle is None:
            self._handle = self._display(page, display_id=True)
        else:
            self._handle.update(page)


def _html(progress: Any, last: list[tuple[str, str]]) -> str:
    done = getattr(progress, "finished", None)
    done = progress.done if done is None else done
    wanted = progress.settings.tasks if hasattr(progress, "finished") else progress.wanted
    parts = [f"{done:,} of {wanted:,}", duration(progress.seconds)]
    left = getattr(progress, "seconds_left", None)
    if left is not None and done < wanted:
        parts.append(f"{duration(left)} left")
    if stats := progress.stats:
        parts.append(f"{stats.in_flight} in flight")
        parts.append(f"{stats.completion_tokens:,} tokens")
    bar = f'<progress value="{done}" max="{max(wanted, 1)}"></progress>'
    return f"{bar} {as_html(' · '.join(parts))}{html_table((), last) if last else ''}"


def _told(progress: Any, record: Any) -> list[tuple[str, str]]:
    """Return what is told of a record: its id, and what became of it."""
    if hasattr(record, "candidates"):
        done = (candidate for candidate in record.candidates if candidate.task)
        return [(candidate.id, candidate.instruction) for candidate in done]
    if hasattr(record, "id"):
        return [(record.id, progress.last)]
    return []


def notebook_watch() -> NotebookWatch | None:
    """Return a watcher that shows progress, if this is a notebook, or None."""
    if "ipykernel" not in sys.modules:
        return None
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        return None
    shell = get_ipython()
    return NotebookWatch(display) if shell is not None and hasattr(shell, "kernel") else None
