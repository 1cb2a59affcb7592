"""The keywords of the functions that run stages, and calls inside a running event loop."""

import asyncio
import inspect
import signal
import threading
import tomllib
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import seedstep
from seedstep import errors, recipes
from seedstep.bootstrap import BootstrapSettings
from seedstep.data import PathOrTasks, StrPath, TaskChoice
from seedstep.encode import Encoding, EncodingKeywords
from seedstep.evaluate.judge import JudgeSettings
from seedstep.infer.distill import DistillSettings
from seedstep.infer.settings import PredictSettings
from seedstep.llm import Sampling
from seedstep.llm.records import Reasoning
from seedstep.recipes import NoveltyFilter, Semantic, keywords
from seedstep.recipes.novelty_options import NoveltyKeywords
from seedstep.recipes.tasks import finish
from seedstep.settings import table
from seedstep.steps import ExamplesSettings, ImportSettings, StepsSettings, SuperniSettings
from seedstep.tune import TuneSettings
from support.pages import ROOT
from support.scripted_server import ScriptedServer

KEYWORDS = [
    (keywords.BootstrapKeywords, [BootstrapSettings], "self_instruct"),
    (keywords.DistillKeywords, [DistillSettings], "distill"),
    (keywords.StepsKeywords, [StepsSettings], "write_instructions"),
    (keywords.ImportKeywords, [ImportSettings], "import_instructions"),
    (keywords.SuperniKeywords, [SuperniSettings], "take_superni"),
    (keywords.ExamplesKeywords, [ExamplesSettings], "make_examples"),
    (keywords.PredictKeywords, [TaskChoice, PredictSettings], "predict"),
    (keywords.JudgeKeywords, [JudgeSettings], "judge"),
    (keywords.TuneKeywords, [TuneSettings], "tune_model"),
]

WIDER: Mapping[str, Any] = {
    "prices": keywords.Prices,
    "data": keywords.Sources,
    "held_out_data": keywords.Sources,
    "sources": keywords.Paths,
    "source": PathOrTasks | None,
    "seeds": PathOrTasks | None,
    "tasks": PathOrTasks | None,
    "reviewed": StrPath | None,
    "pool": StrPath | None,
    "rubric": StrPath | None,
    "steps": StrPath | None,
    "examples": StrPath | None,
    "names": keywords.Texts,
    "stop": keywords.Texts | None,
    "decontaminate": PathOrTasks | Sequence[PathOrTasks],
    "reasoning": keywords.ReasoningKeywords,
    "sampling": Mapping[str, keywords.SamplingKeywords],
    "gates": keywords.Gates,
    "gate_base_urls": Mapping[str, str | Sequence[str]],
    "axes": StrPath | keywords.Axes,
    "encoding_options": EncodingKeywords,
    "encoding": keywords.Encodings,
}
"""The types of keywords for which a function accepts more types than the record stores."""


def _kinds(record: type) -> dict[str, Any]:
    """The types of a record's settings, without their bounds, or those that may be given."""
    kinds = {name: found.kind for name, found in table(record).items()}
    bare = get_type_hints(type("Bare", (), {"__annotations__": kinds}))
    return {name: kind if kind is int else WIDER.get(name, kind) for name, kind in bare.items()}


@pytest.mark.parametrize(("given", "records", "function"), KEYWORDS)
def test_the_keywords_are_the_settings(given: type, records: list[type], function: str) -> None:
    kinds: dict[str, Any] = {}
    for record in records:
        kinds |= _kinds(record)
    assert get_type_hints(given) == kinds
    for name in (function, f"{function}_async"):
        if hasattr(recipes, name):
            hint = get_type_hints(getattr(recipes, name))["settings"]
            assert typing.get_args(hint) == (given,)


@pytest.mark.parametrize(
    ("given", "record"),
    [
        (EncodingKeywords, Encoding),
        (keywords.SamplingKeywords, Sampling),
        (keywords.ReasoningKeywords, Reasoning),
    ],
)
def test_the_keywords_of_a_mapping_are_the_fields_of_its_record(given: Any, record: type) -> None:
    wider = {"stop": Sequence[str], "extra": Mapping[str, object]}
    kinds = get_type_hints(record)
    assert get_type_hints(given) == {name: wider.get(name, kind) for name, kind in kinds.items()}


def test_the_keywords_of_functions_are_of_known_types() -> None:
    """What is Any says nothing to the user, and lets a type checker pass everything."""
    for given, _, _ in KEYWORDS:
        for name, kind in get_type_hints(given).items():
            assert "typing.Any" not in str(kind), name


def test_the_keywords_of_the_filter_are_its_options() -> None:
    given = get_type_hints(NoveltyKeywords)
    kinds = get_type_hints(NoveltyFilter)
    own = {name: kind for name, kind in kinds.items() if name not in ("against", "semantic")}
    parts = get_type_hints(Semantic)
    assert given == {
        **own,
        "against": PathOrTasks | Sequence[PathOrTasks],
        "semantic": Semantic | str | None,
        "semantic_threshold": parts["threshold"],
        "semantic_base_url": parts["base_url"],
    }


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as started:
        yield started


def _definitions(run: seedstep.Run[Any, Any, Any]) -> list[str]:
    with run:
        return [task.definition for task in run.tasks()]


def test_a_call_works_inside_a_running_event_loop(server: ScriptedServer, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"model": "openai:scripted", "base_url": server.url, "tasks": 3}

    async def cell(make: Callable[..., Any], out: str) -> list[str]:
        made = make(tmp_path / out, **asked)
        return _definitions(await made if inspect.isawaitable(made) else made)

    plain = _definitions(seedstep.self_instruct(tmp_path / "plain", **asked))
    assert len(plain) == 3
    assert asyncio.run(cell(seedstep.self_instruct, "inside")) == plain
    assert asyncio.run(cell(seedstep.self_instruct_async, "awaited")) == plain


def test_an_error_inside_a_running_event_loop_is_the_same(tmp_path: Path) -> None:
    async def cell() -> None:
        seedstep.self_instruct(tmp_path / "run", tasks=0)

    with pytest.raises(seedstep.InputError):
        asyncio.run(cell())


def test_an_interrupt_of_a_call_inside_a_running_event_loop_ends_its_work() -> None:
    cancelled = []

    async def work() -> None:
        try:
            await asyncio.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def cell() -> None:
        finish(work())

    loop = asyncio.new_event_loop()
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(cell())
    loop.close()
    assert cancelled


def test_all_names_are_there_once() -> None:
    assert len(seedstep.__all__) == len(set(seedstep.__all__))
    assert all(hasattr(seedstep, name) for name in seedstep.__all__)


def test_all_errors_are_exported() -> None:
    assert all(hasattr(seedstep, name) for name in seedstep.__all__)  # so that they are loaded
    kinds = [errors.SeedstepError]
    for kind in kinds:
        kinds += [below for below in kind.__subclasses__() if below.__module__[:8] == "seedstep"]
    assert {kind.__name__ for kind in kinds} <= set(seedstep.__all__)


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["project"]
    assert seedstep.__version__ == project["version"]
