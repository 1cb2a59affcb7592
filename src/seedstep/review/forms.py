"""The forms of reviews: the papers' questions to raters, and forms of the user's own.

`data` has the questions of Self-Instruct's Table 2 (section 3.3), `rating` those of its Figure 6
(section 4.4, appendix B.1). `steps` and `pairs` have the questions of Step-by-Step Instruction
Tuning (sections 3.3 and 5.4, appendix E).

Example:
    >>> [question.name for question in FORMS["steps"].questions]
    ['correct', 'complete']
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec

from seedstep.data import read_yaml
from seedstep.data.reviews import Choice, Form, FormQuestion, QuestionKind, Subject
from seedstep.errors import InputError, unknown_name

__all__ = ["FORMS", "YES_NO", "find_form", "read_form"]

YES_NO = (Choice("yes", "Yes"), Choice("no", "No"))

DATA = Form(
    "data",
    "Is this task valid?",
    "data",
    (
        "You see a task that a program made: an instruction, an input, which may be empty, and an "
        "output.",
        "Judge each part by itself. An output can be wrong although the instruction is fine.",
        "A task that needs no input has an appropriate one when the input is empty.",
    ),
    (
        FormQuestion(
            "instruction",
            "Does the instruction describe a valid task?",
            "yes/no",
            YES_NO,
            "Yes, if somebody could carry it out, or answer it, as it stands.",
            ("yes",),
        ),
        FormQuestion(
            "input",
            "Is the input appropriate for the instruction?",
            "yes/no",
            YES_NO,
            "Yes, if the input fits the instruction, or none is given and none is needed.",
            ("yes",),
        ),
        FormQuestion(
            "output",
            "Is the output a correct and acceptable response?",
            "yes/no",
            YES_NO,
            "Yes, if it answers the instruction and the input correctly.",
            ("yes",),
        ),
    ),
)

STEPS = Form(
    "steps",
    "Is this step-by-step instruction good?",
    "steps",
    (
        "You see a task definition, two positive examples, and a step-by-step instruction that "
        "will be combined with them to instruct a language model.",
        "Please read them carefully, and analyse the correctness and the completeness of the "
        "step-by-step instruction.",
    ),
    (
        FormQuestion(
            "correct",
            "Is it correct?",
            "yes/no",
            YES_NO,
            "Yes, if each step and the order of the steps are right for completing the task.",
            ("yes",),
        ),
        FormQuestion(
            "complete",
            "Is it complete?",
            "yes/no",
            YES_NO,
            "Yes, if it contains all necessary information of the task definition, such as the "
            "constraints.",
            ("yes",),
        ),
    ),
)

RATING = Form(
    "rating",
    "How good is this answer?",
    "rating",
    (
        "You see an instruction, an input, a target output as a reference, and a response.",
        "Rate whether the response accurately and effectively completes the task. It need not be "
        "the reference's words.",
    ),
    (
        FormQuestion(
            "rating",
            "The response is",
            "choice",
            (
                Choice("A", "A", "valid and satisfying"),
                Choice("B", "B", "acceptable, with minor errors or imperfections"),
                Choice(
                    "C",
                    "C",
                    "relevant and responding to the instruction, with significant errors in the "
                    "content",
                ),
                Choice("D", "D", "irrelevant or completely invalid"),
            ),
            "A response that is valid at first and then goes on with irrelevant things is a C.",
            ("A", "B"),
        ),
    ),
)

PAIRS = Form(
    "pairs",
    "Which answer is better?",
    "pairs",
    (
        "You see a task definition, two positive examples, an input, and two predictions.",
        "Please read them carefully, and determine which prediction is better. If you can't "
        "determine which one to select, pick Same.",
    ),
    (
        FormQuestion(
            "better",
            "Which prediction is better?",
            "choice",
            (Choice("first", "A"), Choice("second", "B"), Choice("same", "Same")),
        ),
    ),
)

FORMS: Mapping[str, Form] = MappingProxyType(
    {form.name: form for form in (DATA, STEPS, RATING, PAIRS)}
)
"""The forms that come with seedstep, by name."""

LEAST_CHOICES = 2
LONGEST_SCALE = 11


@dataclass(frozen=True, slots=True)
class _WrittenChoice:
    value: str
    label: str = ""
    meaning: str = ""


Word = str | int | float | bool
"""A choice as YAML reads it: yes, no, on and off without quotes are no words there."""


class _WrittenQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question in a user's file. `low` and `high` are the ends of a scale."""

    name: str
    text: str
    kind: QuestionKind = "yes/no"
    choices: tuple[Word | _WrittenChoice, ...] = ()
    low: int = 1
    high: int = 5
    guideline: str = ""
    accepted: tuple[Word, ...] | None = None
    optional: bool | None = None


