"""Runs of step-by-step instructions and of examples: kept, gone on with, shown, exported."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from seedstep import self_instruct, stages, write_instructions
from seedstep.errors import RunError, RunMismatchError
from seedstep.exports import export_lines
from seedstep.runs import Run
from support.command_line import UNSAFE, environment, seedstep
from support.forking import ended_by, forked
from support.growing import grow, text_of, times_asked
from support.scripted_server import ScriptedServer
from support.step_server import LOOP, STEPS, boat_task, chat, manner_of, slowly, strong_model
from support.task_files import read_task

TASKS = 12
"""As many as there are manners of the scripted model."""


def write_tasks(folder: Path, count: int = TASKS) -> str:
    """Task files of our own; the server reads the number in the definition."""
    (folder / "tasks").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        task = boat_task(number)
        examples = [
            {"input": example.input, "output": example.output, "explanation": ""}
            for example in task.positive_examples
        ]
        record = {
            "Definition": [task.definition],
            "Categories": [task.category if number % 2 else "Summarization"],
            "Positive Examples": examples,
            "Negative Examples": [],
            "Instances": [{"id": f"{task.id}-1", "input": "A boat.", "output": ["Boat"]}],
        }
        (folder / "tasks" / f"task{number:03}_boat.json").write_text(json.dumps(record))
    return str(folder)


def asked_of(server: ScriptedServer, tasks: str, **settings: Any) -> dict[str, Any]:
    return {"model": "openai:scripted", "base_url": server.url, "tasks": tasks, **settings}


def exported(path: Path) -> bytes:
    with Run.read(stages.STEPS, path) as run:
        export_lines(run, path / "out.jsonl")
    return (path / "out.jsonl").read_bytes()


@pytest.fixture
def model() -> Iterator[ScriptedServer]:
    with ScriptedServer(strong_model) as server:
        yield server


def test_every_task_has_a_procedure_or_a_named_failure(
    model: ScriptedServer, tmp_path: Path
) -> None:
    tasks = write_tasks(tmp_path / "ni")
    with write_instructions(tmp_path / "run", **asked_of(model, tasks)) as run:
        entries = list(run.entries())
    assert [entry.position for entry in entries] == list(range(TASKS))
    for number, entry in enumerate(entries):
        assert bool(entry.result.steps) != bool(entry.result.failure), manner_of(number)
    plain = entries[0].result
    assert plain.steps == STEPS
    assert [turn.name for turn in plain.turns] == [
        "obtain",
        "single",
        "examples",
        "general",
        "output",
    ]
    assert plain.unrefined[0] == "In version 0, read the report."


def test_a_run_goes_on_and_asks_nothing_twice(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "ni")
    asked = asked_of(model, tasks)
    write_instructions(tmp_path / "run", **asked, limit=5).close()
    write_instructions(tmp_path / "run", **asked, limit=TASKS).close()
    assert max(times_asked(model.bodies).values()) == 1
    write_instructions(tmp_path / "whole", **asked).close()
    assert exported(tmp_path / "run") == exported(tmp_path / "whole")


def test_without_refining_a_task_is_one_request(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "ni")
    flags = ("--tasks", tasks, "--model", "openai:scripted", "--base-url", model.url)
    out = tmp_path / "run"
    assert seedstep("steps", *flags, "--refine", "none", "--out", out).code in (0, 1)
    assert model.requests == TASKS
    with Run.read(stages.STEPS, out) as run:
        assert [len(entry.result.turns) for entry in run.entries()] == [1] * TASKS
    assert "repairs: 0" in (out / "run.yaml").read_text()
    again = ("--refine", "none", "--repairs", 1, "--out", tmp_path / "repaired")
    seedstep("steps", *flags, *again)
    assert model.requests > 2 * TASKS  # there was something to repair


def test_without_checks_no_fault_is_found(model: ScriptedServer, tmp_path: Path) -> None:
    asked = asked_of(model, write_tasks(tmp_path / "ni"))
    with write_instructions(tmp_path / "run", checks={}, **asked) as run:
        results = [entry.result for entry in run.entries()]
    assert any(result.steps for result in results)
    assert not any(result.findings for result in results)


def test_a_run_of_0_1_0_that_repairs_without_refining_goes_on_so(
    model: ScriptedServer, tmp_path: Path
) -> None:
    asked = asked_of(model, write_tasks(tmp_path / "ni"), refine="none")
    write_instructions(tmp_path / "whole", **asked, repairs=2).close()
    write_instructions(tmp_path / "run", **asked, repairs=2, limit=4).close()
    assert seedstep("steps", "--out", tmp_path / "run", "--limit", TASKS).code in (0, 1)
    assert exported(tmp_path / "run") == exported(tmp_path / "whole")
    with Run.read(stages.STEPS, tmp_path / "run") as run:
        assert any(entry.result.repairs for entry in run.entries() if entry.position >= 4)


def test_killed_at_any_moment_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "ni")
    with ScriptedServer(slowly(strong_model, 0.1)) as server:
        write_instructions(tmp_path / "whole", **asked_of(server, tasks)).close()
    with ScriptedServer(slowly(strong_model, 0.1)) as server:
        flags = ("--tasks", tasks, "--model", "openai:scripted", "--base-url", server.url)
        command = forked("steps", *flags, "--out", tmp_path / "run", "--in-flight", 2)
        for kept in (5, 12, 30):
            ended_by(SIGKILL, command, lambda: server.requests, kept)
        killed = server.requests
        done = subprocess.run(command, env=environment(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        assert killed < server.requests
        lost = sum(count - 1 for count in times_asked(server.bodies).values())
        assert lost <= 3 * 4  # what each kill found in flight, or not yet on the disk
    assert exported(tmp_path / "run") == exported(tmp_path / "whole")


def test_a_run_is_of_its_tasks_and_settings(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "ni", 3)
    write_instructions(tmp_path / "run", **asked_of(model, tasks)).close()
    with pytest.raises(RunMismatchError) as refined:
        write_instructions(tmp_path / "run", **asked_of(model, tasks, refine="none"))
    assert "refine" in str(refined.value)
    others = {"id": "other", "definition": "Write a title for boat 30."}
    (tmp_path / "others.jsonl").write_text(json.dumps(others))
    with pytest.raises(RunMismatchError) as other:
        write_instructions(tmp_path / "run", **asked_of(model, str(tmp_path / "others.jsonl")))
    assert "(tasks: " in str(other.value)
    with pytest.raises(RunError) as stage:
        self_instruct(tmp_path / "run", model="openai:scripted", base_url=model.url)
    assert "is a run of `seedstep steps`" in str(stage.value)


def test_a_budget_stops_a_run_and_a_larger_one_goes_on(
    model: ScriptedServer, tmp_path: Path
) -> None:
    tasks = write_tasks(tmp_path / "ni")
    flags = ("--tasks", tasks, "--model", "openai:scripted", "--base-url", model.url)
    command = ("steps", *flags, "--out", tmp_path / "run")
    stopped = seedstep(*command, "--max-requests", 20)
    assert stopped.code == 1
    assert model.requests <= 20
    assert "Stopped: the budget of 20 requests is spent." in stopped.out
    assert seedstep(*command, "--max-requests", 1000).code == 0
    assert max(times_asked(model.bodies).values()) == 1


def test_the_judge_is_another_model_and_spends_from_the_same_budget(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "ni", 1)
    answer = chat('{"correct": true, "complete": false}')
    with ScriptedServer(strong_model) as server, ScriptedServer(lambda n, body: answer) as judge:
        asked = asked_of(server, tasks, judge="openai:scripted", judge_base_url=judge.url)
        with write_instructions(tmp_path / "run", **asked) as run:
            (entry,) = run.entries()
            assert run.spent().requests == server.requests + judge.requests == 6
    judgement = entry.result.judgement
    assert judgement
    assert (judgement.correct, judgement.complete) == (True, False)
    shown = seedstep("steps", "stats", tmp_path / "run").out
    assert "judged by a model: 1, correct 1, complete 0" in shown


def test_what_a_judge_says_is_kept_under_its_own_address(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "ni", 1)
    answer = chat('{"correct": true, "complete": true}')
    keys = []
    with ScriptedServer(strong_model) as server:
        for number in (1, 2):
            with ScriptedServer(lambda n, body: answer) as judge:
                asked = asked_of(server, tasks, judge="openai:scripted", judge_base_url=judge.url)
                with write_instructions(tmp_path / str(number), **asked) as run:
                    keys.append({line.purpose: line.key for line in run.requests()[0]})
    assert {name for name in keys[0] if keys[0][name] != keys[1][name]} == {"judge"}


def test_tasks_that_can_not_be_read_are_named(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "ni", 2)
    (tmp_path / "ni" / "tasks" / "task000_boat.json").write_text('{"Definition": 3}')
    flags = ("--tasks", tasks, "--model", "openai:scripted", "--base-url", model.url)
    command = ("steps", *flags, "--out", tmp_path / "run")
    error = seedstep(*command).error
    assert "task000_boat.json, field 'Definition'" in error
    assert "--skip-bad" in error
    done = seedstep(*command, "--skip-bad")
    assert done.code == 0
    assert "skipped: " in done.out
    assert "task000_boat.json, field 'Definition'" in done.out


def test_the_tasks_of_a_bootstrap(model: ScriptedServer, tmp_path: Path) -> None:
    with ScriptedServer() as grower:
        made = grow(tmp_path / "grown", grower, tasks=4, prompt_style="completion")
    with ScriptedServer(lambda n, body: chat("1. Read it.\n2. Answer it.")) as server:
        asked = asked_of(server, str(tmp_path / "grown"))
        with write_instructions(tmp_path / "run", **asked) as run:
            entries = list(run.entries())
    assert [entry.task for entry in entries] == [task.id for task in made.tasks]
    assert [entry.definition for entry in entries] == [task.definition for task in made.tasks]
    shown = "".join(text_of(body) for body in server.bodies)
    examples = [task.instances[1].input for task in made.tasks if len(task.instances) > 1]
    assert examples
    assert all(example in shown for example in examples)


class TestCommands:
    def test_what_is_printed(self, model: ScriptedServer, tmp_path: Path) -> None:
        tasks = write_tasks(tmp_path / "ni")
        flags = ("--tasks", tasks, "--model", "openai:scripted", "--base-url", model.url)
        done = seedstep("steps", *flags, "--out", tmp_path / "run")
        assert done.code == 0
        assert "12 tasks, model openai:scripted" in done.out
        assert "[1/12] task000_boat: good" in done.out
        assert "[7/12] task006_boat: iterates" in done.out
        assert "[9/12] task008_boat: refusal" in done.out
        assert "check failed: iterates 2 of 12 tasks" in done.out
        assert "seedstep steps show" in done.out
        assert seedstep("steps", "stats", tmp_path / "run").out in done.out
        assert seedstep("status", tmp_path / "run").out in done.out
        rows = [line.split() for line in seedstep("steps", "stats", tmp_path / "run").lines]
        assert [row[:2] for row in rows[1:4]] == [
            ["all", "12"],
            ["Summarization", "6"],
            ["Title", "Generation"],
        ]

    def test_one_is_shown_with_every_turn(self, model: ScriptedServer, tmp_path: Path) -> None:
        write_instructions(
            tmp_path / "run", **asked_of(model, write_tasks(tmp_path / "ni"))
        ).close()
        listed = seedstep("steps", "show", tmp_path / "run").out
        assert "task006_boat  5 steps  iterates" in listed
        shown = seedstep("steps", "show", tmp_path / "run", "task002_boat").out
        for turn in ("obtain", "single", "examples", "general", "output", "repair (kept)"):
            assert f"{turn} ──" in shown
        assert f"[-\n5. {LOOP}-]" in shown
        assert not [row for row in (listed + shown).split("\n") if row != row.rstrip()]
        assert "no task 'x'" in seedstep("steps", "show", tmp_path / "run", "x").error

    def test_task_files_with_the_instruction_load_with_it(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks = write_tasks(tmp_path / "ni")
        write_instructions(tmp_path / "run", **asked_of(model, tasks)).close()
        out = tmp_path / "with"
        done = seedstep("steps", "export", tmp_path / "run", "--format", "superni", "--out", out)
        written = sorted(path.name for path in out.iterdir())
        assert f"{len(written)} task files in {out}" in done.out
        assert f"{TASKS - len(written)} tasks have no instruction and are left out" in done.out
        first = json.loads((out / "task000_boat.json").read_text())
        assert first.pop("Step-by-Step Instruction").splitlines()[0] == f"1. {STEPS[0]}"
        source = Path(tasks) / "tasks" / "task000_boat.json"
        assert first == json.loads(source.read_text())
        assert read_task(out / "task000_boat.json") == replace(read_task(source), steps=STEPS)

    def test_lines_hold_all_that_is_known(self, model: ScriptedServer, tmp_path: Path) -> None:
        write_instructions(
            tmp_path / "run", **asked_of(model, write_tasks(tmp_path / "ni"))
        ).close()
        out = tmp_path / "steps.jsonl"
        assert seedstep("steps", "export", tmp_path / "run", "--out", out).code == 0
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        assert len(lines) == TASKS
        assert lines[0]["task"] == "task000_boat"
        assert lines[0]["steps"] == list(STEPS)
        assert lines[0]["text"] == "\n".join(f"{n}. {step}" for n, step in enumerate(STEPS, 1))
        assert len(lines[0]["turns"]) == 5
        assert lines[0]["model"] == "openai:scripted"
        assert lines[6]["checks"][0]["name"] == "iterates"
        assert lines[8]["failure"] == "refusal"

    def test_instructions_from_elsewhere(self, model: ScriptedServer, tmp_path: Path) -> None:
        tasks = write_tasks(tmp_path / "ni", 3)
        theirs = tmp_path / "theirs.jsonl"
        lines = [
            {"task": "task000_boat", "text": "Sure!\n1) Read it.\n2) Write a title."},
            {"task": "task001_boat", "steps": [*STEPS, LOOP]},
            {"task": "task002_boat", "text": "No idea."},
        ]
        theirs.write_text("".join(json.dumps(line) + "\n" for line in lines))
        out = tmp_path / "run"
        done = seedstep("steps", "import", theirs, "--tasks", tasks, "--out", out)
        assert done.code == 0
        assert "check failed: iterates 1 of 3 tasks" in done.out
        assert "no instruction: prose 1 of 3 tasks" in done.out
        with Run.read(stages.STEPS, out) as run:
            assert run.records.entry("task000_boat").result.steps == ("Read it.", "Write a title.")
        assert model.requests == 0
        again = seedstep("steps", "import", theirs, "--tasks", tasks, "--out", out)
        assert "has instructions already. Name a new directory" in again.error

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ({"task": "task9", "text": "1. a"}, "line 2, field 'task': there is no task 'task9'"),
            ({"task": "task000_boat", "text": "x"}, "line 2, field 'task': the same as in line 1"),
            ({"text": "x"}, "line 2, field 'task': missing"),
            ({"task": "task001_boat"}, "line 2, field 'text': empty"),
        ],
    )
    def test_lines_from_elsewhere_that_are_wrong(
        self, line: dict[str, Any], message: str, tmp_path: Path
    ) -> None:
        tasks = write_tasks(tmp_path / "ni", 3)
        theirs = tmp_path / "theirs.jsonl"
        good = {"task": "task000_boat", "steps": list(STEPS)}
        theirs.write_text(f"{json.dumps(good)}\n{json.dumps(line)}\n")
        command = ("steps", "import", theirs, "--tasks", tasks, "--out", tmp_path / "run")
        assert message in seedstep(*command).error
        assert not (tmp_path / "run").exists()
        skipped = seedstep(*command, "--skip-bad")
        assert skipped.code == 0
        assert message in skipped.out

    def test_hostile_tasks_do_not_reach_the_terminal(self, tmp_path: Path) -> None:
        task = {
            "id": "t",
            "definition": "\x1b[2J [red]x[/red] \u202e {{task_definition}}",
            "category": "\x07",
        }
        (tmp_path / "t.jsonl").write_text(json.dumps(task))
        hostile = chat("1. \x1b[31mRead\x07 it.\n2. [bold]Answer[/bold] \u202e it.")
        with ScriptedServer(lambda n, body: hostile) as server:
            flags = (
                "--tasks",
                tmp_path / "t.jsonl",
                "--model",
                "openai:m",
                "--base-url",
                server.url,
            )
            done = seedstep("steps", *flags, "--out", tmp_path / "run")
        shown = seedstep("steps", "show", tmp_path / "run", "t")
        for text in (done.out, shown.out):
            assert not UNSAFE.search(text)
        assert "[bold]Answer[/bold]" in shown.out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--tasks", "x"), "no directory for the run. Add --out DIR"),
            (("--out", "run"), "no tasks. Add --tasks PATH"),
            (("--out", "run", "--tasks", "none"), "none: no such file"),
        ],
    )
    def test_wrong_use_is_one_line(
        self,
        arguments: tuple[str, ...],
        message: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert message in seedstep("steps", *arguments).error
        assert not Path("run").exists()

    def test_precision_and_recall_of_the_checks(self) -> None:
        lines = seedstep("steps", "checks").lines
        assert "tune" in lines
        assert "held_out" in lines
        assert sum(line.startswith("iterates") for line in lines) == 2
