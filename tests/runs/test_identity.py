"""A task and its instances have one id from acceptance on."""

import json
from pathlib import Path

from seedstep import open_run
from seedstep.evaluate.judge import JudgeSettings
from seedstep.inputs import load_source
from seedstep.settings import make_settings
from seedstep.stages import BOOTSTRAP, JUDGE
from seedstep.tune import make_source
from support.growing import grow
from support.scripted_server import ScriptedServer


def test_ids_are_given_at_acceptance_and_carried(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        made = grow(tmp_path / "run", server, tasks=6)
    accepted = [
        candidate.task
        for generation in made.generations
        for candidate in generation.candidates
        if not candidate.reason
    ]
    with open_run(made.path, BOOTSTRAP) as run:
        assert list(run.tasks()) == accepted
    assert list(load_source(make_source(str(made.path))).tasks) == accepted
    ids = [instance.id for task in accepted for instance in task.instances]
    assert len(set(ids)) == len(ids)
    assert all(
        [instance.id for instance in task.instances]
        == [f"{task.id}-{number}" for number in range(1, len(task.instances) + 1)]
        for task in accepted
    )


def test_a_judge_knows_instances_by_the_ids_of_predictions(tmp_path: Path) -> None:
    """Two tasks have an instance of the same id, which has its task's before it everywhere."""
    instances = [{"id": "1", "input": "x", "output": "y"}, {"id": "2", "input": "z", "output": "y"}]
    with (tmp_path / "tasks.jsonl").open("w") as file:
        for name in ("a", "b"):
            line = {"id": name, "definition": f"Sort {name}.", "instances": instances}
            file.write(json.dumps(line) + "\n")
    answers = {"a/1": "one", "b/1": "two", "a/2": "three", "b/2": "four"}
    with (tmp_path / "answers.jsonl").open("w") as file:
        for name, text in answers.items():
            file.write(json.dumps({"id": name, "prediction": text}) + "\n")
    settings = make_settings(
        JudgeSettings,
        {
            "sources": [str(tmp_path / "answers.jsonl")],
            "tasks": str(tmp_path / "tasks.jsonl"),
            "limit_instances": 1,
        },
        "here",
    )
    found = JUDGE.load(settings)
    assert [task.id for task in found.tasks] == ["a/1", "b/1"]
    assert [*found.answers.values()] == [{"a/1": "one", "b/1": "two"}]
