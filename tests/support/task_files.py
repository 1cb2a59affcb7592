"""Task files that tests write, in the form of SUPER-NATURALINSTRUCTIONS."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedstep.data import Problem, Task, load_tasks

A_LIST = "write one object, a task; or a list of objects, in a file that is named by itself"
NO_JSON = "not valid JSON"

TASK: dict[str, Any] = {
    "Contributors": ["Somebody"],
    "Source": ["made_up"],
    "Categories": ["Sorting", "Other"],
    "Definition": [" Sort the words. ", "Not used."],
    "Domains": ["Toys"],
    "Positive Examples": [
        {"input": "b a", "output": "a b", "explanation": "a is first."},
        {"input": "d c\n", "output": "c d", "explanation": ""},
    ],
    "Negative Examples": [{"input": "b a", "output": "b a", "explanation": "Not sorted."}],
    "Instances": [
        {"id": "task7-one", "input": "z y x", "output": ["x y z", "x, y, z"]},
        {"id": "task7-two", "input": " é ö ", "output": [""]},
    ],
    "Instance License": ["None"],
}


def changed(**changes: Any) -> dict[str, Any]:
    """`TASK` with some fields changed, or left out where the change is `...`.

    `Positive_Examples` stands for `Positive Examples`.
    """
    changes = {name.replace("_", " "): value for name, value in changes.items()}
    return {name: value for name, value in {**TASK, **changes}.items() if value is not ...}


def with_instances(*instances: Any) -> dict[str, Any]:
    """`TASK` with these instances."""
    return changed(Instances=list(instances))


def read_task(path: Path, limit: int | None = None) -> Task:
    """The task of a file, with its first `limit` instances."""
    (task,) = load_tasks(path, limit=limit).tasks
    return task


def write_task(path: Path, record: Any = None) -> Path:
    """Write a task file, and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(TASK if record is None else record, ensure_ascii=False, indent=4)
    path.write_bytes(text.encode())
    return path


def write_split(root: Path, name: str, content: str, track: str = "default") -> Path:
    """Write a split of the directory `root`, byte for byte."""
    path = root / "splits" / track / f"{name}_tasks.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return path


def shortened(found: Iterable[Task | Problem]) -> list[Task | Problem]:
    """What was found; of what is no JSON it does not matter where and why not."""
    return [
        replace(entry, message=NO_JSON)
        if isinstance(entry, Problem) and entry.message.startswith(f"{NO_JSON}: ")
        else entry
        for entry in found
    ]
