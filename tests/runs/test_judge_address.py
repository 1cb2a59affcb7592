"""The address of a steps run's judge: resolved and kept when the run begins, as the model's is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from seedstep import write_instructions
from seedstep.errors import InputError, RunMismatchError
from seedstep.llm import PROVIDERS, Provider, add_provider
from seedstep.llm.endpoints import open_server
from seedstep.runs.directory import about_addresses
from support.command_line import seedstep
from support.scripted_server import ScriptedServer
from support.step_server import boat_task, chat, strong_model

URL = "OPENAI_BASE_URL"
SAYS_YES = chat('{"correct": true, "complete": true}')

pytestmark = pytest.mark.usefixtures("no_backoff", "empty_directory")


@pytest.fixture
def servers() -> Iterator[tuple[ScriptedServer, ScriptedServer, ScriptedServer]]:
    """A model's server, its judge's, and another one."""
    with (
        ScriptedServer(strong_model) as model,
        ScriptedServer(lambda number, body: SAYS_YES) as judge,
        ScriptedServer(lambda number, body: SAYS_YES) as other,
    ):
        yield model, judge, other


def config() -> dict[str, Any]:
    found = yaml.safe_load(Path("run/run.yaml").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def rewrite(**values: Any) -> None:
    """Write the configuration with some values as version 0.1.0 wrote them."""
    kept = {name: value for name, value in config().items() if name != "judge_identity_url"}
    Path("run/run.yaml").write_text(yaml.safe_dump({**kept, **values}), "utf-8")


def write(model: ScriptedServer, tasks: int, **settings: Any) -> None:
    lines = [json.dumps({"definition": boat_task(number).definition}) for number in range(4)]
    Path("tasks.jsonl").write_text("\n".join(lines), "utf-8")
    asked = {"model": "openai:scripted", "base_url": model.url, "judge": "openai:judge"}
    write_instructions("run", tasks="tasks.jsonl", limit=tasks, **{**asked, **settings}).close()


def test_the_environment_is_asked_once(
    servers: tuple[ScriptedServer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, judge, other = servers
    monkeypatch.setenv(URL, judge.url)
    write(model, 2)
    assert judge.requests == 2
    assert config()["judge_base_url"] == judge.url
    monkeypatch.setenv(URL, other.url)
    write(model, 3)
    monkeypatch.delenv(URL)
    write(model, 4)
    assert (judge.requests, other.requests) == (4, 0)


def test_another_address_is_refused_and_may_be_of_the_same_model(
    servers: tuple[ScriptedServer, ...],
) -> None:
    model, judge, other = servers
    write(model, 2, judge_base_url=judge.url)
    with pytest.raises(RunMismatchError, match=r"judge_base_url.*--same-model"):
        write(model, 3, judge_base_url=other.url)
    write(model, 3, judge_base_url=other.url, same_model=True)
    assert (judge.requests, other.requests) == (2, 1)
    assert config()["judge_base_url"] == other.url
    assert config()["judge_identity_url"] == judge.url
    write(model, 4, judge_base_url=judge.url, same_model=True)
    assert (judge.requests, other.requests) == (3, 1)
    write(model, 4, judge_base_url=other.url, same_model=True)
    Path("run/run.db").unlink()
    write(model, 1)
    assert "judge_identity_url" not in config(), "a run without replies begins anew"
    assert other.requests == 2


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("url", ["http://user:secret@127.0.0.1:1/v1", "http://[", "judge"])
def test_an_address_that_can_not_be_used_is_refused_before_anything_is_written(
    servers: tuple[ScriptedServer, ...], url: str, *, is_new: bool
) -> None:
    model, judge, _ = servers
    if not is_new:
        write(model, 1, judge_base_url=judge.url)
    before = {path: path.read_bytes() for path in Path().rglob("run/*")}
    with pytest.raises(InputError, match=r"password|not an address"):
        write(model, 1, judge_base_url=url)
    assert {path: path.read_bytes() for path in Path().rglob("run/*")} == before


def test_a_password_in_the_environment_is_refused_too(
    servers: tuple[ScriptedServer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL, "http://user:secret@127.0.0.1:1/v1")
    with pytest.raises(InputError, match="password"):
        write(servers[0], 1)
    assert not Path("run").exists()


def test_a_run_without_a_judge_has_no_address_for_it(
    servers: tuple[ScriptedServer, ...],
) -> None:
    write(servers[0], 1, judge=None)
    assert config()["judge_base_url"] is None
    assert "judge_identity_url" not in config()


def test_a_run_of_version_0_1_0_goes_on_with_the_address_that_it_was_given(
    servers: tuple[ScriptedServer, ...],
) -> None:
    model, judge, other = servers
    write(model, 2, judge_base_url=judge.url)
    rewrite()
    write(model, 3, judge_base_url=other.url, same_model=True)
    assert config()["judge_identity_url"] == judge.url
    assert (judge.requests, other.requests) == (2, 1)


def test_a_run_of_version_0_1_0_goes_on_with_the_address_in_the_environment(
    servers: tuple[ScriptedServer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, judge, other = servers
    monkeypatch.setenv(URL, judge.url)
    write(model, 2)
    rewrite(judge_base_url=None)
    write(model, 3)
    monkeypatch.setenv(URL, other.url)
    write(model, 4)
    assert config()["judge_base_url"] == judge.url
    assert (judge.requests, other.requests) == (4, 0)


HIDDEN = (
    "http://me:hidden@h/v1",
    "http://me:hidden@h:0/v1",
    "ftp://me:hidden@h/v1",
    "http:/me:hidden@h/v1",
    "me:hidden@h/v1",
    "http://h:0/v1?key=hidden",
    "http://h/v1#hidden",
)
WITH_AN_ADDRESS = (
    "bootstrap --base-url {}",
    "bootstrap --base-url http://h/v1 --base-url {}",
    "bootstrap --semantic openai:e --semantic-base-url {}",
    "bootstrap --gate-base-urls a:&{}",
    "bootstrap --config with-a-gate.yaml",
    "steps --tasks tasks.jsonl --base-url {}",
    "steps --tasks tasks.jsonl --judge openai:j --judge-base-url {}",
    "predict --tasks tasks.jsonl --base-url {}",
    "distill tasks.jsonl --base-url {}",
    "grow grow.yaml",
)


@pytest.mark.parametrize("address", HIDDEN)
@pytest.mark.parametrize("command", WITH_AN_ADDRESS)
def test_a_password_in_any_address_is_neither_told_nor_kept(command: str, address: str) -> None:
    Path("tasks.jsonl").write_text('{"definition": "Say a.", "input": "a", "output": "b"}\n')
    Path("grow.yaml").write_text(json.dumps({"shards": 2, "base_url": address}))
    gate = {"judge": {"model": "openai:j", "base_url": address}}
    Path("with-a-gate.yaml").write_text(json.dumps({"gates": {"a": gate}}))
    words = [word.format(address).replace("&", " ") for word in command.split()]
    model = () if "grow.yaml" in words else ("--model", "openai:m")
    done = seedstep(*words, *model, "--out", "out")
    assert done.code == 1
    assert "base URL" in done.error
    assert "hidden" not in done.out + done.err
    assert not Path("out").exists()


@pytest.mark.parametrize("key", ["", ", and the key in OPENAI_API_KEY,"])
def test_an_address_that_only_the_run_names_is_told(
    servers: tuple[ScriptedServer, ...], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr("seedstep.runs.directory.is_loopback_host", lambda host: False)
    if key:
        monkeypatch.setenv("OPENAI_API_KEY", "kept")
    _, judge, model = servers
    task = {"instruction": "Say a.", "instances": [{"input": "a", "output": "b"}]}
    Path("tasks.jsonl").write_text(json.dumps(task))
    commands = {
        "bootstrap": ("--tasks", 1, "--patience", 1),
        "steps": ("--tasks", "tasks.jsonl", "--judge", "openai:j"),
        "predict": ("--tasks", "tasks.jsonl", "--name", "a"),
    }
    for command, more in commands.items():
        begin = (command, "--out", command, "--model", "openai:scripted", *more)
        judged = ("--judge-base-url", judge.url) if command == "steps" else ()
        urls = ("--base-url", model.url, *judged)
        began, again = seedstep(*begin, *urls), seedstep(*begin)
        assert "requests" + key + " go to" not in began.words
        told = ", ".join(urls[1::2])
        assert f"requests{key} go to {told}, as when the run began" in again.words
        assert "go to" not in seedstep(*begin, *urls).words


@patch.dict(PROVIDERS)
def test_the_key_that_is_told_is_that_of_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Provider(
        prefix="mine", argument="NAME", meaning="", opens=open_server, key_variable="MINE_KEY"
    )
    add_provider(mine)
    for name in ("MINE_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "kept")
    for models, key in (
        (["mine:m"], ", and the key in MINE_KEY,"),
        (["mine:m", "openai:m"], ", and the key in MINE_KEY or OPENAI_API_KEY,"),
        (["hf:m"], ""),
    ):
        (told,) = about_addresses(["http://far.test/v1"], {}, models)
        assert told == f"requests{key} go to http://far.test/v1, as when the run began"
