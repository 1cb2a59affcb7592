"""Tasks and predictions that the tests of evaluation write."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from seedstep.data import TaskFiles, load_tasks
from seedstep.evaluate import Prediction, Reference, references_of
from seedstep.runs import StepsRun
from seedstep.runs import stages as registry

__all__ = [
    "CATEGORIES",
    "right",
    "run_with_predictions",
    "task_lines",
    "write_lines",
    "write_predictions",
    "write_tasks",
]

CATEGORIES = ("Title Generation", "Textual Entailment")


def write_lines(path: Path, records: Iterable[Any]) -> Path:
    """Write JSON lines; bytes are written as they are."""
    lines = (one if isinstance(one, bytes) else json.dumps(one).encode() for one in records)
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
    return write_lines(path, ({"id": one, "prediction": text} for one, text in texts.items()))


def right(tasks: int = 8, instances: int = 2) -> dict[str, str]:
    """The wanted output of every instance."""
    return {f"t{task}-{n}": f"R{task} B{n}" for task in range(tasks) for n in range(instances)}


class RunWithPredictions(StepsRun):
    """What a run has that keeps predictions."""

    stage = "steps"
    kept: Path

    def tasks(self) -> TaskFiles:
        return load_tasks(self.kept)

    def names(self) -> tuple[str, ...]:
        return ("base", "tuned")

    def predictions(self, name: str) -> Iterator[Prediction]:
        for one, text in right().items():
            failed = "refused" if name == "base" and one.startswith("t7") else ""
            yield Prediction(one[:2], one, "" if failed else text, failed)

    def references(self) -> dict[str, Reference]:
        return references_of(self.tasks().tasks)


def run_with_predictions(path: Path, tasks: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of two systems on those tasks: `tuned` has all right, `base` has two refused."""
    settings = {"tasks": str(tasks), "model": "openai:x", "base_url": "http://127.0.0.1:1/v1"}
    StepsRun.start(path, settings).close()
    monkeypatch.setattr(RunWithPredictions, "kept", tasks, raising=False)
    monkeypatch.setattr(registry, "STAGES", {**registry.STAGES, "steps": RunWithPredictions})
    return path
