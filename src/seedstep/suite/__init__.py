"""A small suite of tasks in the format of SUPER-NATURALINSTRUCTIONS, written for this project.

Example::

    write_suite(Path("suite"))
    load_tasks(Path("suite"), "train")
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from seedstep.data import Instance, Task, new_folder, task_file
from seedstep.data.choice import generator
from seedstep.data.files import files_in
from seedstep.errors import InputError, RunError
from seedstep.suite.spec import DrawnInstance, TaskSpec
from seedstep.suite.tasks import TEST, TRAIN

__all__ = ["INSTANCES", "SPLITS", "Category", "categories", "write_suite"]

INSTANCES = 60
"""The number of instances of each task, all with different inputs."""

DRAWS = 100 * INSTANCES
"""The most draws to find the instances of a task."""


SPLITS: Mapping[str, tuple[TaskSpec, ...]] = MappingProxyType({"train": TRAIN, "test": TEST})


@dataclass(frozen=True, slots=True)
class Category:
    """A category with its split and the numbers of its tasks and instances."""

    name: str
    split: str
    tasks: int
    instances: int


def categories() -> tuple[Category, ...]:
    """Return the categories of the suite, in its order."""
    found = []
    for split, specs in SPLITS.items():
        for name in dict.fromkeys(spec.category for spec in specs):
            tasks = sum(spec.category == name for spec in specs)
            found.append(Category(name, split, tasks, tasks * INSTANCES))
    return tuple(found)


def write_suite(directory: Path) -> bool:
    """Write `tasks/*.json`, `splits/default/*_tasks.txt` and a README into a new directory.

    Returns False if the directory is there already, and holds exactly the suite.

    Raises:
        InputError: the directory exists, and holds something else.
        RunError: it can't be written or read.
    """
    try:
        if not directory.exists():
            with new_folder(directory) as partial:
                for name, content in _files():
                    (partial / name).parent.mkdir(parents=True, exist_ok=True)
                    (partial / name).write_bytes(content)
            return True
        if _is_suite(directory):
            return False
    except OSError as error:
        raise RunError(
            f"{directory}: {error.strerror}", "free space or correct its rights"
        ) from None
    raise InputError(f"{directory} is there already", "name a new directory")


def _is_suite(directory: Path) -> bool:
    """Return whether a directory holds the files of the suite, byte for byte, and no others."""
    files = dict(_files())
    return set(files_in(directory)) == set(files) and all(
        (directory / name).read_bytes() == content for name, content in files.items()
    )


def _files() -> Iterator[tuple[str, bytes]]:
    """Yield the files of the suite, each with its path in the directory."""
    number = 0
    for split, specs in SPLITS.items():
        names = []
        for spec in specs:
            number += 1
            names.append(f"task{number:03}_{spec.name}")
            task = _task(spec, f"task{number:03}")
            text = task_file(task, "The authors of seedstep", "Apache 2.0")
            yield f"tasks/{names[-1]}.json", text
        listed = "".join(f"{name}\n" for name in names)
        yield f"splits/default/{split}_tasks.txt", listed.encode()
    yield "README.md", (resources.files("seedstep.suite") / "card.md").read_bytes()


def _task(spec: TaskSpec, number: str) -> Task:
    instances = tuple(
        Instance(text, outputs, f"{number}-{place}")
        for place, (text, outputs) in enumerate(_instances(spec), start=1)
    )
    return Task(
        number,
        spec.definition,
        instances,
        category=spec.category,
        positive_examples=spec.positive,
        negative_examples=spec.negative,
        steps=spec.steps,
    )


def _instances(spec: TaskSpec) -> list[DrawnInstance]:
    """Draw instances with different inputs, none of them an example's, by the task's name."""
    chance = generator(spec.name)
    shown = {example.input for example in (*spec.positive, *spec.negative)}
    drawn: dict[str, tuple[str, ...]] = {}
    for text, outputs in (spec.draw(chance) for _ in range(DRAWS)):
        if text not in shown:
            drawn.setdefault(text, outputs)
        if len(drawn) == INSTANCES:
            break
    return list(drawn.items())
