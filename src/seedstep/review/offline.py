"""A review for somebody without a server: one HTML file, and the labels that come back from it.

The file loads nothing, keeps its labels in the browser, and saves them as JSON lines: a line that
names the review and the rater, then what was done, in order.

Example::

    Path("ann.html").write_text(offline_page(review, "ann"), encoding="utf-8")
    take(review, Path("ann-labels.jsonl"))  # Taken(rows=40, new=40)
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from seedstep.data.jsonl import BadLine, read_lines
from seedstep.data.reviews import LabelRow
from seedstep.errors import InputError
from seedstep.review.items_shown import item_view
from seedstep.review.labelling import Sent, row_of
from seedstep.review.pages import render_page, static_file
from seedstep.runs.reviews import Review, key_of

__all__ = ["Taken", "labels_name", "offline_page", "take"]


class _Head(msgspec.Struct, frozen=True):
    """The first line: which review, which items, which rater."""

    seedstep_review: str
    items: str
    rater: str
    key: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What was in a file: so many rows, of which so many were `new`."""

    rows: int
    new: int


def labels_name(rater: str) -> str:
    """The name of the file in which a rater gives labels back."""
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', rater).strip('-') or 'rater'}-labels.jsonl"


def offline_page(review: Review, rater: str) -> str:
    """The file for a rater. It has no labels that were given elsewhere.

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
    head = _Head(review.key, review.id, rater, key_of(review.tokens[rater]))
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


def _hash(text: str) -> str:
    found = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(found).decode()}"


def take(review: Review, path: Path) -> Taken:
    """Keep the labels of a file. Taking it again changes nothing.

    Raises:
        InputError: it can't be read, or is of another review; nothing of it is kept.
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
            rows.append(_row(_read(line, Sent, where), review, head.rater, where))
    return Taken(len(rows), review.take(rows))


T = TypeVar("T")


def _read(line: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: {error}", "take the file as the page saved it") from None


def _checked(head: _Head, review: Review, where: str) -> _Head:
    if head.seedstep_review != review.key:
        raise InputError(f"{where}: labels of another review", "name the review that they are of")
    if head.items != review.id:
        what = f"{where}: the items have changed since this file was made"
        raise InputError(what, "write a new file with `seedstep review file`")
    token = review.tokens.get(head.rater)
    if head.rater not in review.raters or token is None or key_of(token) != head.key:
        what = f"{where}: labels of '{head.rater}', who is no rater of this review"
        raise InputError(what, "name the review that they are of")
    return head


def _row(sent: Sent, review: Review, rater: str, where: str) -> LabelRow:
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
