"""The records of a review: what people are asked, what they are shown, and what they said.

Labels are only ever added. What a rater says of an item now follows from all rows about it, in
their order: a label replaces the one before, and an undo takes the last one back.

Example:
    >>> first = LabelRow("a", "r1", "item", "label", {"correct": "yes"})
    >>> second = LabelRow("b", "r1", "item", "label", {"correct": "no"})
    >>> undo = LabelRow("c", "r1", "item", "undo", {})
    >>> standing([first, second, undo]).answers
    {'correct': 'yes'}
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from seedstep.data.choice import order_key

__all__ = [
    "Action",
    "Choice",
    "Form",
    "FormQuestion",
    "ItemField",
    "LabelRow",
    "QuestionKind",
    "ReviewItem",
    "Subject",
    "in_order_for",
    "meant",
    "order_of_answers",
    "standing",
    "standing_labels",
]

QuestionKind = Literal["yes/no", "choice", "scale", "text"]
Subject = Literal["data", "steps", "rating", "pairs"]
Action = Literal["label", "skip", "undo"]

PLACES = ("first", "second")
SAME = "same"
"""Answers that name one of two by its place on the page, or neither."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers to a question. `value` is kept, `label` is shown, `meaning` explains."""

    value: str
    label: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class FormQuestion:
    """A question of a form. `accepted` are the values that speak for an item, none where the
    question decides nothing. A `text` question has no choices.
    """

    name: str
    text: str
    kind: QuestionKind
    choices: tuple[Choice, ...] = ()
    guideline: str = ""
    accepted: tuple[str, ...] = ()
    optional: bool = False

    @property
    def values(self) -> tuple[str, ...]:
        """The values of its choices."""
        return tuple(choice.value for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Form:
    """What raters are asked about each item. `subject` says what an item is."""

    name: str
    title: str
    subject: Subject
    guidelines: tuple[str, ...]
    questions: tuple[FormQuestion, ...]

    def accepts(self, answers: Mapping[str, str]) -> bool | None:
        """Whether the answers speak for the item; None where no question decides."""
        deciding = [question for question in self.questions if question.accepted]
        if not deciding:
            return None
        return all(answers.get(question.name) in question.accepted for question in deciding)


@dataclass(frozen=True, slots=True)
class ItemField:
    """A text of an item under its label. `role` says how it is laid out."""

    label: str
    text: str
    role: Literal["task", "example", "input", "reference", "subject"] = "task"


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """Something to look at.

    `group` tells items of several runs, or refined from unrefined steps, apart. `systems` are the
    names of those whose `answers` stand there, in the same order; no rater is shown them.
    `named` are the names of models that an answer itself gives away.
    """

    id: str
    group: str
    task: str
    instance: str
    category: str
    fields: tuple[ItemField, ...]
    systems: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    shared: bool = True
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One thing that a rater did with an item.

    `id` is made by the page, so that saving again changes nothing. `shown` are the places of the
    answers in the order in which they were shown. `made` is when the rater did it by the clock of
    the page, `at` when it was kept (Unix time), and `number` its place among all rows.
    """

    id: str
    rater: str
    item: str
    action: Action
    answers: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    flagged: bool = False
    shown: tuple[int, ...] = ()
    seconds: float = 0.0
    made: float = 0.0
    at: float = 0.0
    number: int = 0


def standing(rows: Iterable[LabelRow]) -> LabelRow | None:
    """The row that counts among those of one rater about one item, in their order."""
    kept: list[LabelRow] = []
    for row in rows:
        if row.action != "undo":
            kept.append(row)
        elif kept:
            kept.pop()
    return kept[-1] if kept else None


def standing_labels(rows: Iterable[LabelRow]) -> dict[tuple[str, str], LabelRow]:
    """The row that counts for each (rater, item), skipped ones included."""
    groups: dict[tuple[str, str], list[LabelRow]] = {}
    for row in rows:
        groups.setdefault((row.rater, row.item), []).append(row)
    found = {key: standing(group) for key, group in groups.items()}
    return {key: row for key, row in found.items() if row is not None}


def meant(answer: str, shown: Sequence[int]) -> str:
    """What an answer says of the items' answers in their own order: `win`, `lose` or `tie` of the
    first where it names one of two by its place on the page; any other answer as it is.
    """
    if len(shown) != len(PLACES) or answer not in (*PLACES, SAME):
        return answer
    if answer == SAME:
        return "tie"
    return "win" if shown[PLACES.index(answer)] == 0 else "lose"


def in_order_for(rater: str, items: Iterable[str], seed: int) -> tuple[str, ...]:
    """The items in the order in which a rater sees them: by a hash of seed, rater and item."""
    return tuple(sorted(items, key=lambda item: order_key("place", seed, rater, item)))


def order_of_answers(rater: str, item: str, count: int, seed: int) -> tuple[int, ...]:
    """The places of an item's answers in the order in which a rater sees them."""
    places: Sequence[int] = range(count)
    return tuple(sorted(places, key=lambda place: order_key(f"answer {place}", seed, rater, item)))
