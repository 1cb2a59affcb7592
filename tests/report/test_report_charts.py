"""Charts: their numbers, their three forms, and what hostile labels do to them."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from functools import cache
from itertools import combinations

import pytest

from seedstep.evaluate.intervals import Value
from seedstep.evaluate.systems import Difference
from seedstep.report.bars import (
    bar_chart,
    difference_chart,
    histogram_chart,
    interval_chart,
    share_chart,
)
from seedstep.report.figures import size_chart
from seedstep.report.records import Chart
from seedstep.report.statistics import score_histogram, words_histogram
from seedstep.report.style import DARK, LIGHT, DrawnChart, render
from support.metrics import EXACT_MATCH, ROUGE_L
from support.reports import HEAD, SCORES, charts_of_each_kind, differences

HOSTILE = (
    "$\\frac{1}{$",
    "</text><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\x00\x1b[31m\ud800\u202eevil\ufffe",
    "日本語 العربية 👩‍👧 \n\t tail",
    "x" * 100_000,
    "#0b63a5 &amp; {{ 1 }} %s",
)


def texts_of(markup: str | bytes) -> list[str]:
    return [text.strip() for text in ET.fromstring(markup).itertext() if text.strip()]


MADE = charts_of_each_kind("river", "mountain")


@cache
def drawn_once(name: str) -> DrawnChart:
    """One of them as it is drawn for a page."""
    return render(next(chart for chart in MADE if chart.name == name), "1-a")


@pytest.mark.parametrize("chart", MADE, ids=lambda chart: chart.name)
class TestForms:
    def test_the_same_chart_gives_the_same_bytes(self, chart: Chart) -> None:
        assert render(chart, "1-a") == drawn_once(chart.name)

    def test_files_stand_alone(self, chart: Chart) -> None:
        drawn = drawn_once(chart.name)
        assert drawn.png.startswith(b"\x89PNG\r\n")
        assert "river" in " ".join(texts_of(drawn.svg))
        assert b"var(" not in drawn.svg

    def test_in_a_page_it_follows_the_colour_scheme_and_has_a_name(self, chart: Chart) -> None:
        markup = drawn_once(chart.name).inline
        root = ET.fromstring(markup)
        assert root.get("role") == "img"
        assert root.get("aria-label") == f"{chart.title}. {chart.alt}"
        assert "viewBox" in root.attrib
        assert "width" not in root.attrib
        styles = " ".join(element.get("style", "") for element in root.iter())
        assert "var(--ink)" in styles
        assert not re.search("#[0-9a-f]{6}", styles)
        assert "<style" not in markup

    def test_ids_are_its_own_and_all_there(self, chart: Chart) -> None:
        root = ET.fromstring(render(chart, "7-x").inline)
        ids = [element.get("id", "") for element in root.iter() if element.get("id")]
        assert len(set(ids)) == len(ids)
        assert all(name.startswith("7-x-") for name in ids)
        values = " ".join(" ".join(element.attrib.values()) for element in root.iter())
        referred = set(re.findall(r"url\(#([^)]+)\)", values))
        referred |= {element.get("href", "#")[1:] for element in root.iter() if element.get("href")}
        assert referred == set(ids)

    def test_phones_have_a_drawing_of_their_own(self, chart: Chart) -> None:
        drawn = drawn_once(chart.name)
        root = ET.fromstring(drawn.narrow)
        _, _, width, _ = map(float, root.get("viewBox", "").split())
        assert width <= 72 * 3.5
        assert root.get("aria-label") == f"{chart.title}. {chart.alt}"
        assert not re.search("#[0-9a-f]{6}", drawn.narrow)
        ids = re.compile('(?<= id=")[^"]+')
        assert not set(ids.findall(drawn.inline)) & set(ids.findall(drawn.narrow))
        for markup in (drawn.inline, drawn.narrow):
            assert "min-width" not in markup

    def test_the_table_says_what_is_drawn(self, chart: Chart) -> None:
        rows = (chart.table.head, *chart.table.rows)
        cells = {cell for row in rows for cell in row}
        assert {"river", "mountain"} <= cells
        assert all(len(row) == len(chart.table.head) for row in chart.table.rows)


@pytest.mark.parametrize(
    "chart", charts_of_each_kind("plain", *HOSTILE, "other"), ids=lambda chart: chart.name
)
def test_hostile_labels_are_texts(chart: Chart) -> None:
    drawn = render(chart, "1-a")
    for markup in (drawn.svg, drawn.inline):
        names = {element.tag.partition("}")[2] for element in ET.fromstring(markup).iter()}
        assert not names & {"script", "img", "foreignObject", "image", "a"}
        text = " ".join(texts_of(markup))
        assert not re.search("[\x00-\x08\u202a-\u202e]", text)
        assert len(text) < 5000


def test_a_long_label_is_cut_and_the_table_has_it_whole() -> None:
    name = "an uncommonly long name of a category that goes on"
    chart = bar_chart("bars", "Long", {name: 1, "b": 2}, ("label", "tasks"))
    assert "an uncommonly long name of a…" in texts_of(render(chart, "1").svg)
    assert (name, "1") in chart.table.rows


def test_rows_for_phones_have_their_numbers_beside_their_names() -> None:
    drawn = {name: drawn_once(name) for name in ("intervals", "differences", "rings")}
    assert "river: +2.0 [-1.0, +5.0]" in texts_of(drawn["intervals"].narrow)
    assert "river: +2.0 [-1.0, +5.0]" in texts_of(drawn["differences"].narrow)
    assert "river: river, list" in texts_of(drawn["rings"].narrow)
    assert "river: +2.0 [-1.0, +5.0]" not in texts_of(drawn["intervals"].inline)


def test_the_label_of_an_axis_is_wrapped_for_phones() -> None:
    unit = "difference in ROUGE-L, points, with 95% intervals over tasks"
    chart = interval_chart("answer", "Difference", {"a": SCORES}, unit)
    assert unit in texts_of(render(chart, "1").inline)
    assert max(map(len, texts_of(render(chart, "1").narrow))) < 45


def test_differences_of_zero_have_an_axis_of_whole_points() -> None:
    nothing = Value(0.0, 0.0, 0.0)
    drawn = render(interval_chart("answer", "Difference", {"a": nothing}, "points"), "1")
    ticks = [text.replace("\N{MINUS SIGN}", "-") for text in texts_of(drawn.inline)]
    assert max(float(tick) for tick in ticks if re.fullmatch("-?[0-9.]+", tick)) >= 0.5


def test_sizes_that_are_close_are_not_all_named() -> None:
    sizes = (100, 105, 110, 115, 120, 1000, 10_000)
    chart = size_chart("s", "S", dict.fromkeys(sizes, SCORES), ("tasks", "points"))
    for markup in (render(chart, "1").inline, render(chart, "1").narrow):
        assert [text for text in texts_of(markup) if text in map("{:,}".format, sizes)] == [
            "10,000",
            "1,000",
            "120",
        ]


def test_a_share_has_a_text_only_where_it_fits() -> None:
    wholes = {"a": {"wins": 10, "losses": 12, "ties": 78}}
    text = texts_of(render(share_chart("s", "S", wholes, HEAD), "1").inline)
    assert [each for each in text if "%" in each] == ["% of the answers", "ties 78%"]


def test_the_highest_bars_are_drawn_and_a_hundred_named() -> None:
    counts = Counter({f"label {n}": n for n in range(1, 201)})
    chart = bar_chart("bars", "Labels", counts, ("label", "tasks"))
    text = texts_of(render(chart, "1").svg)
    assert next(line for line in text if line.startswith("label ")) == "label 200"
    assert sum(line.startswith("label ") for line in text) == 15
    assert len(chart.table.rows) == 100
    assert chart.table.caption == "Labels, the first 100 of 200"


def test_bins_by_their_ends() -> None:
    found = {"Words": words_histogram([0, 1, 7, 7, *[30] * 90, 9000])}
    rows = histogram_chart("h", "Lengths", found, "words", "texts").table.rows
    assert rows == (
        ("Words", "0 to 1", "2"),
        ("Words", "6 to 7", "2"),
        ("Words", "30 or more", "91"),
    )
    histograms = {"Words": words_histogram([3])}
    assert histogram_chart("h", "L", histograms, "words", "texts").table.rows == (
        ("Words", "3", "1"),
    )
    scores = {"Scores": score_histogram([0.31, 1.0])}
    rows = histogram_chart("h", "S", scores, "ROUGE-L", "texts").table.rows
    assert [row[1] for row in rows] == ["0.30 to 0.35", "0.95 to 1.00"]


def test_a_value_without_an_interval_says_why() -> None:
    few = Difference(EXACT_MATCH, 4, 2, 50.0, 25.0, Value(25.0, None, None, "2 tasks"), 2, 1, 1)
    none = Difference(ROUGE_L, 4, 2, 0.0, 0.0, Value(None, None, None, "no tasks"), 0, 0, 4)
    chart = difference_chart("d", "D", {**differences("a"), "b": few, "c": none}, ("new", "old"))
    render(chart, "1")
    assert [row[3:] for row in chart.table.rows] == [
        ("ROUGE-L", "52.0", "50.0", "+2.0", "-1.0 to +5.0"),
        ("exact match", "50.0", "25.0", "+25.0", "2 tasks"),
        ("ROUGE-L", "0.0", "0.0", "", "no tasks"),
    ]
    assert chart.alt == "new scores more than old in 2 of 3 rows."


def test_shares_of_each_whole_and_of_an_empty_one() -> None:
    wholes = {"one": {"A": 17, "B": 2, "C": 1}, "none": {"A": 0, "B": 0, "C": 0}}
    chart = share_chart("s", "Ratings", wholes, HEAD)
    assert chart.table.rows[:4] == (
        ("one", "A", "17", "85.0"),
        ("one", "B", "2", "10.0"),
        ("one", "C", "1", "5.0"),
        ("none", "A", "0", "0.0"),
    )
    assert chart.alt == "one: A 85%, B 10%, C 5%. none: A 0%, B 0%, C 0%."
    text = texts_of(render(chart, "1").svg)
    assert [line for line in text if "%" in line] == ["% of the answers", "A 85%", "B 10%"]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colour: str, other_colour: str) -> float:
    light, dark = sorted((luminance(colour), luminance(other_colour)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_and_series_stand_out(theme: dict[str, str]) -> None:
    for name, colour in theme.items():
        if name not in ("surface", "grid"):
            assert contrast(colour, theme["surface"]) >= 4.5, name
    assert set(theme) == set(LIGHT)
    assert all(colour != other_colour for colour, other_colour in combinations(theme.values(), 2))
