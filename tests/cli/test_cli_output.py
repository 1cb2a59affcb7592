"""What the commands print of texts that others wrote, and where they print it to."""

import json
import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from support.command_line import (
    UNSAFE,
    Outcome,
    chat_reply,
    environment,
    error_reply,
    program,
    run_process,
    seed_line,
    seedstep,
)
from support.scripted_server import Fault, ScriptedServer

pytestmark = pytest.mark.usefixtures("empty_directory")

BOOTSTRAP = ("bootstrap", "--out", "run", "--model", "openai:scripted")
HOSTILE = "[bold]three[/bold] \x1b[31mred\x1b[0m \x9b1m\u202e [/x] [link=x:y]things"
FIRST = "under every wooden bridge near our quiet village shop before noon."
LAST = "while four patient sailors repair an ancient lighthouse clock slowly."
LITERAL = ("[bold]three[/bold]", "[/x]", "[link=x:y]things")
"""What of it must be seen as it stands."""


def harmless(done: Outcome) -> str:
    """What was printed, which holds nothing that drives a terminal."""
    text = done.out + done.err
    assert UNSAFE.findall(text) == []
    return text


def hostile_model(_: int, body: dict[str, Any]) -> Fault:
    """Every text it may write is hostile. Of the five tasks of its list the third and the last
    get finished.
    """
    prompt = str(body["messages"][0]["content"])
    task = prompt.rsplit("Task: ", 1)[-1]
    if prompt.startswith("Here are"):
        known = "Name the river that flows through this very large old city."
        others = [
            "\u202eSay it.",
            f"List {HOSTILE} {FIRST}",
            "Rank the hills by height.",
            f"Sing {HOSTILE} {LAST}",
        ]
        reply: object = {"tasks": [known, *others]}
    elif task.startswith("Rank"):
        return error_reply(400, f"no {HOSTILE}")
    elif prompt.startswith("Can the following task"):
        reply = {"is_classification": False}
    else:
        reply = {"examples": [{"input": f"in {HOSTILE}", "output": f"out {HOSTILE}"}]}
    return chat_reply(json.dumps(reply, ensure_ascii=task.startswith("Sing")), HOSTILE)


@pytest.fixture
def hostile(server: ScriptedServer) -> Outcome:
    """The end of a bootstrap whose model and seeds are hostile."""
    server.script = hostile_model
    first = seed_line(id=f"a{HOSTILE}", instruction=f"Tell {HOSTILE} from those.")
    other = "Name the river that flows through this very large city."
    Path("seeds.jsonl").write_bytes(first + seed_line(id=f"b{HOSTILE}", instruction=other))
    flags = ("--tasks", 2, "--window", 1, "--seeds", "seeds.jsonl")
    return seedstep(*BOOTSTRAP, *flags)


def test_hostile_texts_are_harmless_while_running_and_in_the_summary(hostile: Outcome) -> None:
    assert hostile.code == 0
    text = harmless(hostile)
    assert all(text.count(literal) >= 2 for literal in LITERAL)


@pytest.mark.parametrize("command", [("status",), ("show",)])
def test_hostile_texts_are_harmless_in_lists(hostile: Outcome, command: tuple[str, ...]) -> None:
    done = seedstep(*command, "run")
    assert done.code == 0
    text = harmless(done)
    assert command == ("status",) or all(literal in text for literal in LITERAL)


@pytest.mark.parametrize(
    ("task", "verdict"),
    [
        ("g0.1", "rejected: not_novel (ROUGE-L 0.95 with b[bold]three[/bold] "),
        ("g0.2", "rejected: too_short"),
        ("g0.3", "finished"),
        ("g0.4", "rejected: request_failed (HTTP 400: no [bold]three[/bold] "),
        ("g0.5", "finished"),
    ],
)
def test_hostile_texts_are_harmless_in_a_task(hostile: Outcome, task: str, verdict: str) -> None:
    done = seedstep("show", "run", task)
    assert done.code == 0
    text = harmless(done)
    assert f"{task} {verdict}" in " ".join(text.split())
    assert all(literal in text for literal in LITERAL)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_hostile_messages_of_a_server_are_harmless(status: int, server: ScriptedServer) -> None:
    server.script = lambda number, body: error_reply(status, f"no {HOSTILE}")
    done = seedstep(*BOOTSTRAP)
    assert f"HTTP {status}" in done.error
    text = harmless(done)
    assert all(literal in text for literal in LITERAL)


