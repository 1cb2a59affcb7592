"""A run that was made with relative paths goes on from any directory, and when all is moved."""

import json
import shutil
import sqlite3
from contextlib import chdir, closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_earlier_version import FIXTURES
from test_steps_run import write_tasks

from seedstep.runs.directory import stage_of
from seedstep.runs.places import stored_values, write_config
from support.command_line import seedstep
from support.predicting import word_model, write_word_tasks
from support.scripted_server import ScriptedServer
from support.seed_files import line, other_line, write
from support.step_server import strong_model
from support.tuning_things import save_llama


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a run of predictions by a baseline, made with relative paths inside it."""
    place = tmp_path / "project"
    write_word_tasks(place / "words", tasks=2, instances=2)
    made = ("--out", "runs/test", "--tasks", "words", "--model", "baseline:copy-input")
    with chdir(place):
        assert seedstep("predict", *made).code == 0
    return place


def said(*command: object, at: Path) -> str:
    with chdir(at):
        done = seedstep(*command)
    assert done.code == 0, done.err
    return done.out


@pytest.mark.parametrize("command", ["evaluate", "status", "show"])
def test_what_a_run_says_does_not_depend_on_the_directory(project: Path, command: str) -> None:
    inside = said(command, "runs/test", at=project)
    assert said(command, "project/runs/test", at=project.parent) == inside
    assert said(command, ".", at=project / "runs" / "test") == inside


def test_a_file_of_the_same_name_in_another_directory_is_not_taken(project: Path) -> None:
    other = project.parent / "other"
    write_word_tasks(other / "words", tasks=5, instances=1)
    inside = said("evaluate", "runs/test", at=project)
    assert said("evaluate", "../project/runs/test", at=other) == inside


def test_a_project_that_is_moved_takes_its_runs_along(project: Path) -> None:
    inside = said("evaluate", "runs/test", at=project)
    moved = shutil.move(project, project.parent / "moved")
    assert said("evaluate", "moved/runs/test", at=Path(moved).parent) == inside


def test_a_run_that_is_elsewhere_finds_its_files(project: Path) -> None:
    elsewhere = project.parent / "store" / "deep" / "run"
    made = ("--tasks", "words", "--model", "baseline:copy-input")
    said("predict", *made, "--out", elsewhere, at=project)
    assert "2" in said("evaluate", elsewhere, at=project.parent)


def test_a_run_goes_on_from_another_directory_and_its_file_stays(project: Path) -> None:
    before = (project / "runs" / "test" / "run.yaml").read_bytes()
    system = ("--model", "baseline:copy-demonstration", "--name", "b")
    said("predict", "--out", "project/runs/test", *system, at=project.parent)
    named = ("--tasks", "project/words", "--name", "baseline:copy-input")
    said("predict", "--out", "project/runs/test", *named, at=project.parent)
    assert (project / "runs" / "test" / "run.yaml").read_bytes() == before
    assert "words" in before.decode()


def test_steps_from_another_directory_ask_nothing_again(tmp_path: Path) -> None:
    place = tmp_path / "project"
    write_tasks(place / "boats", count=2)
    with ScriptedServer(strong_model) as server:
        asked: tuple[Any, ...] = ("--model", "openai:m", "--base-url", server.url)
        said("steps", "--tasks", "boats", *asked, "--out", "steps", at=place)
        first = server.requests
        said("steps", "--out", "project/steps", at=tmp_path)
        assert server.requests == first
        system = (*asked, "--tasks", "boats", "--encoding", "steps", "--steps", "steps")
        said("predict", "--out", "answers", *system, "--name", "m", at=place)
        answered = server.requests
        said("predict", "--out", "project/answers", "--name", "m", at=tmp_path)
        assert server.requests == answered


def test_a_bootstrap_goes_on_with_seeds_of_the_directory_in_which_it_was_made(
    tmp_path: Path,
) -> None:
    place = tmp_path / "project"
    place.mkdir()
    with ScriptedServer() as server, chdir(place):
        write(place, line() + other_line())
        asked = ("--seeds", "seeds.jsonl", "--model", "openai:m", "--base-url", server.url)
        said("bootstrap", *asked, "--tasks", 3, "--out", "grown", at=place)
        with chdir(tmp_path):
            assert seedstep("bootstrap", "--out", "project/grown", "--tasks", 4).code == 0
        assert "4 of 4" in said("status", "grown", at=place)


def test_the_checkpoint_of_a_gate_is_found_from_another_directory(tmp_path: Path) -> None:
    place = tmp_path / "project"
    save_llama(place / "models" / "llama", max_position_embeddings=256)
    gates = json.dumps({"likely": {"likelihood": {"model": "hf:models/llama", "at_most": 99}}})
    with ScriptedServer() as server:
        asked = ("--model", "openai:m", "--base-url", server.url, "--gates", gates)
        said("bootstrap", *asked, "--tasks", 2, "--out", "grown", at=place)
        kept = (place / "grown" / "run.yaml").read_bytes()
        assert b"hf:models/llama" in kept
        moved = Path(shutil.move(place, tmp_path / "moved"))
        said("bootstrap", "--out", "moved/grown", "--tasks", 3, at=tmp_path)
        assert "3 of 3" in said("status", "grown", at=moved)
        assert b"hf:models/llama" in (moved / "grown" / "run.yaml").read_bytes()


def test_a_run_of_the_first_version_is_read_from_above(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES, tmp_path / "old")
    served = ("--name", "served")
    before = (tmp_path / "old" / "predict" / "run.yaml").read_bytes()
    inside = said("evaluate", "predict", *served, at=tmp_path / "old")
    assert said("evaluate", "old/predict", *served, at=tmp_path) == inside
    system = ("--model", "baseline:copy-input", "--name", "b")
    said("predict", "--out", "old/predict", *system, at=tmp_path)
    assert (tmp_path / "old" / "predict" / "run.yaml").read_bytes() == before


def test_a_run_of_the_first_version_is_finished_from_its_replies(tmp_path: Path) -> None:
    """Its server is gone; what it had said when the process was killed is all that is needed."""
    shutil.copytree(FIXTURES, tmp_path / "old")
    at = tmp_path / "old"
    inside = said("evaluate", "predict", "--name", "served", at=at)
    with closing(sqlite3.connect(at / "predict" / "run.db")) as database, database:
        database.execute("DELETE FROM predictions WHERE system = 'served' AND place IN (0, 4)")
    said("predict", "--out", "predict", "--name", "served", at=at)
    assert said("evaluate", "predict", "--name", "served", at=at) == inside


def test_a_tuning_names_the_directory_in_which_it_goes_on(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES, tmp_path / "old")
    with chdir(tmp_path):
        done = seedstep("tune", "--out", "old/tuned")
    assert "old/tuned was begun in another directory: its data things.jsonl" in done.error
    assert f"Run the command in {(tmp_path / 'old').resolve()}." in done.error


def test_what_a_system_names_is_found_though_the_tasks_have_an_absolute_path(
    project: Path,
) -> None:
    (project / "steps.jsonl").write_text('{"task": "task000_capitals", "steps": ["Read."]}')
    made = ("--tasks", project / "words", "--steps", "steps.jsonl", "--name", "x")
    system = ("--model", "baseline:copy-input", "--encoding", "steps")
    said("predict", *made, *system, "--out", "runs/absolute", at=project)
    told = said("predict", "--out", "project/runs/absolute", "--name", "x", at=project.parent)
    assert "1 of 2 tasks have no step-by-step instruction to show" in told


def test_what_a_system_names_is_found_in_a_run_that_kept_no_directory(project: Path) -> None:
    (project / "steps.jsonl").write_text('{"task": "task000_capitals", "steps": ["Read."]}')
    made = ("--tasks", project / "words", "--steps", "steps.jsonl", "--name", "x")
    system = ("--model", "baseline:copy-input", "--encoding", "steps")
    run = project / "runs" / "absolute"
    said("predict", *made, *system, "--out", run, at=project)
    config = yaml.safe_load((run / "run.yaml").read_text())
    del config["made_in"]  # as earlier versions wrote it
    (run / "run.yaml").write_text(yaml.safe_dump(config))

    def stored() -> str:
        with closing(sqlite3.connect(run / "run.db")) as database:
            (record,) = database.execute("SELECT record FROM systems").fetchone()
        return str(json.loads(record)["settings"]["steps"])

    for place in (project.parent, project / "runs", project):
        told = said("predict", "--out", run, "--name", "x", at=place)
        assert "1 of 2 tasks have no step-by-step instruction to show" in told
        assert stored() == "steps.jsonl"
    with chdir(project.parent):
        assert seedstep("predict", "--out", run, "--name", "x", "--dry-run").code == 0


def test_a_run_that_is_given_a_relative_path_later_keeps_where_that_is(tmp_path: Path) -> None:
    place = tmp_path / "project"
    config = place / "run" / "run.yaml"
    config.parent.mkdir(parents=True)
    earlier = {"tasks": str(place / "words")}
    config.write_text(yaml.safe_dump(earlier))
    (place / "words").touch()
    with chdir(place):
        write_config(config.parent, "run.yaml", {"tasks": "words"})
    with chdir(tmp_path):
        assert stored_values(Path("project/run"), "run.yaml") == {"tasks": "project/words"}


@pytest.mark.parametrize("provider", ["replay", "gguf", "hf"])
def test_models_that_are_files_are_found_from_another_directory(
    tmp_path: Path, provider: str
) -> None:
    place = tmp_path / "project"
    (place / "run").mkdir(parents=True)
    (place / "m.bin").touch()
    judge = {"questions": {"model": "Is it true?"}}

    def settings(model: str) -> dict[str, Any]:
        gates = {"judged": {"judge": {**judge, "model": model}}, "likely": {"agree": {}}}
        return {"model": model, "judge": model, "gates": gates}

    with chdir(place):
        write_config(Path("run"), "run.yaml", settings(f"{provider}:m.bin"))
    content = (place / "run" / "run.yaml").read_bytes()
    with chdir(tmp_path):
        found = stored_values(Path("project/run"), "run.yaml")
        assert found == settings(f"{provider}:project/m.bin")
        write_config(Path("project/run"), "run.yaml", found)
    assert (place / "run" / "run.yaml").read_bytes() == content


def test_names_of_served_models_are_no_paths(tmp_path: Path) -> None:
    (tmp_path / "m.bin").touch()
    (tmp_path / "run").mkdir()
    with chdir(tmp_path):
        write_config(Path("run"), "run.yaml", {"model": "openai:m.bin"})
    assert stored_values(tmp_path / "run", "run.yaml") == {"model": "openai:m.bin"}


def test_a_recording_is_answered_from_another_directory(tmp_path: Path) -> None:
    place = tmp_path / "project"
    write_word_tasks(place / "words", tasks=2, instances=2)
    asked: tuple[Any, ...] = ("--tasks", "words", "--name", "x")
    with ScriptedServer(word_model()) as server:
        served = ("--model", "openai:scripted", "--base-url", server.url)
        said("predict", *asked, *served, "--out", "served", at=place)
    said("requests", "served", "--export", "m.jsonl", at=place)
    with chdir(place):
        begun = ("--model", "replay:m.jsonl", "--out", "run", "--max-requests", 1)
        assert seedstep("predict", *asked, *begun).code == 1
    on = ("--out", "project/run", "--name", "x", "--max-requests", 9)
    assert "4 of 4 instances predicted" in said("predict", *on, at=tmp_path)


def test_a_path_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    place = tmp_path / "project"
    place.mkdir()
    write(place, line() + other_line())
    with ScriptedServer() as server:
        asked = ("--seeds", "./seeds.jsonl", "--model", "openai:m", "--base-url", server.url)
        said("bootstrap", *asked, "--tasks", 2, "--out", "grown", at=place)
        on = ("bootstrap", "--out", place / "grown", "--tasks", 2, "--seeds")
        said(*on, "project/seeds.jsonl", at=tmp_path)
        said(*on, "./project/./seeds.jsonl", at=tmp_path)
        said(*on, "seeds.jsonl", at=place)
        said(*on, "./seeds.jsonl", at=place)


def test_a_name_that_is_too_long_is_no_run(tmp_path: Path) -> None:
    assert stage_of(tmp_path / ("x" * 300)) == ""
