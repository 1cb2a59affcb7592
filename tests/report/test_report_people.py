"""What a report says of people's labels, as worked out by hand."""

from collections.abc import Sequence

import pytest

from seedstep.data.reviews import LabelRow, ReviewItem
from seedstep.evaluate.people import StandingLabels
from seedstep.report.records import Chart, Paragraph, Section, Specimens, Table
from seedstep.report.sections.people import people_sections
from seedstep.review.forms import FORMS
from seedstep.runs.reviews import OWNER
from support.reviewing import an_item

RATERS = ("ann", "bob")


def labels(
    form: str, items: Sequence[ReviewItem], said: dict[str, str], *names: str
) -> StandingLabels:
    """Both raters say the same; `said` has a letter for each question."""
    words = {"y": "yes", "n": "no", "f": "first", "s": "second", "t": "same"}
    rows = [
        LabelRow(
            f"{rater}{item}",
            rater,
            item,
            "label",
            {name: words.get(letter, letter) for name, letter in zip(names, letters, strict=True)},
            shown=(0, 1) if form == "pairs" else (),
        )
        for rater in RATERS
        for item, letters in said.items()
    ]
    return StandingLabels.of(FORMS[form], {item.id: item for item in items}, rows, RATERS, OWNER)


def tables(sections: Sequence[Section]) -> dict[str, Table]:
    return {
        block.caption.split(",")[0]: block
        for section in sections
        for block in section.blocks
        if isinstance(block, Table)
    }


def charts(sections: Sequence[Section]) -> dict[str, Chart]:
    return {
        block.name: block
        for section in sections
        for block in section.blocks
        if isinstance(block, Chart)
    }


def letters(*texts: str) -> dict[str, str]:
    return {f"item{place:04}": text for place, text in enumerate(texts)}


def test_table_2_of_self_instruct_with_specimens() -> None:
    items = [an_item(place) for place in range(4)]
    found = people_sections(
        labels("data", items, letters("yyy", "yyn", "ynn", "nnn"), "instruction", "input", "output")
    )
    rows = tables(found)["Data quality (Table 2 of Self-Instruct)"].rows
    assert [(row[1], row[3]) for row in rows] == [
        ("3 of 4", "92"),
        ("2 of 4", "79"),
        ("1 of 4", "58"),
        ("1 of 4", "54"),
    ]
    assert [row[2].split()[0] for row in rows] == ["75.0", "50.0", "25.0", "25.0"]
    good, bad = [block for block in found[-1].blocks if isinstance(block, Specimens)]
    assert (good.summary, bad.summary) == ("accepted (1 of 1)", "rejected (3 of 3)")
    assert bad.items[1].fields[-1].text == "input: No, output: No"


def test_figures_2_4_and_5_and_the_split_in_four() -> None:
    items = [
        an_item(place, category=f"C{place % 2}", group="refined" if place < 4 else "unrefined")
        for place in range(6)
    ]
    said = letters("yy", "yn", "ny", "yy", "nn", "yy")
    found = people_sections(labels("steps", items, said, "correct", "complete"))
    rows = tables(found)["The same"].rows
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("all", "correct", "4 of 6"),
        ("all", "complete", "4 of 6"),
        ("refined", "correct", "3 of 4"),
        ("refined", "complete", "3 of 4"),
        ("unrefined", "correct", "1 of 2"),
        ("unrefined", "complete", "1 of 2"),
    ]
    assert tables(found)["Split in four"].rows == (
        ("correct and complete", "3", "50.0", "87.9"),
        ("correct but incomplete", "1", "16.7", "2.8"),
        ("complete but incorrect", "1", "16.7", "0.5"),
        ("incorrect and incomplete", "1", "16.7", "8.8"),
    )
    by_category = charts(found)["people-correct-1"].table.rows
    assert by_category == (
        ("C0", "yes", "1", "33.3"),
        ("C0", "no", "2", "66.7"),
        ("C1", "yes", "3", "100.0"),
        ("C1", "no", "0", "0.0"),
    )
    agreement = tables(found)["Agreement"].rows
    assert ("correct", "the paper's three raters", "", "", "0.78 (Fleiss)", "", "") in agreement
    assert agreement[0][:2] == ("correct", "ann and bob")
    assert agreement[0][3].startswith("1.00")


def test_figure_6_of_self_instruct() -> None:
    items = [
        an_item(place, systems=("x" if place < 3 else "y",), answers=("text",))
        for place in range(5)
    ]
    found = people_sections(labels("rating", items, letters("A", "B", "D", "C", "A"), "rating"))
    chart = charts(found)["people-rating"].table.rows
    assert [row[:3] for row in chart] == [
        ("x", "A", "1"),
        ("x", "B", "1"),
        ("x", "C", "0"),
        ("x", "D", "1"),
        ("y", "A", "1"),
        ("y", "B", "0"),
        ("y", "C", "1"),
        ("y", "D", "0"),
    ]
    assert [row[:2] for row in tables(found)["Acceptable answers (A or B)"].rows] == [
        ("x", "2 of 3"),
        ("y", "1 of 2"),
    ]


def test_wins_losses_and_ties() -> None:
    items = [an_item(place, answers=("a", "b")) for place in range(5)]
    found = people_sections(labels("pairs", items, letters(*"ffstt"), "better"))
    rows = tables(found)["Of the first system"].rows
    assert [(row[1], row[2], row[4]) for row in rows] == [
        ("win", "2 of 5", "17.6"),
        ("lose", "1 of 5", "12.6"),
        ("tie", "2 of 5", "69.8"),
    ]


def test_what_is_not_settled_is_said() -> None:
    items = [an_item(place) for place in range(2)]
    rows = [
        LabelRow("a", "ann", "item0000", "label", {"correct": "yes", "complete": "yes"}),
        LabelRow("b", "bob", "item0000", "label", {"correct": "no", "complete": "yes"}),
        LabelRow("c", "bob", "item0001", "label", {"correct": "no", "complete": "yes"}),
    ]
    known = {item.id: item for item in items}
    found = people_sections(StandingLabels.of(FORMS["steps"], known, rows, RATERS, OWNER))
    (told,) = [block.text for block in found[0].blocks if isinstance(block, Paragraph)]
    assert told.startswith("Of 1 labelled items")


def test_nothing_is_said_where_nobody_labelled() -> None:
    known = {"item0000": an_item(0)}
    (section,) = people_sections(StandingLabels.of(FORMS["steps"], known, (), RATERS, OWNER))
    assert section.blocks == ()
    assert "nobody labelled" in section.left_out


@pytest.mark.parametrize("form", sorted(FORMS))
def test_one_rater_agrees_with_nobody(form: str) -> None:
    item = an_item(0, answers=("a", "b") if form == "pairs" else ())
    answers = {question.name: question.values[0] for question in FORMS[form].questions}
    rows = [LabelRow("a", "ann", item.id, "label", answers, shown=(0, 1))]
    found = people_sections(StandingLabels.of(FORMS[form], {item.id: item}, rows, ("ann",), OWNER))
    told = [
        block.text for section in found for block in section.blocks if isinstance(block, Paragraph)
    ]
    assert "One person labelled: there is nobody to agree with." in told
