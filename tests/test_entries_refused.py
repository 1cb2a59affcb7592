"""Entries that can not be used are refused by name, and so is what their functions return."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import pytest

from seedstep import export
from seedstep.bootstrap import BootstrapSettings, InstructionFilter
from seedstep.bootstrap.filters import check_filters
from seedstep.bootstrap.pool import Pool
from seedstep.data import Instance, Task, load_tasks, seed_tasks
from seedstep.encode import ENCODINGS, LAYOUTS, Encoding, Layout, Pair, add_layout, encode_task
from seedstep.errors import EntryError, InputError
from seedstep.evaluate import Metric, Prediction, Reference, score
from seedstep.exports import ExportFormat
from seedstep.infer.predict import TaskWork, copy_answers
from seedstep.infer.settings import PredictSettings
from seedstep.llm import PROVIDERS, Provider, add_provider, open_model
from seedstep.report import SECTIONS, Paragraph, ReportSection, Section, Table, write_report
from seedstep.report.assembly import check_sections
from seedstep.runs import Run, Stage, TaskRecords, add_stage, has_rows, line
from seedstep.settings import make_settings, setting
from seedstep.stages import BOOTSTRAP, STAGES, status_blocks
from seedstep.stages.steps import instructions_work
from seedstep.steps import CHECKS, Check, ParsedSteps, TaskText
from seedstep.steps.checks import guarded_checks

FIXTURES = Path(__file__).parent / "fixtures" / "v0.1.0"


@pytest.fixture
def grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of a bootstrap, and a table of stages for one test."""
    monkeypatch.setattr(STAGES, "entries", dict(STAGES.entries))
    return Path(shutil.copytree(FIXTURES / "bootstrap", tmp_path / "run"))


def nothing(runs: Any, context: Any) -> list[Any]:
    return []


MINE = ReportSection("mine", "what I want", nothing, stages=("bootstrap",))


class TestSections:
    @pytest.mark.parametrize(
        ("sections", "told"),
        [
            ([replace(MINE, stages=())], "'mine' is in no report.*stages="),
            ([replace(MINE, stages=("bootstrp",))], "'mine': there is no stage 'bootstrp'.*'boot"),
            (
                [replace(MINE, stages=cast("Any", "bootstrap"))],
                r"'mine' is a text.*\('bootstrap',\)",
            ),
            ([*SECTIONS, replace(MINE, name="sizes")], "two sections are called 'sizes'"),
        ],
    )
    def test_one_that_would_be_in_no_part_is_refused(self, sections: Any, told: str) -> None:
        with pytest.raises(InputError, match=told):
            check_sections(sections)

    def test_one_may_stand_in_the_place_of_ours(self) -> None:
        sizes = replace(MINE, name="sizes", stages=())
        check_sections([sizes if each.name == "sizes" else each for each in SECTIONS])

    def test_a_name_that_a_stage_has_is_there(self, grown: Path, tmp_path: Path) -> None:
        entry = STAGES.entries["bootstrap"]
        for names, told in ((("sizez",), "'sizez'.*Write 'sizes'.*yours"), (("sizes",), "")):
            STAGES.entries["bootstrap"] = replace(entry, home=replace(BOOTSTRAP, sections=names))
            if told:
                with pytest.raises(InputError, match=told):
                    write_report(grown, tmp_path / "page")
            else:
                assert write_report(grown, tmp_path / "page", sections=[MINE]).figures == 0


def broken(*given: Any) -> Any:
    raise ValueError("the reason\nin two lines")


def returns(value: Any) -> Any:
    return lambda *given: value


def refused(told: str) -> Any:
    """What ends in an error that names the entry, its own cause with it."""
    return pytest.raises(EntryError, match=told)


class TestFilters:
    def test_a_function_alone_is_refused(self) -> None:
        with refused(r"filters: broken is no InstructionFilter or InstanceFilter\. Pass an "):
            check_filters(cast("Any", [broken]))

    def test_one_alone_is_a_list_of_one(self) -> None:
        mine = InstructionFilter("mine", "bad", returns(True))
        assert check_filters(mine) == (mine,)

    @pytest.mark.parametrize(
        "find", [re.compile("river").search, lambda text: np.True_ & ("river" in text)]
    )
    def test_whatever_is_true_rejects(self, find: Any) -> None:
        pool = Pool(
            seed_tasks(), BootstrapSettings(), filters=[InstructionFilter("mine", "bad", find)]
        )
        assert pool.fault("Name a river of the country.") == ("mine", "")
        assert pool.fault("Name a mountain of the country.") is None

    def test_what_is_neither_true_nor_false_is_refused(self) -> None:
        mine = InstructionFilter("mine", "bad", returns(np.zeros(2)))
        pool = Pool(seed_tasks(), BootstrapSettings(), filters=[mine])
        with refused("the filter 'mine' returned .*Return True where it rejects"):
            pool.fault("Name a river of the country.")

    def test_what_it_raises_is_told_with_its_name(self) -> None:
        mine = InstructionFilter("mine", "bad", broken)
        pool = Pool(seed_tasks(), BootstrapSettings(), filters=[mine])
        with refused("the filter 'mine' raised ValueError: the reason. Correct") as told:
            pool.fault("Name a river of the country.")
        assert isinstance(told.value.__cause__, ValueError)


