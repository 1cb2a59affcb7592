"""Model references and their providers."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from seedstep.bootstrap import BootstrapSettings
from seedstep.data import Instance, Task
from seedstep.errors import DeniedError, InputError
from seedstep.infer.predict import TaskWork, copy_answers
from seedstep.infer.settings import PredictSettings
from seedstep.llm import (
    PROVIDERS,
    Endpoint,
    Engine,
    MemoryLedger,
    ModelRef,
    Provider,
    Request,
    Sampling,
    add_provider,
    open_model,
    resolve_base_url,
)
from seedstep.llm.addresses import server_address
from seedstep.llm.checkpoints import encoders, is_served_encoder, require_encoder
from seedstep.llm.endpoints import Opening, open_server
from seedstep.llm.models import either, forms_of, gguf_of, loaded_model, tuned_model
from seedstep.recipes import NoveltyFilter, Semantic, foresee_predictions
from seedstep.runs.directory import resolve_settings
from seedstep.settings import make_settings
from seedstep.stages import BOOTSTRAP, TUNE
from support.predicting import write_word_tasks
from support.scripted_server import Fault, ScriptedServer

MODELS = {
    "local": ModelRef("local"),
    "gguf:models/a:b.gguf": ModelRef("gguf", "models/a:b.gguf"),
    "openai:meta/llama:free": ModelRef("openai", "meta/llama:free"),
    "replay:first.jsonl": ModelRef("replay", "first.jsonl"),
    "hf:google/t5-small": ModelRef("hf", "google/t5-small"),
    "baseline:copy-input": ModelRef("baseline", "copy-input"),
}


@pytest.mark.parametrize(("text", "ref"), MODELS.items())
def test_a_text_becomes_a_reference_and_again_the_text(text: str, ref: ModelRef) -> None:
    assert ModelRef.parse(text) == ref
    assert str(ref) == text
    assert ModelRef.parse(ref) is ref


@pytest.mark.parametrize("text", ["", ":", "hf", "hf:", "local:", "local:x", "magic:x", "Local"])
def test_a_text_that_names_no_model_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"not of a known kind.*local, gguf:PATH, openai:NAME"):
        ModelRef.parse(text)


def test_a_baseline_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"no baseline:x\. Known are baseline:copy-input and"):
        ModelRef.parse("baseline:x")


def known_of(form: str, wanted: Callable[[Provider], object]) -> str:
    """The end of an error that names the wanted models, of which a form is one."""
    forms = forms_of(wanted)
    assert form in forms
    return re.escape(f"Use {either(forms)}.")


@pytest.mark.parametrize("text", ["hf:", "baseline:copy-input", "magic:x"])
def test_what_is_not_asked_has_no_address(text: str) -> None:
    with pytest.raises(InputError, match=known_of("openai:NAME", lambda known: known.is_asked)):
        resolve_base_url(text, None)


@pytest.mark.parametrize("text", ["openai:m", "replay:f", "baseline:copy-input", "magic:x"])
def test_what_transformers_cannot_load_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=known_of("hf:PATH_OR_ID", lambda known: known.is_loaded)):
        loaded_model(text)


@pytest.mark.parametrize("text", ["replay:f", "baseline:copy-input", "magic:x", "hf:"])
def test_what_can_not_be_tuned_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=known_of("openai:NAME", lambda known: known.tuning)):
        tuned_model(text)


def test_only_gguf_files_are_gguf_files() -> None:
    assert gguf_of("gguf:a/b.gguf") == Path("a/b.gguf")
    assert gguf_of("hf:a/b") is None
    assert gguf_of("openai:b.gguf") is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("gguf:/home/someone/m.gguf", "m.gguf"),
        ("replay:/home/someone/first.jsonl", "first.jsonl"),
        ("hf:google/t5", "google/t5"),
        ("hf:/home/someone/t5", "t5"),
        ("hf:./a/t5", "t5"),
    ],
)
def test_the_public_name_tells_no_directories(text: str, name: str) -> None:
    assert ModelRef.parse(text).public_name == name


def test_every_provider_does_something_and_says_what() -> None:
    for prefix, provider in PROVIDERS.items():
        assert prefix == provider.prefix
        assert provider.is_served or provider.is_loaded or provider.copies
        assert provider.tuning != "here" or provider.is_loaded


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_the_readme_tells_every_provider(provider: Provider) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    forms = ", ".join(f"`{form}`" for form in provider.forms)
    assert f"| {forms} | {provider.meaning} |" in readme


def known_echo(name: str, opening: Opening) -> Endpoint:
    return Endpoint(f"echo:{opening.identity_url}", name, opening.url or "")


@asynccontextmanager
async def open_echo(name: str, opening: Opening) -> AsyncIterator[Endpoint]:
    yield known_echo(name, opening)


def last_word(task: Task, instance: Instance, seed: int | None) -> str | None:
    return instance.input.split()[-1]


@patch.dict(PROVIDERS)
async def test_a_provider_from_outside_is_asked() -> None:
    echo = Provider(
        prefix="echo",
        argument="NAME",
        meaning="answers what it is asked",
        opens=open_echo,
        address=lambda url: url or "http://echo.test",
        style=lambda _: "chat",
    )
    add_provider(echo)
    settings = make_settings(PredictSettings, {"model": "echo:m"}, "settings")
    assert settings.kind == "server"
    assert settings.style == "chat"
    async with open_model("echo:m", None, 1, "http://first.test") as endpoint:
        known = Endpoint("echo:http://first.test", "m", "http://echo.test")
        assert endpoint == replace(known, prefix="echo", key_variable="")
    with pytest.raises(InputError, match="'openai' already"):
        add_provider(replace(echo, prefix="openai"))
    again = replace(echo, meaning="answers again")
    add_provider(again)
    assert PROVIDERS["echo"].meaning == "answers again"
    with pytest.raises(InputError, match=r"Use local, .* echo:NAME"):
        resolve_base_url("magic:x", None)


@patch.dict(PROVIDERS)
def test_a_provider_from_outside_copies() -> None:
    own = Provider(prefix="own", argument="NAME", meaning="copies", copies={"last-word": last_word})
    add_provider(own)
    settings = make_settings(PredictSettings, {"model": "own:last-word"}, "settings")
    task = Task("t", "Copy the last word.", ())
    work = TaskWork(task, ((3, Instance("a b", ("b",), "i")),))
    assert [(answer.place, answer.text) for (answer,) in copy_answers(settings, [work])] == [
        (3, "b")
    ]


def test_a_prefix_without_a_colon_is_wanted() -> None:
    with pytest.raises(InputError, match="`prefix` of a provider is 'a:b'"):
        add_provider(Provider(prefix="a:b", argument="NAME", meaning=""))


@patch.dict(PROVIDERS)
def test_a_provider_that_can_do_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"'idle' can do nothing.*`opens`, `checkpoint` or `copie"):
        add_provider(Provider(prefix="idle", argument="NAME", meaning=""))
    assert "idle" not in PROVIDERS


KEY_VARIABLES = {"own": ("OWN_KEY", "sk-own", "Set OWN_KEY to"), "none": ("", "", "sent no key")}


@pytest.mark.parametrize(("variable", "key", "remedy"), KEY_VARIABLES.values(), ids=KEY_VARIABLES)
@patch.dict(PROVIDERS)
async def test_a_provider_with_servers_has_a_key_and_errors_of_its_own(
    variable: str, key: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-others")
    monkeypatch.setenv("OWN_KEY", "sk-own")
    add_provider(
        Provider(
            prefix="ours",
            argument="NAME",
            meaning="",
            opens=open_server,
            address=server_address,
            key_variable=variable,
        )
    )
    messages = []
    for status in (401, 404):
        with ScriptedServer(lambda *_, status=status: Fault(status, b"no")) as server:
            async with (
                open_model("ours:q", server.url, 1) as endpoint,
                Engine(endpoint, MemoryLedger(), 1) as engine,
            ):
                assert endpoint.key == key
                with pytest.raises(DeniedError) as caught:
                    await engine.ask(Request("test", "Hello.", Sampling(max_tokens=8)))
        messages.append(str(caught.value))
    refused, missing = messages
    assert remedy in refused
    assert "heck the name after `ours:`" in missing
    assert "openai" not in f"{refused}{missing}".lower()


@patch.dict(PROVIDERS)
def test_copies_are_the_names_of_models() -> None:
    add_provider(Provider(prefix="solo", meaning="copies", copies={"n": last_word}))
    ref = ModelRef.parse("solo:n")
    assert (str(ref), ref.provider.forms) == ("solo:n", ("solo:n",))
    with pytest.raises(InputError, match=r"no solo:other\. Known are solo:n"):
        ModelRef.parse("solo:other")


@pytest.mark.parametrize("model", ["local", "hf:somewhere", "replay:first.jsonl"])
async def test_an_address_for_a_model_that_has_none_is_refused(model: str, tmp_path: Path) -> None:
    asked = {"model": model, "base_url": "http://127.0.0.1:9/v1"}
    refused = f"{model} has no server at a base URL. Leave it out, or use openai:NAME"
    with pytest.raises(InputError, match=refused):
        resolve_settings(BOOTSTRAP, tmp_path / "bootstrap", asked)
    with pytest.raises(InputError, match=refused):
        resolve_settings(TUNE, tmp_path / "tune", asked)
    with pytest.raises(InputError, match=refused):
        foresee_predictions(None, {**asked, "tasks": write_word_tasks(tmp_path / "tasks")})


OF_OURS = """
from seedstep.llm import Provider, add_provider
from seedstep.llm.addresses import server_address
from seedstep.llm.endpoints import open_server
from seedstep.settings import table

