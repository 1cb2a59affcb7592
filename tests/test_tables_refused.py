"""What is added to a table and can not be used is refused by name, as are wrong returns."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest

from seedstep.data import Instance, Task, load_tasks
from seedstep.encode import (
    ENCODINGS,
    LAYOUTS,
    Encoding,
    Layout,
    Pair,
    add_encoding,
    add_layout,
    encode_task,
)
from seedstep.errors import InputError
from seedstep.infer.predict import TaskWork, copy_answers
from seedstep.infer.settings import PredictSettings
from seedstep.llm import PROVIDERS, Provider, add_provider, open_model
from seedstep.runs import Run, Stage, TaskRecords, add_stage, has_rows, line
from seedstep.settings import make_settings, setting
from seedstep.stages import BOOTSTRAP, STAGES, status_blocks
from support.refusing import broken, refused, returns


@pytest.fixture(autouse=True)
def _stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of stages for one test."""
    monkeypatch.setattr(STAGES, "entries", dict(STAGES.entries))


@dataclass(frozen=True, slots=True)
class CountSettings:
    tasks: str = setting("", "The tasks.")


@dataclass(frozen=True, slots=True)
class Bare:
    tasks: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    words: int
    failure: str = ""


COUNT: Stage[Any, Any, Any] = Stage(
    name="count",
    settings=CountSettings,
    load=lambda settings: load_tasks(Path(settings.tasks), limit=0),
    records=lambda run: TaskRecords(run, Counted),
    made=has_rows("results"),
)


TASK = Task("t", "Copy it.", (Instance("x", ("x",), "t-0"),))


class TestLayouts:
    @pytest.fixture(autouse=True)
    def _table(self) -> Iterator[None]:
        with patch.dict(LAYOUTS), patch.dict(ENCODINGS):
            yield

    def prompt(self) -> str:
        return encode_task(TASK, TASK.instances[0], Encoding("mine", positive=0)).prompt

    @pytest.mark.parametrize(
        ("parts", "told"),
        [
            ({"head": returns(None), "tail": str}, "`head` of .* 'mine' returned None. Return a t"),
            ({"head": broken, "tail": str}, "`head` of the layout 'mine' raised ValueError"),
            ({"tail": returns(1)}, "`tail` of the layout 'mine' returned 1. Return a text"),
            ({"prompt": broken}, "`prompt` of the layout 'mine' raised ValueError"),
            ({"whole": returns("x")}, "`whole` of the layout 'mine' returned 'x'. Return a Pair"),
            (
                {"whole": returns(Pair(cast("Any", 1), "y"))},
                "'mine' returned .*a Pair of two texts",
            ),
            (
                {"whole": returns(Pair("x", cast("Any", 2)))},
                "'mine' returned .*a Pair of two texts",
            ),
        ],
    )
    def test_what_makes_no_prompt_is_refused(self, parts: Any, told: str) -> None:
        add_layout(Layout("mine", "", **parts))
        with refused(told):
            self.prompt()

    def test_a_function_alone_is_refused(self) -> None:
        with refused("add_layout: broken is no Layout"):
            add_layout(cast("Any", broken))

    @pytest.mark.parametrize("name", [3, None, "", "v=2", "mine@2", "../x", "a\n"])
    def test_what_is_no_name_is_refused(self, name: Any) -> None:
        told = "is no name. Use letters, digits, - and _"
        with refused(told):
            add_layout(Layout(name, "", str, str))
        with refused(told):
            add_encoding(name, Encoding())
        with refused(told):
            add_stage(replace(COUNT, name=name))
        with refused("`prefix` of a provider is .*Give it letters and digits"):
            add_provider(Provider(prefix=name, meaning="", copies={"a": returns("")}))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("prompt", "x"), ("fits", ()), ("fits", "safe"), ("meaning", "two\nlines")),
            *(("stop_texts", "a"), ("stop_texts", ("",)), ("stop_after_examples", tuple("abcde"))),
            *(("in_template", "no"), ("bare", None), ("leaves_out_copies", "no")),
        ],
    )
    def test_a_field_of_another_kind_is_refused(self, field: str, value: Any) -> None:
        with refused(f"`{field}` of the layout 'mine' is .*Give it (a |True or)"):
            add_layout(replace(Layout("mine", "", str, str), **{field: value}))

    @pytest.mark.parametrize(
        ("parts", "told"),
        [
            ({"head": str, "prompt": returns("x")}, "has head and tail as well as prompt"),
            ({"tail": str, "whole": returns("x")}, "has head and tail as well as whole"),
            ({"prompt": broken, "whole": broken}, "has prompt as well as whole. Give it one of"),
        ],
    )
    def test_one_has_one_way_to_write_prompts(self, parts: Any, told: str) -> None:
        with refused(f"the layout 'mine' {told}"):
            add_layout(Layout("mine", "", **parts))
        prompt = Layout("mine", "", prompt=lambda elements, text: text, bare=True)
        for layout in (prompt, replace(prompt, meaning="m")):
            add_layout(layout)
            add_layout(LAYOUTS["mine"])

    @pytest.mark.parametrize(
        ("parts", "way"),
        [
            ({"prompt": returns("same for all")}, "prompt"),
            ({"prompt": returns("")}, "prompt"),
            ({"head": repr, "tail": returns("Out: ")}, "head and tail"),
            ({"whole": returns(Pair("x", "y"))}, "whole"),
        ],
    )
    def test_one_that_shows_no_input_is_refused(self, parts: Any, way: str) -> None:
        with pytest.raises(InputError, match=f"'mine' shows no input.*Write the input in {way}"):
            add_layout(Layout("mine", "", **parts))

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"positive": "two"}, "positive: expected `int`, got `str`"),
            ({"positive": -1}, "positive: expected `int` >= 0"),
            ({"steps": "best"}, "steps: invalid enum value 'best'"),
            ({"max_source": 0}, "max_source: expected `int` >= 2"),
            ({"position": "middle"}, "position: invalid enum value 'middle'"),
            ({"layout": ["chat"]}, "layout: expected `str`, got `array`"),
        ],
    )
    def test_options_of_another_kind_are_refused(self, options: Any, told: str) -> None:
        with pytest.raises(InputError, match=f"encoding mine, {told}"):
            add_encoding("mine", Encoding(**options))
        with pytest.raises(InputError, match=told):
            encode_task(TASK, TASK.instances[0], Encoding(**options))

    def test_added_again_it_replaces_the_earlier(self) -> None:
        for text in ("first ", "second "):
            add_layout(Layout("mine", "", returns(text), str))
        assert self.prompt() == "second x"
        add_layout(Layout("mine", "", whole=lambda task, text, answer, key: Pair(text, answer)))
        with pytest.raises(InputError, match="there is a layout 'chat' already"):
            add_layout(Layout("chat", "", str, str))


