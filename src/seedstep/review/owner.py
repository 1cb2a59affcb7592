"""The owner's pages: progress, agreement, disagreements, and the queue of items to adjudicate.

In the queue the raters have no names.

Example::

    app = plain_app(owner_routes(review))
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import compress
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from seedstep.data.reviews import in_order_for, order_of_answers, standing_labels
from seedstep.evaluate.intervals import shown
from seedstep.evaluate.people import QuestionAgreement, StandingLabels, scale_of, value_name
from seedstep.review.labelling import item_view, progress, save_row
from seedstep.review.pages import history_json, render_page
from seedstep.runs.reviews import OWNER, Review
from seedstep.stages.review import labels_of_review, standing_rows

__all__ = ["RouteHandler", "owner_routes"]

MOST_RATERS = 6
"""With more raters, only the agreement of all is computed: that of each pair takes too long."""

RouteHandler = Callable[[Request], Awaitable[Response]]


def owner_routes(review: Review) -> dict[str, RouteHandler]:
    """Return the owner's pages by path."""
    pages = {
        "/": _progress,
        "/agreement": _agreement,
        "/list": _queue,
        "/adjudicate": _adjudicate,
        "/notes": _notes,
        "/item/{number:int}": _item,
        "/save": _save,
    }
    return {path: partial(page, review) for path, page in pages.items()}


def _page(review: Review, name: str, here: str, **values: Any) -> Response:
    text = render_page(
        name, up="", here=here, form=review.form, heading=review.form.title, **values
    )
    return HTMLResponse(text)


async def _progress(review: Review, request: Request) -> Response:
    rows = progress(review)
    base = f"{request.scope.get('scheme', 'http')}://{request.headers['host']}"
    addresses = {name: f"{base}/{review.tokens[name]}/" for name in review.raters}
    named = [
        {"number": place + 1, "names": ", ".join(item.named)}
        for place, item in enumerate(review.items.values())
        if item.named
    ]
    done = sum(row.done for row in rows)
    total = sum(row.total for row in rows)
    return _page(
        review,
        "owner.html",
        "progress",
        title="Progress",
        rows=rows,
        addresses=addresses,
        named=named,
        done=done,
        total=total,
        shared=sum(item.shared for item in review.items.values()),
        items=len(review.items),
        decided=len(labels_of_review(review).adjudicated),
    )


async def _agreement(review: Review, request: Request) -> Response:
    tables = await asyncio.to_thread(review.of_labels, _measured)
    return _page(review, "agreement.html", "agreement", title="Agreement", tables=tables)


MEASURES = ("raw", "kappa", "kappa_acceptable", "spearman")
TITLES = ("Raw", "Cohen's kappa", "Kappa, acceptable or not", "Spearman")
"""Measures of two raters, and how they are called. Those that a question has not are left out."""


def _measured(review: Review) -> list[dict[str, Any]]:
    labels = labels_of_review(review)
    if len(review.raters) > MOST_RATERS:
        return [
            _fleiss_only(labels, question.name, question.text) for question in _choosing(review)
        ]
    tables = []
    for question in _choosing(review):
        found = labels.agreement(question.name)
        levels, acceptable = scale_of(question)
        measured = [True, True, bool(acceptable), bool(levels)]
        rows = [
            {
                "raters": f"{pair.first} and {pair.second}",
                "items": pair.agreement.items,
                "cells": [
                    shown(getattr(pair.agreement, name), 2) for name in compress(MEASURES, measured)
                ],
            }
            for pair in found.pairs
        ]
        tables.append(
            {
                **_fleiss(found, question.text),
                "head": list(compress(TITLES, measured)),
                "rows": rows,
            }
        )
    return tables


def _fleiss_only(labels: StandingLabels, name: str, text: str) -> dict[str, Any]:
    return {**_fleiss(labels.agreement_of_all(name), text), "head": [], "rows": []}


def _fleiss(found: QuestionAgreement, text: str) -> dict[str, Any]:
    return {
        "text": text,
        "items": found.items,
        "fleiss": shown(found.fleiss, 2),
        "reason": found.fleiss.reason,
    }


def _choosing(review: Review) -> list[Any]:
    return [question for question in review.form.questions if question.choices]


def _queued(review: Review) -> list[tuple[int, str, float]]:
    """Return (number, item, disagreement) of items on which raters differ, the highest first."""
    return review.of_labels(_disagreements)


def _disagreements(review: Review) -> list[tuple[int, str, float]]:
    labels = labels_of_review(review)
    found = [
        (place + 1, item, labels.disagreement(item)) for place, item in enumerate(review.items)
    ]
    return sorted((entry for entry in found if entry[2]), key=lambda entry: (-entry[2], entry[0]))


