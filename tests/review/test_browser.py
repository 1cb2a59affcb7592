"""People label in a real browser: by keyboard, on a phone, in a file without a server."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from seedstep.data.reviews import Choice, Form, FormQuestion
from seedstep.evaluate.people import split_in_four
from seedstep.review.export import offline_page, take
from seedstep.review.forms import YES_NO
from seedstep.runs.reviews import OWNER, Review
from seedstep.stages.review import labels_of_review
from support.browsing import Server, Watched, serving, watched
from support.payloads import PAYLOADS
from support.reviewing import an_item, make

ITEMS = 8
SHARED = 5
RATERS = ("ann", "bob", "cem")

TRUTH = {
    f"item{number:04}": ("yn"[number % 3 == 2], "yn"[number % 4 == 1]) for number in range(ITEMS)
}
"""What everybody thinks of each item; bob finds item0003 incorrect."""


def opinion(rater: str, item: str) -> tuple[str, str]:
    correct, complete = TRUTH[item]
    return ("n" if (rater, item) == ("bob", "item0003") else correct), complete


def order_of(review: Path, rater: str) -> list[str]:
    with Review.open(review) as opened:
        return [one.item for one in opened.assigned(rater)]


def expect_item(page: Any, number: int) -> None:
    page.wait_for_selector(f"#item[data-number='{number}']")


def wait_saved(page: Any) -> None:
    page.wait_for_selector("#saved >> text=/^All saved/")


def label_by_keys(page: Any, items: list[str], rater: str, start: int = 1) -> None:
    for number, item in enumerate(items[start - 1 :], start=start):
        expect_item(page, number)
        for key in (*opinion(rater, item), "Enter"):
            page.keyboard.press(key)


def click(page: Any, answers: tuple[str, str]) -> None:
    names = {"y": "Yes", "n": "No"}
    for question, answer in zip(("correct", "complete"), answers, strict=True):
        field = page.locator(f"fieldset[data-question={question}]")
        field.get_by_text(names[answer], exact=True).click()


@pytest.fixture
def review(tmp_path: Path) -> Path:
    items = [an_item(number, shared=number < SHARED) for number in range(ITEMS)]
    return make(tmp_path / "review", items)


def rows_of(path: Path, rater: str) -> list[tuple[str, dict[str, str]]]:
    with Review.open(path) as opened:
        return [(row.action, dict(row.answers)) for row in opened.rows(rater=rater)]


def test_three_raters_label_a_review(review: Path, browser: Any, tmp_path: Path) -> None:
    with serving(tmp_path, "review", "serve", str(review)) as server:
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
        assert [one for one in checked if one in "yn"] == list(opinion("ann", items[1]))
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
        assert take(opened, folder / "cem-labels.jsonl").new == len(items)
        assert take(opened, folder / "cem-labels.jsonl").new == 0


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
                    (words[one] for one in opinion("ann", item)),
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
        assert "disk is full" in page.locator("#queue-text").inner_text()
        assert rows_of(review, "ann") == []
        page.unroute("**/save")
        wait_saved(page)
    assert len(rows_of(review, "ann")) == 1


def test_notes_flags_and_a_missing_answer(review: Path, browser: Any, tmp_path: Path) -> None:
    with serving(tmp_path, "review", "serve", str(review)) as server, watched(browser) as seen:
        page = seen.page
        page.goto(server.addresses["ann"])
        expect_item(page, 1)
        page.keyboard.press("y")
        page.keyboard.press("Enter")
        assert "Is it complete?" in page.locator("#missing").inner_text()
        page.keyboard.press("w")
        page.keyboard.type("y? no: 'f' is a letter here")
        page.keyboard.press("Escape")
        page.keyboard.press("f")
        page.reload()
        expect_item(page, 1)
        assert page.locator("#note").input_value() == "y? no: 'f' is a letter here", "a draft stays"
        page.keyboard.press("n")
        page.keyboard.press("Enter")
        expect_item(page, 2)
        page.keyboard.press("x")
        expect_item(page, 3)
        page.keyboard.press("g")
        assert page.locator("dialog#guidelines").is_visible()
        page.keyboard.press("Escape")
        wait_saved(page)
        page.keyboard.press("?")
        page.locator("#use-keys").uncheck()
        page.keyboard.press("Escape")
        page.locator("#heading").focus()
        page.keyboard.press("x")
        expect_item(page, 3)
        assert seen.said == []
    with Review.open(review) as opened:
        first, second = opened.rows()
    assert (first.note, first.flagged) == ("y? no: 'f' is a letter here", True)
    assert dict(first.answers) == {"correct": "yes", "complete": "no"}
    assert second.action == "skip"


def test_long_texts_and_texts_from_right_to_left(browser: Any, tmp_path: Path) -> None:
    answers = ("שלום עולם. " * 3 + "\n" + "def f(x):\n\treturn x", "word " * 210_000)
    path = make(tmp_path / "review", [an_item(0, answers=answers)], form="pairs", raters=("ann",))
    with serving(tmp_path, "review", "serve", str(path)) as server, watched(browser) as seen:
        page = seen.page
        page.goto(server.addresses["ann"])
        expect_item(page, 1)
        texts = page.eval_on_selector_all(
            ".answers pre", "found => found.map(one => one.textContent)"
        )
        assert sorted(texts) == sorted(answers)
        places = page.eval_on_selector_all(
            ".answers pre", "found => found.map(one => getComputedStyle(one).direction)"
        )
        assert sorted(places) == ["ltr", "rtl"]
        page.keyboard.press("s")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=That was all")
        assert seen.said == []


def hostile(number: int) -> Any:
    text = PAYLOADS[number]
    return an_item(
        number,
        text=text,
        answers=(text, PAYLOADS[-number]),
        category=text[:40],
        systems=(text, "other"),
        task=text,
    )


def test_no_payload_runs(browser: Any, tmp_path: Path) -> None:
    assert len(set(PAYLOADS)) == 100
    names = ("<img src=x onerror=window.ran=1>", "b'\"ob{{7*7}}")
    items = [hostile(number) for number in range(len(PAYLOADS))]
    path = make(tmp_path / "review", items, form="pairs", raters=names)
    with serving(tmp_path, "review", "serve", str(path)) as server, watched(browser) as seen:
        address = next(url for name, url in server.addresses.items() if "onerror" in name)
        label_with_payloads(seen, address)
        owner = server.addresses["the owner"]
        for name in (
            "",
            "agreement",
            "list",
            "notes",
            *(f"item/{one}" for one in range(1, 101, 9)),
        ):
            seen.page.goto(f"{owner}{name}")
            is_untouched(seen)
    with Review.open(path) as opened:
        (tmp_path / "file.html").write_text(offline_page(opened, names[0]), encoding="utf-8")
    with watched(browser) as seen:
        seen.page.goto((tmp_path / "file.html").as_uri())
        for number in range(1, 101, 3):
            expect_item(seen.page, number)
            is_untouched(seen)
            for _ in range(3):
                seen.page.keyboard.press("j")


def label_with_payloads(seen: Watched, address: str) -> None:
    page = seen.page
    page.goto(address)
    for number, payload in enumerate(PAYLOADS, start=1):
        expect_item(page, number)
        is_untouched(seen)
        page.locator("#note").evaluate("(one, text) => { one.value = text; }", payload)
        page.keyboard.press("abs"[number % 3])
        page.keyboard.press("Enter")
    page.wait_for_selector("text=That was all")
    is_untouched(seen)
    page.goto(f"{address}item/7")
    page.locator("details.history").evaluate("one => { one.open = true; }")
    is_untouched(seen)
    assert page.locator("#history li").count() == 1


def is_untouched(seen: Watched) -> None:
    found = seen.page.evaluate(
        "[window.ran, document.querySelectorAll("
        "'main script, main iframe, main img, main svg, main object, main embed, main style,"
        "main link, base, main meta, main form form').length]"
    )
    assert found == [None, 0]
    assert seen.said == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_have_no_fault_of_accessibility(
    browser: Any, tmp_path: Path, scheme: str, width: int
) -> None:
    Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe  # noqa: N806
    items = [an_item(number, answers=("One.", "word " * 5000)) for number in range(3)]
    path = make(tmp_path / "review", items, form="pairs", raters=("ann", "bob"))
    screen = {"width": width, "height": 844}
    with (
        serving(tmp_path, "review", "serve", str(path)) as server,
        watched(browser, color_scheme=scheme, bypass_csp=True, viewport=screen) as seen,
    ):
        page = seen.page

        def check(what: str) -> None:
            faults = Axe().run(page).response["violations"]
            found = [(one["id"], [node["html"] for node in one["nodes"]]) for one in faults]
            assert found == [], what

        for rater, keys in (("ann", "ab"), ("bob", "bs")):
            page.goto(server.addresses[rater])
            for number, key in enumerate(keys, start=1):
                expect_item(page, number)
                page.keyboard.press("f")
                page.keyboard.press(key)
                page.keyboard.press("Enter")
        expect_item(page, 3)
        check("item")
        page.keyboard.press("k")
        page.keyboard.press("h")
        page.keyboard.press("w")
        check("item with note and history")
        page.keyboard.press("Escape")
        page.keyboard.press("g")
        check("guidelines")
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        check("keys")
        page.goto(f"{server.addresses['ann']}list")
        check("list")
        for name in ("", "agreement", "list", "notes", "item/1"):
            page.goto(f"{server.addresses['the owner']}{name}")
            check(f"owner's {name}")
        with Review.open(path) as opened:
            (tmp_path / "file.html").write_text(offline_page(opened, "ann"), encoding="utf-8")
        page.goto((tmp_path / "file.html").as_uri())
        expect_item(page, 1)
        check("file")
        page.keyboard.press("l")
        check("list of the file")


def test_the_owner_decides_what_raters_differ_on(browser: Any, tmp_path: Path) -> None:
    path = make(tmp_path / "review", [an_item(number) for number in range(4)])
    with serving(tmp_path, "review", "serve", str(path)) as server, watched(browser) as seen:
        page = seen.page
        for rater, answers in (("ann", "yy"), ("bob", "ny")):
            page.goto(server.addresses[rater])
            for number in range(1, 5):
                expect_item(page, number)
                for key in (*answers, "Enter"):
                    page.keyboard.press(key)
            page.wait_for_selector("text=That was all")
        page.goto(f"{server.addresses['the owner']}adjudicate")
        for number in range(1, 5):
            expect_item(page, number)
            shown = page.locator("main").inner_text()
            assert not re.search(r"\b(ann|bob|cem)\b", shown)
            assert "Rater 1" in shown
            for key in "ynEnter"[:2]:
                page.keyboard.press(key)
            page.keyboard.press("Enter")
        page.wait_for_url("**/list")
        assert seen.said == []
    with Review.open(path) as opened:
        assert [row.rater for row in opened.rows()].count(OWNER) == 4
        assert set(labels_of_review(opened).accepted().values()) == {False}


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


def test_questions_of_any_name_and_scales_from_zero(browser: Any, tmp_path: Path) -> None:
    scale = tuple(Choice(str(number), str(number)) for number in range(4))
    names = ("__proto__", "constructor", "toString")
    form = Form(
        "own",
        "Odd names",
        "steps",
        (),
        (
            FormQuestion(names[0], "How?", "scale", scale),
            FormQuestion(names[1], "Is it?", "yes/no", YES_NO),
            FormQuestion(names[2], "Why?", "text", optional=True),
        ),
    )
    item = an_item(0)
    path = tmp_path / "own"
    Review.create(path, {"form": "own", "seed": 7}, form, [item], {"ann": (item.id,)}, 7)
    with serving(tmp_path, "review", "serve", str(path)) as server, watched(browser) as seen:
        page = seen.page
        page.goto(server.addresses["ann"])
        expect_item(page, 1)
        assert page.locator("#q-toString").input_value() == ""
        for key in ("2", "y", "Enter"):
            page.keyboard.press(key)
        page.wait_for_selector("text=That was all")
        assert seen.said == []
    assert rows_of(path, "ann") == [("label", {"__proto__": "2", "constructor": "yes"})]
