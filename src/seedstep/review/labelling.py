"""Make the view of an item, check and store what a page sends, and count the progress of raters.

Example::

    row = row_of(sent, form, rater="ann", item=item, shown=(1, 0))
"""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from seedstep.data.reviews import (
    Action,
    Form,
    FormQuestion,
    ItemField,
    LabelRow,
    ReviewItem,
    standing_labels,
)
from seedstep.errors import InputError
from seedstep.runs.reviews import LONGEST_NAME, OWNER, Review
from seedstep.stages.review import standing_rows
from seedstep.text import single_spaced

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = [
    "LONGEST_TEXT",
    "ItemView",
    "RaterProgress",
    "SentAction",
    "item_view",
    "progress",
    "progress_of",
    "row_of",
    "save_row",
]

LETTERS = "ABCDEFGH"


@dataclass(frozen=True, slots=True)
class ItemView:
    """The content of an item's page.

    The `answers` have neutral names, such as letters. `back` and `next` are the numbers of other
    items, 0 if there is none. `rows` has the rater's actions on the item, as JSON. `said` has the
    labels that raters gave, and their notes, without their names.
    """

    number: int
    count: int
    heading: str
    category: str
    fields: tuple[ItemField, ...]
    answers: tuple[ItemField, ...]
    questions: tuple[FormQuestion, ...]
    rows: str
    back: int
    next: int
    said: tuple[tuple[str, str], ...] = ()


def item_view(
    form: Form,
    item: ReviewItem,
    shown: Sequence[int],
    *,
    number: int,
    count: int,
    rows: str,
    near: tuple[int, int] | None = None,
    said: tuple[tuple[str, str], ...] = (),
) -> ItemView:
    """Return the view of an item, with its answers in the order in which they are `shown`.

    `near` has the numbers of the items before and after it, by default its neighbours.
    """
    back, after = near or (number - 1, number + 1 if number < count else 0)
    names = [f"Prediction {letter}" for letter in LETTERS] if len(shown) > 1 else ["Response"]
    answers = tuple(
        ItemField(name, item.answers[place], "subject")
        for name, place in zip(names, shown, strict=False)
    )
    return ItemView(
        number,
        count,
        f"Item {number}",
        item.category,
        item.fields,
        answers,
        form.questions,
        rows,
        back,
        after,
        said,
    )


LONGEST_TEXT = 20_000
"""The most characters of a note, or of an answer in words."""

LONGEST_SECONDS = 4 * 3600.0
_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


class SentAction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The data that a page sends. `number` is the item's place in the rater's order, from 1.

    `undoes` is the id of the label that an undo removes; `person` the name of who decides.
    """

    id: str
    number: int
    action: Action
    answers: dict[str, str] = {}
    note: str = ""
    flagged: bool = False
    seconds: float = 0.0
    made: float = 0.0
    undoes: str = ""
    person: str = ""


def row_of(sent: SentAction, form: Form, rater: str, item: str, shown: tuple[int, ...]) -> LabelRow:
    """Check what a page sent, and return the row to store.

    Raises:
        InputError: an answer is missing, or is none of the choices.
    """
    if not _ID.fullmatch(sent.id):
        raise InputError("the label has no proper id", "load the page again")
    if sent.undoes and not (sent.action == "undo" and _ID.fullmatch(sent.undoes)):
        raise InputError("it says that it undoes what is no label", "load the page again")
    if len(sent.person) > LONGEST_NAME:
        raise InputError("the name is too long", f"write at most {LONGEST_NAME} characters")
    if len(sent.note) > LONGEST_TEXT:
        raise InputError("the note is too long", f"write at most {LONGEST_TEXT:,} characters")
    answers = _answers(sent, form) if sent.action == "label" else {}
    seconds = sent.seconds if 0 <= sent.seconds <= LONGEST_SECONDS else LONGEST_SECONDS
    return LabelRow(
        sent.id,
        rater,
        item,
        sent.action,
        answers,
        sent.note,
        sent.flagged,
        shown,
        round(seconds, 1),
        sent.made,
        time.time(),
        undoes=sent.undoes,
        person=single_spaced(sent.person) if rater == OWNER else "",
    )


def _answers(sent: SentAction, form: Form) -> dict[str, str]:
    known = {question.name: question for question in form.questions}
    if unknown := set(sent.answers) - set(known):
        raise InputError(f"the form has no question '{min(unknown)}'", "load the page again")
    for name, question in known.items():
        _check(question, sent.answers.get(name, ""))
    return {name: sent.answers[name] for name in known if sent.answers.get(name)}


def _check(question: FormQuestion, answer: str) -> None:
    if not answer:
        if not question.optional:
            raise InputError(f"'{question.name}' has no answer", "answer every question")
        return
    if question.kind == "text":
        if len(answer) > LONGEST_TEXT:
            what = f"the answer to '{question.name}' is too long"
            raise InputError(what, f"write at most {LONGEST_TEXT:,} characters")
    elif answer not in question.values:
        raise InputError(
            f"{answer[:40]!r} is no answer to '{question.name}'", "load the page again"
        )


async def save_row(
    review: Review,
    request: "Request",
    rater: str,
    find: Callable[[int], tuple[str, tuple[int, ...]]],
) -> str:
    """Store the label that a page sent, and return its id when it is on the disk.

    `find` returns the item of a number, and the places of its answers as they were shown.

    Raises:
        InputError: the label can't be stored.
        StoreError: the disk is full, or the database can't be written.
    """
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise InputError("what was sent is not JSON", "load the page again")
    try:
        sent = msgspec.json.decode(await request.body(), type=SentAction)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"what was sent can't be read: {error}", "load the page again") from None
    item, shown = find(sent.number)
    kept = await review.save(row_of(sent, review.form, rater, item, shown))
    return kept.id


@dataclass(frozen=True, slots=True)
class RaterProgress:
    """The progress of a rater. `seconds` is the median time of a label, None before the first."""

    rater: str
    done: int
    skipped: int
    flagged: int
    total: int
    seconds: float | None

    @property
    def left(self) -> int:
        """The number of items that are neither labelled nor skipped."""
        return self.total - self.done - self.skipped


def progress(review: Review) -> tuple[RaterProgress, ...]:
    """Return the progress of each rater."""
    by_rater: dict[str, list[LabelRow]] = {name: [] for name in review.raters}
    for (rater, _), row in standing_rows(review).items():
        if rater in by_rater:
            by_rater[rater].append(row)
    return tuple(_progress(review, name, rows) for name, rows in by_rater.items())


def progress_of(review: Review, rater: str) -> RaterProgress:
    """Return the progress of a rater."""
    return _progress(review, rater, standing_labels(review.rows(rater=rater)).values())


def _progress(review: Review, rater: str, rows: Iterable[LabelRow]) -> RaterProgress:
    rows = list(rows)
    seconds = [row.seconds for row in rows if row.action == "label" and row.seconds]
    return RaterProgress(
        rater,
        sum(row.action == "label" for row in rows),
        sum(row.action == "skip" for row in rows),
        sum(row.flagged for row in rows),
        len(review.assigned(rater)),
        median(seconds) if seconds else None,
    )