def test_hostile_seeds_are_harmless() -> None:
    line = seed_line(id=f"a{HOSTILE}", instruction=f"Name {HOSTILE} you know.")
    Path("s.jsonl").write_bytes(line + line + seed_line(instruction=f"Draw {HOSTILE} here."))
    text = harmless(seedstep("seeds", "check", "s.jsonl"))
    assert "line 2, field 'id': the same as in line 1" in text
    harmless(seedstep(*BOOTSTRAP, "--seeds", "s.jsonl"))
    Path("s.jsonl").write_bytes(line + seed_line(instruction=f"Name {HOSTILE} I know."))
    done = seedstep("seeds", "check", "s.jsonl")
    assert "with a[bold]three[/bold]" in harmless(done)
    text = harmless(seedstep("bootstrap", "--dry-run", "--seeds", "s.jsonl"))
    assert all(literal in text for literal in LITERAL)


@pytest.mark.parametrize("name", ["openai:[/x]", "openai:[bold]m", "gguf:[v2]/m.gguf"])
def test_brackets_in_a_model_name_are_no_markup(name: str, server: ScriptedServer) -> None:
    assert f"with {name}" in seedstep("bootstrap", "--dry-run", "--model", name).out
    if name.startswith("openai:"):
        done = seedstep("bootstrap", "--out", "run", "--tasks", 1, "--model", name)
        assert f"model {name}," in done.lines[0]


@pytest.mark.parametrize("name", ["[bold]", "[/x]"])
def test_brackets_in_paths_are_no_markup(name: str, server: ScriptedServer) -> None:
    Path(name).mkdir(parents=True)
    assert f"Wrote {name}/c.yaml. Next: " in seedstep("init", f"{name}/c.yaml").words
    done = seedstep("bootstrap", "--out", f"{name}/run", "--model", "openai:m", "--tasks", 1)
    assert f"  seedstep show {name}/run ID" in done.lines
    assert seedstep("status", f"{name}/run").lines[0].startswith(f"{name}/run  complete")
    assert (
        f"in {name}/out"
        in seedstep("export", f"{name}/run", "--format", "alpaca", "--out", f"{name}/out").words
    )


def test_long_paths_and_texts_are_not_broken_without_a_terminal(server: ScriptedServer) -> None:
    output = " ".join(f"out{number}" for number in range(50))
    server.script = lambda number, body: (
        chat_reply(json.dumps({"tasks": [f"Say {'very ' * 40}much more."]}))
        if str(body["messages"][0]["content"]).startswith("Here are")
        else chat_reply(
            json.dumps(
                {
                    "is_classification": False,
                    "examples": [{"input": "in " * 50, "output": output}],
                }
            )
        )
    )
    long = "/".join(["a" * 40] * 5)
    done = seedstep("bootstrap", "--out", long, "--model", "openai:m", "--tasks", 1)
    assert f"  seedstep show {long} ID" in done.lines
    assert f"  seedstep export {long} --format alpaca --out data" in done.lines
    assert seedstep("status", long).lines[0].startswith(f"{long}  complete  1 of 1 tasks")
    shown = seedstep("show", long, "g0.1").lines
    assert shown[1] == f"Say {'very ' * 40}much more."
    assert f"output: {output}" in shown
    init = seedstep("init", f"{long}/c.yaml")
    assert f"seedstep bootstrap --config {long}/c.yaml --out" in init.out


# Processes: pipes, terminals, encodings


@pytest.fixture
def run(server: ScriptedServer) -> None:
    assert seedstep(*BOOTSTRAP, "--tasks", 3).code == 0


