"""A review's directory: what is written once, and labels that are only ever added."""

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.data.reviews import (
    Action,
    LabelRow,
    in_order_for,
    order_of_answers,
    standing,
    standing_labels,
)
from seedstep.errors import InputError, RunBusyError, RunError, RunMismatchError
from seedstep.review.items import deal
from seedstep.runs.reviews import OWNER, Review
from support.reviewing import an_item, make

YES = {"correct": "yes", "complete": "yes"}
NO = {"correct": "no", "complete": "no"}


def row(identity: str, action: str = "label", answers: dict[str, str] | None = None) -> LabelRow:
    return LabelRow(identity, "ann", "item0000", action, answers or {})  # type: ignore[arg-type]


def test_undo_takes_back_what_was_said_last() -> None:
    first, second = row("a", answers=YES), row("b", answers=NO)
    undo = [row(f"u{number}", "undo") for number in range(3)]
    assert standing([first, second]) == second
    assert standing([first, second, undo[0]]) == first
    assert standing([first, second, *undo[:2]]) is None
    assert standing([first, *undo, second]) == second
    assert standing([first, row("s", "skip")]) == row("s", "skip")


def test_shared_items_go_to_all_and_the_others_to_one() -> None:
    units = [f"u{number}" for number in range(20)]
    dealt = deal(units, ["ann", "bob", "cem"], units[:5])
    counts = Counter(unit for own in dealt.values() for unit in own)
    assert [counts[unit] for unit in units] == [3] * 5 + [1] * 15
    assert {len(own) for own in dealt.values()} == {10}


def test_the_order_follows_from_seed_rater_and_item() -> None:
    items = [f"item{number}" for number in range(200)]
    order = in_order_for("ann", items, 1)
    assert order == in_order_for("ann", reversed(items), 1)
    assert order != in_order_for("bob", items, 1)
    assert order != in_order_for("ann", items, 2)
    assert sorted(order) == sorted(items)
    orders = Counter(order_of_answers("ann", item, 2, 1) for item in items)
    assert set(orders) == {(0, 1), (1, 0)}
    assert 70 <= orders[0, 1] <= 130


def test_the_order_is_written_once(tmp_path: Path) -> None:
    items = [an_item(number, answers=("x", "y")) for number in range(9)]
    path = make(tmp_path / "review", items, form="pairs")
    with Review.open(path) as review:
        before = {rater: review.assigned(rater) for rater in review.raters}
        tokens = dict(review.tokens)
        for rater, own in before.items():
            assert tuple(assigned.item for assigned in own) == in_order_for(
                rater, review.items, review.seed
            )
            for assigned in own:
                assert assigned.shown == order_of_answers(rater, assigned.item, 2, review.seed)
    make(path, items, form="pairs")
    with Review.open(path) as review:
        assert {rater: review.assigned(rater) for rater in review.raters} == before
        assert dict(review.tokens) == tokens
        assert len(set(tokens.values())) == len(tokens) == 4


def test_another_review_in_the_same_place_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "review", [an_item(0)])
    with pytest.raises(RunError, match="has changed"):
        make(path, [an_item(1)])
    with pytest.raises(RunMismatchError, match="seed"):
        make(path, [an_item(0)], seed=8)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(RunError, match="not empty"):
        make(tmp_path / "other", [an_item(1)])
    with pytest.raises(RunError, match="not a review"):
        Review.open(tmp_path)


@pytest.mark.parametrize("name", ["", " ann", "a\nb", OWNER, "x" * 61])
def test_names_that_no_rater_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="can't be named"):
        make(tmp_path / "review", [an_item(0)], raters=(name,))


def test_a_review_that_was_killed_while_it_was_written_is_written_anew(tmp_path: Path) -> None:
    path = make(tmp_path / "review", [an_item(0)])
    with closing(sqlite3.connect(path / "run.db")) as database, database:
        database.execute("DELETE FROM review")
    with pytest.raises(RunError, match="has not begun"):
        Review.open(path)
    make(path, [an_item(0)])
    with Review.open(path) as review:
        assert list(review.items) == ["item0000"]


