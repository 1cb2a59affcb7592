"""Entries that can not be used are refused by name, and so is what their functions return."""

import errno
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import pytest

from seedstep import export
from seedstep.bootstrap import BootstrapSettings, Gate, InstanceFilter, InstructionFilter
from seedstep.bootstrap.added_filters import check_filters
from seedstep.bootstrap.gates import check_own_gates
from seedstep.bootstrap.pool import Pool
from seedstep.data import Task, seed_tasks
from seedstep.errors import InputError, RunError
from seedstep.evaluate import Metric, Prediction, Reference, score
from seedstep.evaluate.metrics import check_metrics
from seedstep.exports import ExportFormat
from seedstep.exports.formats import check_format
from seedstep.llm import PROVIDERS, Provider, add_provider
from seedstep.report import SECTIONS, Chart, Paragraph, ReportSection, Section, Table, write_report
from seedstep.report.assembly import check_sections
from seedstep.runs.added_stage import check_stage
from seedstep.stages import BOOTSTRAP, STAGES
from seedstep.stages.steps import instructions_work
from seedstep.steps import CHECKS, Check, ParsedSteps
from seedstep.steps.checks import guarded_checks
from support.refusing import broken, refused, returns

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
                "`stages` of the section 'mine' is 'bootstrap'. Give it a tuple of texts",
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


class Later:
    """What an `async def` returns."""

    def __await__(self) -> Iterator[None]:
        yield


class Unshown:
    """What ends the program where it is looked at."""

    def __repr__(self) -> str:
        raise SystemExit(3)

    __bool__ = __repr__


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

    @pytest.mark.parametrize("found", [np.zeros(2), Later(), "\ud800", Unshown()], ids=type)
    def test_what_is_neither_true_nor_false_nor_a_text_is_refused(self, found: Any) -> None:
        mine = InstructionFilter("mine", "bad", returns(found))
        pool = Pool(seed_tasks(), BootstrapSettings(), filters=[mine])
        with refused("the filter 'mine' returned .*Return True where it rejects") as told:
            pool.fault("Name a river of the country.")
        str(told.value).encode()

    def test_a_name_that_can_t_be_stored_is_refused(self) -> None:
        with refused("Give it a text of one line that is not empty"):
            check_filters(InstructionFilter("\ud800", "bad", returns(True)))

    def test_what_it_raises_is_told_with_its_name(self) -> None:
        mine = InstructionFilter("mine", "bad", broken)
        pool = Pool(seed_tasks(), BootstrapSettings(), filters=[mine])
        with refused("the filter 'mine' raised ValueError: the reason. Correct") as told:
            pool.fault("Name a river of the country.")
        assert isinstance(told.value.__cause__, ValueError)


class SilentError(Exception):
    """What can't be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")

    __str__ = __repr__


def raises(error: BaseException) -> Any:
    def raising(*given: Any) -> Any:
        raise error

    return raising


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
        with refused("the metric 'mine' raised SystemExit: 3. Correct its function"):
            self.scored(lambda pair: sys.exit(3))
        with refused("the metric 'mine' raised SilentError. Correct its function"):
            self.scored(raises(SilentError()))
        with refused("the metric 'mine' returned <.*SilentError object at .*Return a number"):
            self.scored(returns(SilentError()))

    def test_a_function_alone_is_refused(self) -> None:
        for given, shown in ((broken, "broken"), (Metric, "the class Metric")):
            made = r"Pass a Metric\(name, title, meaning, measure\)"
            with refused(rf"metrics: {shown} is no Metric\. {made}"):
                score([], {}, metrics=cast("Any", given))


def removes(source: Any, folder: Path) -> int:
    folder.rmdir()
    return 5


class TestFormats:
    @pytest.mark.parametrize(
        ("chosen", "told"),
        [
            (broken, "format: broken is no ExportFormat"),
            (ExportFormat("mine", "m", returns(None)), "'mine' returned None. Return the number"),
            (ExportFormat("mine", "m", broken), "the format 'mine' raised ValueError"),
            (
                ExportFormat("mine", "m", returns(5)),
                "'mine' returned 5, and wrote no file. Write into the folder",
            ),
            (
                ExportFormat("mine", "m", removes),
                "the format 'mine' removed the folder of its files",
            ),
        ],
    )
    def test_what_makes_no_export_is_refused(
        self, chosen: Any, told: str, grown: Path, tmp_path: Path
    ) -> None:
        with refused(told):
            export(grown, chosen, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_full_disk_is_no_fault_of_a_format(self, grown: Path, tmp_path: Path) -> None:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "train.jsonl")
        mine = ExportFormat("mine", "m", raises(full))
        told = r"the format 'mine' could not go on: No space left on device \(train.jsonl\). Free"
        with pytest.raises(RunError, match=told):
            export(grown, mine, tmp_path / "out")


@pytest.mark.parametrize(
    ("kind", "use", "usual"),
    [
        ("filter", check_filters, InstructionFilter("mine", "bad", returns(True))),
        ("filter", check_filters, InstanceFilter("mine", "bad", returns(True))),
        ("gate", check_own_gates, Gate("mine", "bad", returns(True))),
        ("section", check_sections, MINE),
        ("check", lambda check: guarded_checks({"mine": check}), Check(returns(""), "fault")),
        ("provider", add_provider, Provider(prefix="mine", meaning="m", checkpoint=str)),
        ("stage", check_stage, replace(BOOTSTRAP, name="mine")),
        ("metric", check_metrics, Metric("mine", "mine", "what I want", returns(1))),
        ("format", partial(check_format, where="format"), ExportFormat("mine", "m", returns(1))),
    ],
)
def test_no_field_is_of_another_kind(kind: str, use: Any, usual: Any) -> None:
    with patch.dict(PROVIDERS):
        use(usual)
    for field in fields(usual):
        with refused(f"`{field.name}` of (a|the) {kind}.* is .*Give it |is no (name|class)"):
            use(replace(usual, **{field.name: SilentError()}))


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


def test_a_chart_that_can_not_be_drawn_is_named(grown: Path, tmp_path: Path) -> None:
    table = Table("T", ("n",), ())
    chart = Chart("mine", "Mine", "A figure.", (4, 2), lambda figure: figure.subplots(), table)
    raised = "the chart 'mine' of the section 'mine' raised ValueError: the reason"
    broken_chart = replace(chart, draw=broken)
    wrong = (
        (Section("M", (broken_chart,)), raised),
        (Section("M", (), figure=broken_chart), raised),
        (Section("M", (chart, replace(chart, title="Other"))), "two charts .* are called 'mine'"),
        (Section("M", (replace(chart, name="../x"),)), "of the section 'mine': '../x' is no name"),
        (Section("M", (replace(chart, draw=cast("Any", 3)),)), "`draw` of the chart 'mine' .* 3"),
        (Section("M", (), figure=cast("Any", 3)), "returned 3. Return a Section whose figure"),
    )
    for section, told in wrong:
        with refused(told):
            write_report(grown, tmp_path / "page", sections=replace(MINE, make=returns([section])))
    made = replace(MINE, make=returns([Section("M", (chart,))]))
    assert write_report(grown, tmp_path / "page", sections=made).figures == 1


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
            mine.find(ParsedSteps(("Sort.",)), Task("sort", "Sort.", ()))
