"""Every place that shows a text of others removes the same characters."""

from collections.abc import Callable

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from seedstep.cli.terminal import plain
from seedstep.data.records import as_html
from seedstep.evaluate.systems import CellTable
from seedstep.evaluate.tables import markdown
from seedstep.report.page import shown
from seedstep.report.style import label
from seedstep.text import (
    as_entities,
    escaped,
    markdown_table,
    one_line,
    plain_text,
    shortened,
    single_spaced,
    visible,
)

_HARMFUL = regex.compile(r"[\p{Cc}\p{Cs}\p{Bidi_Control}\uFFFE\uFFFF--[\t\n]]", regex.V1)
HARMFUL = frozenset(_HARMFUL.findall("".join(map(chr, range(0x110000)))))

SEVERAL_LINES: dict[str, Callable[[str], str]] = {
    "text": visible,
    "terminal": lambda text: plain(text).plain,
    "page": lambda text: shown(text, 10_000),
    "notebook": as_html,
}
ONE_LINE: dict[str, Callable[[str], str]] = {
    "text": one_line,
    "chart": lambda text: label(text, 10_000_000),
    "table": lambda text: markdown(CellTable(("name",), ((text,),))),
    "card": lambda text: escaped(text, all_markup=True),
    "hub": as_entities,
}


def test_the_harmful_characters_are_those_of_unicode() -> None:
    assert {"\u061c", "\u200e", "\u202e", "\u2069", "\x1b", "\x9b", "\ud800"} <= HARMFUL
    assert len(HARMFUL) == 63 + 2048 + 12 + 2


@pytest.mark.parametrize("show", [*SEVERAL_LINES.values(), *ONE_LINE.values()])
def test_all_users_remove_the_same(show: Callable[[str], str]) -> None:
    text = show("a" + "b".join(sorted(HARMFUL)) + "c")
    assert not HARMFUL & {*text}
    assert text.count("b") == len(HARMFUL) - 1


def test_people_who_judge_a_text_see_its_marks_of_direction() -> None:
    marks = "\u061c\u200e\u200f"
    kept = visible("".join(sorted(HARMFUL)), keep_marks=True)
    assert sorted(HARMFUL & {*kept}) == sorted(marks)


@given(st.text())
def test_what_is_not_harmful_stays(text: str) -> None:
    harmless = "".join(char for char in text if char not in HARMFUL)
    assert visible(harmless) == harmless
    assert len(visible(text)) == len(text)
    lines = harmless.replace("\u2028", "\n").replace("\u2029", "\n")
    assert one_line(lines).split() == lines.split()


@given(st.text())
def test_data_keep_marks_of_direction(text: str) -> None:
    kept = plain_text(text)
    marks = regex.compile(r"\p{Bidi_Control}")
    assert marks.findall(kept) == marks.findall(text)
    assert not regex.search(r"[\p{Cc}\p{Cs}--[\t\n]]", kept, regex.V1)


@given(st.text(), st.booleans())
def test_a_table_has_its_rows_whatever_a_cell_says(text: str, tight: bool) -> None:
    rule = "|---|---|" if tight else None
    lines = markdown_table(("a", "b"), [(text, 1), (2, text)], rule=rule).split("\n")
    assert len(lines) == 5
    for line in (lines[0], *lines[2:4]):
        assert regex.sub(r"\\.", "", line).count("|") == 3


@given(st.text())
def test_white_space_is_single_spaces(text: str) -> None:
    line = single_spaced(text)
    assert line.split() == text.split()
    assert len(line.split(" ")) == max(1, len(text.split()))
    assert single_spaced(line) == line


def test_a_cut_text_says_so() -> None:
    assert shortened("one  two\nthree", 13) == "one two three"
    assert shortened("one two three", 8) == "one two…"
    assert shortened("one" + " " * 500 + "two", 8) == "one…"