@pytest.mark.parametrize(
    "args",
    [("show", "run"), ("show", "run", "g0.1"), ("bootstrap", "--dry-run"), ("status", "run")],
    ids=lambda args: " ".join(args),
)
def test_a_pipe_that_closes_early_is_no_error(args: tuple[str, ...], run: None) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(
        program(*args), env=environment(), stdout=writer, stderr=subprocess.PIPE
    ) as process:
        os.close(writer)
        _, err = process.communicate(timeout=30)
    assert err == b""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_an_output_that_takes_few_characters_is_no_error(
    encoding: str, server: ScriptedServer
) -> None:
    server.script = lambda number, body: (
        chat_reply('{"tasks": ["Translate \u7ffb\u8a33 into caf\u00e9 English."]}')
        if str(body["messages"][0]["content"]).startswith("Here are")
        else None
    )
    env = environment(PYTHONIOENCODING=encoding, OPENAI_BASE_URL=server.url)
    for args in ((*BOOTSTRAP, "--tasks", 1), ("show", "run"), ("show", "run", "g0.1")):
        done = subprocess.run(program(*args), env=env, capture_output=True, timeout=30, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"English" in done.stdout


def test_a_pipe_gets_no_escape_codes_whatever_the_terminal_is(run: None) -> None:
    env = environment(TERM="xterm-256color", COLORTERM="truecolor")
    for args in (("show", "run", "g0.1"), ("status", "run"), ("bootstrap", "--dry-run")):
        done = run_process(*args, env=env)
        assert done.code == 0
        harmless(done)
    harmless(run_process("status", "nowhere", env=env))


class Terminal:
    """A process on a terminal of 100 columns, and what stands on its screen."""

    def __init__(self, *args: object, **env: str) -> None:
        self.raw = b""
        self._master, slave = pty.openpty()
        variables = environment(TERM="xterm-256color", COLUMNS="100", LINES="50", **env)
        self.process = subprocess.Popen(
            program(*args), env=variables, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)

    def read(self, until: bytes = b"") -> None:
        """Read until a text has come, or all."""
        while not until or until not in self.raw:
            try:
                chunk = os.read(self._master, 65536)
            except OSError:  # the last process has let go of it
                break
            if not chunk:
                break
            self.raw += chunk

    def end(self) -> int:
        """Wait for the process and return its exit status."""
        self.read()
        os.close(self._master)
        return self.process.wait(30)

    def screen(self) -> list[str]:
        """The lines that are left, as a terminal draws them: enough of one for our codes."""
        rows, row, column = [""], 0, 0
        for code, count, text in re.findall(
            r"\x1b\[(?:\??(\d*)[;\d]*)([A-Za-z])|(\r|\n|[^\x1b\r\n]+)", self.raw.decode()
        ):
            if count == "A":
                row = max(0, row - int(code or 1))
            elif count == "K":
                rows[row] = ""
            elif text == "\r":
                column = 0
            elif text == "\n":
                row += 1
                rows += [""] * (row + 1 - len(rows))
            elif text:
                rows[row] = (
                    rows[row][:column].ljust(column) + text + rows[row][column + len(text) :]
                )
                column += len(text)
        return "\n".join(line.rstrip() for line in rows).rstrip().split("\n")


def test_a_terminal_gets_a_live_view_and_then_the_summary(server: ScriptedServer) -> None:
    server.script = lambda number, body: Fault(delay=0.2)
    terminal = Terminal(*BOOTSTRAP, "--tasks", 5, OPENAI_BASE_URL=server.url)
    assert terminal.end() == 0
    screen = terminal.screen()
    assert "0/5 tasks" in terminal.raw.decode()
    assert screen[0].startswith("run: 5 tasks, model openai:scripted")
    assert [line.split()[0] for line in screen[1:6]] == ["g0.1", "g0.2", "g0.3", "g0.4", "g1.1"]
    assert not any("/5 tasks" in line for line in screen)
    assert "run  complete  5 of 5 tasks" in "\n".join(screen)
    assert screen[-1] == "  seedstep export run --format alpaca --out data"


def test_an_interruption_is_answered_at_once_on_a_terminal(server: ScriptedServer) -> None:
    server.script = lambda number, body: Fault(delay=0.0 if number < 30 else 1.5)
    terminal = Terminal(*BOOTSTRAP, "--tasks", 500, OPENAI_BASE_URL=server.url)
    terminal.read(b"/500 tasks, ")
    while server.requests <= 30:
        time.sleep(0.01)
    terminal.process.send_signal(signal.SIGINT)
    terminal.read(b"Ctrl-C again")
    assert terminal.end() == 130
    screen = terminal.screen()
    stopping = [n for n, line in enumerate(screen) if line.startswith("Stopping: requests in")]
    assert len(stopping) == 1
    assert not any("/500 tasks," in line for line in screen)
    assert "go on with: seedstep bootstrap --out run" in screen[-1]


def test_no_color_is_respected(run: None) -> None:
    colored = Terminal("show", "run", "g0.1")
    plain = Terminal("show", "run", "g0.1", NO_COLOR="1")
    assert (colored.end(), plain.end()) == (0, 0)
    color = re.compile(rb"\x1b\[[\d;]*\b(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[\d;]*m")
    assert color.search(colored.raw)
    assert not color.search(plain.raw)


def test_hostile_texts_are_harmless_on_a_terminal(server: ScriptedServer) -> None:
    server.script = hostile_model
    env = {"OPENAI_BASE_URL": server.url, "NO_COLOR": "1"}
    terminal = Terminal(*BOOTSTRAP, "--tasks", 2, "--window", 1, **env)
    assert terminal.end() == 0
    for foreign in (b"\x1b[31m", b"\x9b", b"\xc2\x9b", "\u202e".encode(), b"\x1b]"):
        assert foreign not in terminal.raw
