"""The page: whole, accessible, and harmless whatever it shows."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import html5lib
import pytest

from seedstep.report.bars import bar_chart
from seedstep.report.page import CELL, TEXT, cut_note, render_page, shown
from seedstep.report.records import (
    Chart,
    Field,
    Headline,
    Paragraph,
    ReportBlock,
    ReportPart,
    Section,
    Specimen,
    Specimens,
    Table,
)
from seedstep.report.style import render
from support.browsing import watched
from support.reports import charts_of_each_kind

HTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "<script>document.title = 'gone'</script>",
    "</title></style></pre></details></svg>--><h1 onclick=x()>big</h1>",
    '" onmouseover="x()" x="',
    "<a href=\"javascript:alert(1)\">here</a> <img src='https://example.org/x.png' onerror=y()>",
    "{{ 7 * 7 }} {% include 'x' %} &lt;b&gt; &#x202e;",
    "\u202eright to left\u2066 \u200f \x00 \x1b[2J \ud800 \ufffe",
)


def parts_with(text: str) -> list[ReportPart]:
    """A report in which this text stands wherever a text of others may stand."""
    blocks = (
        Paragraph(text),
        Table(text, (text, "n"), ((text, "1"),)),
        bar_chart("bars", text, {text: 3}, ("label", "tasks")),
        Specimens(text, (Specimen(text, (Field(text, text), Field("half", text, half=True))),)),
    )
    figure = bar_chart("first", text, {text: 3}, ("label", "tasks"))
    section = Section(text, blocks, text, (Headline(text, text, "better"),), figure)
    return [ReportPart(text, ((text, text),), (section,)), ReportPart("other", (), (section,))]


def markup_of(parts: list[ReportPart], title: str = "run") -> bytes:
    drawn = {
        f"{number}-{block.name}": render(block, f"{number}-{block.name}")
        for number, part in enumerate(parts, start=1)
        for section in part.sections
        for block in section.blocks
        if isinstance(block, Chart)
    }
    figures = [section.figure for part in parts for section in part.sections if section.figure]
    drawn |= {f"first-{figure.name}": render(figure, f"first-{figure.name}") for figure in figures}
    return render_page(title, parts, drawn)


def page_of(parts: list[ReportPart], title: str = "run") -> Any:
    """The parsed page; a fault of its HTML is an error."""
    markup = markup_of(parts, title)
    assert b"\x00" not in markup
    return html5lib.HTMLParser(strict=True).parse(markup.decode())


@cache
def page_with(text: str, title: str) -> Any:
    """A page in which this text stands wherever a text of others may stand; not to be changed."""
    return page_of(parts_with(text), title)


def elements(page: Any) -> Iterator[tuple[str, Any]]:
    for element in page.iter():
        if isinstance(element.tag, str):
            yield element.tag.removeprefix(HTML).removeprefix(SVG), element


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
class TestHostileTexts:
    def test_nothing_but_our_own_elements(self, text: str) -> None:
        names = Counter(name for name, _ in elements(page_with(text, text)))
        plain = Counter(name for name, _ in elements(page_with("plain", "plain")))
        drawn = {"path", "use", "g", "defs", "text", "tspan"}  # a label more or less
        assert {n: k for n, k in names.items() if n not in drawn} == {
            n: k for n, k in plain.items() if n not in drawn
        }
        assert not set(names) & {"script", "img", "iframe", "object", "embed", "base", "form"}

    def test_no_attribute_runs_or_loads_anything(self, text: str) -> None:
        for _, element in elements(page_with(text, text)):
            for name, value in element.attrib.items():
                assert not name.lower().startswith("on")
                if name.endswith("href"):
                    assert value.startswith("#")
                assert name not in ("src", "srcset", "action", "formaction", "data")

    def test_it_is_shown_as_it_is_but_for_what_hides_or_turns_text(self, text: str) -> None:
        page = page_with(text, text)
        texts = [element.text for name, element in elements(page) if name == "pre"]
        assert texts == [shown(text)] * 4
        everything = "".join(page.itertext())
        assert not re.search(
            "[\x00-\x08\x0b-\x1f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", everything
        )
        if "\u202e" not in text:
            assert texts[0] == text


class TestAccess:
    @property
    def page(self) -> Any:
        return page_with("plain", "run")

    def test_every_link_leads_somewhere_and_ids_are_unique(self) -> None:
        ids = [element.get("id") for _, element in elements(self.page) if element.get("id")]
        assert len(set(ids)) == len(ids)
        targets = [element.get("href")[1:] for name, element in elements(self.page) if name == "a"]
        contents = 1 + 2 + 2
        assert len(targets) == 1 + 2 * contents  # for wide screens and for narrow ones
        assert set(targets) <= set(ids)
        labelled = [element.get("aria-labelledby") for _, element in elements(self.page)]
        assert {label for label in labelled if label} <= set(ids)

    def test_figures_have_a_name_and_their_numbers(self) -> None:
        figures = [element for name, element in elements(self.page) if name == "figure"]
        assert len(figures) == 1 + 2
        for figure in figures:
            drawings = list(figure.iter(f"{SVG}svg"))
            assert len(drawings) == 2  # for wide screens, and for phones
            assert all(drawing.get("role") == "img" for drawing in drawings)
            assert all(drawing.get("aria-label") for drawing in drawings)
            table = figure.find(f".//{HTML}table")
            assert table.find(f"{HTML}caption").text == "plain"
            heads = [cell.get("scope") for cell in table.iter(f"{HTML}th")]
            assert heads == ["col", "col", "row"]

    def test_headings_leave_no_level_out(self) -> None:
        levels = [int(name[1]) for name, _ in elements(self.page) if re.fullmatch("h[1-6]", name)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(later - level <= 1 for level, later in pairwise(levels))

    def test_what_scrolls_can_be_reached_by_keyboard(self) -> None:
        regions = [
            element for _, element in elements(self.page) if element.get("class") == "scroll"
        ]
        assert regions
        assert all(region.get("tabindex") == "0" and region.get("aria-label") for region in regions)

    def test_it_adapts_to_phones_and_dark_rooms(self) -> None:
        metas = {
            element.get("name"): element.get("content")
            for n, element in elements(self.page)
            if n == "meta"
        }
        assert metas["viewport"].startswith("width=device-width")
        assert metas["color-scheme"] == "light dark"
        assert self.page.get("lang") == "en"
        (style,) = [element.text for name, element in elements(self.page) if name == "style"]
        assert "prefers-color-scheme: dark" in style
        assert "url(" not in style
        assert "@import" not in style

    def test_a_policy_forbids_scripts_and_the_network(self) -> None:
        (policy,) = [
            element.get("content")
            for name, element in elements(self.page)
            if element.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
        assert "script-src" not in policy


class TestPhones:
    WIDE = Table("Wide", ("system", *("ROUGE-L",) * 3), (("a", *("41.2 [39.0, 43.5]",) * 3),))
    SMALL = Table("Small", ("", "this run"), (("instructions", "93"),))

    def test_a_wide_table_is_stacked_and_its_cells_have_their_heads(self) -> None:
        section = Section("Scores", (self.WIDE, self.SMALL))
        wide, small = page_of([ReportPart("p", (), (section,))]).iter(f"{HTML}table")
        assert wide.get("class") == "stack"
        assert small.get("class") is None
        assert [cell.get("data-head") for cell in wide.iter(f"{HTML}td")] == ["ROUGE-L"] * 3

    def test_only_words_that_fit_nowhere_are_broken(self) -> None:
        table = Table("T", ("of", "n"), (("ROUGE-L", "1"), ("x" * 60, "2")))
        page = page_of([ReportPart("p", (), (Section("S", (table,)),))])
        long = [cell.text for _, cell in elements(page) if "long" in cell.get("class", "").split()]
        assert long == ["x" * 60]

    def test_nothing_is_wider_than_a_phone(self, browser: Any, tmp_path: Path) -> None:
        text = "a name of a system or category that goes on"
        name = "an_uncommonly_long_name_of_a_system-that-goes-on"
        rows = ((name, "exact match", "41.2 [39.0, 43.5]", "41.2 [39.0, 43.5]"),)
        many = Table(text, ("category", "metric", text, "ROUGE-L"), rows, names=2)
        drawn = charts_of_each_kind(text, name, "tuned")
        blocks: tuple[ReportBlock, ...] = (self.WIDE, self.SMALL, many, *drawn)
        section = Section(text, blocks, "", (Headline(text, text),) * 8, drawn[0])
        path = tmp_path / "index.html"
        path.write_bytes(markup_of([ReportPart(name, (), (section,))], text))
        with watched(browser, viewport={"width": 390, "height": 844}) as watching:
            watching.page.goto(path.as_uri())
            watching.page.evaluate(
                "document.querySelectorAll('details').forEach(each => each.open = true)"
            )
            wider = watching.page.evaluate(
                """[document.documentElement, ...document.querySelectorAll('.scroll')]
                .filter(each => each.scrollWidth > each.clientWidth + 1)
                .map(each => each.ariaLabel || 'page')"""
            )
            outside = watching.page.evaluate(
                """[...document.querySelectorAll('.on-narrow text')]
                .filter(each => each.getBoundingClientRect().right > innerWidth)
                .map(each => each.textContent)"""
            )
            shown = watching.page.evaluate(
                """[...document.querySelectorAll('figure svg')]
                .filter(each => each.getBoundingClientRect().width).length"""
            )
        assert (wider, outside) == ([], [])
        assert shown == 1 + len(drawn)


def test_print_shows_everything_and_is_light_and_without_navigation(
    browser: Any, tmp_path: Path
) -> None:
    long = Specimen("task", (Field("output", "word " * 500), Field("input", "line\n" * 60)))
    blocks: tuple[ReportBlock, ...] = (
        Specimens("folded", (long,)),
        *charts_of_each_kind("a", "b", "c"),
    )
    section = Section("S", blocks, "", (Headline("asked", "found"),) * 8)
    path = tmp_path / "index.html"
    path.write_bytes(markup_of([ReportPart("p", (("seed", "42"),), (section,))]))
    with watched(browser, viewport={"width": 1280, "height": 900}, color_scheme="dark") as watching:
        watching.page.goto(path.as_uri())
        dark = watching.page.evaluate(SURFACE)
        watching.page.emulate_media(media="print")
        assert watching.page.evaluate(SURFACE) != dark
        seen = "each => each.checkVisibility({contentVisibilityAuto: true})"
        navigation = watching.page.evaluate(
            f"[...document.querySelectorAll('nav, .skip')].filter({seen}).length"
        )
        unseen = watching.page.evaluate(
            f"[...document.querySelectorAll('pre, dd, figure td, .answer')]"
            f".filter(each => !({seen})(each)).map(each => each.textContent)"
        )
        cut = watching.page.evaluate(
            """[...document.querySelectorAll('pre, .scroll')].filter(each =>
            each.scrollHeight > each.clientHeight + 1 || each.scrollWidth > each.clientWidth + 1)
            .map(each => each.textContent)"""
        )
    assert (navigation, unseen, cut) == (0, [], [])


SURFACE = "getComputedStyle(document.documentElement).backgroundColor"


def test_the_figure_follows_the_first_answer_and_most_others_are_folded() -> None:
    figure = bar_chart("first", "figure", {"a": 3}, ("label", "tasks"))
    answers = tuple(Headline(f"question {n}", f"answer {n}") for n in range(9))
    page = page_of([ReportPart("p", (), (Section("S", (), "", answers, figure),))])
    text = " ".join("".join(page.find(f".//{HTML}main").itertext()).split())
    assert text.index("answer 0") < text.index("figure") < text.index("question 1")
    folded = [
        each
        for name, each in elements(page)
        if name == "details" and each.find(f"{HTML}summary").text == "4 more answers"
    ]
    (others,) = folded
    assert [each.text for each in others.iter(f"{HTML}strong")] == [
        f"question {n}" for n in range(5, 9)
    ]


def test_long_texts_are_cut_and_say_how_long_they_are() -> None:
    text = "word " * 200_000 + "END"
    markup = markup_of(parts_with(text), text)
    assert len(markup) < 200_000
    assert b"END" not in markup
    assert f"{TEXT:,} of 1,000,003 characters are shown".encode() in markup


def test_what_is_short_is_whole() -> None:
    assert shown("a" * TEXT) == "a" * TEXT
    assert not cut_note("a" * TEXT)
    assert shown("a" * TEXT + "b") == "a" * TEXT + " …"
    assert cut_note("abc", most=2) == "2 of 3 characters are shown"
    assert CELL < TEXT
