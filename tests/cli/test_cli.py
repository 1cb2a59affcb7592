"""The commands as users see them, where all goes well."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from seedstep import BootstrapSettings, seed_tasks
from seedstep.bootstrap import preview
from seedstep.runs import BootstrapRun, Run
from seedstep.settings import make_settings, table
from seedstep.stages import BOOTSTRAP
from support.command_line import (
    Outcome,
    chat_reply,
    environment,
    program,
    run_process,
    seed_line,
    seedstep,
)
from support.growing import text_of
from support.scripted_server import Fault, ScriptedServer

pytestmark = pytest.mark.usefixtures("empty_directory")

COMMANDS = (
    "bootstrap",
    "status",
    "show",
    "requests",
    "export",
    "init",
    "push",
    "run",
    "suite",
    "seeds",
    "seeds check",
)
BOOTSTRAP_FLAGS = ("bootstrap", "--out", "run", "--model", "openai:scripted")
TASKS = 5


@pytest.fixture
def run(server: ScriptedServer) -> Iterator[BootstrapRun]:
    """A finished run in the directory `run`."""
    assert seedstep(*BOOTSTRAP_FLAGS, "--tasks", TASKS).code == 0
    with Run.read(BOOTSTRAP, Path("run")) as opened:
        yield opened


def generation(body: dict[str, Any]) -> bool:
    return str(body["messages"][0]["content"]).startswith("Here are")


# bootstrap


def test_a_bootstrap_prints_a_line_for_each_task_and_a_summary(server: ScriptedServer) -> None:
    done = seedstep(*BOOTSTRAP_FLAGS, "--tasks", TASKS)
    assert (done.code, done.err) == (0, "")
    with Run.read(BOOTSTRAP, Path("run")) as run:
        tasks = run.tasks()
    assert len(tasks) == TASKS
    opening = "run: 5 tasks, model openai:scripted, chat prompts, window 8, 8 in flight"
    assert done.lines[0] == opening
    for number, (task, line) in enumerate(zip(tasks, done.lines[1:], strict=False), start=1):
        assert line.startswith(f"[{number}/{TASKS}]")
        assert f"{task.id}  {task.definition}  (" in line
    assert done.lines[TASKS + 1] == ""
    assert "complete  5 of 5 tasks" in done.lines[TASKS + 2]
    for task in tasks[-3:]:
        assert any(line.endswith(f"task {task.id}: {task.definition}") for line in done.lines)
    assert "  seedstep show run ID" in done.lines
    assert done.lines[-1] == "  seedstep export run --format alpaca --out data"
    assert "\x1b" not in done.out


def test_a_finished_bootstrap_run_again_asks_nothing(
    run: BootstrapRun, server: ScriptedServer
) -> None:
    asked = server.requests
    done = seedstep("bootstrap", "--out", "run")
    assert done.code == 0
    assert "5 of them finished before" in done.lines[0]
    assert "complete  5 of 5 tasks" in done.out
    assert server.requests == asked


def test_a_raised_number_of_tasks_goes_on_counting(run: BootstrapRun) -> None:
    before = run.tasks()
    done = seedstep("bootstrap", "--out", "run", "--tasks", TASKS + 2)
    assert done.code == 0
    assert [line.split()[0] for line in done.lines[1:3]] == ["[6/7]", "[7/7]"]
    assert len(run.tasks()) == TASKS + 2
    assert run.tasks()[:TASKS] == before.tasks


def test_a_run_that_dries_up_says_why(server: ScriptedServer) -> None:
    server.script = lambda number, body: chat_reply(
        '{"tasks": ["Too short.", "Draw me a cat now"]}'
    )
    Path("c.yaml").write_text("patience: 3\n")
    done = seedstep(*BOOTSTRAP_FLAGS, "--tasks", 4, "--config", "c.yaml", "--window", 1)
    assert done.code == 1
    assert "Too little is accepted: the last 3 generation requests gave no task" in done.words
    assert "0 of 4 are finished" in done.words
    assert "instruction too_short 3 3 words or fewer" in done.words
    assert "instruction keyword 3 speaks of images" in done.words


def test_a_budget_that_is_spent_without_a_task_says_why(server: ScriptedServer) -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        is_first = "Come up with" in text_of(body) or "Here are" in text_of(body)
        return None if is_first else chat_reply("", "length")

    server.script = script
    done = seedstep(*BOOTSTRAP_FLAGS, "--tasks", 4, "--max-requests", 30)
    assert done.code == 1
    assert "Stopped: the budget of 30 requests is spent" in done.words
    assert "No task is finished yet: the table above says why." in done.words


def test_flags_override_the_configuration_file(server: ScriptedServer) -> None:
    values = {"model": "openai:other", "tasks": 9, "window": 2, "prompt_style": "completion"}
    Path("c.yaml").write_text(yaml.safe_dump(values))
    done = seedstep(*BOOTSTRAP_FLAGS, "--config", "c.yaml", "--tasks", 3, "--seed", 7)
    assert done.code == 0
    with Run.read(BOOTSTRAP, Path("run")) as run:
        settings = run.settings
    assert (settings.model.name, settings.tasks, settings.seed) == ("openai:scripted", 3, 7)
    assert (settings.window, settings.prompt_style) == (2, "completion")
    assert {body["model"] for body in server.bodies} == {"scripted"}
    assert all("prompt" in body for body in server.bodies)


def test_an_interrupted_process_stops_in_order_and_says_how_to_go_on(
    server: ScriptedServer,
) -> None:
    server.script = lambda number, body: Fault(delay=0.0 if number < 20 else 1.0)
    env = environment(OPENAI_BASE_URL=server.url)
    with subprocess.Popen(
        program(*BOOTSTRAP_FLAGS, "--tasks", 500), env=env, stdout=-1, stderr=-1
    ) as process:
        while server.requests <= 20:
            time.sleep(0.01)
        assert "run  running  " in seedstep("status", "run").lines[0]
        busy = seedstep("bootstrap", "--out", "run").error
        assert busy.startswith("error: another process works on run. ")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Stopping: requests in flight are waited for." in err
    assert err.endswith(b"go on with: seedstep bootstrap --out run\n")
    assert b"Traceback" not in err
    assert "run  stopped  " in seedstep("status", "run").lines[0]


# --dry-run


@pytest.mark.parametrize("style", ["completion", "turns", "chat"])
def test_a_dry_run_shows_whole_prompts_and_asks_nothing(style: Any, server: ScriptedServer) -> None:
    args = ("--prompt-style", style, "--model", "openai:m", "--tasks", 10)
    done = seedstep("bootstrap", "--dry-run", "--out", "run", *args)
    assert (done.code, done.err) == (0, "")
    view = preview(
        BootstrapSettings.of(model="openai:m", prompt_style=style, tasks=10), seed_tasks()
    )
    for request in view.requests:
        texts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
        for text in texts:
            assert (text if isinstance(text, str) else text.content) in done.out
    total = sum(view.counts.values())
    assert f"about {total:,} requests ({view.counts['generation']:,} generation" in done.words
    assert f"about {view.prompt_tokens:,} prompt tokens" in done.words
    assert "10 tasks from 175 seeds with openai:m" in done.words
    assert server.requests == 0
    assert list(Path().iterdir()) == []


def test_a_dry_run_needs_no_server_and_no_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    Path("seeds.jsonl").write_bytes(seed_line(instruction="Which of my seeds is shown here?"))
    done = seedstep("bootstrap", "--dry-run", "--model", "openai:m", "--seeds", "seeds.jsonl")
    assert done.code == 0
    assert "1. Which of my seeds is shown here?" in done.out
    assert "from 1 seeds" in done.out


# status, show, export


def test_status_gives_the_counts(run: BootstrapRun) -> None:
    status = run.status()
    done = seedstep("status", "run")
    assert done.code == 0
    assert done.lines[0].startswith("run  complete  5 of 5 tasks")
    assert f"finished tasks {status.finished}" in done.words
    assert f"of them classification {status.classification}" in done.words
    assert f"instances {status.instances}" in done.words
    for reason, count in (status.rejected | status.bad_instances).items():
        assert f" {reason} {count} " in done.words
    for purpose in ("generation", "classification", "instances"):
        usage = status.usage[purpose]
        counts = (usage.requests, usage.failed, usage.prompt_tokens, usage.completion_tokens)
        assert " ".join([purpose, *(f"{count:,}" for count in counts)]) in done.words


def test_show_lists_the_finished_tasks(run: BootstrapRun) -> None:
    done = seedstep("show", "run")
    assert done.code == 0
    assert len(done.lines) == TASKS
    for task, line in zip(run.tasks(), done.lines, strict=True):
        assert line.split()[0] == task.id
        assert (" C " in line[:12]) == task.is_classification
        assert line.endswith(f" {len(task.instances)}  {task.definition}")


def test_show_gives_a_task_with_its_provenance(run: BootstrapRun) -> None:
    task = run.tasks()[-1]
    details = run.records.show(task.id)
    done = seedstep("show", "run", task.id)
    assert done.code == 0
    assert done.lines[:2] == [f"{task.id}  finished", task.definition]
    assert details.candidate.neighbor
    assert f"with {details.candidate.neighbor.id}: {details.neighbor}" in done.words
    for instance in task.instances:
        assert f"input: {instance.input} output: {instance.output}" in done.words
    assert len(details.demonstrations) == 8
    for demonstration, definition in details.demonstrations:
        assert f"{demonstration}  {definition}" in done.out
    assert [row["purpose"] for row in details.requests] == [
        "generation",
        "classification",
        "instances",
    ]
    for row in details.requests:
        prompt = json.loads(row["request"])["prompt"][0]["content"]
        assert f"request for {row['purpose']}" in done.words
        assert f"{prompt}\nreply " in done.out
        assert f"{row['reply']}\n{row['prompt_tokens']} + " in done.out
        assert f"key {row['key']}" in done.words


def test_show_gives_a_rejected_instruction_with_its_reason(server: ScriptedServer) -> None:
    text = '{"tasks": ["Too short.", "Write one line about the red barn."]}'
    server.script = lambda number, body: chat_reply(text) if generation(body) else None
    assert seedstep(*BOOTSTRAP_FLAGS, "--tasks", 1, "--window", 1).code == 0
    assert seedstep("show", "run", "--rejected").lines == ["    g0.1  too_short: Too short."]
    done = seedstep("show", "run", "g0.1")
    assert done.code == 0
    assert done.lines[:2] == ["g0.1  rejected: too_short (2 words)", "Too short."]
    assert "request for generation" in done.out
    assert "request for classification" not in done.out


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("alpaca", "train.jsonl"),
        ("messages", "train.jsonl"),
        ("sharegpt", "train.jsonl"),
        ("prompt-completion", "train.jsonl"),
        ("superni", "tasks/task00001_machine_generated.json"),
        ("parquet", "train.parquet"),
    ],
)
def test_each_format_is_exported(name: str, file: str, run: BootstrapRun) -> None:
    done = seedstep("export", "run", "--format", name)
    count = TASKS if name == "superni" else sum(len(task.instances) for task in run.tasks())
    what = "tasks" if name == "superni" else "records"
    assert (done.code, done.out) == (0, f"{count} {what} in run/exports/{name}\n")
    path = Path("run/exports", name, file)
    assert path.is_file()
    if file == "train.jsonl":
        assert len(path.read_bytes().splitlines()) == count


def test_an_export_goes_where_it_is_asked_to_and_may_be_made_again(run: BootstrapRun) -> None:
    args = ("export", "run", "--format", "prompt-completion", "--out", "made/here")
    assert seedstep(*args).code == 0
    first = Path("made/here/train.jsonl").read_bytes()
    assert seedstep(*args).code == 0
    assert Path("made/here/train.jsonl").read_bytes() == first
    assert seedstep(*args, "--end-of-text", "<|endoftext|>").code == 0
    lines = Path("made/here/train.jsonl").read_text().splitlines()
    assert all(json.loads(line)["completion"].endswith("<|endoftext|>") for line in lines)
    assert [path.name for path in Path("made").iterdir()] == ["here"]
    assert not Path("run/exports").exists()


# init, seeds check, --help


def test_init_writes_the_defaults_with_a_comment_for_each() -> None:
    done = seedstep("init")
    assert done.code == 0
    assert "Wrote seedstep.yaml." in done.out
    text = Path("seedstep.yaml").read_text()
    values = yaml.safe_load(text)
    assert list(values) == list(table(BootstrapSettings))
    assert make_settings(BootstrapSettings, values, "seedstep.yaml") == BootstrapSettings()
    for block in text.split("\n\n"):
        assert block.startswith("# ")
    assert all(len(line) <= 80 for line in text.splitlines())


def test_the_file_of_init_works_as_it_is_and_with_one_line_changed() -> None:
    assert seedstep("init", "my.yaml").code == 0
    args = ("bootstrap", "--dry-run", "--config", "my.yaml")
    by_default = seedstep("bootstrap", "--dry-run").words
    by_batch = " The window is 8 live, 2,000 by batch."  # the file names one window for both
    assert by_batch in by_default
    assert seedstep(*args).words == by_default.replace(by_batch, "")
    path = Path("my.yaml")
    path.write_text(path.read_text().replace("tasks: 100", "tasks: 33"))
    assert "33 tasks from 175 seeds" in seedstep(*args).out


def test_init_does_not_overwrite() -> None:
    Path("mine.yaml").write_text("tasks: 3\n")
    error = seedstep("init", "mine.yaml").error
    assert error == "error: mine.yaml is there already. Name another file."
    assert Path("mine.yaml").read_text() == "tasks: 3\n"


def test_a_good_seed_file_is_counted() -> None:
    label = seed_line(instruction="Is the comment below friendly?", is_classification=True)
    empty = seed_line(instruction="Write a haiku", instances=[{"input": "", "output": "Snow"}])
    Path("seeds.jsonl").write_bytes(
        seed_line() + b"\n" + label + empty.replace(b"haiku", b"poem now")
    )
    done = seedstep("seeds", "check", "seeds.jsonl")
    assert (done.code, done.err) == (0, "")
    counts = "usable seed tasks: 3 (1 classification, 1 without input) The seeds are written in "
    assert done.words.startswith(f"{counts}Latin letters.")
    assert done.words.endswith("problems: 0")


def assert_help(done: Outcome, command: str, columns: int) -> None:
    assert (done.code, done.err) == (0, "")
    assert f"seedstep {command}".strip() in done.words.partition("[OPTIONS]")[0]
    assert max(map(len, done.out.splitlines())) <= columns
    assert "\x1b" not in done.out


@pytest.mark.parametrize("columns", [60, 100])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_the_terminal(
    command: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert_help(seedstep(*command.split(), "--help"), command, columns)


@pytest.mark.parametrize("command", ["", "bootstrap"])
def test_help_of_a_process_begins_with_its_name(command: str) -> None:
    done = run_process(*command.split(), "--help", env=environment(COLUMNS="60"))
    assert done.words.startswith(f"Usage: seedstep {command}".strip())
    assert_help(done, command, 60)


@pytest.mark.parametrize(
    "entry",
    [[Path(sys.executable).with_name("seedstep")], [sys.executable, "-m", "seedstep"]],
    ids=["script", "module"],
)
def test_the_version_is_that_of_the_package(entry: list[str | Path]) -> None:
    done = subprocess.run([*entry, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"seedstep {metadata.version('seedstep')}\n"
