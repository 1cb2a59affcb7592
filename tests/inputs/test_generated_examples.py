"""Generated examples in place of those that tasks have: in prompts, tunings and exports."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from seedstep import predict
from seedstep.data import Example, load_tasks
from seedstep.errors import InputError, RunError, RunMismatchError
from seedstep.inputs import with_examples
from seedstep.inputs.tasks import gather
from seedstep.recipes import import_instructions
from seedstep.runs import Run
from seedstep.stages import EXAMPLES
from seedstep.steps import ExampleSet
from seedstep.tune import TuneSettings
from support.command_line import seedstep
from support.task_files import write_task

NAMES = ("task1_a", "task2_b", "task3_c")
MADE = tuple(Example(f"made input {n}", f"made output {n}", "made") for n in range(1, 6))
RANKED = (MADE[3], MADE[0])
DRAWN = (MADE[1], MADE[4])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory of three task files with instances and examples of their own."""
    for name in NAMES:
        write_task(tmp_path / "tasks" / f"{name}.json")
    return tmp_path / "tasks"


@pytest.fixture
def run(tmp_path: Path, folder: Path) -> Path:
    """A run with examples for the first task, unranked ones for the second, none for the third."""
    theirs = tmp_path / "theirs.jsonl"
    lines = [{"task": name, "steps": ["Read it.", "Answer it."]} for name in NAMES]
    theirs.write_text("".join(json.dumps(line) + "\n" for line in lines))
    import_instructions(theirs, tmp_path / "steps", {"tasks": str(folder)})
    whole = ExampleSet(NAMES[0], (), candidates=MADE, drawn=(1, 4), ranked=(3, 0))
    unranked = replace(whole, task_id=NAMES[1], ranked=(), ranking_failure="unmatched")
    failed = ExampleSet(NAMES[2], (), failure="empty")
    asked = {"steps": str(tmp_path / "steps"), "model": "openai:m", "base_url": "http://x.invalid"}
    with Run.start(EXAMPLES, tmp_path / "made", asked) as started:
        tasks = started.tasks().tasks
        results = zip(tasks, (whole, unranked, failed), strict=True)
        started.records.write_now([(place, *each) for place, each in enumerate(results)])
    return tmp_path / "made"


def test_chosen_examples_take_the_place_of_a_tasks_own(folder: Path, run: Path) -> None:
    tasks = load_tasks(folder).tasks
    assert all(task.positive_examples and task.instances for task in tasks)
    ranked = with_examples(tasks, run, "ranked")
    assert [task.positive_examples for task in ranked] == [RANKED, (), ()]
    drawn = with_examples(tasks, run, "drawn")
    assert [task.positive_examples for task in drawn] == [DRAWN, DRAWN, ()]
    kept = [replace(task, positive_examples=()) for task in tasks]
    assert [replace(task, positive_examples=()) for task in drawn] == kept


def test_encode_shows_them(folder: Path, run: Path) -> None:
    shown = seedstep("encode", "--tasks", folder, "--show", NAMES[0], "--examples", run).out
    assert "Input: made input 4." in shown
    assert shown.index("made input 4") < shown.index("made input 1")
    shown = seedstep(
        *("encode", "--tasks", folder, "--show", NAMES[0]),
        *("--examples", run, "--choose", "drawn"),
    ).out
    assert "made input 2" in shown
    assert "made input 4" not in shown


