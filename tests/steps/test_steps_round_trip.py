"""Steps to text and back, whatever they hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.steps import REASONS, canonical, parse, render


def test_the_form_of_the_paper() -> None:
    steps = ("Read sentence 1 and sentence 2.", "Find:\n- names\n- dates", "Output them.")
    assert render(steps) == (
        "1. Read sentence 1 and sentence 2.\n2. Find:\n   - names\n   - dates\n3. Output them."
    )


def test_nothing_renders_to_nothing() -> None:
    assert render(()) == ""
    assert parse("").steps == ()


CANONICAL: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "white-space": ((" Read \t it. \n\n  Twice. ", "Say it."), ("Read it.\nTwice.", "Say it.")),
    "empty": (("Read it.", " ", "Say it."), ("Read it.", "Say it.")),
    "label": (("Step 3: Read it.", "**Step 4:** Say it."), ("Read it.", "Say it.")),
    "only-a-label": (("Step 1:\nRead it.", "Step 2:"), ("Read it.",)),
    "bold": (("**Read** it.", "Say **it**."), ("Read it.", "Say **it**.")),
    "control": (("Read\x00 it.\r\nTwice.", "Say\ud800 it."), ("Read it.\nTwice.", "Say it.")),
    "thoughts": (("Find </think> here.", "Say it."), ("Find here.", "Say it.")),
    "list-in-one-line": (("Read it. 2. Say it.\nNow.",), ("Read it.", "Say it.\nNow.")),
    "list-in-one-of-two": (("Read. 2. Say it.", "Go."), ("Read. 2. Say it.", "Go.")),
}


@pytest.mark.parametrize(("steps", "expected"), CANONICAL.values(), ids=CANONICAL)
def test_canonical(steps: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert canonical(steps) == expected


PIECES = st.sampled_from(
    [
        *(
            "1.",
            "2.",
            "3.",
            "2)",
            "(2)",
            "Step 2:",
            "step two -",
            "**Step 3**:",
            "**Step** 1:",
            "**",
        ),
        *(
            "- ",
            "* ",
            "• ",
            "a. ",
            "1.1 ",
            "#",
            "### ",
            "---",
            "```",
            "```json\n",
            "2.5",
            "12. May",
        ),
        *(" ", "  ", "    ", "\t", "\n", "\n\n", "\r\n", "\u2028", "\xa0", "\u3000", "\ufeff"),
        *("Read it.", "Compare", "say", "Note: x", "Let me know", "Refined instruction:", "Why?"),
        *("<think>", "</think>", "</thi", "nk>", '{"a": [', "Input: x", "Output: y", ":", "."),
        *("第一步：", "1、", "２．", "1단계: ", "1️⃣", "Étape 1 :", "读", "اقرأ", "\x00", "\ud800"),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join))
STEPS = st.lists(TEXTS.filter(lambda text: bool(text.strip())), max_size=8)


@given(STEPS)
def test_any_steps_made_canonical_survive(steps: list[str]) -> None:
    made = canonical(steps)
    assert parse(render(steps)).steps == made
    assert canonical(made) == made


@given(TEXTS)
def test_what_was_parsed_is_canonical(reply: str) -> None:
    found = parse(reply)
    assert canonical(found.steps) == found.steps
    assert parse(render(found.steps)).steps == found.steps
    assert render(parse(render(found.steps)).steps) == render(found.steps)


@given(TEXTS, st.booleans())
def test_a_reply_has_steps_or_a_reason(reply: str, cut: bool) -> None:
    found = parse(reply, cut=cut)
    assert len(found.steps) > 1 or found.reason
    assert not found.reason or found.reason in REASONS


@given(STEPS)
def test_talk_around_a_list_changes_no_step(steps: list[str]) -> None:
    made = canonical(steps)
    reply = f"Sure! Here you go:\n\n{render(made)}\n\nLet me know if anything is missing."
    if made:
        assert parse(reply).steps == made


PLAIN = st.text(st.characters(categories=["Ll", "Lu"]), min_size=1)


@given(st.lists(PLAIN, min_size=2, max_size=20), st.sampled_from("-*•."))
def test_plain_steps_survive_other_markers(steps: list[str], mark: str) -> None:
    signs = [f"{number}." if mark == "." else mark for number in range(1, len(steps) + 1)]
    reply = "\n".join(f"{sign} {step}" for sign, step in zip(signs, steps, strict=True))
    assert parse(reply).steps == tuple(steps)
