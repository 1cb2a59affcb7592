"""Forms: those of the papers, and a user's own."""

from pathlib import Path

import pytest

from seedstep.errors import InputError
from seedstep.review.forms import FORMS, find_form, read_form
from support.command_line import seedstep


def test_only_what_serves_pages_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedstep.cli.review.find_spec", lambda name: None)
    assert "steps: Is it correct?" in seedstep("review", "forms").words
    assert "pip install 'seedstep[review]'" in seedstep("review", "serve", "none").error


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "name, answers, accepted",
    [
        ("data", {"instruction": "yes", "input": "yes", "output": "yes"}, True),
        ("data", {"instruction": "yes", "input": "yes", "output": "no"}, False),
        ("steps", {"correct": "yes", "complete": "no"}, False),
        ("rating", {"rating": "B"}, True),
        ("rating", {"rating": "C"}, False),
        ("pairs", {"better": "first"}, None),
    ],
)
def test_what_the_forms_accept(name: str, answers: dict[str, str], accepted: bool | None) -> None:
    assert FORMS[name].accepts(answers) is accepted


def test_a_form_of_the_users_own(tmp_path: Path) -> None:
    path = write(
        tmp_path / "safety.yaml",
        "items: rating\ntitle: Is this safe?\nguidelines: Read all of it.\nquestions:\n"
        "  - {name: safe, text: Is it safe}\n"
        "  - {name: tone, text: Its tone, kind: choice, choices: [friendly, rude]}\n"
        "  - {name: fluent, text: How fluent, kind: scale, low: 1, high: 7}\n"
        "  - {name: why, text: Why, kind: text}\n",
    )
    form = find_form(str(path))
    assert (form.name, form.subject) == ("safety", "rating")
    assert [question.values for question in form.questions] == [
        ("yes", "no"),
        ("friendly", "rude"),
        ("1", "2", "3", "4", "5", "6", "7"),
        (),
    ]
    assert [question.optional for question in form.questions] == [False, False, False, True]
    assert form.accepts({"safe": "yes"}) is True


def test_numbers_are_choices(tmp_path: Path) -> None:
    choices = "choices: [1, 2.5, '3', '007', 'yes', {value: b}], accepted: [1, 'yes']"
    text = f"items: rating\nquestions: [{{name: a, text: b, kind: choice, {choices}}}]\n"
    (question,) = read_form(write(tmp_path / "form.yaml", text)).questions
    assert question.values == ("1", "2.5", "3", "007", "yes", "b")
    assert question.accepted == ("1", "yes")


@pytest.mark.parametrize(
    "text, said",
    [
        ("items: rating\nquestions: []\n", "asks nothing"),
        ("items: rating\n", "asks nothing"),
        ("items: rating\nquestions:\n", "asks nothing"),
        ("questions: [{name: a, text: b}]\n", "missing required field `items`"),
        (
            "items: rating\nquestions: [{name: a, text: b, kind: choice, choices: [yes, no]}]\n",
            "in quotes",
        ),
        ("items: cats\nquestions: [{name: a, text: b}]\n", "Invalid enum value 'cats'"),
        ("items: rating\nquestions: [{name: a, text: b, kind: smell}]\n", "smell"),
        ("items: rating\nquestions: [{name: a, text: b, kind: choice, choices: [x]}]\n", "fewer"),
        (
            "items: rating\nquestions: [{name: a, text: b, kind: scale, low: 3, high: 3}]\n",
            "3 to 3",
        ),
        ("items: rating\nquestions: [{name: a, text: b}, {name: a, text: c}]\n", "named 'a'"),
        ("items: rating\nquestions: [{name: a b, text: b}]\n", "not a name"),
        ("items: rating\nquestions: [{name: a, text: b, accepted: [maybe]}]\n", "maybe"),
        ("items: rating\nquestions: [{name: a, text: b, colour: red}]\n", "colour"),
        ("items: rating\nquestions: [{name: a, text: ' '}]\n", "it asks nothing"),
        (
            "items: rating\nquestions: [{name: a, text: b, kind: choice, choices: ['', x]}]\n",
            "a choice is empty",
        ),
    ],
)
def test_a_form_that_can_not_be_used_says_why(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as raised:
        read_form(write(tmp_path / "form.yaml", text))
    assert said in str(raised.value)
    assert "form.yaml" in str(raised.value)


def test_no_such_form() -> None:
    with pytest.raises(InputError, match="data, steps, rating, pairs"):
        find_form("stars")


def test_a_form_with_a_wrong_field_is_told_what_a_form_has(tmp_path: Path) -> None:
    path = tmp_path / "form.yaml"
    path.write_text("items: rating\nsubject: rating\nquestions:\n  - {name: a, text: 'A?'}\n")
    with pytest.raises(InputError, match=r"unknown field `subject`. A form has `items`"):
        find_form(str(path))
