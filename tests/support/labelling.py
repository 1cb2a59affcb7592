"""How raters label a small review in a browser."""

from pathlib import Path
from typing import Any

from seedstep.runs.reviews import Review
from support.reviewing import an_item, make

ITEMS = 8
SHARED = 5

TRUTH = {
    f"item{number:04}": ("yn"[number % 3 == 2], "yn"[number % 4 == 1]) for number in range(ITEMS)
}
"""What everybody thinks of each item; bob finds item0003 incorrect."""


def opinion(rater: str, item: str) -> tuple[str, str]:
    """The keys with which a rater answers both questions."""
    correct, complete = TRUTH[item]
    return ("n" if (rater, item) == ("bob", "item0003") else correct), complete


def order_of(review: Path, rater: str) -> list[str]:
    """The items in the order in which a rater sees them."""
    with Review.open(review) as opened:
        return [assigned.item for assigned in opened.assigned(rater)]


def expect_item(page: Any, number: int) -> None:
    """Wait until a page shows this item."""
    page.wait_for_selector(f"#item[data-number='{number}']")


def wait_saved(page: Any) -> None:
    """Wait until a page says that all labels are saved."""
    page.wait_for_selector("#saved >> text=/^All saved/")


def label_by_keys(page: Any, items: list[str], rater: str, start: int = 1) -> None:
    """Answer the questions of items by keys alone."""
    for number, item in enumerate(items[start - 1 :], start=start):
        expect_item(page, number)
        for key in (*opinion(rater, item), "Enter"):
            page.keyboard.press(key)


def click(page: Any, answers: tuple[str, str]) -> None:
    """Answer the questions of an item by touching the choices."""
    names = {"y": "Yes", "n": "No"}
    for question, answer in zip(("correct", "complete"), answers, strict=True):
        field = page.locator(f"fieldset[data-question={question}]")
        field.get_by_text(names[answer], exact=True).click()


def small_review(path: Path) -> Path:
    """Write a review of those items."""
    return make(path, [an_item(number, shared=number < SHARED) for number in range(ITEMS)])


def rows_of(path: Path, rater: str) -> list[tuple[str, dict[str, str]]]:
    """What was stored of a rater."""
    with Review.open(path) as opened:
        return [(row.action, dict(row.answers)) for row in opened.rows(rater=rater)]
