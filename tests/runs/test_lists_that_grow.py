"""Runs of instructions whose list of tasks, prompts or sampling change: what is asked, and kept."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from seedstep import stages, write_instructions
from seedstep.runs import Run
from seedstep.steps import WrittenSteps
from support.command_line import environment, seedstep
from support.forking import ended_by, forked
from support.growing import times_asked
from support.growing_lists import (
    FEW,
    MANY,
    Steps,
    begun,
    boats,
    exported,
    line_of,
    positions,
    records,
    tasks,
    write,
)
from support.scripted_server import ScriptedServer
from support.step_server import boat_task, slowly, strong_model


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Steps]:
    with begun(tmp_path) as made:
        yield made


class TestTheListGrows:
    def test_only_what_is_new_is_asked(self, steps: Steps) -> None:
        before = records(steps.folder / "run")
        tasks(steps.folder, MANY)
        said = steps.write()
        assert boats(steps.new()) == {6, 7, 8, 9, 10, 11}
        assert max(times_asked(steps.server.bodies).values()) == 1
        after = records(steps.folder / "run")
        assert {name: after[name] for name in before} == before
        assert exported(steps.folder / "run") == steps.alone()
        assert "12 tasks, 6 of them done before" in said
        assert "to do: 6 tasks; about 30 requests" in said

    def test_the_run_alone_names_its_list(self, steps: Steps) -> None:
        tasks(steps.folder, MANY)
        assert seedstep("steps", "--out", steps.folder / "run").code == 0
        assert boats(steps.new()) == {6, 7, 8, 9, 10, 11}
        assert exported(steps.folder / "run") == steps.alone()

    def test_new_ones_may_stand_anywhere(self, steps: Steps) -> None:
        tasks(steps.folder, [7, 5, 4, 8, 3, 2, 1, 0, 9])
        steps.write()
        assert boats(steps.new()) == {7, 8, 9}
        assert exported(steps.folder / "run") == steps.alone()

    def test_another_order_asks_nothing(self, steps: Steps) -> None:
        tasks(steps.folder, reversed(FEW))
        steps.write()
        assert steps.new() == []
        assert exported(steps.folder / "run") == steps.alone()

    def test_the_same_task_under_another_name_asks_nothing(self, steps: Steps) -> None:
        write(steps.folder, *map(line_of, FEW), line_of(0, id="twin"))
        said = steps.write()
        assert steps.new() == []
        assert "to do: 1 task, for which all replies are there" in said
        found = records(steps.folder / "run")
        assert found["twin"].steps == found["task0"].steps
        assert exported(steps.folder / "run") == steps.alone()

    def test_lines_without_names_move(self, steps: Steps) -> None:
        bare = [{**line_of(number), "id": ""} for number in MANY]
        write(steps.folder, *bare[:6])
        steps.write(out="bare")
        steps.new()
        write(steps.folder, *bare[6:8], *bare[:6])
        steps.write(out="bare")
        assert boats(steps.new()) == {6, 7}
        assert exported(steps.folder / "bare") == steps.alone()

    def test_killed_while_it_grows(self, tmp_path: Path) -> None:
        with ScriptedServer(slowly(strong_model, 0.05)) as server:
            tasks(tmp_path)
            made = Steps(tmp_path, server)
            made.write()
            tasks(tmp_path, [7, *reversed(FEW), 6, 8, 9, 10, 11])
            command = forked(*made.flags(), "--in-flight", 2)
            for more in (2, 7, 15):
                ended_by(SIGKILL, command, lambda: server.requests, server.requests + more)
            done = subprocess.run(command, env=environment(), capture_output=True, check=False)
            assert done.returncode == 0, done.stderr.decode()
            twice = sum(count - 1 for count in times_asked(server.bodies).values())
            assert twice <= 3 * 3  # what a kill found in flight, or not yet on the disk
            assert exported(tmp_path / "run") == made.alone()

    def test_a_budget_is_that_of_the_whole_run(self, steps: Steps) -> None:
        tasks(steps.folder, MANY)
        sent = steps.server.requests
        done = seedstep(*steps.flags(), "--max-requests", sent + 7)
        assert done.code == 1
        assert "is spent" in done.words
        assert steps.server.requests == sent + 7

    def test_tasks_in_memory_grow(self, steps: Steps) -> None:
        asked: dict[str, Any] = {"model": "openai:scripted", "base_url": steps.server.url}
        out = steps.folder / "given"
        write_instructions(out, tasks=list(map(boat_task, FEW)), **asked).close()
        steps.new()
        write_instructions(out, tasks=list(map(boat_task, MANY)), **asked).close()
        assert boats(steps.new()) == {6, 7, 8, 9, 10, 11}
        assert list(records(out)) == [boat_task(number).id for number in MANY]


class TestTasksChange:
    def test_a_changed_task_is_done_again(self, steps: Steps) -> None:
        before = records(steps.folder / "run")
        write(steps.folder, line_of(0), line_of(20, id="task1"), *map(line_of, range(2, 6)))
        said = steps.write()
        assert boats(steps.new()) == {20}
        assert "1 task (task1) changed: done again, and the earlier results are kept aside" in said
        after = records(steps.folder / "run")
        assert [name for name in before if after[name] != before[name]] == ["task1"]
        assert exported(steps.folder / "run") == steps.alone()

    def test_a_changed_example_counts(self, steps: Steps) -> None:
        other = {"input": "The ferry 0 sank.", "output": "Ferry sinks"}
        example = line_of(0)["positive_examples"][1]
        write(
            steps.folder,
            line_of(0, positive_examples=[other, example]),
            *map(line_of, range(1, 6)),
        )
        assert "1 task (task0) changed" in steps.write()
        new = steps.new()
        assert len(new) == 3, "the turns from the one that shows the examples"
        assert all("The ferry 0 sank." in text for text in new)
        assert exported(steps.folder / "run") == steps.alone()

    def test_changed_and_changed_back(self, steps: Steps) -> None:
        first = exported(steps.folder / "run")
        write(steps.folder, line_of(20, id="task0"), *map(line_of, range(1, 6)))
        steps.write()
        steps.new()
        tasks(steps.folder)
        said = steps.write()
        assert steps.new() == []
        assert "1 task (task0) back as before" in said
        assert exported(steps.folder / "run") == first

    def test_until_it_is_done_again_a_changed_task_has_no_record(self, steps: Steps) -> None:
        write(steps.folder, line_of(20, id="task0"), *map(line_of, range(1, 6)))
        sent = steps.server.requests
        assert seedstep(*steps.flags(), "--max-requests", sent).code == 1
        assert "task0" not in records(steps.folder / "run")
        steps.write("--max-requests", 1000)
        assert exported(steps.folder / "run") == steps.alone()

    def test_removed_tasks_are_kept(self, steps: Steps) -> None:
        tasks(steps.folder, [5, 4, 3])
        said = steps.write()
        assert "3 tasks (task0, task1, task2) no longer in the list" in said
        assert "--removed drop sets them aside" in said
        names = ["task5", "task4", "task3", "task0", "task1", "task2"]
        assert positions(steps.folder / "run") == list(enumerate(names))
        tasks(steps.folder, [5, 4, 3, 6])
        steps.write()
        assert boats(steps.new()) == {6}
        assert [name for _, name in positions(steps.folder / "run")][3] == "task6"

    def test_removed_tasks_are_dropped_and_come_back(self, steps: Steps) -> None:
        first = exported(steps.folder / "run")
        tasks(steps.folder, [5, 4, 3])
        assert "no longer in the list: results are set aside" in steps.write("--removed", "drop")
        assert exported(steps.folder / "run") == steps.alone()
        status = seedstep("status", steps.folder / "run").words
        assert "set aside: 3 earlier results, used again where tasks and settings are" in status
        tasks(steps.folder)
        steps.write()
        assert steps.new() == []
        assert exported(steps.folder / "run") == first
        assert "set aside" not in seedstep("status", steps.folder / "run").words

    def test_task_files_are_exported_when_removed_ones_are_dropped(self, steps: Steps) -> None:
        tasks(steps.folder, [5, 4, 3])
        steps.write()
        command = ("steps", "export", steps.folder / "run", "--format", "superni")
        export = (*command, "--out", steps.folder / "files")
        assert "--removed drop" in seedstep(*export).error
        steps.write("--removed", "drop")
        done = seedstep(*export)
        assert done.code == 0, done.err
        assert "3 task files" in done.words

    def test_other_tasks_at_another_place_are_refused(self, steps: Steps) -> None:
        other = write(steps.folder, line_of(30, id="other"), name="other.jsonl")
        first = exported(steps.folder / "run")
        config = (steps.folder / "run" / "run.yaml").read_bytes()
        error = seedstep(*steps.flags(), "--tasks", other).error
        assert "was started with other settings (tasks: " in error
        assert exported(steps.folder / "run") == first
        assert (steps.folder / "run" / "run.yaml").read_bytes() == config

    def test_a_list_at_another_place_with_the_same_tasks(self, steps: Steps) -> None:
        more = write(steps.folder, *map(line_of, MANY), name="more.jsonl")
        assert seedstep(*steps.flags(), "--tasks", more).code == 0
        assert boats(steps.new()) == {6, 7, 8, 9, 10, 11}
        assert f"tasks: {more}" in (steps.folder / "run" / "run.yaml").read_text()

    def test_a_task_that_can_not_be_read_is_one_error(self, steps: Steps) -> None:
        with (steps.folder / "tasks.jsonl").open("a") as file:
            file.write('{"id": "bad"}\n')
        first = exported(steps.folder / "run")
        assert "tasks.jsonl, line 7, field 'definition'" in seedstep(*steps.flags()).error
        assert exported(steps.folder / "run") == first

    def test_a_task_that_stands_twice_is_one_error(self, steps: Steps) -> None:
        write(steps.folder, *map(line_of, FEW), line_of(0))
        assert "line 7, field 'id': the same as in line 1" in seedstep(*steps.flags()).error

    def test_what_removed_takes_is_told(self, steps: Steps) -> None:
        done = seedstep(*steps.flags(), "--removed", "burn")
        assert done.code != 0
        assert "keep" in done.err


class TestSamplingChanges:
    def test_what_it_touches_is_counted_and_asked(self, steps: Steps) -> None:
        before = steps.server.requests
        said = steps.write("--sampling", "{conversation: {max_tokens: 512}}")
        assert (
            "6 tasks (task0, task1, task2, task3, task4, ...) asked in another way before" in said
        )
        assert "about 30 requests" in said
        assert len(steps.new()) == before, "all of them anew"
        assert all(body["max_tokens"] == 512 for body in steps.server.bodies[before:])
        again = steps.write("--sampling", "{conversation: {max_tokens: 1024}}")
        assert "6 tasks (task0, task1, task2, task3, task4, ...) back as before" in again
        assert steps.new() == []

    def test_what_it_does_not_touch_is_not_asked(self, steps: Steps) -> None:
        first = records(steps.folder / "run")
        said = steps.write("--sampling", "{judge: {max_tokens: 512}}")
        assert "to do: 6 tasks, for which all replies are there" in said
        assert steps.new() == []
        assert records(steps.folder / "run") == first

    def test_the_default_in_other_words_changes_nothing(self, steps: Steps) -> None:
        assert "asked in another way before" not in steps.write(
            "--sampling", "{conversation: {max_tokens: 1024}}"
        )
        assert steps.new() == []

    def test_other_prompts(self, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("seedstep.runs.tasks.fingerprint", lambda room: "other")
        assert "6 tasks" in steps.write()
        assert steps.new() == [], "the prompts are the same, but for what they are called here"

    def test_other_settings_are_refused_as_before(self, steps: Steps) -> None:
        assert "refine: 'full' there" in seedstep(*steps.flags(), "--refine", "none").error

    def test_killed_between_the_records_and_the_settings(self, steps: Steps) -> None:
        first = exported(steps.folder / "run")
        config = (steps.folder / "run" / "run.yaml").read_bytes()
        steps.write("--sampling", "{conversation: {max_tokens: 512}}")
        (steps.folder / "run" / "run.yaml").write_bytes(config)
        steps.new()
        steps.write()
        assert steps.new() == []
        assert exported(steps.folder / "run") == first


class TestBeforeItHappens:
    def test_a_dry_run_tells_and_changes_nothing(self, steps: Steps) -> None:
        first = exported(steps.folder / "run")
        config = (steps.folder / "run" / "run.yaml").read_bytes()
        write(steps.folder, line_of(20, id="task0"), *map(line_of, range(2, 8)))
        said = steps.write("--dry-run")
        assert "1 task (task0) changed" in said
        assert "1 task (task1) no longer in the list" in said
        assert "3 tasks with openai:scripted about 15 requests" in said
        assert steps.new() == []
        assert exported(steps.folder / "run") == first
        assert (steps.folder / "run" / "run.yaml").read_bytes() == config

    def test_it_has_the_settings_of_the_run(self, steps: Steps) -> None:
        tasks(steps.folder, MANY)
        done = seedstep("steps", "--out", steps.folder / "run", "--dry-run")
        assert "6 tasks with openai:scripted about 30 requests" in done.words


class TestImportedInstructions:
    @pytest.fixture
    def taken(self, steps: Steps) -> Path:
        out = steps.folder / "taken"
        asked: dict[str, Any] = {"model": "openai:scripted", "base_url": steps.server.url}
        with Run.start(
            stages.STEPS, out, {**asked, "tasks": str(steps.folder / "tasks.jsonl")}
        ) as run:
            made = WrittenSteps("", (), steps=("Read.", "Write."), chosen=0)
            found = enumerate(run.inputs().tasks)
            run.records.write_now([(n, task, replace(made, task_id=task.id)) for n, task in found])
        return out

    def test_only_missing_ones_are_asked(self, steps: Steps, taken: Path) -> None:
        first = records(taken)
        tasks(steps.folder, MANY)
        steps.write("--sampling", "{conversation: {max_tokens: 512}}", out="taken")
        assert boats(steps.new()) == {6, 7, 8, 9, 10, 11}
        after = records(taken)
        assert len(after) == len(MANY)
        assert {name: after[name] for name in first} == first

    def test_one_comes_back_with_its_task(self, steps: Steps, taken: Path) -> None:
        first = records(taken)
        write(steps.folder, line_of(20, id="task0"), *map(line_of, range(1, 6)))
        steps.write(out="taken")
        assert records(taken)["task0"] != first["task0"]
        tasks(steps.folder)
        steps.write(out="taken")
        assert records(taken) == first
