"""What the commands say about run directories that can't be used."""

import sqlite3
from pathlib import Path

import pytest
import yaml

from seedstep.runs import Run
from seedstep.runs.directory import DATABASE
from seedstep.runs.places import CONFIG
from seedstep.stages import BOOTSTRAP, STAGES
from support.command_line import chat_reply, error_reply, seedstep
from support.scripted_server import ScriptedServer

pytestmark = pytest.mark.usefixtures("empty_directory")

BOOTSTRAP_FLAGS = ("bootstrap", "--out", "run", "--model", "openai:scripted")
TASKS = 3


@pytest.fixture
def run(server: ScriptedServer) -> Path:
    """A finished run, and no requests counted."""
    assert seedstep(*BOOTSTRAP_FLAGS, "--tasks", TASKS).code == 0
    server.requests = 0
    return Path("run")


@pytest.mark.parametrize(
    ("flags", "keys"),
    [
        (("--seed", 7), ["seed: 42 there, 7 asked"]),
        (("--model", "openai:other"), ["model: 'openai:scripted' there, 'openai:other' asked"]),
        (("--window", 2, "--prompt-style", "turns"), ["window: 8 there", "prompt_style: 'auto'"]),
        (("--config", "c.yaml"), ["novelty_threshold: 0.7 there, 0.5 asked"]),
    ],
    ids=["seed", "model", "two", "file"],
)
def test_a_run_with_other_settings_is_refused_with_their_names(
    flags: tuple[object, ...], keys: list[str], run: Path, server: ScriptedServer
) -> None:
    Path("c.yaml").write_text("novelty_threshold: 0.5\n")
    before = (run / CONFIG).read_bytes()
    done = seedstep("bootstrap", "--out", "run", "--tasks", 9, *flags)
    assert done.error.startswith("error: run was started with other settings (")
    for key in keys:
        assert key in done.error
    assert "tasks" not in done.error
    assert done.error.endswith("go on with the run, or name another --out.")
    assert (run / CONFIG).read_bytes() == before
    assert server.requests == 0


def test_a_run_with_other_seeds_is_refused(server: ScriptedServer) -> None:
    line = '{"instruction": "%s", "instances": [{"input": "", "output": "x"}], '
    line += '"is_classification": false}\n'
    Path("s.jsonl").write_text(line % "Name a river in the north.")
    args = (*BOOTSTRAP_FLAGS, "--tasks", TASKS, "--seeds", "s.jsonl")
    assert seedstep(*args).code == 0
    Path("s.jsonl").write_text(line % "Name a river in the south.")
    assert "error: run was started with other settings (seeds" in seedstep(*args).error


def test_fewer_tasks_than_there_are_change_nothing(run: Path, server: ScriptedServer) -> None:
    before = (run / CONFIG).read_bytes()
    error = seedstep("bootstrap", "--out", "run", "--tasks", 1).error
    assert error.startswith(f"error: run has {TASKS} finished tasks already, more than --tasks. ")
    assert (run / CONFIG).read_bytes() == before
    assert "complete  3 of 3 tasks" in seedstep("status", "run").out


