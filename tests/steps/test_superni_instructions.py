"""The instructions for SUPER-NATURALINSTRUCTIONS that come with seedstep."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from seedstep.data import load_tasks
from seedstep.errors import InputError
from seedstep.inputs import with_steps
from seedstep.recipes import take_superni
from seedstep.stages import STEPS, open_run
from seedstep.steps import canonical, parse, render, superni_instructions
from support.command_line import seedstep

FIXTURES = Path(__file__).parents[1] / "fixtures"
KNOWN = (
    "task1344_glue_entailment_classification",
    "task035_winogrande_question_modification_person",
)


def write_clone(folder: Path, *names: str) -> Path:
    """A directory in the form of SUPER-NATURALINSTRUCTIONS."""
    (folder / "tasks").mkdir(parents=True)
    (folder / "splits" / "default").mkdir(parents=True)
    for name in names:
        task = {
            "Definition": ["Name a colour."],
            "Categories": ["Open Generation"],
            "Positive Examples": [{"input": "x", "output": "y", "explanation": ""}],
            "Negative Examples": [],
            "Instances": [{"id": f"{name}-1", "input": "x", "output": ["y"]}],
        }
        (folder / "tasks" / f"{name}.json").write_text(json.dumps(task))
    (folder / "splits" / "default" / "test_tasks.txt").write_text("\n".join(names))
    return folder


def test_there_are_806_whole_instructions() -> None:
    instructions = superni_instructions()
    assert len(instructions) == 806
    for written in instructions.values():
        for steps in (written.steps, written.unrefined):
            assert 1 <= len(steps) <= 15
            assert 10 <= len(" ".join(steps).split()) <= 300
            assert parse(render(steps)).steps == steps == canonical(steps)


def test_they_are_those_of_the_tasks_of_the_real_splits(shared_data: Path) -> None:
    folder = shared_data / "superni"
    names = {
        name
        for split in ("train", "test")
        for name in (folder / "splits" / "default" / f"{split}_tasks.txt").read_text().split()
    }
    lines = (folder / "test_definitions.jsonl").read_text().splitlines()
    names |= {json.loads(line)["task"] for line in lines}
    assert set(superni_instructions()) == names


@dataclass(frozen=True, slots=True)
class Reading:
    """A reader's judgement of an instruction before the faults that were found were corrected.

    `refined` and `unrefined` are the versions as first written, `mended` the refined one after the
    faults of the first readings were corrected, `mended_twice` the one after those of the second.
    """

    task: str
    version: Literal["refined", "unrefined", "mended", "mended_twice"]
    reader: str
    correct: bool
    complete: bool
    note: str


def test_each_was_read_and_faults_have_a_note() -> None:
    lines = (FIXTURES / "superni_readings.jsonl").read_bytes().splitlines()
    readings = [msgspec.json.decode(line, type=Reading) for line in lines]
    assert {reading.task for reading in readings} == set(superni_instructions())
    assert all(reading.note for reading in readings if not (reading.correct and reading.complete))
    shared = [reading for reading in readings if reading.version == "unrefined"]
    assert len(shared) == 60
    again = Counter(reading.task for reading in readings if reading.version == "mended")
    assert set(again.values()) == {2}
    assert set(again) == set(superni_instructions())
    third = [reading for reading in readings if reading.version == "mended_twice"]
    drawn = {reading.task for reading in third if reading.reader == "r21"}
    others = [reading for reading in third if reading.reader != "r21"]
    assert sorted(reading.task for reading in others) == sorted(superni_instructions())
    named = {reading.task for reading in others if not (reading.correct and reading.complete)}
    assert len(named) == 32
    assert len(drawn) == 40
    assert not drawn & named


def test_the_name_stands_for_them_wherever_steps_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tasks = load_tasks(write_clone(tmp_path / "ni", KNOWN[0]), "test").tasks
    (task,) = with_steps(tasks, Path("superni"))
    written = superni_instructions()[KNOWN[0]]
    assert (task.steps, task.unrefined_steps) == (written.steps, written.unrefined)
    line = {"task": KNOWN[0], "steps": ["Say red."]}
    Path("superni").write_text(json.dumps(line))
    assert with_steps(tasks, Path("superni"))[0].steps == ("Say red.",)


def test_a_run_of_them_is_a_run_of_steps(tmp_path: Path) -> None:
    clone = write_clone(tmp_path / "ni", *KNOWN, "task9999_unknown")
    done = seedstep("steps", "superni", "--tasks", clone, "--out", tmp_path / "run")
    assert done.code == 0
    assert "1 tasks have no instruction" in done.out
    with open_run(tmp_path / "run", STEPS) as run:
        entries = {entry.task: entry.result for entry in run.entries()}
    assert set(entries) == set(KNOWN)
    for name, written in entries.items():
        assert written.steps == superni_instructions()[name].steps
        assert written.unrefined == superni_instructions()[name].unrefined
    shown = seedstep("steps", "show", tmp_path / "run", KNOWN[0]).out
    assert superni_instructions()[KNOWN[0]].steps[0][:40] in " ".join(shown.split())


def test_the_run_is_returned_with_the_tasks_that_have_none(tmp_path: Path) -> None:
    clone = write_clone(tmp_path / "ni", KNOWN[0], "task9999_unknown")
    with take_superni(tmp_path / "run", tasks=clone) as run:
        assert [entry.task for entry in run.entries()] == [KNOWN[0]]
        assert [task.id for _, task in run.records.left()] == ["task9999_unknown"]


def test_tasks_of_others_have_none(tmp_path: Path) -> None:
    clone = write_clone(tmp_path / "ni", "task9999_unknown")
    said = rf"{clone}: none of the tasks"
    with pytest.raises(InputError, match=said):
        take_superni(tmp_path / "run", tasks=clone)
    with pytest.raises(InputError, match=said):
        take_superni(tmp_path / "run", {"tasks": str(clone)})
    assert not (tmp_path / "run").exists()
