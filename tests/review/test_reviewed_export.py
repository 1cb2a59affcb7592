"""What people rejected stays out of exports, and is counted."""

import json
from pathlib import Path

import pytest

from seedstep.errors import InputError
from seedstep.inputs.labels import without_rejected
from seedstep.inputs.tasks import gather
from seedstep.runs.reviews import Review
from seedstep.tune import TuneSettings
from support.answer_files import steps_run, write_tasks
from support.command_line import seedstep
from support.growing import grow
from support.reviewing import an_item, label_all, make, rows_of
from support.scripted_server import ScriptedServer

QUESTIONS = ("instruction", "input", "output")


def review_of(run: Path, made: Path, several: str) -> str:
    """Make a review that rejects a task, which is returned, and an instance of `several`."""
    assert seedstep("review", "new", made, "--run", run, "--seed", 1).code == 0
    with Review.open(made, write=True) as review:
        said = {}
        bad = next(item for item in review.items.values() if item.task != several)
        for item in review.items.values():
            letters = "nyy" if item.id == bad.id else "yyn" if item.task == several else "yyy"
            words = ({"y": "yes", "n": "no"}[letter] for letter in letters)
            said[item.id] = dict(zip(QUESTIONS, words, strict=True))
        label_all(review, {"me": said})
    return bad.task


def test_rejected_tasks_and_instances_are_left_out(tmp_path: Path, server: ScriptedServer) -> None:
    tasks = grow(tmp_path / "run", server, tasks=8).tasks
    several = next(task for task in tasks if len(task.instances) > 1)
    made = tmp_path / "review"
    bad = review_of(tmp_path / "run", made, several.id)
    found = without_rejected(tasks, made)
    assert (found.left_out_tasks, found.left_out_instances) == (1, 1)
    assert bad not in {task.id for task in found.tasks}
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
    assert "left out: 1 tasks and 1 instances of others, as people rejected" in done.words
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


def test_rejected_instructions_are_left_out(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "tasks.jsonl")
    run, made = steps_run(tmp_path, tasks), tmp_path / "review"
    assert seedstep("review", "new", made, "--form", "steps", "--run", run, "--seed", 1).code == 0
    with Review.open(made, write=True) as review:
        names = [item.task for item in review.items.values()]
        said = {"correct": "yes", "complete": "yes"}
        label_all(
            review,
            {
                "me": {
                    item.id: {**said, "complete": "no"} if item.task in names[:2] else said
                    for item in list(review.items.values())[:-1]
                }
            },
        )
    for name, count in (("jsonl", f"{len(names) - 2} tasks"), ("superni", "task files")):
        out = tmp_path / name
        exported = seedstep(
            "steps", "export", run, "--format", name, "--out", out, "--reviewed", made
        )
        assert count in exported.words
        assert "left out: 2 instructions, as people rejected them" in exported.words
    lines = (tmp_path / "jsonl").read_text().splitlines()
    assert [json.loads(line)["task"] for line in lines] == names[2:]
    assert len(list((tmp_path / "superni").glob("*.json"))) == len(names) - 2
    settings = {"model": "local", "data": [str(tasks)], "reviewed": str(made)}
    gathered = gather(TuneSettings.of(**settings, steps=str(run)))
    assert {use.task.id for use in gathered.mixture.training} == set(names[2:])
    said_of = "2 tasks and 0 instances of others, as people rejected them"
    assert gathered.left_out == (said_of,)
    other = TuneSettings.of(**settings, steps=str(tmp_path / "steps.jsonl"))
    assert gather(other).left_out == (said_of,), "a file with the same texts"
    with pytest.raises(InputError, match="these tasks have none"):
        gather(TuneSettings.of(**settings))