add_provider(
    Provider(prefix="ours", argument="NAME", meaning="", opens=open_server, address=server_address)
)

from seedstep.infer.distill import DistillSettings
from seedstep.infer.settings import PredictSettings

for record in (PredictSettings, DistillSettings):
    print(table(record)["model"].help)
    print(table(record)["base_url"].help)
"""


def test_the_help_lists_all_providers() -> None:
    told = subprocess.run([sys.executable, "-c", OF_OURS], capture_output=True, check=True)
    predicts, address, writes, _ = told.stdout.decode().splitlines()
    forms = [form for provider in PROVIDERS.values() for form in provider.forms]
    assert [form for form in (*forms, "ours:NAME") if form not in predicts] == []
    assert re.match(r"Address of the server for openai:NAME.* or ours:NAME, such as", address)
    assert "ours:NAME" in writes


@patch.dict(PROVIDERS)
def test_an_encoder_from_outside_is_named() -> None:
    add_provider(
        Provider(
            prefix="vec",
            argument="NAME",
            meaning="",
            opens=open_echo,
            known=known_echo,
            encodes="server",
        )
    )
    require_encoder("vec:small", "--semantic")
    assert is_served_encoder("vec:small")
    assert encoders().endswith("hf:PATH_OR_ID, openai:NAME or vec:NAME")
    with pytest.raises(InputError, match="or vec:NAME"):
        require_encoder("magic", "--semantic")
    with pytest.raises(InputError, match="Add --semantic openai:NAME or vec:NAME"):
        NoveltyFilter().changed({"semantic_base_url": "http://127.0.0.1:9/v1"})
    with pytest.raises(InputError, match="use --semantic openai:NAME or vec:NAME"):
        Semantic("hf:base", base_url="http://127.0.0.1:9/v1").check()
    how = NoveltyFilter(semantic=Semantic("vec:small", 0.6, "http://vec.test"))
    assert how.changed({"semantic": "vec:large"}).semantic == Semantic(
        "vec:large", 0.6, "http://vec.test"
    )
    other = how.changed({"semantic": "openai:e"}).semantic
    assert other == Semantic("openai:e", 0.6), "no server of another provider gets the key"
    asked = {"model": "openai:m", "semantic_base_url": "http://127.0.0.1:9/v1"}
    with pytest.raises(InputError, match="give semantic: openai:NAME or vec:NAME"):
        make_settings(BootstrapSettings, asked, "settings").check("settings")


@pytest.mark.parametrize(
    ("said", "needed"),
    [
        ({"encodes": "server"}, "opens"),
        ({"encodes": "server", "opens": open_echo}, "known"),
        ({"encodes": "here"}, "checkpoint"),
        ({"tuning": "here"}, "checkpoint"),
        ({"is_gguf": True}, "path"),
    ],
)
@patch.dict(PROVIDERS)
def test_a_provider_has_what_its_models_need(said: dict[str, Any], needed: str) -> None:
    with pytest.raises(InputError, match=f"'half' has .* and no `{needed}`"):
        add_provider(Provider(prefix="half", argument="NAME", meaning="", **said))
    assert "half" not in PROVIDERS