class _WrittenForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    items: Subject
    questions: tuple[_WrittenQuestion, ...] | None = None
    name: str = ""
    title: str = ""
    guidelines: tuple[str, ...] | str = ()


def find_form(name: str) -> Form:
    """Return a form by its name, or a form of the user's own by the path of its file.

    Raises:
        InputError: there is no such form, or the file has none.
    """
    if form := FORMS.get(name):
        return form
    if name.endswith((".yaml", ".yml")):
        return read_form(Path(name))
    raise unknown_name("form and no .yaml file", name, FORMS)


WRITTEN = (
    "a form has `items` (data, steps, rating or pairs) and `questions`, each with `name`, `text` "
    "and `kind` (yes/no; choice, with `choices`; scale, with `low` and `high`; text)"
)
"""What a user's own form consists of, for messages."""


def read_form(path: Path) -> Form:
    """Read a form from a YAML file::

        items: rating
        title: Is this answer safe?
        guidelines: Read the whole answer first.
        questions:
          - {name: safe, text: 'Is it safe?', kind: yes/no}
          - {name: tone, text: Its tone, kind: choice, choices: [friendly, neutral, rude]}
          - {name: fluent, text: 'How fluent is it?', kind: scale, low: 1, high: 5}
          - {name: why, text: 'Why?', kind: text}

    Raises:
        InputError: the file can't be read, or has no questions.
    """
    values = read_yaml(path)
    try:
        written = msgspec.convert(values, _WrittenForm, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}", WRITTEN) from None
    if not written.questions:
        raise InputError(f"{path}: the form asks nothing", "add a question under `questions`")
    names = Counter(question.name for question in written.questions)
    for name, count in names.items():
        if count > 1:
            raise InputError(f"{path}: {count} questions are named '{name}'", "rename one")
    guidelines = written.guidelines
    return Form(
        written.name or path.stem,
        written.title or path.stem,
        written.items,
        (guidelines,) if isinstance(guidelines, str) else guidelines,
        tuple(_question(question, path) for question in written.questions),
    )


def _question(written: _WrittenQuestion, path: Path) -> FormQuestion:
    where = f"{path}, question '{written.name}'"
    if not written.name.isidentifier():
        raise InputError(f"{where}: not a name", "use letters, digits and underscores")
    if not written.text.strip():
        raise InputError(f"{where}: it asks nothing", "write what is asked under `text`")
    choices = _choices(written, where)
    values = [choice.value for choice in choices]
    if len(set(values)) < len(values):
        raise InputError(f"{where}: a choice stands twice", "remove one")
    if not all(value.strip() for value in values):
        raise InputError(f"{where}: a choice is empty", "write what is kept of it")
    accepted: tuple[str, ...] = ("yes",) if written.kind == "yes/no" else ()
    if written.accepted is not None:
        accepted = tuple(_word(value, where) for value in written.accepted)
    if unknown := set(accepted) - set(values):
        what = f"{where}: accepted is {', '.join(sorted(unknown))}, which is no choice"
        raise InputError(what, "name choices only")
    optional = written.kind == "text" if written.optional is None else written.optional
    return FormQuestion(
        written.name, written.text, written.kind, choices, written.guideline, accepted, optional
    )


def _word(value: Word, where: str) -> str:
    if isinstance(value, bool):
        what = f"{where}: YAML reads a choice as {str(value).lower()}"
        raise InputError(what, "write words such as yes and no in quotes")
    return str(value)


def _choices(written: _WrittenQuestion, where: str) -> tuple[Choice, ...]:
    if written.kind == "yes/no":
        return YES_NO
    if written.kind == "text":
        return ()
    if written.kind == "scale":
        if not 0 < written.high - written.low < LONGEST_SCALE:
            remedy = f"let high be more than low, by less than {LONGEST_SCALE}"
            raise InputError(f"{where}: no scale from {written.low} to {written.high}", remedy)
        numbers = range(written.low, written.high + 1)
        return tuple(Choice(str(number), str(number)) for number in numbers)
    found = tuple(
        Choice(choice.value, choice.label or choice.value, choice.meaning)
        if isinstance(choice, _WrittenChoice)
        else Choice(_word(choice, where), _word(choice, where))
        for choice in written.choices
    )
    if len(found) < LEAST_CHOICES:
        raise InputError(f"{where}: fewer than two choices", "add some under `choices`")
    return found