class TestProviders:
    @pytest.fixture(autouse=True)
    def _table(self) -> Iterator[None]:
        with patch.dict(PROVIDERS):
            yield

    @pytest.mark.parametrize(
        ("copy", "told"),
        [
            (returns(3), "the model 'mine:it' returned 3. Return a text, or None"),
            (broken, "the model 'mine:it' raised ValueError"),
        ],
    )
    def test_a_copy_that_is_no_text_is_refused(self, copy: Any, told: str) -> None:
        for copies in ({"v1.0": returns("x")}, {"it": copy}):  # the second replaces the first
            add_provider(Provider(prefix="mine", argument="NAME", meaning="copies", copies=copies))
        settings = make_settings(PredictSettings, {"model": "mine:it"}, "settings")
        with refused(told):
            list(copy_answers(settings, [TaskWork(TASK, ((0, TASK.instances[0]),))]))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("meaning", "two\nlines"),
            ("copies", broken),
            ("tuning", "hear"),
            ("encodes", "x"),
            ("style", None),
            ("path", "x"),
        ],
    )
    def test_a_field_of_another_kind_is_refused(self, field: str, value: Any) -> None:
        mine = Provider(prefix="mine", meaning="", checkpoint=str)
        with refused(f"`{field}` of the provider 'mine' is .*Give it "):
            add_provider(replace(mine, **{field: value}))

    @pytest.mark.parametrize("field", ["address", "known", "style", "path", "checkpoint"])
    def test_its_functions_are_named(self, field: str) -> None:
        for function, told in ((broken, "raised ValueError"), (returns(3), "returned 3. Return ")):
            mine = Provider(prefix="mine", argument="N", meaning="", checkpoint=str)
            add_provider(replace(mine, **cast("Any", {field: function})))
            with refused(f"`{field}` of the provider 'mine' {told}"):
                getattr(PROVIDERS["mine"], field)("it")
        add_provider(replace(mine, style=returns("chatty")))
        with refused("'mine' returned 'chatty'. Return 'completion' or"):
            PROVIDERS["mine"].style("it")

    @pytest.mark.parametrize(
        ("opened", "told"),
        [
            ("http://here", "provider 'mine' returned 'http://here'. Return an Endpoint"),
            (None, "`opens` of the provider 'mine' raised ValueError"),
        ],
    )
    def test_what_is_no_endpoint_is_refused(self, opened: Any, told: str) -> None:
        @asynccontextmanager
        async def opens(name: str, opening: Any) -> AsyncIterator[Any]:
            yield opened or broken()

        add_provider(Provider(prefix="mine", argument="NAME", meaning="serves", opens=opens))

        async def ask() -> None:
            async with open_model("mine:it", None, 1):
                pass

        with refused(told):
            asyncio.run(ask())

    def test_an_error_of_ours_is_left_as_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def serve(path: Path, slots: int) -> Any:
            raise OSError(5, "no access", str(path))

        monkeypatch.setattr("seedstep.llm.providers.serve_gguf", serve)

        async def ask() -> None:
            async with open_model("gguf:kept/model.gguf", None, 1):
                pass

        with pytest.raises(OSError, match=r"no access.*kept/model\.gguf"):
            asyncio.run(ask())

    def test_one_of_ours_is_not_replaced(self) -> None:
        with pytest.raises(InputError, match="seedstep has a provider 'openai' already"):
            add_provider(Provider(prefix="openai", argument="", meaning=""))
        with refused("add_provider: broken is no Provider"):
            add_provider(cast("Any", broken))


