"""Tasks and predictions that the tests of evaluation write."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seedstep.infer.predict import InstanceAnswer
from seedstep.runs import Run
from seedstep.stages import PREDICT
from seedstep.stages.predict import begin_system
from support.command_line import seedstep

__all__ = [
    "CATEGORIES",
    "right",
    "run_with_predictions",
    "steps_run",
    "task_lines",
    "write_lines",
    "write_predictions",
    "write_tasks",
]

CATEGORIES = ("Title Generation", "Textual Entailment")


def write_lines(path: Path, records: Iterable[Any]) -> Path:
    """Write JSON lines; bytes are written as they are."""
    lines = (
        record if isinstance(record, bytes) else json.dumps(record).encode() for record in records
    )
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def task_lines(tasks: int, instances: int = 2) -> list[dict[str, Any]]:
    """Tasks of our own. Task 3 asks to shout word 3, and its instance 0 has the id `t3-0`."""
    return [
        {
            "id": f"t{task}",
            "definition": f"Write word {task} of the alphabet in capitals.",
            "category": CATEGORIES[task % 2],
            "positive_examples": [{"input": "a b", "output": "A B"}],
            "instances": [
                {"id": f"t{task}-{n}", "input": f"red{task} blue{n}", "output": [f"R{task} B{n}"]}
                for n in range(instances)
            ],
        }
        for task in range(tasks)
    ]


def write_tasks(path: Path, tasks: int = 8, instances: int = 2) -> Path:
    """Write those tasks."""
    return write_lines(path, task_lines(tasks, instances))


def write_predictions(path: Path, texts: Mapping[str, str]) -> Path:
    """Write predictions by instance id."""
    return write_lines(
        path, ({"id": instance, "prediction": text} for instance, text in texts.items())
    )


def right(tasks: int = 8, instances: int = 2) -> dict[str, str]:
    """The wanted output of every instance."""
    return {f"t{task}-{n}": f"R{task} B{n}" for task in range(tasks) for n in range(instances)}


def run_with_predictions(path: Path, tasks: Path) -> Path:
    """A run of two systems on those tasks: `tuned` has all right, `base` has two refused."""
    texts = right()
    with Run.start(PREDICT, path, {"tasks": str(tasks)}) as run:
        for name in ("base", "tuned"):
            system = begin_system(run, name, {"model": "baseline:copy-input"}, {})
            answers = [
                InstanceAnswer(place, "", failed="refused")
                if name == "base" and instance.startswith("t7")
                else InstanceAnswer(place, texts[instance])
                for place, instance in enumerate(run.records.references())
            ]
            asyncio.run(run.records.record(system, answers))
    return path


def steps_run(folder: Path, tasks: Path, name: str = "steps") -> Path:
    """Take over the same instruction for each of those tasks."""
    lines = [
        {"task": task["id"], "steps": ["Read the input.", "Write it in capitals."]}
        for task in task_lines(8)
    ]
    written = write_lines(folder / f"{name}.jsonl", lines)
    done = seedstep("steps", "import", written, "--tasks", tasks, "--out", folder / name)
    assert done.code == 0, done.err
    return folder / name
