"""People label in a real browser: by keyboard, on a phone, in a file without a server."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from seedstep.evaluate.people import split_in_four
from seedstep.review.export import offline_page, take
from seedstep.runs.reviews import Review
from seedstep.stages.review import labels_of_review
from support.browsing import Server, serving, watched
from support.command_line import program
from support.labelling import (
    SHARED,
    TRUTH,
    click,
    expect_item,
    label_by_keys,
    opinion,
    order_of,
    rows_of,
    small_review,
    wait_saved,
)


@pytest.fixture
def review(tmp_path: Path) -> Path:
    return small_review(tmp_path / "review")


def test_three_raters_label_a_review(review: Path, browser: Any, tmp_path: Path) -> None:
    with serving(tmp_path, "review", "serve", str(review), line=program) as server:
        by_keyboard(browser, server, order_of(review, "ann"))
        on_a_phone(browser, server, order_of(review, "bob"))
    without_a_server(browser, review, tmp_path)
    with Review.open(review) as opened:
        labels = labels_of_review(opened)
        agreement = labels.agreement("correct")
    words = {"y": "yes", "n": "no"}
    for item, (correct, complete) in TRUTH.items():
        found = labels.settled[item]
        assert found == {"correct": words[correct], "complete": words[complete]}, item
    # items 2 and 5 are incorrect; 1 and 5 incomplete
    split = split_in_four(labels.decided("correct"), labels.decided("complete"))
    assert (split.both, split.first, split.second, split.neither) == (5, 1, 1, 1)
    assert agreement.items == SHARED
    # 15 ratings, 11 yes and 4 no; four items unanimous, one 2 : 1
    by_chance = (11**2 + 4**2) / 15**2
    observed = (4 + 1 / 3) / 5
    assert agreement.fleiss.value == pytest.approx((observed - by_chance) / (1 - by_chance))


def by_keyboard(browser: Any, server: Server, items: list[str]) -> None:
    with watched(browser) as seen:
        page = seen.page
        page.goto(server.addresses["ann"])
        label_by_keys(page, items, "ann")
        page.wait_for_selector("text=That was all")
        page.keyboard.press("Tab")
        page.goto(f"{server.addresses['ann']}item/2")
        expect_item(page, 2)
        page.keyboard.press("1")  # a change of mind: yes to the first question
        page.keyboard.press("Enter")
        expect_item(page, 3)
        page.keyboard.press("k")
        expect_item(page, 2)
        page.keyboard.press("u")
        wait_saved(page)
        checked = page.eval_on_selector_all(
            "#form input:checked", "found => found.map(one => one.value[0])"
        )
        assert [answer for answer in checked if answer in "yn"] == list(opinion("ann", items[1]))
        assert seen.said == []


def on_a_phone(browser: Any, server: Server, items: list[str]) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with watched(browser, **phone) as seen:
        page = seen.page
        page.goto(server.addresses["bob"])
        for number, item in enumerate(items, start=1):
            expect_item(page, number)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            click(page, opinion("bob", item))
            page.locator("#save").click()
        page.wait_for_selector("text=That was all")
        assert seen.said == []


def without_a_server(browser: Any, review: Path, folder: Path) -> None:
    with Review.open(review) as opened:
        (folder / "cem.html").write_text(offline_page(opened, "cem"), encoding="utf-8")
    items = order_of(review, "cem")
    with watched(browser, offline=True, accept_downloads=True) as seen:
        page = seen.page
        page.goto((folder / "cem.html").as_uri())
        label_by_keys(page, items[:3], "cem")
        page.reload()
        expect_item(page, 4)
        assert page.locator("#done-text").inner_text() == f"3 of {len(items)}"
        label_by_keys(page, items, "cem", start=4)
        page.wait_for_selector("dialog#list[open]")
        page.keyboard.press("Escape")
        with page.expect_download() as download:
            page.locator("#give").click()
        download.value.save_as(folder / "cem-labels.jsonl")
        assert download.value.suggested_filename == "cem-labels.jsonl"
        assert seen.said == []
    with Review.open(review, write=True) as opened:
        assert take(opened, folder / "cem-labels.jsonl")[1] == len(items)
        assert take(opened, folder / "cem-labels.jsonl")[1] == 0


def test_nothing_is_lost_when_the_server_dies(review: Path, browser: Any, tmp_path: Path) -> None:
    items = order_of(review, "ann")
    with serving(tmp_path, "review", "serve", str(review)) as server, watched(browser) as seen:
        page = seen.page
        page.goto(server.addresses["ann"])
        label_by_keys(page, items[:2], "ann")
        expect_item(page, 3)
        wait_saved(page)
        page.wait_for_load_state("networkidle")
        server.kill()
        assert len(rows_of(review, "ann")) == 2, "what was acknowledged is there"
        label_by_keys(page, items[:4], "ann", start=3)
        page.wait_for_selector("#saved >> text=Not saved: 2")
        assert page.locator("#queue").is_visible()
        assert "Item 3: correct: " in page.locator("#queue-list").inner_text()
        expect_item(page, 5)
        server.start()
        wait_saved(page)
        assert page.locator("#queue").is_hidden()
        page.locator("#back").click()
        expect_item(page, 4)
        assert "You labelled this item" in page.locator("#state").inner_text()
    words = {"y": "yes", "n": "no"}
    expected = [
        (
            "label",
            dict(
                zip(
                    ("correct", "complete"),
                    (words[value] for value in opinion("ann", item)),
                    strict=True,
                )
            ),
        )
        for item in items[:4]
    ]
    assert rows_of(review, "ann") == expected


def test_a_page_that_is_closed_while_the_server_is_gone_sends_later(
    review: Path, browser: Any, tmp_path: Path
) -> None:
    items = order_of(review, "ann")
    with serving(tmp_path, "review", "serve", str(review)) as server:
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.addresses["ann"])
        expect_item(page, 1)
        server.kill()
        label_by_keys(page, items[:1], "ann")
        page.wait_for_selector("#saved >> text=Not saved: 1")
        page.close()
        server.start()
        page = context.new_page()
        page.goto(server.addresses["ann"])
        wait_saved(page)
        context.close()
    assert [action for action, _ in rows_of(review, "ann")] == ["label"]


def test_a_label_that_can_not_be_written_is_kept_and_told(
    review: Path, browser: Any, tmp_path: Path
) -> None:
    with serving(tmp_path, "review", "serve", str(review)) as server, watched(browser) as seen:
        page = seen.page
        message = "run.db: database or disk is full. Free some space."
        full = {"status": 507, "json": {"message": message}}
        page.route("**/save", lambda route: route.fulfill(**full))
        page.goto(server.addresses["ann"])
        label_by_keys(page, order_of(review, "ann")[:1], "ann")
        page.wait_for_selector("#saved >> text=Not saved: 1")
        assert "disk is full. Free some space. It is kept" in page.inner_text("#queue-text")
        assert rows_of(review, "ann") == []
        page.unroute("**/save")
        wait_saved(page)
    assert len(rows_of(review, "ann")) == 1


def answer_with(status: int, route: Any) -> None:
    route.fulfill(status=status)


def test_what_another_server_says_at_this_address_refuses_no_label(
    review: Path, browser: Any, tmp_path: Path
) -> None:
    with serving(tmp_path, "review", "serve", str(review)) as server, watched(browser) as seen:
        page = seen.page
        for status in (200, 404, 421):
            page.route("**/save", partial(answer_with, status))
            page.goto(server.addresses["ann"])
            if status == 200:
                label_by_keys(page, order_of(review, "ann")[:1], "ann")
            page.wait_for_selector("#saved >> text=Not saved: 1")
            assert "refused" not in page.locator("#queue-list").inner_text()
            page.unroute("**/save")
        wait_saved(page)
    assert len(rows_of(review, "ann")) == 1