class TestStages:
    @pytest.mark.parametrize(
        ("stage", "told"),
        [
            (broken, "add_stage: broken is no Stage"),
            (
                replace(COUNT, settings=Bare),
                "'count': the field 'tasks' of Bare is no setting.*= se",
            ),
            (
                replace(COUNT, settings=cast("Any", dict)),
                "'count': dict is no class of a dataclass",
            ),
            (
                replace(COUNT, asks_model=True),
                "'count': with asks_model=True, CountSettings has to",
            ),
        ],
    )
    def test_one_without_settings_is_refused(self, stage: Any, told: str) -> None:
        with refused(told):
            add_stage(stage)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("lists", ("results",)),
            ("sections", "spending"),
            ("changeable", "limit"),
            ("load", None),
            ("tasks", 3),
        ],
    )
    def test_a_field_of_another_kind_is_refused(self, field: str, value: Any) -> None:
        with refused(f"`{field}` of the stage 'count' is .*Give it a "):
            add_stage(replace(COUNT, **{field: value}))

    @pytest.mark.parametrize(
        "field",
        [
            *("load", "made", "settled", "stamps", "contents", "check"),
            *("keep", "rows", "tasks", "labels", "work"),
        ],
    )
    def test_its_functions_are_named(self, field: str) -> None:
        def late(*given: Any) -> Iterator[Any]:
            yield broken()

        for function in (broken, *([late] if field in ("rows", "tasks") else [])):
            add_stage(replace(COUNT, **cast("Any", {field: function})))
            with refused(f"`{field}` of the stage 'count' raised ValueError: the reason") as told:
                list(getattr(STAGES["count"], field)())
            assert isinstance(told.value.__cause__, ValueError)

    def test_what_it_does_not_say_is_left_as_it_is(self) -> None:
        add_stage(COUNT)
        assert STAGES["count"].reconcile is COUNT.reconcile
        assert STAGES["count"].listed is COUNT.listed
        assert isinstance(STAGES["bootstrap"], Stage)
        assert STAGES["bootstrap"] is BOOTSTRAP

    @pytest.mark.parametrize(
        ("status", "told"),
        [
            (
                returns(line("x")),
                "`status` of the stage 'count' returned .*Return a list of blocks",
            ),
            (returns("text"), "`status` of the stage 'count' returned 'text'"),
            (returns(["text"]), r"`status` of the stage 'count' returned \['text'\]"),
            (broken, "`status` of the stage 'count' raised ValueError: the reason"),
        ],
    )
    def test_a_status_that_is_no_list_of_blocks_is_refused(
        self, status: Any, told: str, tmp_path: Path
    ) -> None:
        tasks = tmp_path / "tasks.jsonl"
        tasks.write_text('{"id": "a", "definition": "Sort.", "instances": []}\n')
        stage = replace(COUNT, status=status)
        add_stage(stage)
        with Run.start(stage, tmp_path / "counted", {"tasks": str(tasks)}) as run, refused(told):
            status_blocks(run)
