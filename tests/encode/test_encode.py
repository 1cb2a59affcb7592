"""Self-Instruct's templates for tuning."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.encode import Pair, encode_pair
from seedstep.encode.layouts import TEMPLATES_WITH_INPUT, TEMPLATES_WITHOUT_INPUT

KEYS = [f"42:g{number}.1:0" for number in range(300)]

WITH_INPUT = {
    "Do.\nInput: In\nOutput:",
    "Do.\n\nInput: In\n\nOutput:",
    "Task: Do.\nInput: In\nOutput:",
    "Do.\n\nIn\n\nOutput:",
    "Do.\n\nIn\n\n",
    "Do.\nIn\n\n",
    "Task: Do.\n\nIn\n\n",
}
WITHOUT_INPUT = {
    "Do. Output:",
    "Do.\nOutput:",
    "Do.\n\nOutput:",
    "Do.\n",
    "Do.\n\n",
    "Task: Do.\n\n",
}


def prompts(instruction: str, input_text: str) -> set[str]:
    """Every prompt that chance can make."""
    return {encode_pair(instruction, input_text, "Out", key=key).prompt for key in KEYS}


def test_all_7_templates_with_an_input_are_reached_and_no_others() -> None:
    assert len(TEMPLATES_WITH_INPUT) == 7
    assert prompts("Do.", "In") == WITH_INPUT


def test_all_6_templates_without_an_input_are_reached_and_no_others() -> None:
    assert len(TEMPLATES_WITHOUT_INPUT) == 6
    assert prompts("Do.", "") == WITHOUT_INPUT


@given(st.text(), st.text(), st.text(), st.integers())
def test_the_completion_starts_with_a_space_where_the_prompt_ends_with_output(
    instruction: str, input_text: str, output: str, key: int
) -> None:
    pair = encode_pair(instruction, input_text, output, key=str(key))
    space = " " if pair.prompt.endswith("Output:") else ""
    assert pair.completion == space + output


@given(st.text(), st.text(min_size=1), st.integers())
def test_the_completion_ends_with_the_end_of_text(output: str, end: str, key: int) -> None:
    pair = encode_pair("Do.", "In", output, key=str(key), end_of_text=end)
    assert pair.completion.lstrip(" ") == (output + end).lstrip(" ")
    plain = encode_pair("Do.", "In", output, key=str(key))
    assert pair == Pair(plain.prompt, plain.completion + end)


@given(st.text(), st.text(), st.text(), st.integers())
def test_the_same_key_makes_the_same_pair(
    instruction: str, input_text: str, output: str, key: int
) -> None:
    pair = encode_pair(instruction, input_text, output, key=str(key))
    assert pair == encode_pair(instruction, input_text, output, key=str(key))


def test_the_choice_depends_on_the_key_only() -> None:
    for key in KEYS:
        prompt = encode_pair("Do.", "In", "Out", key=key).prompt
        other = encode_pair("Say.", "On", "Else", key=key).prompt
        assert other == prompt.replace("Do.", "Say.").replace("In\n", "On\n")


@given(st.text(), st.integers())
def test_the_instruction_is_taken_over_literally(instruction: str, key: int) -> None:
    assert instruction in encode_pair(instruction, "In", "Out", key=str(key)).prompt


@pytest.mark.parametrize(
    "text", ["{input}", "{instruction}", "{0} {x!r} {", "}{", "\\1 \\g<0> \\n", "%s %(input)s"]
)
def test_braces_and_backslashes_are_literal(text: str) -> None:
    assert prompts(text, "In") == {template.replace("Do.", text) for template in WITH_INPUT}
    assert prompts("Do.", text) == {
        re.sub(r"\bIn$", lambda _: text, template, flags=re.M).replace(
            "Input: In", f"Input: {text}"
        )
        for template in WITH_INPUT
    }
    assert text in encode_pair("Do.", "In", text, key="1").completion


BARE: dict[str, tuple[str, str]] = {
    "one-label": ("Sentence: a b", "a b"),
    "label-of-words": ("First sentence: a b", "a b"),
    "label-on-its-own-line": ("Sentence:\na b", "\na b"),
    "label-in-the-second-line": ("a b\nNote: c", "a b\nc"),
    "blank-lines": ("a\n\nb", "a\nb"),
    "label-and-blank-lines": ("Text: a\n\nb", "a\nb"),
}


@pytest.mark.parametrize(("text", "bare"), BARE.values(), ids=BARE)
def test_one_label_and_blank_lines_are_dropped_half_the_time(text: str, bare: str) -> None:
    found = [encode_pair("Do.", text, "Out", key=key).prompt for key in KEYS]
    whole = {template.replace("In\n", f"{text}\n") for template in WITH_INPUT}
    dropped = {template.replace("In\n", f"{bare}\n") for template in WITH_INPUT}
    assert set(found) == whole | dropped
    assert 100 < sum(prompt in whole for prompt in found) < 200


UNTOUCHED = {
    "no-label": "a b",
    "two-labels": "Question: a\nAnswer: b",
    "same-label-twice": "Text: a\nText: b",
    "colon-inside": "a b (c: d)",
    "dash-in-the-label": "x-ray: a",
    "long-words-before-a-colon": "this is a whole sentence that ends in a colon and is no label: a",
    "time": "12:30 is when the train leaves",
    "address": "https://example.org/page is down",
    "ratio": "3:1 beats 2:1",
}


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
def test_an_input_without_exactly_one_label_is_not_touched(text: str) -> None:
    assert prompts("Do.", text) == {
        template.replace("In\n", f"{text}\n") for template in WITH_INPUT
    }


def test_a_label_in_the_instruction_or_the_output_stays() -> None:
    for key in KEYS:
        pair = encode_pair(
            "Sentence: do.\n\nNow.", "In", "Label: a\n\nb", key=key, end_of_text="<e>"
        )
        assert "Sentence: do.\n\nNow." in pair.prompt
        assert pair.completion in ("Label: a\n\nb<e>", " Label: a\n\nb<e>")
