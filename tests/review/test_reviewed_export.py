"""What people rejected stays out of exports, and is counted."""

import json
from pathlib import Path

from seedstep.inputs.labels import without_rejected
from seedstep.inputs.tasks import gather
from seedstep.runs.reviews import Review
from seedstep.tune import TuneSettings
from support.command_line import seedstep
from support.growing import grow
from support.reviewing import an_item, label_all, make
from support.scripted_server import ScriptedServer

QUESTIONS = ("instruction", "input", "output")


def test_rejected_tasks_and_instances_are_left_out(tmp_path: Path, server: ScriptedServer) -> None:
    tasks = grow(tmp_path / "run", server, tasks=8).tasks
    several = next(task for task in tasks if len(task.instances) > 1)
    made = tmp_path / "review"
    assert seedstep("review", "new", made, "--run", tmp_path / "run", "--seed", 1).code == 0
    with Review.open(made, write=True) as review:
        said = {}
        bad = next(item for item in review.items.values() if item.task != several.id)
        for item in review.items.values():
            letters = "yyy"
            if item.id == bad.id:
                letters = "nyy"
            elif item.task == several.id:
                letters = "yyn"
            words = ({"y": "yes", "n": "no"}[letter] for letter in letters)
            said[item.id] = dict(zip(QUESTIONS, words, strict=True))
        label_all(review, {"me": said})
    found = without_rejected(tasks, made)
    assert (found.left_out_tasks, found.left_out_instances) == (1, 1)
    assert bad.task not in {task.id for task in found.tasks}
    left = next(task for task in found.tasks if task.id == several.id)
    assert len(left.instances) == len(several.instances) - 1
    done = seedstep(
        "export",
        tmp_path / "run",
        "--format",
        "alpaca",
        "--reviewed",
        made,
        "--out",
        tmp_path / "good",
    )
    assert "1 tasks, and 1 instances of others" in done.words
    rows = [
        json.loads(line) for line in (tmp_path / "good" / "train.jsonl").read_text().splitlines()
    ]
    definitions = {task.definition for task in found.tasks}
    assert {row["instruction"] for row in rows} == definitions
    settings = {"model": "local", "data": [str(tmp_path / "run")]}
    whole = gather(TuneSettings.of(**settings))
    gathered = gather(TuneSettings.of(**settings, reviewed=str(made)))
    assert {use.task.id for use in gathered.mixture.training} == {task.id for task in found.tasks}
    count = sum(len(task.instances) for task in found.tasks)
    assert len(gathered.mixture.training) == count < len(whole.mixture.training)
    assert gathered.left_out == ("1 tasks and 1 instances of others, as people rejected them",)
    assert gathered.fingerprint != whole.fingerprint


def test_a_review_of_something_else_is_refused(tmp_path: Path, server: ScriptedServer) -> None:
    run = grow(tmp_path / "run", server, tasks=2).path
    made = make(tmp_path / "review", [an_item(0)])
    flags = ("--format", "alpaca", "--out", tmp_path / "x", "--reviewed", made)
    assert "is a review of steps" in seedstep("export", run, *flags).error
    assert not (tmp_path / "x").exists()
