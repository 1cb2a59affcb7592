"""Blocks for the status and the lists of runs that several stages share."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seedstep.data import TaskFiles
from seedstep.llm.budget import UNPRICED
from seedstep.llm.checkpoints import gguf_fingerprint
from seedstep.prompts import fingerprint
from seedstep.runs import Blocks, Entry, Line, Run, TaskRecords, Words, digest, line

__all__ = [
    "ASKING_CHANGEABLE",
    "GROWING",
    "PLACES",
    "TASKS_CHANGEABLE",
    "asking_of",
    "contents_of",
    "entry_line",
    "entry_title",
    "lister",
    "row_of",
    "spending_line",
    "stamp_tasks",
]

ASKING_CHANGEABLE = (
    "in_flight",
    "send",
    "finish_live",
    "workers",
    "max_requests",
    "max_tokens",
    "max_usd",
    "prices",
)
"""The settings that say how a model is asked and what it may cost, and do not change the data."""

TASKS_CHANGEABLE = ("limit", "skip_bad", *ASKING_CHANGEABLE)
"""The settings that may change when a stage with a record for each task continues."""


GROWING = (
    "tasks_fingerprint",
    "prompts_fingerprint",
    "sampling",
    "reasoning",
)
"""What may change, too, where a record is known by what it follows from: see `Stage.contents`."""

PLACES = ("tasks", "split", "track")
"""The settings that say where a list of tasks is."""


def contents_of(inputs: TaskFiles) -> dict[str, str]:
    """Return the fingerprint of each task by its id."""
    return {task.id: digest([task]) for task in inputs.tasks}


def asking_of(settings: Any, config: Mapping[str, Any]) -> str:
    """Return the fingerprint of how a model is asked: sampling, reasoning, prompts and file."""
    sampling = {name: settings.sampling_of(name) for name in settings.SAMPLING}
    parts = [sampling, config.get("prompts_fingerprint")]
    parts += filter(None, (settings.model.reasoning, gguf_fingerprint(settings.model.name)))
    if language := getattr(settings, "language", None):
        parts.append({"language": language})
    return digest(parts)


def stamp_tasks(settings: Any, inputs: TaskFiles) -> dict[str, str]:
    """Return the fingerprints of tasks and of the prompts about step-by-step instructions."""
    return {
        "tasks_fingerprint": digest(inputs.tasks),
        "prompts_fingerprint": fingerprint("steps"),
    }


def spending_line(run: Run[Any, Any, Any]) -> Line:
    """Show the requests and tokens of a run."""
    spent = run.spent()
    text = f"{spent.requests:,} requests, {spent.total_tokens:,} tokens"
    if spent.batch_tokens:
        text += f" ({spent.batch_tokens:,} by batch)"
    usd = getattr(run.settings, "pricing", UNPRICED).usd(spent.tokens)
    if usd is not None:
        text += f", ${usd:,.4f}"
    return line(text)


def lister(
    told: Callable[[Entry[Any]], Line], *, failed: bool = False
) -> Callable[[Run[Any, Any, TaskRecords[Any]]], Blocks]:
    """Return a function that lists the tasks of a run, or those without a result, a line each."""

    def listed(run: Run[Any, Any, TaskRecords[Any]]) -> Blocks:
        for entry in run.entries():
            if entry.result.failure or not failed:
                yield told(entry)

    return listed


def row_of(entry: Entry[Any]) -> dict[str, Any]:
    """Return what the rows of all stages that make one record for each task begin with."""
    return {"task": entry.task, "category": entry.category, "definition": entry.definition}


def entry_line(head: str, state: str) -> Line:
    """Return the line of a task in a list, with its state."""
    words = (Words(f"  {state}", "warning"),) if state else ()
    return Line((Words(head), *words))


def entry_title(task: str, category: str, definition: str) -> Iterator[Line]:
    """Yield the lines with the name, the category and the definition of a task."""
    yield line(f"{task}  {category}".rstrip(), "bold")
    yield line(definition)
