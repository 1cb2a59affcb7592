"""What comes out of a review: its labels as JSON lines, and preference pairs to tune on.

Example::

    export_review(review, "preferences", Path("pairs.jsonl"))  # Exported(lines=240, left_out=117)
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from seedstep.data.files import write_in_parts
from seedstep.data.reviews import LabelRow, ReviewItem, standing_labels
from seedstep.errors import InputError
from seedstep.evaluate.people import StandingLabels
from seedstep.runs.reviews import Review
from seedstep.stages.review import labels_of_review

__all__ = ["REVIEW_FORMATS", "Exported", "export_review"]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: `lines`, and how many items were `left_out`, with the reason."""

    lines: int
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
    if name != "preferences":
        return Exported(len(lines))
    reason = "called the same, or not settled"
    return Exported(len(lines), len(review.items) - len(lines), reason)


def _items(review: Review) -> Iterator[dict[str, Any]]:
    """A line for each item: what was shown, what each rater said, and what counts."""
    labels = labels_of_review(review)
    accepted = labels.accepted()
    rows = standing_labels(review.rows())
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
    """A line for everything that was ever done, in order."""
    for row in review.rows():
        yield asdict(row)


def _preferences(review: Review) -> Iterator[dict[str, Any]]:
    """A line for each pair with a winner: `prompt`, `chosen`, `rejected`, as TRL takes them."""
    if review.form.subject != "pairs":
        what = f"{review.path} has the form '{review.form.name}', which compares nothing"
        raise InputError(what, "export a review of pairs, or take --format jsonl")
    labels = labels_of_review(review)
    question = next(
        (found.name for found in review.form.questions if {"first", "second"} <= set(found.values)),
        "",
    )
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
    """Self-Instruct's prompt for its evaluation."""
    texts = {field.role: field.text for field in item.fields}
    given = f"\n\nInput: {texts['input']}" if texts.get("input") else ""
    return f"{texts['task']}{given}\nOutput:"


REVIEW_FORMATS: Mapping[str, Callable[[Review], Iterator[dict[str, Any]]]] = MappingProxyType(
    {"jsonl": _items, "history": _history, "preferences": _preferences}
)
"""Formats by name: items with their labels; every row ever kept; pairs in TRL's format."""
