"""Charts: their numbers, their three forms, and what hostile labels do to them."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import combinations

import pytest

from seedstep.evaluate import METRICS
from seedstep.evaluate.compare import Difference
from seedstep.evaluate.intervals import Value
from seedstep.report.charts import (
    DARK,
    LIGHT,
    ChartLine,
    bar_chart,
    difference_chart,
    histogram_chart,
    line_chart,
    render,
    ring_chart,
    share_chart,
    size_chart,
)
from seedstep.report.records import Chart
from seedstep.report.statistics import Verb, score_histogram, words_histogram

HOSTILE = (
    "$\\frac{1}{$",
    "</text><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\x00\x1b[31m\ud800\u202eevil\ufffe",
    "日本語 العربية 👩‍👧 \n\t tail",
    "x" * 100_000,
    "#0b63a5 &amp; {{ 1 }} %s",
)

ROUGE_L, _, EXACT_MATCH = METRICS

HEAD = ("system", "answers")
SCORES = Value(2.0, -1.0, 5.0)


def differences(*names: str) -> dict[str, Difference]:
    return {name: Difference(ROUGE_L, 10, 8, 52.0, 50.0, SCORES, 5, 3, 2) for name in names}


def charts(*names: str) -> list[Chart]:
    """A chart of each kind with these labels."""
    histograms = {name: words_histogram([1, 2, 3, 50]) for name in names}
    points = ((0.0, 1.0), (5.0, 3.0))
    verbs = [Verb(name, 3, ((name, 2), ("list", 1))) for name in names]
    return [
        bar_chart("bars", names[0], dict.fromkeys(names, 3), ("label", "tasks")),
        histogram_chart("histogram", names[0], histograms, "words", "texts"),
        line_chart(
            "lines", names[0], [ChartLine(name, points) for name in names], ("step", "loss")
        ),
        ring_chart("rings", names[0], verbs),
        difference_chart("differences", names[0], differences(*names), (names[0], names[-1])),
        share_chart("shares", names[0], {name: {"yes": 3, "no": 1} for name in names}, HEAD),
        size_chart("sizes", names[0], {30: SCORES, 175: SCORES}, (names[0], names[-1])),
    ]


def texts_of(markup: str | bytes) -> list[str]:
    return [text.strip() for text in ET.fromstring(markup).itertext() if text.strip()]


@pytest.mark.parametrize("chart", charts("river", "mountain"), ids=lambda chart: chart.name)
class TestForms:
    def test_the_same_chart_gives_the_same_bytes(self, chart: Chart) -> None:
        assert render(chart, "1-a") == render(chart, "1-a")

    def test_files_stand_alone(self, chart: Chart) -> None:
        drawn = render(chart, "1-a")
        assert drawn.png.startswith(b"\x89PNG\r\n")
        assert "river" in " ".join(texts_of(drawn.svg))
        assert b"var(" not in drawn.svg

    def test_in_a_page_it_follows_the_colour_scheme_and_has_a_name(self, chart: Chart) -> None:
        markup = render(chart, "1-a").inline
        root = ET.fromstring(markup)
        assert root.get("role") == "img"
        assert root.get("aria-label") == f"{chart.title}. {chart.alt}"
        assert "viewBox" in root.attrib
        assert "width" not in root.attrib
        styles = " ".join(one.get("style", "") for one in root.iter())
        assert "var(--ink)" in styles
        assert not re.search("#[0-9a-f]{6}", styles)
        assert "<style" not in markup

    def test_ids_are_its_own_and_all_there(self, chart: Chart) -> None:
        root = ET.fromstring(render(chart, "7-x").inline)
        ids = [one.get("id", "") for one in root.iter() if one.get("id")]
        assert len(set(ids)) == len(ids)
        assert all(one.startswith("7-x-") for one in ids)
        values = " ".join(" ".join(one.attrib.values()) for one in root.iter())
        referred = set(re.findall(r"url\(#([^)]+)\)", values))
        referred |= {one.get("href", "#")[1:] for one in root.iter() if one.get("href")}
        assert referred == set(ids)

    def test_the_table_says_what_is_drawn(self, chart: Chart) -> None:
        rows = (chart.table.head, *chart.table.rows)
        cells = {cell for row in rows for cell in row}
        assert {"river", "mountain"} <= cells
        assert all(len(row) == len(chart.table.head) for row in chart.table.rows)


@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_labels_are_texts(label: str) -> None:
    for chart in charts("plain", label, "other"):
        drawn = render(chart, "1-a")
        for markup in (drawn.svg, drawn.inline):
            names = {one.tag.partition("}")[2] for one in ET.fromstring(markup).iter()}
            assert not names & {"script", "img", "foreignObject", "image", "a"}
            text = " ".join(texts_of(markup))
            assert not re.search("[\x00-\x08\u202a-\u202e]", text)
            assert len(text) < 5000


def test_a_long_label_is_cut_and_the_table_has_it_whole() -> None:
    name = "an uncommonly long name of a category that goes on"
    chart = bar_chart("bars", "Long", {name: 1, "b": 2}, ("label", "tasks"))
    assert "an uncommonly long name of a …" in texts_of(render(chart, "1").svg)
    assert (name, "1") in chart.table.rows


def test_the_highest_bars_are_drawn_and_a_hundred_named() -> None:
    counts = Counter({f"label {n}": n for n in range(1, 201)})
    chart = bar_chart("bars", "Labels", counts, ("label", "tasks"))
    text = texts_of(render(chart, "1").svg)
    assert next(one for one in text if one.startswith("label ")) == "label 200"
    assert sum(one.startswith("label ") for one in text) == 15
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
    one = {"Words": words_histogram([3])}
    assert histogram_chart("h", "L", one, "words", "texts").table.rows == (("Words", "3", "1"),)
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
    assert [one for one in text if "%" in one] == ["% of the answers", "A 85%", "B 10%"]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_and_series_stand_out(theme: dict[str, str]) -> None:
    for name, colour in theme.items():
        if name not in ("surface", "grid"):
            assert contrast(colour, theme["surface"]) >= 4.5, name
    assert set(theme) == set(LIGHT)
    assert all(one != other for one, other in combinations(theme.values(), 2))
