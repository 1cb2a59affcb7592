"""Export the labels of a review, and let raters label without a server, in an HTML file.

Labels are exported as JSON lines, or as preference pairs to tune on. `offline_page` makes the file
of a rater, and `take` reads the labels that the rater returns.

Example::

    export_review(review, "preferences", Path("pairs.jsonl"))  # Exported(lines=240, left_out=117)
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from seedstep.data.files import write_in_parts
from seedstep.data.reading import BadLine, read_lines
from seedstep.data.reviews import LabelRow, ReviewItem
from seedstep.errors import InputError
from seedstep.evaluate.people import StandingLabels
from seedstep.review.labelling import SentAction, item_view, row_of
from seedstep.review.pages import render_page, static_file
from seedstep.runs import digest
from seedstep.runs.reviews import OWNER, Review, key_of
from seedstep.stages.review import labels_of_review, standing_rows

__all__ = [
    "REVIEW_FORMATS",
    "Exported",
    "export_review",
    "labels_name",
    "offline_page",
    "take",
]


@dataclass(frozen=True, slots=True)
class Exported:
    """The result of an export: the number of `lines`, and of items `left_out`, with the reason.

    `labelled` says whether any item has a label.
    """

    lines: int
    labelled: bool
    left_out: int = 0
    reason: str = ""


def export_review(review: Review, name: str, path: Path) -> Exported:
    """Write a review to a file, in one of REVIEW_FORMATS.

    Raises:
        InputError: the format does not fit the review's form.
        RunError: the file can't be written.
    """
    lines = [msgspec.json.encode(record) + b"\n" for record in REVIEW_FORMATS[name](review)]
    write_in_parts(path, lines)
    labelled = any(True for _ in review.rows())
    if name != "preferences":
        return Exported(len(lines), labelled)
    reason = "called the same, or not settled"
    return Exported(len(lines), labelled, len(review.items) - len(lines), reason)


def _items(review: Review) -> Iterator[dict[str, Any]]:
    """Yield a record for each item: its texts, each rater's label, and the values that count."""
    labels = labels_of_review(review)
    accepted = labels.accepted()
    rows = standing_rows(review)
    for item in review.items.values():
        said = {rater: rows[rater, item.id] for rater in review.raters if (rater, item.id) in rows}
        yield {
            "item": item.id,
            "group": item.group,
            "task": item.task,
            "instance": item.instance,
            "category": item.category,
            "systems": item.systems,
            "shared": item.shared,
            "shown": [asdict(field) for field in item.fields],
            "answers": item.answers,
            "labels": {rater: _label(labels, rater, item, row) for rater, row in said.items()},
            "settled": labels.settled[item.id],
            "adjudicated": item.id in labels.adjudicated,
            "decided_by": rows[OWNER, item.id].person if item.id in labels.adjudicated else "",
            "accepted": accepted.get(item.id),
        }


def _label(labels: StandingLabels, rater: str, item: ReviewItem, row: LabelRow) -> dict[str, Any]:
    return {
        "answers": labels.answers[rater].get(item.id, {}),
        "skipped": row.action == "skip",
        "note": row.note,
        "flagged": row.flagged,
        "shown": row.shown,
        "seconds": row.seconds,
        "at": row.at,
    }


def _history(review: Review) -> Iterator[dict[str, Any]]:
    """Yield a record for each action of a rater, in order."""
    for row in review.rows():
        yield asdict(row)


def _preferences(review: Review) -> Iterator[dict[str, Any]]:
    """Yield a record for each pair with a winner: `prompt`, `chosen`, `rejected`, as for TRL."""
    if review.form.subject != "pairs":
        what = f"{review.path} has the form '{review.form.name}', which compares nothing"
        raise InputError(what, "export a review of pairs, or take --format jsonl")
    labels = labels_of_review(review)
    question = next((found.name for found in review.form.questions if found.compares), "")
    for item, outcome in labels.decided(question).items():
        if outcome in ("win", "lose"):
            found = review.items[item]
            best = 0 if outcome == "win" else 1
            yield {
                "prompt": _prompt(found),
                "chosen": found.answers[best],
                "rejected": found.answers[1 - best],
            }


def _prompt(item: ReviewItem) -> str:
    """Return an item's prompt as in Self-Instruct's evaluation."""
    texts = {field.role: field.text for field in item.fields}
    given = f"\n\nInput: {texts['input']}" if texts.get("input") else ""
    return f"{texts['task']}{given}\nOutput:"


