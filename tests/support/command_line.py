"""The commands as a user runs them: in this process, or as a process of their own."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from seedstep.cli import main
from support.scripted_server import Fault

__all__ = [
    "UNSAFE",
    "Outcome",
    "chat_reply",
    "environment",
    "error_reply",
    "json_of",
    "program",
    "run_process",
    "seed_line",
    "seedstep",
]

UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What may drive a terminal or turn text around."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Standard output by line, without white space at the ends of lines."""
        return [line.rstrip() for line in self.out.splitlines()]

    @property
    def words(self) -> str:
        """Both outputs on one line, however they were wrapped."""
        return " ".join((self.out + self.err).split())

    @property
    def error(self) -> str:
        """The error: the only line on standard error, after a failure."""
        assert self.code == 1
        assert self.err.startswith("error: ")
        assert self.err.endswith(".\n")
        assert self.err.count("\n") == 1
        return self.err.strip()


def seedstep(*args: object) -> Outcome:
    """Run a command in this process. What is not for users, such as a traceback, gets out."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    argv = ["seedstep", *map(str, args)]
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Outcome(code, out.getvalue(), err.getvalue())


def json_of(command: str, *args: object) -> list[dict[str, Any]]:
    """What a command prints with `--format json`."""
    done = seedstep(command, *args, "--format", "json")
    assert done.code == 0, done.err
    records: list[dict[str, Any]] = json.loads(done.out)
    return records


def program(*args: object) -> list[str]:
    """The command line of a process."""
    return [str(Path(sys.executable).with_name("seedstep")), *map(str, args)]


def environment(**values: str) -> dict[str, str]:
    """A process's environment, without what decides on colours and models."""
    names = ("PATH", "HOME", "PYTHONPATH", "OMP_NUM_THREADS")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", **values}


def run_process(
    *args: object,
    env: Mapping[str, str] | None = None,
    seconds: float = 60,
    line: Callable[..., list[str]] = program,
) -> Outcome:
    """Run a command as a process of its own, without a terminal, for so long at the most."""
    done = subprocess.run(
        line(*args), env=env or environment(), capture_output=True, timeout=seconds, check=False
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def chat_reply(text: str, finish_reason: str = "stop") -> Fault:
    """A reply with this text, in place of the scripted one."""
    choice = {"message": {"content": text}, "finish_reason": finish_reason}
    return Fault(body=json.dumps({"choices": [choice]}).encode())


def error_reply(status: int, message: str) -> Fault:
    """A refusal as servers word it."""
    return Fault(status=status, body=json.dumps({"error": {"message": message}}).encode())


def seed_line(**fields: Any) -> bytes:
    """A good line of a seed file, with some fields changed; None leaves a field out."""
    seed = {
        "instruction": "Name a river that flows through the city.",
        "instances": [{"input": "Paris", "output": "The Seine."}],
        "is_classification": False,
        **fields,
    }
    return json.dumps({k: v for k, v in seed.items() if v is not None}).encode() + b"\n"
