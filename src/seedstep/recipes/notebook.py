"""Progress in notebooks: what runs a stage shows it in the output of the cell that runs it.

So do the functions of stages and `tune_model`, unless they are given a `watch`.

Example::

    watch = NotebookWatch(display)
    write_instructions("runs/steps", tasks="my_tasks.jsonl", watch=watch)
"""

import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

from seedstep.data.records import as_html, html_table
from seedstep.runs.blocks import duration
from seedstep.text import counted
from seedstep.tune import EvaluationLoss, OptimizerStep, Preflight, TuneSettings

__all__ = [
    "NotebookTuningWatch",
    "NotebookWatch",
    "as_keywords",
    "notebook_tuning_watch",
    "notebook_watch",
]

SHOWN = 5
"""How many of the last records are shown."""


class _Handle(Protocol):
    """What is displayed, and can be replaced."""

    def update(self, content: Any) -> None:
        """Replace it."""


Display = Callable[..., _Handle]
"""IPython's `display`: called with an object and `display_id`, it returns a handle."""


class _Page:
    """HTML, as notebooks show it."""

    def __init__(self, html: str) -> None:
        self._html = html

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return "progress"


class _Output:
    """A place in the output of a cell, where what is shown replaces what was there."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._handle: _Handle | None = None

    def show(self, html: str) -> None:
        """Show HTML in place of what was shown before."""
        page = _Page(html)
        if self._handle is None:
            self._handle = self._display(page, display_id=True)
        else:
            self._handle.update(page)


class NotebookWatch:
    """A watcher that shows a bar, figures and the last records, as they change."""

    def __init__(self, display: Display) -> None:
        """Take IPython's `display`."""
        self._output = _Output(display)
        self._last: list[tuple[str, str]] = []
        self._progress: Any = None

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

    def ended(self) -> None:
        """Show the last state, without what was under way."""
        if self._progress is not None:
            self._draw(self._progress, is_under_way=False)

    def _draw(self, progress: Any, *, is_under_way: bool = True) -> None:
        self._progress = progress
        self._output.show(_html(progress, self._last, is_under_way=is_under_way))


def _html(progress: Any, last: list[tuple[str, str]], *, is_under_way: bool) -> str:
    """Return the bar, the figures, the notes of the progress and the last records as HTML."""
    done = getattr(progress, "finished", None)
    done = progress.done if done is None else done
    wanted = progress.settings.tasks if hasattr(progress, "finished") else progress.wanted
    parts = [f"{done:,} of {wanted:,}", duration(progress.seconds)]
    left = getattr(progress, "seconds_left", None)
    if left is not None and done < wanted and is_under_way:
        parts.append(f"{duration(left)} left")
    if stats := progress.stats:
        parts += [stats.under_way] if is_under_way else []
        parts.append(f"{stats.completion_tokens:,} tokens")
    notes = [*getattr(progress, "notes", ())]
    if stopped := getattr(progress, "stopped", None):
        notes.append(f"stopped: {stopped}")
    table = html_table((), last) if last else ""
    return f"{_bar(done, wanted)} {as_html(' · '.join(parts))}{_notes(notes)}{table}"


def _bar(done: int, wanted: int) -> str:
    return f'<progress value="{done}" max="{max(wanted, 1)}"></progress>'


def _notes(notes: Iterable[object]) -> str:
    return "".join(f"<div>{as_html(as_keywords(str(note)))}</div>" for note in notes)


_FLAG = re.compile(r"(`[^`]*`)|(?<![\w-])--([a-z]+(?:-[a-z]+)*)(?: ([A-Z0-9]\w*|drop|again)\b)?")
"""A command, which stays as it is; or a flag, with a value if it looks like one."""


def as_keywords(note: str) -> str:
    """Return a note with keywords in place of the flags that it names.

    Example::

        >>> as_keywords("--language German asks for it; `show RUN --rejected` lists them")
        "language='German' asks for it; `show RUN --rejected` lists them"
    """

    def keyword(found: re.Match[str]) -> str:
        command, flag, value = found.groups()
        if command:
            return str(command)
        name = flag.replace("-", "_")
        if not value:
            return name
        is_name = value.isupper() or value.isdecimal()
        return f"{name}={value}" if is_name else f"{name}='{value}'"

    return _FLAG.sub(keyword, note)


def _told(progress: Any, record: Any) -> list[tuple[str, str]]:
    """Return what is told of a record: its id, and what became of it."""
    if hasattr(record, "candidates"):
        done = (candidate.task for candidate in record.candidates if not candidate.reason)
        return [(task.id, task.definition) for task in done]
    if hasattr(record, "id"):
        return [(record.id, progress.last)]
    return []


class NotebookTuningWatch:
    """A watcher of a tuning that shows a bar, the losses, and what is to be noted."""

    def __init__(self, display: Display) -> None:
        """Take IPython's `display`."""
        self._output = _Output(display)
        self._bar = ""
        self._held_out = ""
        self._notes: list[str] = []

    def counted(
        self, settings: TuneSettings, preflight: Preflight, left_out: tuple[str, ...]
    ) -> None:
        """Show the size of the tuning, and what is left out of the data."""
        sizes = (counted(preflight.examples, "example"), counted(preflight.tasks, "task"))
        self._notes.append(f"{' of '.join(sizes)}, {counted(preflight.steps, 'step')}")
        self._notes += [f"left out: {fault}" for fault in left_out[:SHOWN]]
        if len(left_out) > SHOWN:
            self._notes.append(f"left out: {len(left_out) - SHOWN:,} more")
        self._draw()

    def stepped(self, step: OptimizerStep) -> None:
        """Show the step and its loss."""
        left = f" · {duration(step.seconds_left)} left" if step.step < step.steps else ""
        said = f"step {step.step:,} of {step.steps:,} · loss {step.loss:.4f}"
        self._bar = f"{_bar(step.step, step.steps)} {as_html(said + left)}"
        self._draw()

    def evaluated(self, evaluated: EvaluationLoss) -> None:
        """Show the held-out loss."""
        self._held_out = f"held-out loss {evaluated.loss:.4f} at step {evaluated.step:,}"
        self._draw()

    def moved(self, job_id: str, status: str) -> None:
        """Show the status of a server's job."""
        self._bar = as_html(f"job {job_id}: {status}")
        self._draw()

    def happened(self, message: str) -> None:
        """Show the last event of a server's job."""
        self._held_out = message
        self._draw()

    def warned(self, message: str) -> None:
        """Show a warning."""
        self._notes.append(message)
        self._draw()

    def _draw(self) -> None:
        notes = filter(None, (self._held_out, *self._notes))
        self._output.show(f"<div>{self._bar}</div>{_notes(notes)}")


def notebook_display() -> Display | None:
    """Return IPython's `display`, if this is a notebook, or None."""
    if "ipykernel" not in sys.modules:
        return None
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        return None
    shell = get_ipython()
    is_notebook = shell is not None and hasattr(shell, "kernel")
    return cast("Display", display) if is_notebook else None


def notebook_watch() -> NotebookWatch | None:
    """Return a watcher that shows progress, if this is a notebook, or None."""
    display = notebook_display()
    return NotebookWatch(display) if display else None


def notebook_tuning_watch() -> NotebookTuningWatch | None:
    """Return a watcher that shows how a tuning proceeds, if this is a notebook, or None."""
    display = notebook_display()
    return NotebookTuningWatch(display) if display else None
