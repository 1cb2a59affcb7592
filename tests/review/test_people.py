"""Figures of labels, against values worked out by hand."""

from pathlib import Path

import pytest

from seedstep.data.reviews import Choice, Form, FormQuestion, LabelRow, meant
from seedstep.evaluate.people import StandingLabels, split_in_four, tally, value_name
from seedstep.review.forms import FORMS
from seedstep.runs.reviews import OWNER, Review
from seedstep.stages.review import labels_of_review
from support.reviewing import an_item, label_all, make


def labelled(
    rows: list[LabelRow], items: int = 4, raters: tuple[str, ...] = ("ann", "bob", "cem")
) -> StandingLabels:
    known = {f"item{number:04}": an_item(number) for number in range(items)}
    return StandingLabels.of(FORMS["steps"], known, rows, raters, OWNER)


def said(rater: str, item: int, correct: str, complete: str, **more: object) -> LabelRow:
    answers = {"correct": correct, "complete": complete}
    identity = f"{rater}-{item}-{len(more)}"
    return LabelRow(identity, rater, f"item{item:04}", "label", answers, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer, shown, what",
    [
        ("first", (0, 1), "win"),
        ("second", (0, 1), "lose"),
        ("first", (1, 0), "lose"),
        ("second", (1, 0), "win"),
        ("same", (1, 0), "tie"),
        ("A", (0,), "A"),
        ("first", (), "first"),
    ],
)
def test_what_an_answer_says_of_the_systems(answer: str, shown: tuple[int, ...], what: str) -> None:
    assert meant(answer, shown) == what


def test_more_than_half_settle_an_item_and_the_owner_settles_any() -> None:
    rows = [
        said("ann", 0, "yes", "yes"),
        said("bob", 0, "yes", "no"),
        said("cem", 0, "no", "no"),
        said("ann", 1, "yes", "yes"),
        said("bob", 1, "no", "yes"),
        said("ann", 2, "no", "no"),
        said("bob", 2, "no", "no"),
        said(OWNER, 2, "yes", "yes"),
    ]
    found = labelled(rows)
    assert found.settled["item0000"] == {"correct": "yes", "complete": "no"}
    assert found.settled["item0001"] == {"complete": "yes"}
    assert found.settled["item0002"] == {"correct": "yes", "complete": "yes"}
    assert found.settled["item0003"] == {}
    assert found.accepted() == {"item0000": False, "item0002": True}
    assert found.adjudicated == {"item0002"}
    assert found.disagreement("item0000") == pytest.approx(2 / 3)
    assert found.disagreement("item0001") == 1
    assert found.disagreement("item0002") == 0


def test_fleiss_is_that_of_the_shared_items_that_all_labelled() -> None:
    items = {f"item{number:04}": an_item(number, shared=number < 4) for number in range(6)}
    table = ["yyy", "yyn", "nnn", "ynn", "yyy", "yyy"]
    names = {"y": "yes", "n": "no"}
    rows = [
        said(rater, number, names[letters[place]], "yes")
        for number, letters in enumerate(table)
        for place, rater in enumerate(("ann", "bob", "cem"))
        if not (number == 3 and rater == "cem")
    ]
    found = StandingLabels.of(FORMS["steps"], items, rows, ("ann", "bob", "cem"), OWNER)
    agreement = found.agreement("correct")
    assert agreement.items == 3
    # 9 ratings, 5 yes, 4 no; by chance (25 + 16) / 81; observed (1 + 1/3 + 1) / 3
    by_chance, observed = 41 / 81, 7 / 9
    assert agreement.fleiss.value == pytest.approx((observed - by_chance) / (1 - by_chance))
    pair = agreement.pairs[0]
    assert (pair.first, pair.second, pair.agreement.items) == ("ann", "bob", 6)
    assert pair.agreement.raw.value == pytest.approx(5 / 6)
    # ann says yes 5 of 6, bob 4 of 6
    expected = (5 / 6 - (5 * 4 + 1 * 2) / 36) / (1 - (5 * 4 + 1 * 2) / 36)
    assert pair.agreement.kappa.value == pytest.approx(expected)


def test_what_was_undone_or_skipped_counts_nowhere() -> None:
    rows = [
        said("ann", 0, "yes", "yes"),
        LabelRow("u", "ann", "item0000", "undo"),
        LabelRow("s", "bob", "item0000", "skip"),
        said("stranger", 1, "yes", "yes"),
    ]
    found = labelled(rows)
    assert found.settled["item0000"] == {}
    assert found.values("correct") == {"ann": {}, "bob": {}, "cem": {}}
    assert found.agreement("correct").items == 0


def test_the_split_in_four_and_shares() -> None:
    first = {"a": "yes", "b": "yes", "c": "no", "d": "no", "e": "yes", "x": "yes"}
    second = {"a": "yes", "b": "no", "c": "yes", "d": "no", "e": "yes"}
    split = split_in_four(first, second)
    assert (split.both, split.first, split.second, split.neither) == (2, 1, 1, 1)
    assert split.percent() == (40, 20, 20, 20)
    items = {name: an_item(place) for place, name in enumerate(first)}
    found = tally(first, items, ("yes", "no"))
    assert (found.total, dict(found.counts)) == (6, {"yes": 4, "no": 2})
    assert found.shares["yes"].value == pytest.approx(100 * 4 / 6)
    assert found.shares["yes"].low is not None
    assert tally({}, {}, ("yes",)).shares["yes"].value is None


def test_wins_are_those_of_the_first_system_however_it_was_shown(tmp_path: Path) -> None:
    items = [an_item(number, answers=("good", "bad")) for number in range(40)]
    path = make(tmp_path / "review", items, form="pairs", raters=("ann", "bob"))
    with Review.open(path, write=True) as review:
        chosen = {
            rater: {
                assigned.item: {"better": "first" if assigned.shown[0] == 0 else "second"}
                for assigned in review.assigned(rater)
            }
            for rater in review.raters
        }
        assert len({found["better"] for found in chosen["ann"].values()}) == 2
        label_all(review, chosen)
        labels = labels_of_review(review)
    assert set(labels.decided("better").values()) == {"win"}
    assert labels.agreement("better").pairs[0].agreement.raw.value == 1


def test_words_that_name_a_place_are_left_alone_where_nothing_is_compared() -> None:
    """`same`, `first` and `win` are answers like any other to a question that compares nothing."""
    choices = tuple(Choice(value, value.capitalize()) for value in ("same", "win", "first"))
    alike = FormQuestion("alike", "Alike?", "choice", choices, accepted=("same",))
    why = FormQuestion("why", "Why?", "text", optional=True)
    form = Form("own", "", "pairs", (), (*FORMS["pairs"].questions, alike, why))
    items = {f"item{number:04}": an_item(number, answers=("x", "y")) for number in range(2)}
    rows = [
        LabelRow(
            item, "ann", item, "label", {"better": "same", "alike": said, "why": said}, shown=(1, 0)
        )
        for item, said in zip(items, ("same", "first"), strict=True)
    ]
    labels = StandingLabels.of(form, items, rows, ("ann",), OWNER)
    assert labels.decided("better") == dict.fromkeys(items, "tie")
    assert list(labels.decided("alike").values()) == ["same", "first"]
    assert labels.answers["ann"]["item0000"]["why"] == "same"
    assert list(labels.accepted().values()) == [True, False]
    assert [value_name(alike, value) for value in alike.values] == ["Same", "Win", "First"]
