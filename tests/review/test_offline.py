"""The file for somebody without a server, and the labels that come back."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from seedstep.data.reviews import LabelRow, standing
from seedstep.errors import InputError
from seedstep.review.export import labels_name, offline_page, take
from seedstep.runs.reviews import Review
from support.reviewing import an_item, make, sent

YES = {"correct": "yes", "complete": "yes"}


def made(tmp_path: Path, name: str = "review", count: int = 4, **more: Any) -> Review:
    return Review.open(
        make(tmp_path / name, [an_item(number) for number in range(count)], **more), write=True
    )


def head_of(review: Review, rater: str = "ann") -> str:
    page = offline_page(review, rater)
    found = re.search(r'data-head="([^"]*)"', page)
    assert found
    return found[1].replace("&#34;", '"')


def write(path: Path, *lines: object) -> Path:
    path.write_text(
        "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    )
    return path


def test_the_file_loads_nothing_and_allows_its_own_script_alone(tmp_path: Path) -> None:
    with made(tmp_path) as review:
        page = offline_page(review, "ann")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert "default-src &#39;none&#39;" in policy[1]
    assert "unsafe" not in policy[1]
    assert not re.search(r"(?:src|href)=\"(?!#|data:,)", page)
    assert page.count("<template") == 4
    assert page.count("</script>") == page.count("</style>") == 1


def test_labels_come_back_once(tmp_path: Path) -> None:
    with made(tmp_path) as review:
        undo = {"id": "an-undo-02", "number": 2, "action": "undo"}
        path = write(tmp_path / "ann.jsonl", head_of(review), sent(1, YES), sent(2, YES), undo)
        assert take(review, path) == (3, 3)
        assert take(review, path) == (3, 0)
        assert [(row.rater, row.action) for row in review.rows()] == [
            ("ann", "label"),
            ("ann", "label"),
            ("ann", "undo"),
        ]
        assert review.rows()[0].item == review.assigned("ann")[0].item
        assert review.rows()[0].shown == review.assigned("ann")[0].shown


def test_what_is_not_of_this_review_is_refused_as_a_whole(tmp_path: Path) -> None:
    with made(tmp_path) as review, made(tmp_path, "other") as other, made(tmp_path, "c", 5) as more:
        good = head_of(review)
        changed = json.dumps({**json.loads(good), "items": more.id})
        bob = json.dumps({**json.loads(good), "rater": "bob"})
        cases: dict[str, list[object]] = {
            "another review": [head_of(other), sent(1, YES)],
            "items have changed": [changed, sent(1, YES)],
            "no rater of this review": [bob, sent(1, YES)],
            "does not say of which review": [sent(1, YES)],
            "line 3: there is no item 9": [good, sent(1, YES), sent(9, YES)],
            "line 3: 'complete' has no answer": [good, sent(1, YES), sent(2, {"correct": "yes"})],
            "line 2": [good, "{"],
            "the file is empty": [],
        }
        for said, lines in cases.items():
            with pytest.raises(InputError) as raised:
                take(review, write(tmp_path / "labels.jsonl", *lines))
            assert said in str(raised.value)
            assert review.rows() == ()


CHANGES = (
    ("review_items", "replace(record, 'for report', 'for letter')"),
    ("review", "replace(record, 'Is it correct?', 'Is it wrong?')"),
)


@pytest.mark.parametrize("table, change", CHANGES)
def test_labels_of_items_that_have_changed_are_refused(
    tmp_path: Path, table: str, change: str
) -> None:
    with made(tmp_path) as review:
        path = write(tmp_path / "ann.jsonl", head_of(review), sent(1, YES))
        of_earlier = json.dumps({**json.loads(head_of(review)), "items": review.id})
        earlier = write(tmp_path / "earlier.jsonl", of_earlier, sent(2, YES))
    with closing(sqlite3.connect(tmp_path / "review/run.db")) as database, database:
        database.execute(f"UPDATE {table} SET record = {change}")
    with Review.open(tmp_path / "review", write=True) as review:
        with pytest.raises(InputError, match="the items have changed since this file was made"):
            take(review, path)
        assert review.rows() == ()
        assert take(review, earlier)[1] == 1, "which says less"


@pytest.mark.parametrize(
    "rater, name", [("ann", "ann"), ("../../x", "x"), ("李", "rater"), ("a b", "a-b")]
)
def test_the_name_of_the_file_is_no_path(rater: str, name: str) -> None:
    assert labels_name(rater) == f"{name}-labels.jsonl"


def test_a_file_with_a_known_id_and_another_answer_is_refused(tmp_path: Path) -> None:
    no = {"correct": "no", "complete": "no"}
    with made(tmp_path) as review:
        head = head_of(review)
        take(review, write(tmp_path / "a.jsonl", head, sent(1, YES)))
        changed = (
            [head, sent(2, YES), sent(1, no)],
            [head, sent(3, YES), {**sent(3, YES), "answers": no}],
        )
        for lines in changed:
            with pytest.raises(InputError, match="another label has the id"):
                take(review, write(tmp_path / "b.jsonl", *lines))
            assert [dict(row.answers) for row in review.rows()] == [YES]


def test_an_undo_that_is_taken_late_removes_what_it_undid(tmp_path: Path) -> None:
    """The rater labels in the file and thinks better of it, then labels on the server."""
    no = {"correct": "no", "complete": "no"}
    with made(tmp_path) as review:
        first = sent(1, no, id="in-the-file-1")
        undo = {"id": "in-the-file-2", "number": 1, "action": "undo", "undoes": "in-the-file-1"}
        item = review.assigned("ann")[0].item
        on_server = LabelRow("on-the-server", "ann", item, "label", YES)
        review.take([on_server])
        take(review, write(tmp_path / "ann.jsonl", head_of(review), first, undo))
        assert standing(review.rows(rater="ann")) == review.find("on-the-server")
        assert review.done("ann") == 1


def test_a_file_that_undoes_nothing_that_is_known_is_taken(tmp_path: Path) -> None:
    undo = {"id": "in-the-file-2", "number": 1, "action": "undo", "undoes": "in-the-file-1"}
    with made(tmp_path) as review:
        take(review, write(tmp_path / "a.jsonl", head_of(review), sent(1, YES), undo))
        assert review.done("ann") == 1
        for wrong in ({**undo, "undoes": "x y"}, sent(2, YES, undoes="label-0001-0")):
            lines = (head_of(review), {**wrong, "id": "in-the-file-3"})
            with pytest.raises(InputError, match="undoes what is no label"):
                take(review, write(tmp_path / "b.jsonl", *lines))
