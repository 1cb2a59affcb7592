"""A run goes wherever a path goes: each function takes it for the path of its directory."""

import inspect
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import seedstep
from seedstep import Instance, SeedstepError, Task, recipes
from seedstep.stages import BOOTSTRAP
from support.scripted_server import ScriptedServer
from support.signatures import inside, parameters

WORDS = tuple(Instance(f"sun {number}", (f"SUN {number}",), f"w{number}") for number in range(10))
TASKS = [Task("shout", "Write the words in capitals.", WORDS)]
MODEL = {"model": "openai:scripted", "base_url": "http://127.0.0.1:9/v1"}
COPY = {"model": "baseline:copy-input"}

GROWN, ANSWERS, GONE = "grown", "answers", "gone"
"""A bootstrap's run, one with predictions, and one of which the directory is there no more."""

CALLS: Mapping[str, Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "agreement": {"paths": (GROWN, {})},
    "distill": {"out": (GROWN, MODEL), "source": (ANSWERS, MODEL)},
    "evaluate_systems": {"sources": (GROWN, {}), "tasks": (ANSWERS, {"sources": "answers"})},
    "export": {
        "run": (ANSWERS, {"format": "alpaca"}),
        "out": (ANSWERS, {"format": "alpaca"}),
        "reviewed": (ANSWERS, {"format": "alpaca"}),
    },
    "filter_file": {
        "path": (ANSWERS, {"out": None}),
        "out": (GROWN, {"path": "rows.jsonl"}),
        "against": (ANSWERS, {"path": "rows.jsonl", "out": "novel.jsonl"}),
    },
    "import_instructions": {
        "path": (GROWN, {"tasks": TASKS}),
        "out": (GROWN, {"path": "steps.jsonl", "tasks": TASKS}),
        "tasks": (ANSWERS, {"path": "steps.jsonl"}),
    },
    "judge": {
        "out": (GROWN, MODEL),
        "tasks": (ANSWERS, {**MODEL, "sources": ["answers"]}),
        "sources": (GROWN, MODEL),
        "rubric": (GROWN, {**MODEL, "sources": ["answers"]}),
    },
    "load_tasks": {"source": (ANSWERS, {})},
    "make_examples": {"out": (GROWN, MODEL), "steps": (ANSWERS, MODEL)},
    "merge_runs": {"runs": (ANSWERS, {}), "out": (ANSWERS, {"runs": ["grown"]})},
    "open_run": {"path": (ANSWERS, {"stage": BOOTSTRAP})},
    "predict": {
        "out": (GROWN, COPY),
        "tasks": (ANSWERS, COPY),
        "steps": (ANSWERS, {**COPY, "tasks": TASKS}),
        "examples": (ANSWERS, {**COPY, "tasks": TASKS}),
    },
    "self_instruct": {
        "out": (ANSWERS, MODEL),
        "seeds": (ANSWERS, MODEL),
        "decontaminate": (ANSWERS, MODEL),
        "axes": (ANSWERS, MODEL),
        "pool": (ANSWERS, MODEL),
    },
    "take_superni": {"out": (GROWN, {"tasks": TASKS}), "tasks": (ANSWERS, {})},
    "tune_model": {
        "out": (GROWN, {**MODEL, "data": TASKS}),
        "data": (ANSWERS, {}),
        "held_out_data": (ANSWERS, {"data": TASKS}),
        "steps": (ANSWERS, {"data": TASKS}),
        "examples": (ANSWERS, {"data": TASKS}),
        "reviewed": (ANSWERS, {"data": TASKS}),
    },
    "write_instructions": {"out": (GROWN, MODEL), "tasks": (ANSWERS, MODEL)},
    "write_report": {
        "runs": (GONE, {}),
        "out": (GROWN, {"runs": "grown"}),
        "test_sets": (ANSWERS, {"runs": "grown"}),
        "against": (ANSWERS, {"runs": "grown"}),
        "experiments": (ANSWERS, {"runs": "grown"}),
    },
}
"""For each function and path that it takes a run of which the path can't be used there.

With it stand the other arguments. So the function refuses it, and names the directory.
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a bootstrap's run, one with predictions for it, and files."""
    folder = tmp_path_factory.mktemp("made")
    with ScriptedServer() as server:
        asked: dict[str, Any] = {"model": "openai:scripted", "base_url": server.url, "tasks": 2}
        seedstep.self_instruct(folder / "grown", **asked).close()
    seedstep.predict(folder / "answers", tasks=folder / "grown", model=COPY["model"]).close()
    (folder / "rows.jsonl").write_text('{"instruction": "Sing."}\n')
    steps = {"task": TASKS[0].id, "steps": ["Read the word.", "Write it in capitals."]}
    (folder / "steps.jsonl").write_text(json.dumps(steps) + "\n")
    return folder


def function_named(name: str) -> Callable[..., Any]:
    found = getattr(seedstep, name, None) or getattr(recipes, name)
    assert inspect.isfunction(found)
    return found


def test_no_path_of_a_public_function_is_left_out() -> None:
    names = [name for name in seedstep.__all__ if inspect.isfunction(getattr(seedstep, name, None))]
    found = {
        (name, parameter)
        for name in names
        if not name.endswith("_async")
        for parameter, kind in parameters(function_named(name)).items()
        if os.PathLike[str] in inside(kind)
    }
    assert found == {(name, parameter) for name in CALLS for parameter in CALLS[name]}


@pytest.mark.parametrize(
    ("name", "parameter"), [(name, parameter) for name in CALLS for parameter in CALLS[name]]
)
def test_a_run_is_refused_as_its_directory_is(
    name: str, parameter: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    which, more = CALLS[name][parameter]
    function = function_named(name)
    takes = inspect.signature(function).parameters
    said = []
    for kind in ("text", "run"):
        directory = shutil.copytree(made / which.replace(GONE, GROWN), tmp_path / kind / "run")
        with seedstep.open_run(directory) as run, seedstep.open_run("grown") as grown:
            if which == GONE:
                shutil.rmtree(directory)
            given: Any = run if kind == "run" else str(directory)
            arguments = {**more, parameter: [given] if parameter == "sources" else given}
            own = {"out": tmp_path / kind / "out", "run": grown}
            arguments |= {each: own[each] for each in own.keys() & takes - arguments.keys()}
            with pytest.raises(SeedstepError) as caught:
                function(**arguments)
        assert str(directory) in str(caught.value)
        said.append(str(caught.value).replace(str(directory), "the run"))
    assert said[0] == said[1]


def test_predictions_are_scored_on_the_tasks_of_a_run(made: Path) -> None:
    with seedstep.open_run(made / "grown") as grown, seedstep.open_run(made / "answers") as run:
        (system,) = seedstep.evaluate_systems(run, tasks=grown).systems
        assert system.overall.instances == sum(len(task.instances) for task in grown.tasks())
