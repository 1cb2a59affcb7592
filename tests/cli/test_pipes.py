"""A reader that goes away ends a command in order: with status 0, and without a traceback."""

import os
import subprocess
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