def test_a_review_that_was_killed_before_it_had_settings_is_written_anew(tmp_path: Path) -> None:
    for name in ("run.lock", ".run.yaml.999.partial"):
        (tmp_path / name).write_bytes(b"form: st")
    with Review.open(make(tmp_path, [an_item(0)])) as review:
        assert list(review.items) == ["item0000"]


def test_saving_again_changes_nothing(tmp_path: Path) -> None:
    path = make(tmp_path / "review", [an_item(0), an_item(1)])
    with Review.open(path, write=True) as review:
        first = asyncio.run(review.save(row("label-01", answers=YES)))
        again = asyncio.run(review.save(replace(row("label-01", answers=YES), at=9.0, seconds=8.0)))
        assert again == first
        others = (
            row("label-01", answers=NO),
            replace(row("label-01", answers=YES), item="item0001"),
            replace(row("label-01", answers=YES), note="Changed."),
        )
        for other in others:
            with pytest.raises(InputError, match="another label"):
                asyncio.run(review.save(other))
        assert [row.answers for row in review.rows()] == [YES]


def test_what_was_saved_is_there_for_another_process_at_once(tmp_path: Path) -> None:
    path = make(tmp_path / "review", [an_item(0)])
    with Review.open(path, write=True) as review, Review.open(path) as other:
        asyncio.run(review.save(row("label-01", answers=YES)))
        assert [row.answers for row in other.rows(rater="ann", item="item0000")] == [YES]
        assert other.rows(rater="bob") == ()


def test_commits_reach_the_disk(tmp_path: Path) -> None:
    path = make(tmp_path / "review", [an_item(0)])
    with Review.open(path, write=True) as review:
        (found,) = review.database._writer.execute("PRAGMA synchronous").fetchone()
        assert found == 2, "FULL"


def test_how_many_items_are_done(tmp_path: Path) -> None:
    path = make(tmp_path / "review", [an_item(0), an_item(1)])
    with Review.open(path, write=True) as review:
        assert review.done("ann") == 0
        review.take([row("a", answers=YES), row("b", answers=NO), row("c", "undo")])
        assert review.done("ann") == 1
        review.take([row("d", "undo"), row("e", "undo"), row("f", "skip")])
        assert (review.done("ann"), review.done("bob")) == (0, 0)


def test_one_server_at_a_time(tmp_path: Path) -> None:
    path = make(tmp_path / "review", [an_item(0)])
    with Review.open(path, write=True, alone=True):
        with pytest.raises(RunBusyError, match="another server"):
            Review.open(path, write=True, alone=True)
        Review.open(path).close()
    Review.open(path, write=True, alone=True).close()


def test_who_a_secret_belongs_to(tmp_path: Path) -> None:
    path = make(tmp_path / "review", [an_item(0)])
    with Review.open(path) as review:
        for name, token in review.tokens.items():
            assert review.who(token) == name
            assert review.who(token[:-1]) is None
            assert review.who(token.swapcase()) is None
        for text in ("", "ann", OWNER, "é", "\ud800"):
            assert review.who(text) is None


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(-1, 8)), max_size=12))
def test_what_is_done_is_what_counts(actions: list[tuple[str, int]]) -> None:
    """Undos of the last one (-1), and by name: of earlier, of unknown, and of undone labels."""
    rows = []
    for number, (item, undoes) in enumerate(actions):
        name = f"row-{undoes}" if undoes >= 0 else ""
        action: Action = "undo" if number % 3 == 2 else "skip" if undoes == 5 else "label"
        rows.append(
            LabelRow(
                f"row-{number}",
                "ann",
                f"item000{'ab'.index(item)}",
                action,
                YES if action == "label" else {},
                undoes=name if action == "undo" else "",
            )
        )
    with TemporaryDirectory() as folder:
        path = make(Path(folder) / "review", [an_item(0), an_item(1)])
        with Review.open(path, write=True) as review:
            review.take(rows)
            counts = standing_labels(review.rows()).values()
            assert review.done("ann") == sum(row.action == "label" for row in counts)
