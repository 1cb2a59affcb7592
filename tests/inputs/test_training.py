"""What a model was tuned on is known among other tasks, however it was written down."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from seedstep import export, open_run, predict
from seedstep.data import TaskChoice
from seedstep.evaluate.scores import TrainingOverlap
from seedstep.inputs.systems import overlap, training_of
from seedstep.inputs.tasks import gather
from seedstep.settings import flatten
from seedstep.tune import TuneSettings
from seedstep.tune.mixing import TRAINING_RECORD, training_record
from support.answer_files import task_lines, write_lines, write_predictions, write_tasks
from support.command_line import json_of, seedstep
from support.scripted_server import Fault, ScriptedServer, completion

FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0.1.0"


def tuned_on(folder: Path, *data: object, model: str = "local", record: bool = True) -> str:
    """A directory as a tuning leaves it, with its record or, as 0.1.0 did, without."""
    settings = TuneSettings.of(model=model, data=[str(source) for source in data])
    gathered = gather(settings)
    place = folder / "model"
    place.mkdir(parents=True)
    config = {**flatten(settings), "data_fingerprint": gathered.fingerprint}
    (folder / "tune.yaml").write_text(yaml.safe_dump(config))
    if record:
        before = training_of(model)
        names = [Path(source.path).name for source in settings.data]
        made = training_record(gathered.mixture.training, names, before)
        (place / TRAINING_RECORD).write_bytes(made.encoded())
    return f"hf:{place}"


def found_in(model: str, tasks: Path) -> TrainingOverlap:
    found = overlap(training_of(model), TaskChoice(str(tasks)).load().tasks)
    assert found is not None
    return found


@pytest.fixture(params=[True, False], ids=["record", "settings"])
def record(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_tasks_and_instances_that_were_tuned_on(record: bool, tmp_path: Path) -> None:
    data = write_tasks(tmp_path / "data.jsonl", 3)
    model = tuned_on(tmp_path / "tuned", data, record=record)
    found = found_in(model, write_tasks(tmp_path / "tests.jsonl", 5, 3))
    assert found.tasks == ("t0", "t1", "t2")
    assert found.instances == tuple(f"t{task}-{n}" for task in range(3) for n in range(2))
    assert found.sources == ("data.jsonl",)
    assert found.unknown == ()


def test_the_same_tasks_with_other_instances_names_and_white_space(tmp_path: Path) -> None:
    model = tuned_on(tmp_path / "tuned", write_tasks(tmp_path / "data.jsonl", 2))
    lines = task_lines(4)
    for task in lines:
        task["id"] = f"renamed_{task['id']}"
        task["definition"] = f"  {task['definition'].replace(' ', '  ')}\n"
        task["instances"] = [
            {"id": f"{task['id']}-other", "input": "something else", "output": "X"},
            {**task["instances"][0], "id": f"{task['id']}-same"},
        ]
    found = found_in(model, write_lines(tmp_path / "tests.jsonl", lines))
    assert found.tasks == ("renamed_t0", "renamed_t1")
    assert found.instances == ("renamed_t0-same", "renamed_t1-same")


def test_the_same_input_of_another_task_is_another_instance(tmp_path: Path) -> None:
    model = tuned_on(tmp_path / "tuned", write_tasks(tmp_path / "data.jsonl", 1))
    lines = task_lines(1)
    lines[0]["definition"] = "Say the number of letters."
    found = found_in(model, write_lines(tmp_path / "tests.jsonl", lines))
    assert (found.tasks, found.instances) == ((), ())


def test_long_inputs_are_known_under_another_definition(record: bool, tmp_path: Path) -> None:
    lines = task_lines(2)
    for line in lines:
        for instance in line["instances"]:
            instance["input"] = f"The {instance['input']} is by the sea."
    data = write_lines(tmp_path / "data.jsonl", lines)
    model = tuned_on(tmp_path / "tuned", data, record=record)
    lines[0]["definition"] = "Turn word 0 of it into capital letters."
    lines[0]["instances"][0]["input"] = "THE  red0 blue0 is by the sea. "
    lines[0]["instances"][1]["input"] = "Something else, by the sea."
    found = found_in(model, write_lines(tmp_path / "tests.jsonl", lines))
    assert (found.tasks, found.inputs) == (("t1",), ("t0-0",))
    assert found.instances == ("t1-0", "t1-1")


def test_what_was_left_out_of_the_data_was_not_tuned_on(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "data.jsonl", 6)
    settings = TuneSettings.of(model="local", data=[f"{tasks}=3"], held_out=2)
    used = gather(settings).mixture.training
    place = tmp_path / "tuned" / "model"
    place.mkdir(parents=True)
    (place / TRAINING_RECORD).write_bytes(training_record(used, ["data"], None).encoded())
    found = found_in(f"hf:{place}", tasks)
    assert set(found.instances) == {use.instance.id for use in used}
    assert len(found.instances) == 3


def test_a_model_that_was_tuned_twice(record: bool, tmp_path: Path) -> None:
    whole = task_lines(3)
    data = [write_lines(tmp_path / f"d{n}.jsonl", [whole[n]]) for n in range(2)]
    first = tuned_on(tmp_path / "first", data[0], record=record)
    second = tuned_on(tmp_path / "second", data[1], model=first, record=record)
    found = found_in(second, write_lines(tmp_path / "tests.jsonl", whole))
    assert found.tasks == ("t0", "t1")
    assert found.sources == ("d0.jsonl", "d1.jsonl")
    assert found_in(first, tmp_path / "tests.jsonl").tasks == ("t0",)


@pytest.mark.parametrize(
    "form", ["{0}\n\n{1}", "{0}\n\nInput: {1}\nOutput:", "Task: {0}\nInput: {1}", "{1}\n{0}"]
)
def test_instances_are_known_where_a_prompt_is_one_text(form: str, tmp_path: Path) -> None:
    lines = task_lines(2)
    pairs = [
        {"prompt": form.format(task["definition"], each["input"]), "completion": each["output"][0]}
        for task in lines
        for each in task["instances"]
    ]
    data = write_lines(tmp_path / "pairs.jsonl", pairs[:3])
    model = tuned_on(tmp_path / "tuned", f"{data}@plain")
    found = found_in(model, write_lines(tmp_path / "tests.jsonl", lines))
    assert found.instances == ("t0-0", "t0-1", "t1-0")


def test_a_model_that_was_moved(tmp_path: Path) -> None:
    data = write_tasks(tmp_path / "data.jsonl", 2)
    tuned_on(tmp_path / "tuned", data)
    shutil.move(tmp_path / "tuned" / "model", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "tuned")
    assert found_in(f"hf:{tmp_path / 'elsewhere'}", data).tasks == ("t0", "t1")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert found_in(f"hf:{tmp_path / 'link'}", data).tasks == ("t0", "t1")


def test_checkpoints_adapters_and_gguf_files_of_a_tuning(record: bool, tmp_path: Path) -> None:
    data = write_tasks(tmp_path / "data.jsonl", 2)
    tuned_on(tmp_path / "tuned", data, record=record)
    for name in ("checkpoints/checkpoint-10", "adapter"):
        (tmp_path / "tuned" / name).mkdir(parents=True)
        assert found_in(f"hf:{tmp_path / 'tuned' / name}", data).tasks == ("t0", "t1")
    (tmp_path / "tuned" / "model.gguf").write_bytes(b"GGUF")
    assert found_in(f"gguf:{tmp_path / 'tuned' / 'model.gguf'}", data).tasks == ("t0", "t1")


@pytest.mark.parametrize("form", ["alpaca", "superni"])
def test_data_of_an_export(form: str, tmp_path: Path) -> None:
    run = Path(shutil.copytree(FIXTURES / "bootstrap", tmp_path / "run"))
    with open_run(run) as opened:
        export(opened, form, tmp_path / form)
        tasks = opened.tasks()
    found = overlap(training_of(tuned_on(tmp_path / "exported", tmp_path / form)), tasks)
    assert found is not None
    exported = {task.id for task in tasks if form == "alpaca" or len(task.instances) > 2}
    assert set(found.tasks) == {task.id for task in tasks}
    assert {name.rpartition("-")[0] for name in found.instances} >= exported


def test_an_export_of_what_was_tuned_on_is_known_as_test_data(tmp_path: Path) -> None:
    run = Path(shutil.copytree(FIXTURES / "bootstrap", tmp_path / "run"))
    with open_run(run) as opened:
        export(opened, "superni", tmp_path / "superni")
    found = overlap(
        training_of(tuned_on(tmp_path / "grown", run)),
        tests := TaskChoice(str(tmp_path / "superni")).load().tasks,
    )
    assert found is not None
    assert found.tasks == tuple(task.id for task in tests)
    assert len(found.instances) == sum(len(task.instances) for task in tests) > 0


def test_a_model_that_nobody_tuned_has_no_record(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    names = (f"hf:{tmp_path / 'model'}", "hf:some/model", "openai:name", "baseline:copy-input", "")
    assert [training_of(name) for name in names] == [None] * 5


@pytest.mark.parametrize("fault", ["gone", "changed"])
def test_data_that_are_not_what_they_were_are_told(fault: str, tmp_path: Path) -> None:
    data = write_tasks(tmp_path / "data.jsonl", 2)
    model = tuned_on(tmp_path / "tuned", data, record=False)
    tests = write_tasks(tmp_path / "tests.jsonl", 2)
    if fault == "gone":
        data.unlink()
    else:
        write_tasks(data, 1)
    found = found_in(model, tests)
    assert found.tasks == ()
    (said,) = found.unknown
    assert "is not known" in said
    assert ("data.jsonl" if fault == "gone" else "have changed since") in said


def test_a_damaged_record_is_read_anew_from_the_settings(tmp_path: Path) -> None:
    data = write_tasks(tmp_path / "data.jsonl", 2)
    model = tuned_on(tmp_path / "tuned", data)
    (tmp_path / "tuned" / "model" / TRAINING_RECORD).write_text("{")
    assert found_in(model, data).tasks == ("t0", "t1")


def test_settings_that_name_their_own_model_end(tmp_path: Path) -> None:
    data = write_tasks(tmp_path / "data.jsonl", 2)
    place = f"hf:{tmp_path / 'tuned' / 'model'}"
    tuned_on(tmp_path / "tuned", data, model=place, record=False)
    assert found_in(place, data).tasks == ("t0", "t1")


def run_of(folder: Path, tasks: Path, training: TrainingOverlap | None) -> Path:
    """A run of two systems, the second of which was tuned on something."""
    import sqlite3
    from contextlib import closing

    run = folder / "run"
    for name in ("untuned", "tuned"):
        predict(run, model="baseline:copy-input", tasks=str(tasks), name=name).close()
    with closing(sqlite3.connect(run / "run.db")) as database, database:
        (kept,) = database.execute("SELECT record FROM systems WHERE name = 'tuned'").fetchone()
        record = json.loads(kept)
        record["training"] = training and {
            "tasks": training.tasks,
            "instances": training.instances,
            "sources": training.sources,
            "unknown": training.unknown,
            "inputs": training.inputs,
        }
        database.execute("UPDATE systems SET record = ? WHERE name = 'tuned'", [json.dumps(record)])
    return run


@pytest.mark.usefixtures("quick_figures")
def test_it_is_said_wherever_there_is_a_figure(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "tasks.jsonl")
    ids = tuple(f"t{n}-0" for n in range(3))
    overlap = TrainingOverlap(("t0", "t1", "t2"), ids, ("suite:train", "grown"))
    run = run_of(tmp_path, tasks, overlap)
    said = "3 of 8 tasks and 3 of 16 instances were in its training data (suite:train, grown)"
    for command in ("evaluate", "compare"):
        for form in ("table", "markdown"):
            words = " ".join(seedstep(command, run, "--format", form).words.split())
            assert f"tuned: {said}" in words.replace("\\", ""), (command, form)
            assert "untuned: " not in words
    assert json_of("evaluate", run)[1]["remarks"] == [said]
    assert json_of("compare", run, "--against", "untuned")[0]["remarks"] == [f"tuned: {said}"]
    done = seedstep("report", run, "--out", tmp_path / "report")
    assert done.code == 0, done.err
    page = (tmp_path / "report" / "index.html").read_text()
    assert page.count(f"tuned: {said}") == 3  # in the headline, at the scores, at the comparison
    part = seedstep("evaluate", run, "--tasks", tasks, "--limit-instances", 1).words
    assert "3 of 8 tasks and 3 of 8 instances were in its training data" in part


def test_what_is_not_known_is_said_and_nothing_where_nothing_is(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "tasks.jsonl")
    unknown = TrainingOverlap(unknown=("it was tuned, and on what is not known",))
    assert "tuned: it was tuned" in seedstep("compare", run_of(tmp_path / "a", tasks, unknown)).out
    nothing = TrainingOverlap(sources=("suite:train",))
    assert "train" not in seedstep("compare", run_of(tmp_path / "b", tasks, nothing)).out


def test_inputs_under_other_definitions_are_said_at_the_figure(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "tasks.jsonl")
    overlap = TrainingOverlap(sources=("mine",), inputs=("t0-0", "t1-0"))
    said = "the inputs of 2 of 16 instances were in its training data with other definitions (mine)"
    (remark,) = remarks_of(run_of(tmp_path, tasks, overlap))
    assert remark == said


def remarks_of(run: Path) -> list[str]:
    """The remarks on the second system of a run."""
    return list(json_of("evaluate", run)[1]["remarks"])


UNKNOWN = "whether its model was trained on what is scored here is not known"


def test_of_files_and_served_models_it_is_said_once_that_nothing_is_known(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "tasks.jsonl")
    files = [
        write_predictions(tmp_path / f"{name}.jsonl", {"t0-0": "R0 B0", "t1-0": "x"})
        for name in ("a", "b")
    ]
    for command in ("evaluate", "compare"):
        for form in ("table", "markdown"):
            words = seedstep(command, *files, "--tasks", tasks, "--format", form).words
            assert words.count(UNKNOWN) == 1, (command, form)
    run = tmp_path / "run"
    with ScriptedServer(lambda number, body: Fault(body=completion("R0 B0"))) as server:
        flags = ("--prompt-style", "completion", "--base-url", server.url)
        for model, more in (("openai:m", flags), ("baseline:copy-input", ())):
            done = seedstep("predict", "--out", run, "--tasks", tasks, "--model", model, *more)
            assert done.code == 0, done.err
    served, local = json_of("evaluate", run)
    assert served["remarks"] == [UNKNOWN]
    assert "remarks" not in local
    assert seedstep("compare", run).words.count(f"m: {UNKNOWN}") == 1
