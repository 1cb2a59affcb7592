"""The stage of reviews, in which people label what runs have made, and its settings.

`seedstep.review.items.make_review` writes a review, and people label it in the app. `status`,
`show` and `report` work on its directory as on any other run.

Example::

    ReviewSettings.of(form="pairs", runs=("runs/test",), raters=("ann", "bob"), per_task=3)
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from seedstep.data.reviews import LabelRow, ReviewItem, standing_labels
from seedstep.errors import InputError
from seedstep.runs import Blocks, Line, Rows, Rule, Run, Stage, has_rows, labelled, line
from seedstep.runs.reviews import OWNER, Review
from seedstep.settings import Count, NotNegative, SettingsRecord, setting

if TYPE_CHECKING:
    from seedstep.evaluate.people import StandingLabels

__all__ = [
    "REVIEW",
    "ReviewRun",
    "ReviewSettings",
    "StepsVersion",
    "labels_of_review",
    "standing_rows",
]

StepsVersion = Literal["refined", "unrefined", "both"]


@dataclass(frozen=True, slots=True)
class ReviewSettings(SettingsRecord):
    """The settings of a review: what is reviewed, and by which raters."""

    form: str = setting(
        "data", "What raters are asked: data, steps, rating, pairs, or a YAML file."
    )
    runs: tuple[str, ...] = setting(
        (), "What is looked at: runs, or data for the form data.", flags=("--run",)
    )
    raters: tuple[str, ...] = setting(
        ("me",), "Names of the raters. Default: me.", metavar="NAME,NAME", separated=True
    )
    names: tuple[str, ...] = setting(
        (), "Which systems of the runs. Default: all.", flags=("--name",)
    )
    sample: Count | None = setting(None, "Number of items, drawn at random. Default: all.")
    shared: tuple[NotNegative, ...] = setting(
        (),
        "Number of items that all raters see, or one number for each run and version; the rest is "
        "dealt out. Default: all raters see all.",
        metavar="N[,N]",
        separated=True,
    )
    per_task: Count | None = setting(None, "Number of instances of each task, drawn at random.")
    version: StepsVersion = setting("refined", "Which step-by-step instructions.")
    seed: int | None = setting(
        None,
        "Seed of draws and orders. A rater who knows it can work out which system an answer is "
        "from. Default: a secret one.",
    )


ReviewRun = Run[ReviewSettings, None, Review]


def labels_of_review(review: Review) -> "StandingLabels":
    """Return the labels of a review that count."""
    return review.of_labels(_labels)


def _labels(review: Review) -> "StandingLabels":
    from seedstep.evaluate.people import StandingLabels  # late, as it is not for the settings

    return StandingLabels.of(review.form, review.items, review.rows(), review.raters, OWNER)


def standing_rows(review: Review) -> Mapping[tuple[str, str], LabelRow]:
    """Return the row that counts for each (rater, item) of a review, also for skipped items."""
    return review.of_labels(_standing_rows)


def _standing_rows(review: Review) -> Mapping[tuple[str, str], LabelRow]:
    return standing_labels(review.rows())


def _load(settings: ReviewSettings) -> None:
    """Read nothing, as a review stores its items."""


def _records(run: Run[ReviewSettings, None, Any]) -> Review:
    return Review(run.path, run.database)


def _status(run: ReviewRun) -> Blocks:
    """Show how far the raters are, and the values that count so far."""
    review = run.records
    labels = labels_of_review(review)
    done = Counter((rater, row.action) for (rater, _), row in standing_rows(review).items())
    rows = tuple(
        (
            rater,
            f"{done[rater, 'label']:,} of {len(review.assigned(rater)):,}",
            f"{done[rater, 'skip']:,}",
        )
        for rater in review.raters
    )
    yield Rows(rows, ("rater", "labelled", "skipped"))
    yield line(f"{len(labels.adjudicated):,} items adjudicated")
    accepted = Counter(labels.accepted().values())
    if accepted:
        yield line(f"accepted {accepted[True]:,}, rejected {accepted[False]:,}")


def _listed(run: ReviewRun) -> Blocks:
    labels = labels_of_review(run.records)
    for item in run.records.items.values():
        yield _item_line(labels, item)


def _rejected(run: ReviewRun) -> Blocks:
    labels = labels_of_review(run.records)
    accepted = labels.accepted()
    for item in run.records.items.values():
        if accepted.get(item.id) is False:
            yield _item_line(labels, item)


def _item_line(labels: "StandingLabels", item: ReviewItem) -> Line:
    return line(f"{item.id}  {item.task} {item.instance}  {_settled(labels, item)}")


def _settled(labels: "StandingLabels", item: ReviewItem) -> str:
    from seedstep.evaluate.people import value_name

    found = labels.settled[item.id]
    return ", ".join(
        f"{question.name}: {value_name(question, found[question.name], item.systems)}"
        for question in labels.form.questions
        if question.name in found
    )


def _shown(run: ReviewRun, name: str) -> Blocks:
    """Show an item: its texts, and the labels of each rater."""
    review = run.records
    if name not in review.items:
        raise InputError(
            f"{run.path} has no item '{name}'", f"`seedstep show {run.path}` lists them"
        )
    item = review.items[name]
    labels = labels_of_review(review)
    yield line(f"{item.id}  {item.task} {item.instance}", "bold")
    for field in item.fields:
        yield Rule(field.label)
        yield line(field.text)
    for system, answer in zip(item.systems, item.answers, strict=True):
        yield Rule(system)
        yield line(answer)
    yield Rule("labels")
    yield from _said(labels, review, item)
    if settled := _settled(labels, item):
        yield labelled("what counts", settled)


def _said(labels: "StandingLabels", review: Review, item: ReviewItem) -> Iterator[Line]:
    from seedstep.evaluate.people import value_name

    for (rater, _), row in standing_labels(review.rows(item=item.id)).items():
        said = labels.answers.get(rater, {}).get(item.id, {})
        texts = [
            f"{question.name} {value_name(question, said[question.name], item.systems)}"
            for question in review.form.questions
            if question.name in said
        ]
        text = ", ".join(texts) or ("decided" if rater == OWNER else "skipped")
        who = f"{rater} {row.person}" if row.person else rater
        yield labelled(who, f"{text}{f' ({row.note})' if row.note else ''}")


def _rows(run: ReviewRun) -> Iterator[dict[str, Any]]:
    """Yield a row for each action of a rater."""
    for row in run.records.rows():
        yield {**msgspec.to_builtins(row), "answers": [list(said) for said in row.answers.items()]}


REVIEW: Stage[ReviewSettings, None, Review] = Stage(
    name="review",
    settings=ReviewSettings,
    load=_load,
    records=_records,
    makes="labels",
    rows=_rows,
    made=has_rows("review_items"),
    status=_status,
    listed=_listed,
    rejected=_rejected,
    shown=_shown,
    lists=(),
    sections=("people",),
)
"""The entry of the stage in which people label the records of runs."""
