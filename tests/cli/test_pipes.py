"""A reader that goes away ends a command in order: with status 0, and without a traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.command_line import environment, program, seedstep
from support.scripted_server import Fault, ScriptedServer

pytestmark = pytest.mark.usefixtures("empty_directory")

COMMAND = ("bootstrap", "--out", "run", "--model", "openai:scripted")


def through_head(*args: object, lines: int = 1, **values: str) -> tuple[int, str, str]:
    """Run a command whose output is read to so many lines; its status, these lines, its errors."""
    read, write = os.pipe()
    with subprocess.Popen(
        program(*args), env=environment(**values), stdout=write, stderr=subprocess.PIPE
    ) as process:
        os.close(write)
        with os.fdopen(read, "rb", buffering=0) as output:
            taken = bytearray()
            while taken.count(b"\n") < lines and (some := output.read(1)):
                taken += some
        _, err = process.communicate(timeout=60)
    return process.returncode, taken.decode(), err.decode()


@pytest.fixture
def run(server: ScriptedServer) -> Path:
    assert seedstep(*COMMAND, "--tasks", 30).code == 0
    return Path("run")


@pytest.mark.parametrize("args", [("status", "run"), ("show", "run"), ("requests", "run")])
def test_what_shows_a_run_ends_in_order(args: tuple[str, ...], run: Path) -> None:
    code, out, err = through_head(*args)
    assert (code, err) == (0, "")
    assert out == seedstep(*args).out.splitlines(keepends=True)[0]


@pytest.mark.parametrize("args", [("--help",), ("tune", "--help"), ("--version",)])
def test_help_ends_in_order(args: tuple[str, ...]) -> None:
    code, _, err = through_head(*args)
    assert (code, err) == (0, "")


def test_a_bootstrap_stops_and_goes_on(server: ScriptedServer) -> None:
    server.script = lambda number, body: Fault(delay=0.2)
    code, out, err = through_head(*COMMAND, "--tasks", 30, OPENAI_BASE_URL=server.url)
    assert code == 0
    assert out.startswith("run: 30 tasks")
    assert "Traceback" not in err
    assert err == "Stopped. All replies are kept; go on with: seedstep bootstrap --out run\n"
    with Run.read(BOOTSTRAP, Path("run")) as opened:
        assert opened.status().finished < 30
    server.script = None
    assert seedstep(*COMMAND, "--tasks", 30).code == 0


def test_a_full_reader_gets_everything(run: Path) -> None:
    done = subprocess.run(
        program("show", "run"), env=environment(), capture_output=True, check=True
    )
    assert done.stdout.decode() == seedstep("show", "run").out


FULL = "error: the output can't be written: No space left on device\n"


@pytest.mark.parametrize(
    "args",
    [
        ("--version",),
        ("status", "--help"),
        ("bootstrap", "--dry-run"),
        ("suite", "suite"),
        ("init",),
        (*COMMAND, "--tasks", "3"),
    ],
    ids=" ".join,
)
def test_an_output_that_can_not_be_written_is_one_line(
    args: tuple[str, ...], server: ScriptedServer
) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            program(*args),
            env=environment(OPENAI_BASE_URL=server.url),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode != 0
    assert done.stderr.decode().startswith(FULL)
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize("pause", [0.2, 0.5, 0.8, 1.2])
@pytest.mark.parametrize("command", [program("status", "none"), [sys.executable, "-m", "seedstep"]])
def test_ctrl_c_at_any_moment_leaves_no_traceback(command: list[str], pause: float) -> None:
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert b"Traceback" not in err


def test_ctrl_c_that_python_would_ignore_ends_the_command() -> None:
    code = """if True:
        import signal, sys, time
        sys.argv = ["seedstep"]
        from seedstep.interruption import let_commands_handle
        class Deleted:
            def __del__(self):
                signal.raise_signal(signal.SIGINT)
        let_commands_handle()
        Deleted()
        try:
            time.sleep(50)
        except KeyboardInterrupt:
            print("interrupted")
    """
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment(), capture_output=True, check=True, timeout=40)
    assert (done.stdout, done.stderr) == (b"interrupted\n", b"")


def test_only_the_command_changes_what_ctrl_c_does() -> None:
    code = "import signal, seedstep; print(signal.getsignal(signal.SIGINT).__name__)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment(), capture_output=True, check=True)
    assert done.stdout == b"default_int_handler\n"
