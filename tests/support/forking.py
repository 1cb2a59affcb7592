"""Commands as processes that begin with everything loaded: copies of one that has loaded it.

Loading torch, transformers and matplotlib takes longer than most commands of tests. A server loads
them once, and makes a copy of its process (`os.fork`) for each command, which has the command's own
directory, environment, input and outputs. `seedstep` and `python` in a folder are small programs
that ask it for such a process, and end as it ends. A signal that they get, such as SIGINT, is sent
to the copy; where one of them is killed with SIGKILL, the kernel kills the copy.

A copy differs from a process of its own in what happens before its command: nothing is imported,
hashes are those of the server, and so are its limits, its priority and its process group. So a few
tests of each kind start processes of their own (`support.command_line.program`).

    done = subprocess.run(forked("status", run), capture_output=True)
"""

import atexit
import fcntl
import gc
import io
import json
import os
import runpy
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Any, NoReturn
from uuid import uuid4

from seedstep.cli import COMMANDS
from support.command_line import environment

__all__ = [
    "COMMANDS_ALONE",
    "LOADED",
    "ForkedProcess",
    "ended_by",
    "forked",
    "forked_python",
    "programs",
]

COMMANDS_ALONE = (
    *dict.fromkeys(f"seedstep.cli.{entry.module or entry.name}" for entry in COMMANDS),
    "pydantic.type_adapter",
    "seedstep.review.app",
    "seedstep.review.view",
    "uvicorn",
)
"""What commands load that ask servers for texts, or serve pages; typer loads pydantic for each."""

LOADED = (
    *COMMANDS_ALONE,
    "matplotlib.pyplot",
    "peft",
    "spacy",
    "torch",
    "torch.distributed.run",
    "transformers",
    "transformers.trainer",
    "transformers.models.llama.modeling_llama",
    "transformers.models.t5.modeling_t5",
    "accelerate.commands.launch",
    "seedstep.tune.train",
)
"""What commands load that take long: torch, and what draws."""

CAN_KILL = hasattr(fcntl, "F_SETSIG")
"""Whether a copy ends with the program that asked for it, as on Linux."""

COPIES = "copies"
"""The folder with a file for each client, by its number, that has the number of its copy."""

CLIENT = Path(__file__).with_name("forking_client.py")

SERVERS: list["subprocess.Popen[bytes]"] = []
"""The servers that this process has started."""

USING: list[int] = []
"""What this process holds open of the servers that it uses."""


