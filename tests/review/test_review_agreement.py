"""`seedstep agreement` on reviews, beside judges and files."""

import json
from pathlib import Path

import pytest

from seedstep import InputError, agreement
from seedstep.data.reviews import Choice, Form, FormQuestion
from seedstep.runs.reviews import Review
from support.answer_files import write_lines
from support.command_line import seedstep
from support.reviewing import an_item, label_all, make

LEVELS = {"ann": "AABBCCDDAABB", "bob": "AABBCCDDABBC"}


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    items = [
        an_item(number, answers=("text",), instance=f"i{number}", shared=number < 10)
        for number in range(14)
    ]
    path = make(tmp_path / "rated", items, form="rating", raters=("ann", "bob"))
    with Review.open(path, write=True) as review:
        said = {
            rater: {
                item: {"rating": letters[int(item[-2:])]}
                for item in (assigned.item for assigned in review.assigned(rater))
                if int(item[-2:]) < len(letters)
            }
            for rater, letters in LEVELS.items()
        }
        label_all(review, said)
    return path


def test_two_people_agree_as_worked_out_by_hand(rated: Path) -> None:
    found = json.loads(seedstep("agreement", rated, "--format", "json").out)
    (pair,) = found["pairs"]
    assert (pair["first"], pair["second"]) == ("rated/ann", "rated/bob")
    assert found["items_of_all"] == pair["agreement"]["items"] == 10, "the shared part"
    # of the first ten, one differs: ann A, bob B
    by_chance = (4 * 3 + 2 * 3 + 2 * 2 + 2 * 2) / 100
    assert pair["agreement"]["raw"]["value"] == pytest.approx(0.9)
    assert pair["agreement"]["kappa"]["value"] == pytest.approx((0.9 - by_chance) / (1 - by_chance))
    assert pair["agreement"]["kappa_acceptable"]["value"] == 1
    assert pair["agreement"]["spearman"]["value"] > 0.9
    assert len(found["raters"][0]["missing"]) + found["raters"][0]["labels"] == 12


def test_a_file_is_one_more_rater(rated: Path, tmp_path: Path) -> None:
    lines = [{"id": f"i{n}", "system": "tuned-model", "label": "ABCD"[n % 4]} for n in range(10)]
    other = write_lines(tmp_path / "judge.jsonl", lines)
    found = json.loads(seedstep("agreement", rated, other, "--format", "json").out)
    assert [rater["name"] for rater in found["raters"]] == ["rated/ann", "rated/bob", str(other)]
    assert len(found["pairs"]) == 3
    assert found["items_of_all"] == 10


def test_each_question_of_a_form_by_itself(tmp_path: Path) -> None:
    path = make(tmp_path / "steps", [an_item(number) for number in range(8)], raters=("ann", "bob"))
    with Review.open(path, write=True) as review:
        for rater, odd in (("ann", "no"), ("bob", "yes")):
            own = {
                item: {"correct": "yes" if place % 2 else "no", "complete": odd}
                for place, item in enumerate(review.items)
            }
            label_all(review, {rater: own})
    found = json.loads(seedstep("agreement", path, "--format", "json").out)["questions"]
    assert found["correct"]["fleiss_kappa"]["value"] == 1
    assert found["complete"]["pairs"][0]["agreement"]["raw"]["value"] == 0
    shown = seedstep("agreement", path, "--question", "complete").words
    assert "Cohen's kappa 0.00" in shown
    assert "correct" not in shown.replace("incorrect", "")
    said = seedstep("agreement", path, "--question", "nice").error
    assert "nice" in said
    people = [
        {"id": f"task{n}", "system": "correct", "label": "Yes" if n % 2 else "no"} for n in range(8)
    ]
    other = write_lines(tmp_path / "people.jsonl", people)
    three = seedstep("agreement", path, other, "--question", "correct", "--format", "json").out
    assert json.loads(three)["fleiss_kappa"]["value"] == 1


def toned(path: Path, said: str, *choices: str) -> Path:
    """Write a review in which ann gives one label, of which the first two choices are good."""
    values = tuple(Choice(value, value) for value in choices)
    question = FormQuestion("tone", "How does it sound?", "choice", values, accepted=choices[:2])
    form = Form("tone", "Tone", "steps", (), (question,))
    item = an_item(0)
    Review.create(path, {"form": "tone", "seed": 1}, form, [item], {"ann": [item.id]}, 1)
    with Review.open(path, write=True) as review:
        label_all(review, {"ann": {item.id: {"tone": said}}})
    return path


def test_the_order_of_raters_does_not_matter(tmp_path: Path) -> None:
    form = toned(tmp_path / "tone", "no", "yes", "unclear", "no")
    line = {"id": "task0", "system": "tone", "label": "yes"}
    people = write_lines(tmp_path / "people.jsonl", [line])
    for raters in ([form, people], [people, form]):
        (pair,) = agreement(raters).pairs
        assert pair.agreement.raw_acceptable.value == 0, "the form says what is acceptable"


def test_labels_of_another_form_are_not_taken_for_bad_ones(tmp_path: Path) -> None:
    first = toned(tmp_path / "first", "plain", "formal", "plain", "casual")
    other = toned(tmp_path / "other", "polite", "formal", "polite", "casual", "rude")
    said = "first/ann gave 'plain', and the answers to tone are formal, polite, casual, rude"
    for raters in ([first, other], [other, first]):
        with pytest.raises(InputError, match=said):
            agreement(raters)
    wider = toned(tmp_path / "wider", "formal", "formal", "plain", "polite", "casual")
    assert agreement([first, wider]).pairs[0].agreement.raw_acceptable.value == 1


def test_labels_of_yes_and_no_in_files(tmp_path: Path) -> None:
    paths = [
        write_lines(
            tmp_path / f"{name}.jsonl",
            [{"id": f"i{n}", "system": "s", "label": said} for n, said in enumerate(labels)],
        )
        for name, labels in {
            "x": ["yes", "no", "YES", "no"],
            "y": ["yes", "no", "no", "no"],
        }.items()
    ]
    found = json.loads(seedstep("agreement", *paths, "--format", "json").out)
    assert found["pairs"][0]["agreement"]["raw"]["value"] == 0.75
    assert found["pairs"][0]["agreement"]["kappa"]["value"] == pytest.approx(0.5)
    mixed = write_lines(
        tmp_path / "z.jsonl", [{"id": n, "system": "s", "label": n} for n in ("A", "yes")]
    )
    assert "both levels and answers of yes and no" in seedstep("agreement", mixed, paths[0]).error
    levels = write_lines(tmp_path / "l.jsonl", [{"id": "i0", "system": "s", "label": "A"}])
    assert "can't be compared" in seedstep("agreement", levels, paths[0]).error


def test_a_review_that_nobody_labelled(tmp_path: Path) -> None:
    path = make(tmp_path / "steps", [an_item(0)], raters=("ann", "bob"))
    assert "no labels" in seedstep("agreement", path).error


def test_why_there_are_no_intervals_is_told_once(tmp_path: Path) -> None:
    paths = [
        write_lines(
            tmp_path / f"{name}.jsonl",
            [{"id": f"i{n}", "system": "s", "label": said} for n, said in enumerate(labels)],
        )
        for name, labels in {"x": "ABC", "y": "ABD", "z": "AAA"}.items()
    ]
    said = seedstep("agreement", *paths[:2]).words
    assert said.count("3 items: an interval needs 6 or more") == 1
    assert "correlation: 3 items" not in said  # it is so of all
    of_some = seedstep("agreement", paths[0], paths[2]).words
    assert "Spearman's correlation: " in of_some