class TestMetrics:
    def scored(self, measure: Any) -> float:
        mine = Metric("mine", "mine", "what I want", measure)
        references = {"t-1": Reference("t", "", ("y",))}
        found = score([Prediction("t", "t-1", "x")], references, metrics=mine)
        return found.overall.of("mine")

    @pytest.mark.parametrize("value", [None, float("nan"), 50, "1", -0.5, 1.001, np.ones(2)])
    def test_what_is_no_score_is_refused(self, value: Any) -> None:
        with refused("the metric 'mine' returned .*Return a number from 0 to 1"):
            self.scored(returns(value))

    def test_one_alone_is_a_list_of_one(self) -> None:
        assert self.scored(returns(0.5)) == 50
        assert self.scored(returns(True)) == 100

    def test_one_that_is_out_of_bounds_by_rounding_is_the_bound(self) -> None:
        assert self.scored(returns(1.0000000000000002)) == 100
        assert str(self.scored(returns(-1e-17))) == "0.0"

    def test_what_it_raises_is_told_with_its_name(self) -> None:
        with refused("the metric 'mine' raised ValueError"):
            self.scored(broken)

    def test_a_function_alone_is_refused(self) -> None:
        with refused("metrics: broken is no Metric. Pass a Metric, made with a name and broken"):
            score([], {}, metrics=cast("Any", broken))


class TestFormats:
    @pytest.mark.parametrize(
        ("chosen", "told"),
        [
            (broken, "format: broken is no ExportFormat"),
            (ExportFormat("mine", "m", returns(None)), "'mine' returned None. Return the number"),
            (ExportFormat("mine", "m", broken), "the format 'mine' raised ValueError"),
        ],
    )
    def test_what_makes_no_export_is_refused(
        self, chosen: Any, told: str, grown: Path, tmp_path: Path
    ) -> None:
        with refused(told):
            export(grown, chosen, tmp_path / "out")
        assert not (tmp_path / "out").exists()


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
            ({"head": returns(None), "tail": str}, "'mine' returned None. Return a text"),
            ({"head": broken, "tail": str}, "the layout 'mine' raised ValueError"),
            ({"whole": returns("x")}, "'mine' returned 'x'. Return a Pair"),
        ],
    )
    def test_what_makes_no_prompt_is_refused(self, parts: Any, told: str) -> None:
        add_layout(Layout("mine", "", **parts))
        with refused(told):
            self.prompt()

    def test_a_function_alone_is_refused(self) -> None:
        with refused("add_layout: broken is no Layout"):
            add_layout(cast("Any", broken))

    def test_added_again_it_replaces_the_earlier(self) -> None:
        for text in ("first ", "second "):
            add_layout(Layout("mine", "", returns(text), str))
        assert self.prompt() == "second x"
        add_layout(Layout("mine", "", whole=returns(Pair("p", "q"))))
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
        for copies in ({"it": returns("x")}, {"it": copy}):  # the second replaces the first
            add_provider(Provider(prefix="mine", argument="NAME", meaning="copies", copies=copies))
        settings = make_settings(PredictSettings, {"model": "mine:it"}, "settings")
        with refused(told):
            list(copy_answers(settings, [TaskWork(TASK, ((0, TASK.instances[0]),))]))

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


def test_what_a_section_of_the_report_makes_is_checked(grown: Path, tmp_path: Path) -> None:
    wrong: dict[str, Any] = {
        "'mine' returned None. Return a list of Sections": returns(None),
        "'mine' returned .*Return a list of Sections": returns(Section("Mine", ())),
        "'mine' returned 'words'.*Paragraphs": returns([Section("M", cast("Any", ("words",)))]),
        r"'mine' returned \(3,\)\. Return rows of texts": returns(
            [Section("M", (Table("T", ("n",), cast("Any", ((3,),))),))]
        ),
        "the section 'mine' raised ValueError": broken,
    }
    for told, make in wrong.items():
        with refused(told):
            write_report(grown, tmp_path / "page", sections=replace(MINE, make=make))
    with refused("sections: broken is no ReportSection"):
        write_report(grown, tmp_path / "page", sections=cast("Any", [broken]))
    made = replace(MINE, make=returns([None, Section("Mine", (Paragraph("words"),))]))
    assert write_report(grown, tmp_path / "page", sections=made).figures == 0


def test_what_a_check_of_instructions_finds_is_a_text() -> None:
    run = cast("Any", None)
    with refused(r"checks\['mine'\]: broken is no Check"):
        instructions_work(run, cast("Any", {**CHECKS, "mine": broken}))
    for find, told in (
        (broken, "raised ValueError"),
        (returns(None), "returned None. Return a te"),
    ):
        (mine,) = guarded_checks({"mine": Check(find, "")}).values()
        with refused(f"the check 'mine' {told}"):
            mine.find(ParsedSteps(("Sort.",)), TaskText("Sort."))


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


@pytest.mark.usefixtures("grown")
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
