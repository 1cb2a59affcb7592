"""Each page in a real browser: hostile and long texts, odd forms, accessibility, the owner's."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from seedstep.data.reviews import Choice, Form, FormQuestion
from seedstep.review.export import offline_page
from seedstep.review.forms import YES_NO
from seedstep.runs.reviews import OWNER, Review
from seedstep.stages.review import labels_of_review
from support.browsing import Watched, accessibility_faults, serving, watched
from support.labelling import expect_item, rows_of, small_review, wait_saved
from support.payloads import PAYLOADS
from support.reviewing import an_item, make


@pytest.fixture
def review(tmp_path: Path) -> Path:
    return small_review(tmp_path / "review")


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
    answers = ("שלום עולם. " * 3 + "\n" + "def f(x):\n\treturn x", "word " * 40_000)
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


def test_half_an_emoji_loses_no_label(review: Path, browser: Any, tmp_path: Path) -> None:
    """It can't be written as UTF-8: a server would refuse the label, or a whole file of labels."""
    with serving(tmp_path, "review", "serve", str(review)) as server, watched(browser) as seen:
        page = seen.page
        page.goto(server.addresses["ann"])
        expect_item(page, 1)
        page.locator("#note").evaluate(
            "one => { one.value = 'half \\ud83d, whole \\ud83d\\ude00'; }"
        )
        for key in ("y", "y", "Enter"):
            page.keyboard.press(key)
        expect_item(page, 2)
        wait_saved(page)
        assert seen.said == []
    with Review.open(review) as opened:
        assert [row.note for row in opened.rows()] == ["half \ufffd, whole \U0001f600"]


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
            *(f"item/{number}" for number in range(1, 101, 9)),
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


def test_pages_have_no_fault_of_accessibility(browser: Any, tmp_path: Path) -> None:
    items = [an_item(number, answers=("One.", "word " * 1500)) for number in range(3)]
    path = make(tmp_path / "review", items, form="pairs", raters=("ann", "bob"))
    with (
        serving(tmp_path, "review", "serve", str(path)) as server,
        watched(browser, bypass_csp=True) as seen,
    ):
        page = seen.page

        def check(what: str) -> None:
            assert accessibility_faults(page) == {}, what

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
            if number == 2:
                page.locator("#person").fill("Dana Yn")  # keys in a field are letters
                page.reload()
                expect_item(page, number)
                page.locator("#heading").focus()
            for key in ("y", "n", "Enter"):
                page.keyboard.press(key)
        page.wait_for_url("**/list")
        assert page.locator("td >> text=by Dana Yn").count() == 3
        assert seen.said == []
    with Review.open(path) as opened:
        decided = [row.person for row in opened.rows() if row.rater == OWNER]
        assert decided == ["", "Dana Yn", "Dana Yn", "Dana Yn"]
        assert set(labels_of_review(opened).accepted().values()) == {False}


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


def test_an_empty_cell_takes_no_room(browser: Any, tmp_path: Path) -> None:
    made = Path(__file__).parents[1] / "fixtures" / "v0.1.0" / "bootstrap"
    run = shutil.copytree(made, tmp_path / "run")
    with serving(tmp_path, "view", str(run)) as server, watched(browser) as seen:
        seen.page.goto(f"{server.addresses['view']}0/tasks")
        cells = "found => found.map(cell => getComputedStyle(cell).minWidth)"
        empty = seen.page.eval_on_selector_all("td:empty", cells)
        assert empty
        assert set(empty) <= {"0px", "auto"}
        texts = seen.page.eval_on_selector_all("td:not(.number, :empty)", cells)
        assert texts
        assert not {"0px", "auto"} & set(texts)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_stands_outside_of_the_screen(browser: Any, tmp_path: Path, width: int) -> None:
    scale = tuple(Choice(str(number), str(number)) for number in range(11))
    questions = (
        FormQuestion("fluent", "How fluent is it?", "scale", scale),
        FormQuestion("why", "Why?", "text"),
    )
    items = [an_item(number, category="long" * 30, task="long" * 90) for number in range(2)]
    path = tmp_path / "own"
    assigned = {rater: tuple(item.id for item in items) for rater in ("ann", "bob")}
    form = Form("own", "Long words", "steps", (), questions)
    Review.create(path, {"form": "own", "seed": 7}, form, items, assigned, 7)
    screen = {"width": width, "height": 844}
    with (
        serving(tmp_path, "review", "serve", str(path)) as server,
        watched(browser, viewport=screen) as seen,
    ):
        page = seen.page

        def is_within(what: str) -> None:
            found = page.evaluate(
                "[...document.querySelectorAll('main *, #queue *')].filter("
                "one => one.getBoundingClientRect().right > innerWidth && !one.closest('.scroll'))"
                ".map(one => one.outerHTML.slice(0, 90))"
            )
            assert found == [], what

        for number, rater in enumerate(("ann", "bob")):
            page.goto(server.addresses[rater])
            expect_item(page, 1)
            panel = page.locator("#form").bounding_box()
            for choice in page.locator(".choice").all():
                box = choice.bounding_box()
                assert box["x"] + box["width"] <= panel["x"] + panel["width"]
            page.get_by_text(str(9 + number), exact=True).first.click()
            page.fill("#q-why", "because" * 50)
            if rater == "bob":
                server.kill()
            page.click("#save")
            expect_item(page, 2)
        page.wait_for_selector("text=Not saved: 1")
        is_within("queue")
        server.start()
        wait_saved(page)
        for name in ("", "agreement", "list", "notes", "item/1", "item/2"):
            page.goto(f"{server.addresses['the owner']}{name}")
            is_within(name)