def test_a_data_set_is_published_without_what_people_rejected(
    tmp_path: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run = tmp_path / "run"
    tasks = grow(run, server, tasks=8).tasks
    several = next(task for task in tasks if len(task.instances) > 1)
    made = tmp_path / "review"
    bad = review_of(run, made, several.id)
    hub = ("export", run, "--format", "hub", "--license", "cc-by-4.0", "--out")
    assert seedstep(*hub, tmp_path / "all").code == 0
    assert seedstep(*hub, tmp_path / "good", "--reviewed", made).code == 0
    card = (tmp_path / "good" / "README.md").read_text()
    assert "Left out: 1 tasks and 1 instances of others, as people rejected them." in card
    assert "| tasks (instructions) | 7 |" in card
    assert "No person has checked" not in card
    sent: list[tuple[str, list[object]]] = []

    def push(folder: Path, _: str, files: list[str], **__: object) -> str:
        (table,) = (name for name in files if name.endswith(".parquet"))
        rows = parquet.read_table(folder / table)
        sent.append(((folder / "README.md").read_text(), [rows.schema, *rows.to_pylist()]))
        return "sent"

    monkeypatch.setattr("seedstep.exports.push", push)
    before = {path: path.read_bytes() for path in (tmp_path / "all").rglob("*.*")}
    for folder in ("all", "good"):
        done = seedstep("push", tmp_path / folder, "me/set", "--yes", "--reviewed", made)
        assert done.code == 0
        said = "left out: 1 tasks and 1 instances of others, as people rejected them"
        assert (said in done.words) == (folder == "all")
    assert sent[0] == sent[1]
    assert bad not in {row["id"] for row in sent[0][1][1:]}  # type: ignore[index]
    assert before == {path: path.read_bytes() for path in (tmp_path / "all").rglob("*.*")}
    with Review.open(made, write=True) as review:
        items = [item for item in review.items.values() if item.task not in (bad, several.id)]
        said_now = {item.id: dict.fromkeys(QUESTIONS, "no") for item in items[:1]}
        review.take(rows_of(review, {"me": said_now}, "again-"))
    assert seedstep("push", tmp_path / "good", "me/set", "--yes", "--reviewed", made).code == 0
    assert "as people rejected them, and 1 tasks and 0 instances of others" in sent[-1][0]
    assert "| tasks (instructions) | 6 |" in sent[-1][0]


@pytest.mark.parametrize("damage", ["card", "column", "values"])
def test_a_damaged_data_set_is_not_published(
    damage: str, tmp_path: Path, server: ScriptedServer
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run, made, out = tmp_path / "run", tmp_path / "review", tmp_path / "all"
    tasks = grow(run, server, tasks=8).tasks
    review_of(run, made, next(task.id for task in tasks if len(task.instances) > 1))
    hub = ("export", run, "--format", "hub", "--license", "cc-by-4.0", "--out", out)
    assert seedstep(*hub).code == 0
    (path,) = out.rglob("*.parquet")
    table = parquet.read_table(path)
    if damage == "card":
        (out / "README.md").write_bytes(b"\xff\xfe")
    elif damage == "column":
        parquet.write_table(table.drop_columns(["instruction"]), path)
    else:
        place = table.schema.get_field_index("instruction")
        nothing = [*table["instruction"].to_pylist()[:-1], None]
        parquet.write_table(table.set_column(place, "instruction", [nothing]), path)
    done = seedstep("push", out, "me/set", "--yes", "--reviewed", made)
    assert str(out) in done.error


def test_nothing_is_published_where_people_rejected_all(
    tmp_path: Path, server: ScriptedServer
) -> None:
    pytest.importorskip("pyarrow")
    run, made = tmp_path / "run", tmp_path / "review"
    grow(run, server, tasks=2)
    assert seedstep("review", "new", made, "--run", run, "--seed", 1).code == 0
    with Review.open(made, write=True) as review:
        label_all(review, {"me": {item: dict.fromkeys(QUESTIONS, "no") for item in review.items}})
    hub = ("export", run, "--format", "hub", "--license", "cc-by-4.0", "--out", tmp_path / "all")
    assert seedstep(*hub).code == 0
    done = seedstep("push", tmp_path / "all", "me/set", "--yes", "--reviewed", made)
    assert "people rejected all rows of" in done.error
