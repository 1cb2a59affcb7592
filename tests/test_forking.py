"""Processes that begin with everything loaded end as other processes do."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.command_line import environment
from support.forking import CAN_KILL, COMMANDS_ALONE, ForkedProcess, forked, forked_python

pytestmark = pytest.mark.skipif(not CAN_KILL, reason="processes are not copied here")


def python(code: str, *args: object) -> list[str]:
    return forked_python("-c", code, *args, loaded=COMMANDS_ALONE)


def test_it_has_its_own_directory_environment_input_and_outputs(tmp_path: Path) -> None:
    code = (
        "import json, os, sys; print(json.dumps([os.getcwd(), os.environ['OWN'], sys.stdin.read(),"
        " sys.argv])); print('a word', file=sys.stderr); sys.exit(7)"
    )
    done = subprocess.run(
        python(code, "one", ""),
        env=environment(OWN="é"),
        cwd=tmp_path,
        input=b"given",
        capture_output=True,
    )
    assert done.returncode == 7
    assert json.loads(done.stdout) == [str(tmp_path), "é", "given", ["-c", "one", ""]]
    assert done.stderr == b"a word\n"


def test_a_file_a_module_and_a_command_run(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("NAME = 'beside'")
    (tmp_path / "file.py").write_text("import sys, beside; print(__name__, beside.NAME, sys.argv)")
    line = forked_python(tmp_path / "file.py", "x", loaded=COMMANDS_ALONE)
    said = subprocess.run(line, capture_output=True, check=True).stdout.decode()
    assert said == f"__main__ beside ['{tmp_path / 'file.py'}', 'x']\n"
    line = forked_python("-u", "-m", "json.tool", "--compact", loaded=COMMANDS_ALONE)
    assert subprocess.run(line, input=b"[1, 2]", capture_output=True).stdout == b"[1,2]\n"
    module = forked_python("-P", "-m", "seedstep", "--version", loaded=COMMANDS_ALONE)
    for line in (forked("--version"), module):
        assert subprocess.run(line, capture_output=True).stdout.startswith(b"seedstep ")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", [subprocess.Popen, ForkedProcess])
def test_a_signal_ends_it(kind: type["subprocess.Popen[str]"], number: signal.Signals) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with kind(python(code), stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout
        copy = int(process.stdout.readline())
        assert copy != process.pid
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == -number
    if number == signal.SIGINT:
        assert said.endswith("KeyboardInterrupt\n")
    until = time.monotonic() + (30 if kind is subprocess.Popen else 0)
    while _is_there(copy) and time.monotonic() < until:
        time.sleep(0.01)
    assert not _is_there(copy)


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_how_it_died_is_told(number: signal.Signals) -> None:
    code = f"import os; os.kill(os.getpid(), {int(number)})"
    assert subprocess.run(python(code)).returncode == -number


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_was_said_before_it_died_is_there(stream: str) -> None:
    code = f"import os, sys; print('said', file=sys.{stream}); os.kill(os.getpid(), 9)"
    program, *words = python(code)
    done = subprocess.run([program, "-u", *words], capture_output=True)
    assert (getattr(done, stream), done.returncode) == (b"said\n", -signal.SIGKILL)


def test_a_text_at_the_end_is_an_error() -> None:
    done = subprocess.run(python("import sys; sys.exit('what went wrong')"), capture_output=True)
    assert (done.returncode, done.stderr) == (1, b"what went wrong\n")


def test_the_server_ends_with_the_process_that_started_it() -> None:
    code = (
        "import os; from support.forking import programs; print(programs(('json',)), flush=True);"
        " os.kill(os.getpid(), 9)"
    )
    search = os.pathsep.join(filter(None, sys.path))
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, stdout=-1, env=environment(PYTHONPATH=search))
    folder = Path(done.stdout.decode().strip()).parent
    until = time.monotonic() + 30
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not folder.exists()


def test_it_waits_for_its_threads_and_what_is_done_at_the_end() -> None:
    code = (
        "import atexit, threading, time; atexit.register(print, 'end');"
        " threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()"
    )
    assert subprocess.run(python(code), capture_output=True).stdout == b"thread\nend\n"


def test_what_is_not_understood_runs_in_a_process_of_python() -> None:
    line = python("")[:1]
    said = subprocess.run([*line, "-I", "-c", "import sys; print(sys.executable)"], stdout=-1)
    assert said.stdout.decode().strip() == sys.executable
