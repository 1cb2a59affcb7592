"""Commands as processes that begin with everything loaded: copies of one that has loaded it.

Loading torch, transformers and matplotlib takes longer than most commands of the documentation.
`CommandServer` loads them once, and makes a copy of its process (`os.fork`) for each command, which
has the command's own directory, environment, input and outputs. It puts `seedstep` and `python`
into a folder, small programs that ask it for such a process and wait for its end.
"""

import json
import os
import shlex
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from seedstep.cli import COMMANDS

__all__ = ["command_server"]

LOADED = (
    *(f"seedstep.cli.{entry.module or entry.name}" for entry in COMMANDS),
    "matplotlib.pyplot",
    "spacy",
    "torch",
    "transformers",
    "transformers.trainer",
    "transformers.models.llama.modeling_llama",
)
"""What commands of the documentation load that take long."""

CLIENT = """\
import json, os, socket, sys
_, address, python, *argv = sys.argv
if argv[:4] == ["python", "-P", "-m", "seedstep"]:
    argv = argv[3:]
blocks = argv[0] == "python" and argv[1:2] == ["-c"] and len(argv) == 3
if argv[0] != "seedstep" and not blocks:
    os.execv(python, [python, *argv[1:]])
command = json.dumps({"argv": argv, "cwd": os.getcwd(), "env": dict(os.environ)})
with socket.socket(socket.AF_UNIX) as server:
    server.connect(address)
    socket.send_fds(server, [len(command).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(command.encode("ascii"))
    status = server.recv(1)
os._exit(status[0] if status else 139)
"""
"""What `seedstep` and `python` run, given the server's socket, Python, and their own command line.

The server runs commands, those of an experiment's stages too, and blocks of Python; Python runs all
else.
"""


@contextmanager
def command_server(env: Mapping[str, str], loaded: Sequence[str] = LOADED) -> Iterator[Path]:
    """Start the server, and yield a folder with `seedstep` and `python`, for a search path."""
    with TemporaryDirectory() as folder:  # not in pytest's: the path of a socket must be short
        yield from _started(Path(folder), env, loaded)


def _started(folder: Path, env: Mapping[str, str], loaded: Sequence[str]) -> Iterator[Path]:
    address, programs = folder / "socket", folder / "bin"
    client = folder / "client.py"
    client.write_text(CLIENT)
    programs.mkdir()
    for name in ("seedstep", "python"):
        words = shlex.join([sys.executable, "-IS", str(client), str(address), sys.executable, name])
        programs.joinpath(name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        programs.joinpath(name).chmod(0o755)
    search = os.pathsep.join((str(Path(__file__).parents[1]), env.get("PYTHONPATH", "")))
    command = [sys.executable, "-m", "support.forking", str(address), *loaded]
    with subprocess.Popen(
        command, env={**env, "PYTHONPATH": search}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout
        assert server.stdout.readline() == b"ready\n"
        yield programs
        server.kill()


def serve(address: str, loaded: Sequence[str]) -> None:
    """Make a process for each command that a client sends, one after another."""
    for name in loaded:
        __import__(name)
    assert threading.active_count() == 1, "a process with threads can't be copied"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        os.write(1, b"ready\n")
        while True:
            client, _ = listening.accept()
            with client:
                size, streams, _, _ = socket.recv_fds(client, 4, 3)
                if os.fork() == 0:
                    listening.close()
                    sys.executable = str(Path(address).with_name("bin") / "python")
                    _become(json.loads(_read(client, int.from_bytes(size, "big"))), streams, client)
                for stream in streams:
                    os.close(stream)
            while _an_end_was_read():
                pass


def _read(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += client.recv(size - len(found)) or sys.exit(1)
    return found


def _an_end_was_read() -> bool:
    """Wait for no process, but read how one ended, so that it does not stay a zombie."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _become(command: dict[str, Any], streams: list[int], client: socket.socket) -> NoReturn:
    """Run a command in this copy, tell the client its exit status, and end."""
    import atexit

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    os.chdir(command["cwd"])
    os.environ.clear()
    os.environ.update(command["env"])
    name, *words = command["argv"]
    status = 0
    try:
        _run(name, words)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    client.sendall(bytes([status % 256]))
    os._exit(status % 256)


def _run(name: str, words: list[str]) -> None:
    if name == "seedstep":
        from seedstep.cli import main

        sys.argv = ["seedstep", *words]
        main()
    elif words[:1] == ["-c"]:
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        os.execv(sys.executable, [sys.executable, *words])


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
