"""Entries that can not be used are refused by name, and so is what their functions return."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from seedstep.errors import InputError
from seedstep.report import SECTIONS, ReportSection, write_report
from seedstep.report.assembly import check_sections
from seedstep.stages import BOOTSTRAP, STAGES

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