REVIEW_FORMATS: Mapping[str, Callable[[Review], Iterator[dict[str, Any]]]] = MappingProxyType(
    {"jsonl": _items, "history": _history, "preferences": _preferences}
)
"""The formats by name: items with their labels; all rows of labels; pairs in TRL's format."""


class _Head(msgspec.Struct, frozen=True):
    """The first line of a file of labels: the review, what the rater saw, and the rater.

    Files of 0.1 have the review's id in place of what the rater saw.
    """

    seedstep_review: str
    items: str
    rater: str
    key: str


def labels_name(rater: str) -> str:
    """Return the name of the file in which a rater returns labels."""
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', rater).strip('-') or 'rater'}-labels.jsonl"


def offline_page(review: Review, rater: str) -> str:
    """Return the HTML file for a rater, without labels that were given elsewhere.

    Raises:
        InputError: there is no such rater.
    """
    from markupsafe import Markup

    own = review.assigned(rater)
    views = [
        item_view(
            review.form,
            review.items[given.item],
            given.shown,
            number=given.place + 1,
            count=len(own),
            rows="[]",
        )
        for given in own
    ]
    script, css = static_file("review.js"), static_file("review.css")
    head = _Head(review.key, _seen(review, rater), rater, key_of(review.tokens[rater]))
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(css)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return render_page(
        "file.html",
        title=review.form.title,
        csp=policy,
        css=Markup(css),  # noqa: S704 - ours
        script=Markup(script),  # noqa: S704 - ours
        key=head.key,
        head=msgspec.json.encode(head).decode(),
        file=labels_name(rater),
        form=review.form,
        views=views,
    )


def _seen(review: Review, rater: str) -> str:
    """Return a fingerprint of all that a rater sees: the form, and the items in their order."""
    assigned = review.assigned(rater)
    shown = [(asdict(review.items[each.item]), each.shown) for each in assigned]
    return digest([asdict(review.form), shown])


def _hash(text: str) -> str:
    found = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(found).decode()}"


def take(review: Review, path: Path) -> tuple[int, int]:
    """Store the labels of a file. Return how many it has, and how many of them are new.

    Taking a file again changes nothing.

    Raises:
        InputError: it can't be read, or is of another review; no label is stored.
        StoreError: the disk is full, or the database can't be written.
    """
    head: _Head | None = None
    rows: list[LabelRow] = []
    for number, line in read_lines(path):
        where = f"{path}, line {number}"
        if isinstance(line, BadLine):
            raise InputError(f"{where}: {line.message}", line.remedy)
        if b'"seedstep_review"' in line:
            head = _checked(_read(line, _Head, where), review, where)
        elif head is None:
            what = f"{where}: it does not say of which review it is"
            raise InputError(what, "take the file as the page saved it")
        else:
            rows.append(_row(_read(line, SentAction, where), review, head.rater, where))
    if head is None:
        raise InputError(f"{path}: the file is empty", "take the file as the page saved it")
    return len(rows), review.take(rows)


T = TypeVar("T")


def _read(line: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: {error}", "take the file as the page saved it") from None


def _checked(head: _Head, review: Review, where: str) -> _Head:
    if head.seedstep_review != review.key:
        raise InputError(f"{where}: labels of another review", "name the review that they are of")
    token = review.tokens.get(head.rater)
    if head.rater not in review.raters or token is None or key_of(token) != head.key:
        what = f"{where}: labels of '{head.rater}', who is no rater of this review"
        raise InputError(what, "name the review that they are of")
    if head.items not in (review.id, _seen(review, head.rater)):
        what = f"{where}: the items have changed since this file was made"
        raise InputError(what, "write a new file with `seedstep review file`")
    return head


def _row(sent: SentAction, review: Review, rater: str, where: str) -> LabelRow:
    own = review.assigned(rater)
    if not 1 <= sent.number <= len(own):
        raise InputError(
            f"{where}: there is no item {sent.number}", "take the file as it was saved"
        )
    given = own[sent.number - 1]
    try:
        return row_of(sent, review.form, rater, given.item, given.shown)
    except InputError as error:
        raise InputError(f"{where}: {error.what}", "take the file as it was saved") from None
