"""Replies of any text, drawn at random, nested and long: no parser raises, or takes long."""

import json
import re
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from seedstep.bootstrap.instances import labeled_inputs, says_classification, worked_examples
from seedstep.steps import parse
from seedstep.text import without_marks
from support.read_replies import as_pairs, instructions

several = settings(max_examples=300)


PIECES = [
    "1. ", "16.", "- ", "Task 2: ", "Example 1\n", "**Example 2:**", "Output:", "Output 3: ",
    "**Output**: ", "Input:", "Input 2 - ", "Class label:", "```json\n", "```", "<think>",
    "</think>", "{", "}", "[", "]", '"', ",", ":", '{"tasks": [', '{"examples": [', '"input": ',
    '"output": ', '"label": ', '{"is_classification": ', "true", "NaN", "1e999", "yes", "\\",
    "\\u0000", "\\ud800", "\\n", "\n", "\r\n", "\r", "\t", "\x00", "\x85", "\u2028", "word", " ",
]  # fmt: skip
"""What replies are made of, to be put together wrongly."""

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
INSTANCE_LISTS = st.lists(
    st.dictionaries(st.sampled_from(["input", "output", "label"]), JSON_VALUES) | JSON_VALUES
)
JSON_REPLIES = st.dictionaries(
    st.sampled_from(["tasks", "examples", "is_classification"]),
    st.lists(st.text()) | INSTANCE_LISTS | JSON_VALUES,
).map(json.dumps)
ESCAPED_REPLIES = st.builds(
    '{{"tasks":["{0}"],"examples":[{{"input":["{0}"],"output":"{0}","label":"{0}"}}]}}'.format,
    (st.integers(0, 0x9F) | st.integers(0xD800, 0xDFFF)).map("\\u{:04x}".format),
)
REPLIES = (
    st.text(st.characters(exclude_categories=()))
    | st.lists(st.sampled_from(PIECES) | st.text(max_size=4)).map("".join)
    | JSON_REPLIES
    | ESCAPED_REPLIES
    | st.tuples(JSON_REPLIES, st.integers(0, 200)).map(lambda drawn: drawn[0][: drawn[1]])
)


def read_all(text: str, cut: bool) -> list[str]:
    """All texts that all functions find in a reply."""
    says_classification(text)
    found = (worked_examples(text, cut=cut), labeled_inputs(text, cut=cut))
    texts = [part for reply in found for pair in as_pairs(reply) for part in pair]
    for continues in (True, False):
        texts += instructions(text, continues=continues, cut=cut)
    return texts


@several
@given(REPLIES, st.booleans())
def test_no_reply_makes_a_function_raise(text: str, cut: bool) -> None:
    read_all(text, cut)


@several
@given(REPLIES, st.booleans())
def test_results_hold_no_control_characters(text: str, cut: bool) -> None:
    for found in read_all(text, cut):
        odd = [
            character
            for character in found
            if unicodedata.category(character) == "Cc" and character not in "\n\t"
        ]
        assert odd == [], found


@several
@given(ESCAPED_REPLIES | JSON_REPLIES | st.lists(st.sampled_from(PIECES)).map("".join))
def test_results_can_be_written_as_utf_8(text: str) -> None:
    """Lone surrogates can't: a reply may hold them as JSON escapes."""
    for found in read_all(text, False):
        found.encode()


@several
@given(REPLIES)
def test_instructions_are_one_line_each(text: str) -> None:
    for continues in (True, False):
        for found in instructions(text, continues=continues):
            assert found == " ".join(found.split())
            assert found


@several
@given(REPLIES)
def test_instances_have_no_white_space_around_them(text: str) -> None:
    for pair in (*as_pairs(worked_examples(text)), *as_pairs(labeled_inputs(text))):
        assert pair == tuple(map(str.strip, pair))


@pytest.mark.parametrize("opening", ["[", '{"a":'], ids=["lists", "objects"])
def test_json_nested_to_any_depth_raises_nothing(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    for depth in (*range(800, 1000), 5_000, 100_000):
        value = opening * depth + "1" + closing * depth
        read_all(f'{{"examples": [{{"input": {value}, "output": "x"}}]}}', False)


ENDLESS = [
    "{",
    "[",
    '{"a":',
    "```\n",
    "Example 1\n",
    "Output:\n",
    "1. a\n",
    '{"tasks": [',
    "<think>",
]


@pytest.mark.parametrize("piece", ENDLESS)
def test_long_replies_take_no_time(piece: str) -> None:
    """Ten times the longest reply: quadratic patterns would take minutes."""
    read_all(piece * 10_000, False)


MEGABYTES = {
    "stars-after-a-heading": ("## Example 1", "*"),
    "spaces-after-a-heading": ("## Example 1", " "),
    "spaces-after-a-label": ("Output", " "),
    "spaces-and-digits": ("Class label ", " 1"),
    "tabs-after-a-number": ("1.", "\t"),
    "thoughts": ("", "<think></think>"),
    "blank-lines": ("1. Sort it.", "\n \n"),
    "labels": ("", "Input "),
    "brackets": ('{"tasks": ', "["),
}


@pytest.mark.parametrize(("head", "piece"), MEGABYTES.values(), ids=MEGABYTES)
def test_a_megabyte_is_read_within_seconds(head: str, piece: str) -> None:
    """A pattern that is quadratic in one line takes hours for these."""
    text = head + piece * (1_000_000 // len(piece))
    began = time.process_time()
    read_all(text, False)
    parse(text)
    assert time.process_time() - began < 20


@several
@example(["Do :", "Do :"], "{}. {}")
@example(["Do 1 :"], "{}. {}")
@given(
    st.lists(
        st.lists(st.text("aZé漢'\"(),!?:.019-", min_size=1, max_size=6), min_size=1, max_size=8)
        .map(" ".join)
        .map("Do ".__add__),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(["{}. {}", "{}) {}", "{}: {}", "Task {}: {}", " {} . {}"]),
)
def test_a_rendered_list_reads_back(found: list[str], shape: str) -> None:
    for first in (1, 9):  # the next number inside an item may begin the next item
        assume(not any(str(number + 1) in text for number, text in enumerate(found, first)))
        # "Do 1: a", or "Do: a" in all items, may be a label of a language that is not known
        assume(not any(re.match(rf"Do {n} ?: ", text) for n, text in enumerate(found, first)))
    assume(len(found) == 1 or not all(re.match(r"Do \d* ?: ", text) for text in found))
    whole = "\n".join(shape.format(number, text) for number, text in enumerate(found, start=1))
    assert list(instructions(whole, continues=False)) == found
    continued = "\n".join(f"{number}. {text}" for number, text in enumerate(found, start=9))
    assert list(instructions(continued.removeprefix("9."), continues=True)) == found


@several
@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), max_size=8))
def test_json_instructions_read_back(found: list[str]) -> None:
    for ascii_only in (True, False):
        text = json.dumps({"tasks": found}, ensure_ascii=ascii_only)
        assert list(instructions(text, continues=False)) == found


@several
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                part: st.text(st.characters(exclude_categories=["C"]))
                .map(without_marks)  # what stands before a closing mark is a thought
                .map(str.strip)
                for part in ("input", "output")
            }
        ),
        max_size=6,
    )
)
def test_json_instances_read_back(found: list[dict[str, Any]]) -> None:
    expected = [(example["input"], example["output"]) for example in found]
    assert as_pairs(worked_examples(json.dumps({"examples": found}))) == expected