def test_a_system_predicts_with_them_and_goes_on_with_the_same_only(
    folder: Path, run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "predicted"
    asked = {"tasks": folder, "model": "baseline:copy-demonstration", "examples": run}
    with predict(out, **asked) as predicted:  # type: ignore[arg-type]
        texts = {
            prediction.task: prediction.text
            for prediction in predicted.predictions(str(asked["model"]))
        }
    assert texts == {NAMES[0]: RANKED[0].output, NAMES[1]: "", NAMES[2]: ""}
    predict(out, **asked).close()  # type: ignore[arg-type]
    with pytest.raises(RunMismatchError, match="choose"):
        predict(out, **{**asked, "choose": "drawn"})  # type: ignore[arg-type]


def test_predict_says_which_tasks_have_none(folder: Path, run: Path, tmp_path: Path) -> None:
    flags = ("--tasks", folder, "--examples", run, "--model", "baseline:copy-demonstration")
    done = seedstep("predict", *flags, "--out", tmp_path / "predicted")
    assert "2 of 3 tasks have no ranked examples to show" in done.out


def test_a_tuning_is_made_of_them(folder: Path, run: Path) -> None:
    def gathered(**asked: object) -> tuple[str, dict[str, tuple[Example, ...]], tuple[str, ...]]:
        found = gather(TuneSettings.of(data=[str(folder)], limit_instances=1, **asked))
        shown = {use.task.id: use.task.positive_examples for use in found.mixture.training}
        return found.fingerprint, shown, found.left_out

    theirs, shown, left_out = gathered()
    assert not left_out
    assert MADE[0] not in shown[NAMES[0]]
    ours, shown, left_out = gathered(examples=str(run), choose="drawn")
    assert shown == {NAMES[0]: DRAWN, NAMES[1]: DRAWN, NAMES[2]: ()}
    assert left_out == ("1 of 3 tasks have no drawn examples to show",)
    assert len({theirs, ours, gathered(examples=str(run))[0]}) == 3


@pytest.mark.parametrize(
    "command",
    [
        ("encode", "--show", NAMES[0], "--tasks"),
        ("predict", "--model", "baseline:copy-demonstration", "--tasks"),
        ("tune", "--model", "hf:nowhere", "--limit-instances", "1", "--data"),
    ],
    ids=lambda command: command[0],
)
def test_a_choice_among_no_examples_is_refused(
    folder: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    out = () if command[0] == "encode" else ("--out", tmp_path / "out")
    refused = seedstep(*command, folder, *out, "--choose", "drawn")
    assert refused.code == 1
    assert "`choose` is drawn, but no run of examples is named" in refused.error
    assert "Name a run of `seedstep examples` as `examples`, or leave it out" in refused.error


def test_exports_have_them(folder: Path, run: Path, tmp_path: Path) -> None:
    done = seedstep(
        "examples", "export", run, "--out", tmp_path / "made.jsonl", "--choose", "drawn"
    )
    assert "2 tasks in " in done.out
    assert "1 tasks have no drawn examples" in done.out
    tasks = load_tasks(tmp_path / "made.jsonl").tasks
    assert [task.positive_examples for task in tasks] == [DRAWN, DRAWN]
    seedstep("examples", "export", run, "--out", tmp_path / "files", "--format", "superni")
    (task,) = load_tasks(tmp_path / "files").tasks
    (before,) = load_tasks(folder / f"{NAMES[0]}.json").tasks
    assert task == replace(before, positive_examples=RANKED)


def test_examples_of_other_tasks_are_refused(run: Path, tmp_path: Path) -> None:
    others = tmp_path / "others.jsonl"
    others.write_text(
        '{"id": "x", "definition": "Say x.", "instances": [{"input": "", "output": "x"}]}\n'
    )
    message = "its examples are of other tasks"
    for command in ("encode", "predict", "tune"):
        tasks = ("--data", others) if command == "tune" else ("--tasks", others)
        more = ("--show", "x") if command == "encode" else ("--out", tmp_path / command)
        done = seedstep(command, *tasks, *more, "--examples", run)
        assert done.code == 1
        assert message in done.error
        assert len(done.error.splitlines()) == 1


def test_what_has_no_examples_is_refused(folder: Path, run: Path, tmp_path: Path) -> None:
    tasks = load_tasks(folder).tasks
    with pytest.raises(InputError, match="run of `seedstep steps`, which has no generated"):
        with_examples(tasks, tmp_path / "steps", "ranked")
    with pytest.raises(RunError, match="nowhere is not a run"):
        with_examples(tasks, tmp_path / "nowhere", "ranked")
    with pytest.raises(InputError, match="none of these tasks has ranked examples"):
        with_examples(tasks[1:], run, "ranked")