async def _queue(review: Review, request: Request) -> Response:
    labels, rows = labels_of_review(review), standing_rows(review)
    entries = [
        {
            "number": number,
            "share": f"{100 * share:.0f}%",
            "task": review.items[item].task,
            "said": "; ".join(label for label, _ in _said(review, labels, item)),
            "decided": item in labels.adjudicated,
            "person": rows[OWNER, item].person if item in labels.adjudicated else "",
        }
        for number, item, share in _queued(review)
    ]
    return _page(review, "queue.html", "list", title="Disagreements", entries=entries)


async def _adjudicate(review: Review, request: Request) -> Response:
    labels = labels_of_review(review)
    queued = _queued(review)
    first = next((entry[0] for entry in queued if entry[1] not in labels.adjudicated), None)
    return RedirectResponse("list" if first is None else f"item/{first}", 303)


async def _notes(review: Review, request: Request) -> Response:
    places = {item: place + 1 for place, item in enumerate(review.items)}
    entries = [
        {
            "number": places[item],
            "rater": rater,
            "note": row.note,
            "flagged": row.flagged,
            "skipped": row.action == "skip",
        }
        for (rater, item), row in standing_rows(review).items()
        if item in places and (row.note or row.flagged or row.action == "skip")
    ]
    entries.sort(key=lambda entry: (entry["number"], entry["rater"]))
    return _page(review, "notes.html", "notes", title="Notes", entries=entries)


def _said(review: Review, labels: StandingLabels, item: str) -> tuple[tuple[str, str], ...]:
    """Return the labels of an item's raters, and their notes, in an order that hides who it was."""
    found: list[tuple[str, str]] = []
    order = in_order_for(item, review.raters, review.seed)
    rows = standing_labels(review.rows(item=item))
    for rater in order:
        answers = labels.answers[rater].get(item)
        if answers:
            texts = [
                f"{question.name}: {_side(review, item, question, answers[question.name])}"
                for question in review.form.questions
                if question.name in answers
            ]
            if len(review.form.questions) == 1:
                texts = [text.partition(": ")[2] for text in texts]
            found.append((", ".join(texts), rows[rater, item].note))
    return tuple(found)


def _side(review: Review, item: str, question: Any, value: str) -> str:
    """Return an answer in words; for a pair, the letter of the better text on the owner's page."""
    shown = order_of_answers(OWNER, item, len(review.items[item].answers), review.seed)
    if question.compares and value in ("win", "lose") and len(shown) > 1:
        return "AB"[shown.index(0 if value == "win" else 1)]
    return value_name(question, value)


async def _item(review: Review, request: Request) -> Response:
    number = request.path_params["number"]
    keys = list(review.items)
    if not 1 <= number <= len(keys):
        raise HTTPException(404)
    item = review.items[keys[number - 1]]
    labels = labels_of_review(review)
    queue = [queued[0] for queued in _queued(review)]
    place = queue.index(number) if number in queue else -1
    back = queue[place - 1] if place > 0 else 0
    after = queue[place + 1] if 0 <= place < len(queue) - 1 else 0
    view = item_view(
        review.form,
        item,
        order_of_answers(OWNER, item.id, len(item.answers), review.seed),
        number=number,
        count=len(keys),
        rows=history_json(review.rows(rater=OWNER, item=item.id)),
        near=(back, after),
        said=_said(review, labels, item.id),
    )
    done, total = _decided(review, labels)
    text = render_page(
        "item.html",
        title=f"Item {number}",
        up="../",
        home="../list",
        key=f"owner-{review.id}",
        form=review.form,
        decides=True,
        progress={"done": done, "total": total},
        view=view,
    )
    return HTMLResponse(text)


def _decided(review: Review, labels: StandingLabels) -> tuple[int, int]:
    queue = {entry[1] for entry in _queued(review)} | labels.adjudicated
    return len(labels.adjudicated), len(queue)


async def _save(review: Review, request: Request) -> Response:
    keys = list(review.items)

    def find(number: int) -> tuple[str, tuple[int, ...]]:
        if not 1 <= number <= len(keys):
            raise HTTPException(404)
        item = keys[number - 1]
        count = len(review.items[item].answers)
        return item, order_of_answers(OWNER, item, count, review.seed)

    saved = await save_row(review, request, OWNER, find)
    done, total = _decided(review, labels_of_review(review))
    return JSONResponse({"saved": saved, "done": done, "total": total})
