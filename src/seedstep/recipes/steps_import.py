"""Step-by-step instructions that people or another tool wrote, through our parser and checks.

A file of JSON lines: `task`, and `text` or a list of `steps`.

Example::

    counts = import_instructions(Path("theirs.jsonl"), Path("runs/theirs"), {"tasks": "ni"})
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedstep.data import BadLine, Problem, Task, read_jsonl
from seedstep.data.problems import placed, raise_first
from seedstep.errors import InputError
from seedstep.steps import (
    FAILURES,
    TaskText,
    Turn,
    Written,
    check,
    make_steps_settings,
    parse,
    render,
)
from seedstep.store import StepsRun

__all__ = ["import_instructions"]

IMPORTED = "imported"
"""The name of the one turn of an imported instruction, whose reply is its text."""


@dataclass(frozen=True, slots=True)
class _Line:
    task: str
    text: str = ""
    steps: tuple[str, ...] = ()


def import_instructions(path: Path, out: Path, asked: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Make a run of the instructions in a file; `asked` are settings that name the tasks.

    Returns the problems of lines that were skipped. If it fails, nothing is written.

    Raises:
        InputError: a line can't be read or names no task, unless `skip_bad` is set; or the run
            has instructions already.
        RunError: the directory can't be written.
    """
    settings = make_steps_settings(asked, "settings")
    tasks = StepsRun.load(settings).tasks
    problems: list[Problem] = []
    found: list[tuple[int, Task, Written]] = []
    for one in _read(path, {task.id: place for place, task in enumerate(tasks)}):
        if isinstance(one, Problem):
            problems.append(one)
        else:
            place, text = one
            found.append((place, tasks[place], _examined(tasks[place], text)))
    if not settings.skip_bad:
        raise_first(problems, "or add --skip-bad to go on without them")
    with StepsRun.start(out, asked) as run:
        if run.count():
            raise InputError(f"{out} has instructions already", "name a new directory")
        run.write_now(found)
    return tuple(problems)


def _read(path: Path, places: Mapping[str, int]) -> Iterator[tuple[int, str] | Problem]:
    seen: dict[str, int] = {}
    for number, line in read_jsonl(path, _Line):
        if isinstance(line, BadLine):
            yield from placed(path, number, [line])
        elif line.task not in places:
            yield Problem(path, number, "task", f"there is no task '{line.task}'", "correct it")
        elif not line.text.strip() and not line.steps:
            yield Problem(path, number, "text", "empty", "write `text` or `steps`")
        elif (first := seen.setdefault(line.task, number)) != number:
            yield Problem(path, number, "task", f"the same as in line {first}", "remove one")
        else:
            yield places[line.task], line.text or render(line.steps)


def _examined(task: Task, text: str) -> Written:
    turns = (Turn(IMPORTED, "", "", text),)
    parsed = parse(text)
    if parsed.reason:
        detail = FAILURES[parsed.reason]
        return Written(task.id, turns, failure=parsed.reason, detail=detail)
    findings = tuple(check(parsed, TaskText.of(task)))
    return Written(task.id, turns, steps=parsed.steps, findings=findings, chosen=0)
