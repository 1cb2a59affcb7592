"""Paths that are none, texts that can't be encoded, numbers out of range: always one line."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command_line import seedstep
from support.scripted_server import ScriptedServer

PATHS = {
    "below a file": "file/below",
    "too long": "n" * 300,
    "far too long": "/".join(["d" * 200] * 30),
    "deep": "d/" * 1900,
    "no text": "\udcff",
    "with a zero": "a\0b",
    "a device": "/dev/null/below",
}
COMMANDS = (
    "bootstrap --out {} --model openai:m --tasks 1",
    "bootstrap --out run --model openai:m --seeds {}",
    "bootstrap --out run --config {}",
    "bootstrap --out run --model gguf:{}",
    "bootstrap --out run --model replay:{}",
    "bootstrap --out run --model openai:m --base-url {}",
    "steps --tasks {} --out run --model openai:m",
    "steps --tasks tasks.jsonl --out {} --model openai:m",
    "examples --steps {} --out run --model openai:m",
    "status {}",
    "show {}",
    "requests {}",
    "report {} --out page",
    "merge run --out {}",
    "export {} --format alpaca --out out",
    "evaluate {} --tasks tasks.jsonl",
    "evaluate tasks.jsonl --tasks {}",
    "compare {} {} --tasks tasks.jsonl",
    "agreement {}",
    "predict --tasks {} --out run --model openai:m",
    "encode {}",
    "seeds check {}",
    "init {}",
    "suite {}",
    "run {} --out out",
    "tune {} --out tuned --model openai:m",
)


@pytest.fixture(autouse=True)
def files(empty_directory: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A file, a task, and no garbage collection, which tells of itself if it is too deep to run."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    Path("file").write_text("a file\n")
    Path("tasks.jsonl").write_text('{"definition": "Say a.", "input": "a", "output": "b"}\n')
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_path_that_is_none_is_one_line(command: str, path: str) -> None:
    done = seedstep(*(word.format(path) for word in command.split()))
    assert done.code in (1, 2)
    assert "Traceback" not in done.err
    if done.code == 1:
        assert done.error.startswith("error: ")
        assert len(done.error) < 1600


@pytest.mark.parametrize("number", [str(10**30), str(-(10**30)), "1e400", "nan", "-1", "0x10"])
@pytest.mark.parametrize(
    "flag", ["--tasks", "--seed", "--in-flight", "--max-requests", "--max-usd", "--window"]
)
def test_a_number_out_of_range_is_one_line(flag: str, number: str) -> None:
    done = seedstep("bootstrap", "--out", "run", "--model", "openai:m", flag, number)
    assert done.code in (1, 2)
    assert "Traceback" not in done.err


@pytest.mark.parametrize("given", ["{generate: 5}", "{seed: 2020-12-01}", "{generate: a text}"])
def test_sampling_that_is_no_mapping_is_one_line(given: str) -> None:
    done = seedstep("bootstrap", "--sampling", given, "--temperature", "1", "--dry-run")
    assert done.code == 1
    assert done.error.startswith("error: ")


def test_a_limit_that_no_database_knows_is_no_limit(server: ScriptedServer) -> None:
    begun = ("bootstrap", "--out", "run", "--model", "openai:scripted", "--base-url", server.url)
    assert seedstep(*begun, "--tasks", 1).code == 0
    done = seedstep("requests", "run", "--limit", 10**30)
    assert done.code == 0
    assert done.out == seedstep("requests", "run", "--limit", 10**6).out
