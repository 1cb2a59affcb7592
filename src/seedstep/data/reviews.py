"""The records of a review: forms with questions, items to label, and rows of labels.

Rows are only added. A rater's present label of an item follows from all rows about it, in order: a
label replaces an earlier one, and an undo removes the one that it names. An undo that names none,
as pages of 0.1 made them, removes the last one.

Example:
    >>> first = LabelRow("a", "r1", "item", "label", {"correct": "yes"})
    >>> second = LabelRow("b", "r1", "item", "label", {"correct": "no"})
    >>> undo = LabelRow("c", "r1", "item", "undo", undoes="b")
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
"""The answers about a pair: the first or second text on the page is better, or neither."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A possible answer to a question: `value` is stored, `label` shown; `meaning` explains."""

    value: str
    label: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class FormQuestion:
    """A question of a form.

    `accepted` are the values by which an item is accepted; it is empty if the question does not
    decide. A `text` question has no choices.
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
        """The values of the choices."""
        return tuple(choice.value for choice in self.choices)

    @property
    def compares(self) -> bool:
        """Whether its answers name one of two texts by its place on the page."""
        return set(PLACES) <= set(self.values)


@dataclass(frozen=True, slots=True)
class Form:
    """A form: the questions that raters answer about each item. `subject` says what an item is."""

    name: str
    title: str
    subject: Subject
    guidelines: tuple[str, ...]
    questions: tuple[FormQuestion, ...]

    def accepts(self, answers: Mapping[str, str]) -> bool | None:
        """Return whether an item with these answers is accepted; None if no question decides."""
        deciding = [question for question in self.questions if question.accepted]
        if not deciding:
            return None
        return all(answers.get(question.name) in question.accepted for question in deciding)


@dataclass(frozen=True, slots=True)
class ItemField:
    """A text of an item, with a label. `role` decides about its layout."""

    label: str
    text: str
    role: Literal["task", "example", "input", "reference", "subject"] = "task"


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """An item to label.

    `group` distinguishes items of several runs, or refined and unrefined steps. `systems` are the
    names of the systems that wrote the `answers`, in the same order; raters don't see them. `named`
    has the names of models that an answer itself mentions.
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
    """An action of a rater on an item.

    The page makes the `id`, so that saving an action again changes nothing. `shown` has the places
    of the answers in the order in which they were shown. `made` is the time of the action by the
    page's clock, `at` the time when it was stored (Unix time), and `number` its place among all
    rows. `undoes` is the id of the row that an undo removes, which need not be the last one when a
    file is taken late. `person` is the name that the owner gave when deciding.
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
    undoes: str = ""
    person: str = ""


def standing(rows: Iterable[LabelRow]) -> LabelRow | None:
    """Return the row that counts among all rows of a rater about an item, which are in order."""
    kept: list[LabelRow] = []
    for row in rows:
        if row.action != "undo":
            kept.append(row)
        elif row.undoes:
            kept = [other for other in kept if other.id != row.undoes]
        elif kept:
            kept.pop()
    return kept[-1] if kept else None


def standing_labels(rows: Iterable[LabelRow]) -> dict[tuple[str, str], LabelRow]:
    """Return the row that counts for each (rater, item), also for skipped items."""
    groups: dict[tuple[str, str], list[LabelRow]] = {}
    for row in rows:
        groups.setdefault((row.rater, row.item), []).append(row)
    found = {key: standing(group) for key, group in groups.items()}
    return {key: row for key, row in found.items() if row is not None}


def meant(answer: str, shown: Sequence[int]) -> str:
    """Translate an answer about a pair, by places on the page, to `win`, `lose` or `tie`.

    The result is about the item's first answer. Any other answer is returned unchanged.
    """
    if len(shown) != len(PLACES) or answer not in (*PLACES, SAME):
        return answer
    if answer == SAME:
        return "tie"
    return "win" if shown[PLACES.index(answer)] == 0 else "lose"


def in_order_for(rater: str, items: Iterable[str], seed: int) -> tuple[str, ...]:
    """Return the items in the order in which a rater sees them: by a hash of seed, rater, item."""
    return tuple(sorted(items, key=lambda item: order_key("place", seed, rater, item)))


def order_of_answers(rater: str, item: str, count: int, seed: int) -> tuple[int, ...]:
    """Return the places of an item's answers in the order in which a rater sees them."""
    places: Sequence[int] = range(count)
    return tuple(sorted(places, key=lambda place: order_key(f"answer {place}", seed, rater, item)))
