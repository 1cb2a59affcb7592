"""An item as raters see it: nothing on it tells which system an answer is from.

Example::

    view = item_view(form, item, shown=(1, 0), number=3, count=40, rows="[]")
"""

from collections.abc import Sequence
from dataclasses import dataclass

from seedstep.data.reviews import Form, FormQuestion, ItemField, ReviewItem

__all__ = ["ItemView", "Said", "ShownAnswer", "item_view"]

LETTERS = "ABCDEFGH"


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """An answer under a name that tells nothing."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a rater, under a name that tells nothing, said of an item."""

    who: str
    what: str
    note: str


@dataclass(frozen=True, slots=True)
class ItemView:
    """What a page shows. `back` and `next` are the numbers of other items, 0 where there is none;
    `rows` is what the rater did with it, as JSON.
    """

    number: int
    count: int
    heading: str
    category: str
    fields: tuple[ItemField, ...]
    answers: tuple[ShownAnswer, ...]
    questions: tuple[FormQuestion, ...]
    rows: str
    back: int
    next: int
    said: tuple[Said, ...] = ()


def item_view(
    form: Form,
    item: ReviewItem,
    shown: Sequence[int],
    *,
    number: int,
    count: int,
    rows: str,
    near: tuple[int, int] | None = None,
    said: tuple[Said, ...] = (),
) -> ItemView:
    """An item with its answers in the order in which they are `shown`.

    `near` are the numbers of the items before and after it; without them those beside it.
    """
    back, after = near or (number - 1, number + 1 if number < count else 0)
    names = [f"Prediction {letter}" for letter in LETTERS] if len(shown) > 1 else ["Response"]
    answers = tuple(
        ShownAnswer(name, item.answers[place]) for name, place in zip(names, shown, strict=False)
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