def test_a_run_goes_on_where_its_model_was(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address from the environment belongs to the run as one from a flag does."""
    with ScriptedServer() as other:
        monkeypatch.setenv("OPENAI_BASE_URL", other.url)
        seedstep("bootstrap", "--out", "run", "--tasks", TASKS + 3)
        assert other.requests == 0


def test_a_second_process_is_refused(run: Path, server: ScriptedServer) -> None:
    with Run.start(BOOTSTRAP, run, {}):
        error = seedstep("bootstrap", "--out", "run", "--tasks", 9).error
        assert error.startswith("error: another process works on run. ")
        assert seedstep("status", "run").lines[0].startswith("run  ")
        assert len(seedstep("show", "run").lines) == TASKS
    assert server.requests == 0
    assert seedstep("bootstrap", "--out", "run").code == 0


@pytest.mark.parametrize("path", ["folder", "folder/notes.txt", "folder/notes.txt/run"])
def test_what_is_no_run_is_left_alone(path: str, server: ScriptedServer) -> None:
    Path("folder").mkdir()
    Path("folder/notes.txt").write_text("mine")
    done = seedstep("bootstrap", "--out", path, "--model", "openai:m")
    assert done.error.startswith(f"error: {path}")
    assert [path.name for path in Path("folder").iterdir()] == ["notes.txt"]
    assert server.requests == 0


def test_an_empty_directory_becomes_a_run(server: ScriptedServer) -> None:
    Path("run").mkdir()
    assert seedstep(*BOOTSTRAP_FLAGS, "--tasks", 1).code == 0


@pytest.mark.parametrize("path", ["nowhere", ".", "file"])
@pytest.mark.parametrize("command", ["status", "show", "export"])
def test_a_directory_that_is_no_run_is_refused(command: str, path: str) -> None:
    Path("file").touch()
    flags = ("--format", "alpaca") if command == "export" else ()
    error = seedstep(command, path, *flags).error
    if command == "export":
        assert error.startswith(f"error: {path} is not a run. Name the --out of a stage: ")
    else:
        assert error.startswith(f"error: {path} is not a run.")
        assert all(stage in error for stage in STAGES)
    assert [path.name for path in Path().iterdir()] == ["file"]


@pytest.mark.parametrize("command", ["status", "show", "bootstrap"])
@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        (CONFIG, "tasks: [", "run/run.yaml, line"),
        (CONFIG, "tasks: many", "run/run.yaml, setting 'tasks': expected `int`"),
        (DATABASE, "this is no database, and it is long enough " * 99, "run/run.db: file is not"),
    ],
    ids=["yaml", "value", "database"],
)
def test_a_damaged_run_is_refused(
    file: str, content: str, what: str, command: str, run: Path
) -> None:
    for path in run.glob(f"{file}-*"):
        path.unlink()
    (run / file).write_text(content)
    args = ("--out", "run") if command == "bootstrap" else ("run",)
    assert seedstep(command, *args).error.startswith(f"error: {what}")


def test_an_unknown_task_is_refused(run: Path) -> None:
    error = seedstep("show", "run", "g99.1").error
    assert error.startswith("error: run has no task 'g99.1'. ")
    assert "`seedstep show run`" in error


def test_nothing_finished_is_shown_and_not_exported(server: ScriptedServer) -> None:
    server.script = lambda number, body: chat_reply('{"tasks": []}')
    Path("c.yaml").write_text(yaml.safe_dump({"patience": 1}))
    assert seedstep(*BOOTSTRAP_FLAGS, "--config", "c.yaml").code == 1
    status = seedstep("status", "run")
    assert status.code == 0
    assert "stopped  0 of 100 tasks" in status.out
    assert seedstep("show", "run").out == ""
    error = seedstep("export", "run", "--format", "alpaca").error
    assert error.startswith("error: run has no finished tasks yet. ")
    assert not Path("run/exports").exists()


@pytest.mark.parametrize("path", ["folder", "folder/notes.txt", "folder/notes.txt/out"])
def test_an_export_leaves_other_files_alone(path: str, run: Path) -> None:
    Path("folder").mkdir()
    Path("folder/notes.txt").write_text("mine")
    error = seedstep("export", "run", "--format", "alpaca", "--out", path).error
    assert error.startswith(f"error: {path}")
    assert Path("folder/notes.txt").read_text() == "mine"
    assert [path.name for path in Path("folder").iterdir()] == ["notes.txt"]


def test_an_unknown_format_is_refused_with_the_formats(run: Path) -> None:
    done = seedstep("export", "run", "--format", "csv")
    assert done.code == 2
    assert "csv" in done.words
    assert "alpaca" in done.words
    assert not Path("run/exports").exists()


def test_a_failed_start_keeps_what_came_back(server: ScriptedServer) -> None:
    server.script = lambda number, body: error_reply(400, "no") if number >= 1 else None
    assert seedstep(*BOOTSTRAP_FLAGS, "--tasks", 9, "--window", 1).code == 1
    with sqlite3.connect("run/run.db") as database:
        (replies,) = database.execute("SELECT count(reply) FROM requests").fetchone()
    database.close()
    assert replies == 1
