"""Reviews that tests make, and what their raters do."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from seedstep.data.reviews import ItemField, LabelRow, ReviewItem
from seedstep.review.app import make_app
from seedstep.review.forms import FORMS
from seedstep.review.items import deal
from seedstep.runs.reviews import Review

HOST = "127.0.0.1:8090"
ORIGIN = f"http://{HOST}"
FORM_OF = {"steps": FORMS["steps"], "pairs": FORMS["pairs"], "rating": FORMS["rating"]}


def an_item(
    number: int, *, answers: Sequence[str] = (), shared: bool = True, text: str = "", **more: Any
) -> ReviewItem:
    """An item of a task of its own."""
    systems = ("tuned-model", "base-model")[: len(answers)]
    fields = (
        ItemField("Task definition", text or f"Write a title for report {number}."),
        ItemField("Step-by-step instruction", f"1. Read report {number}.\n2. Write.", "subject"),
    )
    values: dict[str, Any] = {
        "group": "refined",
        "category": "Titles",
        "task": f"task{number}",
        "instance": "",
        "fields": fields,
        "systems": systems,
        "answers": tuple(answers),
        "shared": shared,
    }
    return ReviewItem(f"item{number:04}", **{**values, **more})


def make(
    path: Path,
    items: Sequence[ReviewItem],
    *,
    form: str = "steps",
    raters: Sequence[str] = ("ann", "bob", "cem"),
    seed: int = 7,
) -> Path:
    """Write a review of these items, the shared ones for all, the others dealt out."""
    shared = [item.id for item in items if item.shared]
    assigned = deal([item.id for item in items], raters, shared)
    Review.create(path, {"form": form, "seed": seed}, FORMS[form], items, assigned, seed)
    return path


def sent(number: int, answers: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """What a page sends to save a label."""
    record = {"id": f"label-{number:04}-{len(more)}", "number": number, "action": "label"}
    return {**record, "answers": dict(answers or {}), **more}


@contextmanager
def opened(path: Path) -> Iterator[tuple[Review, TestClient]]:
    """A review with a client of its app."""
    with Review.open(path, write=True, alone=True) as review:
        app = make_app(review, "127.0.0.1", 8090)
        yield review, TestClient(app, base_url=ORIGIN, follow_redirects=False)


def save(client: TestClient, token: str, record: Mapping[str, Any]) -> Any:
    """Send a label as a page does."""
    return client.post(
        f"/{token}/save",
        content=json.dumps(record),
        headers={"Content-Type": "application/json", "Origin": ORIGIN},
    )


def label_all(review: Review, said: Mapping[str, Mapping[str, Mapping[str, str]]]) -> None:
    """Keep labels by rater and item, as they come from a page: answers name places on it."""
    review.take(rows_of(review, said))


def rows_of(
    review: Review, said: Mapping[str, Mapping[str, Mapping[str, str]]], name: str = ""
) -> list[LabelRow]:
    """Return labels by rater and item as rows, whose ids begin with a name."""
    rows = []
    for rater, own in said.items():
        shown = {assigned.item: assigned.shown for assigned in review.assigned(rater)}
        rows += [
            LabelRow(f"{name}{rater}-{item}", rater, item, "label", answers, shown=shown[item])
            for item, answers in own.items()
        ]
    return rows
