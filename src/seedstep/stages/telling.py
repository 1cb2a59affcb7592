"""What the status and the lists of several stages have in common."""

from collections.abc import Iterator
from typing import Any

from seedstep.data import TaskFiles
from seedstep.prompts import fingerprint
from seedstep.runs import Line, Run, Words, digest, line

__all__ = [
    "TASKS_CHANGEABLE",
    "entry_line",
    "entry_title",
    "spending_line",
    "stamp_tasks",
]

TASKS_CHANGEABLE = (
    "limit",
    "in_flight",
    "skip_bad",
    "max_requests",
    "max_tokens",
    "max_usd",
    "prices",
)
"""Settings that a stage which makes a record for each task may go on with changed."""


def stamp_tasks(settings: Any, inputs: TaskFiles) -> dict[str, str]:
    """Return the fingerprints of tasks and of the prompts about step-by-step instructions."""
    return {
        "tasks_fingerprint": digest(inputs.tasks),
        "prompts_fingerprint": fingerprint("steps"),
    }


def spending_line(run: Run[Any, Any, Any]) -> Line:
    """Tell what a run has asked and spent."""
    spent = run.spent()
    text = f"{spent.requests:,} requests, {spent.tokens:,} tokens"
    if run.settings.price:
        usd = run.settings.price.usd(spent.prompt_tokens, spent.completion_tokens)
        text += f", ${usd:,.4f}"
    return line(text)


def entry_line(head: str, state: str) -> Line:
    """Tell of a task in a list, and what is the matter with it."""
    return Line((Words(head), Words(f"  {state}", "warning")))


def entry_title(task: str, category: str, definition: str) -> Iterator[Line]:
    """Tell which task is shown."""
    yield line(f"{task}  {category}", "bold")
    yield line(definition)