@cache
def programs(loaded: tuple[str, ...]) -> Path:
    """The folder of `seedstep` and `python`, whose server runs until all that use it have ended.

    The processes of one run of `make test` share it.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid4().hex
    name = sha256(repr((run, loaded)).encode()).hexdigest()[:16]
    folder = Path(gettempdir(), f"tests-{name}")  # the path of a socket must be short
    while True:
        with suppress(FileNotFoundError):  # it has just been removed
            folder.mkdir(0o700, exist_ok=True)
            with _locked(folder):
                USING.append(_joined(folder, loaded))
            return folder / "bin"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep others from starting or ending the server of a folder meanwhile."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def forked(*args: object, loaded: tuple[str, ...] = COMMANDS_ALONE) -> list[str]:
    """The command line of a process of `seedstep`, as `program` has it, that is a copy."""
    return [_program("seedstep", loaded), *map(str, args)]


def forked_python(*args: object, loaded: tuple[str, ...] = LOADED) -> list[str]:
    """The command line of a process of Python that is a copy."""
    return [_program("python", loaded), *map(str, args)]


class ForkedProcess(subprocess.Popen[Any]):
    """A process of `forked` or `forked_python`, or of any other program.

    Signals are sent to the copy itself. So `wait` returns after it has ended, also with SIGKILL.
    """

    def send_signal(self, sig: int) -> None:
        if (copy := self._copy()) is None or self.poll() is not None:
            super().send_signal(sig)
        else:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(copy, sig)

    def _copy(self) -> int | None:
        words: Any = self.args
        with suppress(OSError, ValueError):
            return int((Path(words[0]).parents[1] / COPIES / f"{self.pid}").read_text())
        return None


def ended_by(
    number: signal.Signals,
    command: Sequence[object],
    count: Callable[[], int],
    least: int,
    pause: float = 0,
) -> tuple[int, str]:
    """Start a process, and send it a signal some time after a count has reached a number.

    Returns its exit status and what it said on standard error. A process that ends before gets no
    signal.
    """
    process = ForkedProcess(
        [str(part) for part in command],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while count() < least and process.poll() is None:
        time.sleep(0.005)
    time.sleep(pause)
    process.send_signal(number)
    _, said = process.communicate()
    return process.returncode, said.decode()


def _program(name: str, loaded: tuple[str, ...]) -> str:
    here = Path(sys.executable)
    return str(programs(loaded) / name if CAN_KILL else here.with_name(name))


def _joined(folder: Path, loaded: Sequence[str]) -> int:
    """Open, for writing, the input of a folder's server, which is started if there is none."""
    users, address, programs = folder / "users", folder / "socket", folder / "bin"
    if address.exists():
        return os.open(users, os.O_WRONLY | os.O_NONBLOCK)
    programs.mkdir()
    (folder / COPIES).mkdir()
    for name in ("seedstep", "python"):
        words = shlex.join([sys.executable, "-IS", str(CLIENT), str(address), sys.executable, name])
        programs.joinpath(name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        programs.joinpath(name).chmod(0o755)
    os.mkfifo(users)
    with os.fdopen(os.open(users, os.O_RDONLY | os.O_NONBLOCK)) as read:
        using = os.open(users, os.O_WRONLY)
        env = environment(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
        search = os.pathsep.join((str(Path(__file__).parents[1]), env.get("PYTHONPATH", "")))
        server = subprocess.Popen(
            [sys.executable, "-m", "support.forking", str(address), *loaded],
            env={**env, "PYTHONPATH": search},
            stdin=read,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
    assert server.stdout
    with server.stdout:
        assert server.stdout.readline() == b"ready\n"
    SERVERS.append(server)
    return using


class _Server:
    """Makes copies of its process, and tells each client how its copy ended."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(address)
        self.listening.listen()
        self.ended, self.waking = socket.socketpair()
        for each in (self.ended, self.waking):
            each.setblocking(False)
        signal.set_wakeup_fd(self.waking.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.clients: dict[int, tuple[socket.socket, Path]] = {}

    def run(self) -> NoReturn:
        """Serve until all that use the server have ended, and its input with them."""
        while True:
            ready, _, _ = select.select([self.listening, self.ended, sys.stdin], [], [])
            if sys.stdin in ready:
                self.end_unless_used()
            if self.ended in ready:
                self.ended.recv(4096)
                self.tell_ends()
            if self.listening in ready:
                self.begin(self.listening.accept()[0])

    def end_unless_used(self) -> None:
        """End, unless another process has just begun to use the server."""
        folder = Path(self.address).parent
        with _locked(folder):
            if select.select([sys.stdin], [], [], 0)[0]:
                shutil.rmtree(folder.rename(f"{folder}-ended"), ignore_errors=True)
                os._exit(0)

    def begin(self, client: socket.socket) -> None:
        """Make a copy for a client."""
        size, streams, _, _ = socket.recv_fds(client, 4, 3)
        command = _read(client, int.from_bytes(size, "big"))
        folder = Path(self.address).parent
        place = folder / COPIES / f"{_process_of(client)}"
        pid = os.fork()
        if pid == 0:
            self.leave()
            _end_with(client)
            place.write_text(f"{os.getpid()}")
            _start_copies(str(folder / "bin" / "python"))
            _become(json.loads(command), streams)
        for stream in streams:
            os.close(stream)
        self.clients[pid] = client, place
        _tell(client, pid)

    def leave(self) -> None:
        """Let a copy be no server."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        clients = (client for client, _ in self.clients.values())
        for each in (self.listening, self.ended, self.waking, *clients):
            each.close()
        if "numpy" in sys.modules:  # else all copies would draw the same
            sys.modules["numpy"].random.seed()

    def tell_ends(self) -> None:
        """Tell the clients of all copies that have ended."""
        while self.clients:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            client, place = self.clients.pop(pid)
            place.unlink(missing_ok=True)
            with client:
                _tell(client, os.waitstatus_to_exitcode(status))


def serve(address: str, loaded: Sequence[str]) -> None:
    """Make a process for each command that a client sends."""
    for name in loaded:
        __import__(name)
    assert threading.active_count() == 1, "a process with threads can't be copied"
    server = _Server(address)
    gc.collect()
    gc.freeze()
    os.write(1, b"ready\n")
    server.run()


def _read(client: socket.socket, size: int) -> bytes:
    """Return what a client sends; less where it ends, and its copy with it."""
    found = b""
    while len(found) < size and (more := client.recv(size - len(found))):
        found += more
    return found


def _process_of(client: socket.socket) -> int:
    """Return the number of the process at the other end."""
    told = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", told)[0])


def _tell(client: socket.socket, number: int) -> None:
    """Send a number to a client, which may be gone."""
    with suppress(OSError):
        client.sendall(number.to_bytes(4, "big", signed=True))


def _end_with(client: socket.socket) -> None:
    """Let the kernel kill this process when a client ends."""
    if CAN_KILL:
        fcntl.fcntl(client, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(client, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(client, fcntl.F_SETFL, fcntl.fcntl(client, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([client], [], [], 0)[0]:  # it has ended already
            os.kill(os.getpid(), signal.SIGKILL)


def _start_copies(python: str) -> None:
    """Let the processes that this copy starts be copies, too."""
    sys.executable = python
    if workers := sys.modules.get("seedstep.infer.workers"):
        workers.COMMAND = (python, *workers.COMMAND[1:])  # type: ignore[attr-defined]


def _become(command: dict[str, Any], streams: list[int]) -> NoReturn:
    """Run a command in this copy, and end."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(command["cwd"])
    os.environ.clear()
    os.environ.update(command["env"])
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    output: Any = os.fdopen(1, "wb", 0 if at_once else -1, closefd=False)
    sys.stdout = io.TextIOWrapper(output, encoding="utf-8", write_through=at_once)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    name, *words = command["argv"]
    status = 0
    try:
        _run(name, words)
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as Python does
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        traceback.print_exc()
        status = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if status == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status % 256)


def _run(name: str, words: list[str]) -> None:
    if name == "seedstep":
        from seedstep.cli import main

        sys.argv = ["seedstep", *words]
        main()
    elif words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
    elif words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(words[0]).resolve().parent))
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
