"""From replies to instances: worked examples and labelled inputs."""

import pytest

from seedstep.bootstrap.instances import labeled_inputs, worked_examples
from support.read_replies import Pairs, as_pairs

A_B = [("a", "b")]
TWO = [("X: a", "b"), ("X: c", "d")]
TURNED = [("Text: a", "Good"), ("b", "Bad")]
GOOD_BAD = [("a", "Good"), ("b", "Bad")]
WORKED: dict[str, tuple[str, Pairs]] = {
    "own-label": ("Example 1\nText: a b\nOutput: c", [("Text: a b", "c")]),
    "two-labels": ("Example 1\nA: x\nB: y\nOutput: c", [("A: x\nB: y", "c")]),
    "two": ("Example 1\nX: a\nOutput: b\nExample 2\nOutput: d", [("X: a", "b"), ("", "d")]),
    "no-inputs": ("Example 1\nOutput: b\n\nExample 2\nOutput: d\n", [("", "b"), ("", "d")]),
    "heading-with-dot": ("Example 1.\nInput: a\nOutput: b", A_B),
    "heading-with-colon": ("Example 1:\nInput: a\nOutput: b", A_B),
    "heading-with-dash": ("Example 1 -\nInput: a\nOutput: b", A_B),
    "upper-case": ("EXAMPLE 1\nINPUT: a\nOUTPUT: b", A_B),
    "markdown-heading": ("### Example 1\nInput: a\nOutput: b", A_B),
    "bold-with-colon": ("**Example 1**\n**Input:** a\n**Output:** b", A_B),
    "bold-before-colon": ("**Example 1**\n**Input**: a\n**Output**: b", A_B),
    "bold-heading-with-colon": ("**Example 1:**\nInput: a\nOutput: b", A_B),
    "bold-heading-before-colon": ("**Example 1**:\nInput: a\nOutput: b", A_B),
    "heading-on-the-input-line": ("Example 1: Input: a\nOutput: b", A_B),
    "example-inside": ("Example 1\nAn example 5 x\nOutput: b", [("An example 5 x", "b")]),
    "output-inside": ("Example 1\nThe output: x\nOutput: b", [("The output: x", "b")]),
    "many-lines": ("Example 1\nInput: a\nb\n\nc\nOutput: d\n\ne", [("a\nb\n\nc", "d\n\ne")]),
    "output-on-the-next-line": ("Example 1\nInput: a\nOutput:\nb", A_B),
    "heading-and-bare-text": ("Example 1\nJust this.", [("", "Just this.")]),
    "output-only": ("Output: b", [("", "b")]),
    "no-heading": ("Input: a\nOutput: b", A_B),
    "empty-input": ("Input:\nOutput: b", [("", "b")]),
    "empty-output": ("Example 1\nInput: a\nOutput:", [("a", "")]),
    "two-outputs": ("Input: a\nOutput: b\nOutput: c", A_B),
    "cut-at-the-next-input": ("Input 1: a\nOutput 1: b\nInput 2: c\nOutput 2: d", A_B),
    "cut-at-an-input-without-output": ("Input: a\nOutput: b\nInput 2: c", A_B),
    "cut-at-an-input-with-dash": ("Input: a\nOutput: b\nInput 2 - c", A_B),
    "input-as-a-second-label": ("Context: x\nInput: a\nOutput: b", [("Context: x\nInput: a", "b")]),
    "bold-output": ("Output: **Lima** is it", [("", "**Lima** is it")]),
    "output-in-italics": ("Output: *Dune* is a book", [("", "*Dune* is a book")]),
    "output-in-bullets": ("Output:\n* a\n* b", [("", "* a\n* b")]),
    "output-in-a-fence": ("Output:\n```python\nprint(1)\n```", [("", "```python\nprint(1)\n```")]),
    "lone-braces": ("Output: {x} and }", [("", "{x} and }")]),
    "crlf": ("Example 1\r\nInput: a\r\nOutput: b\r\n", A_B),
    "control": ("Input: a\x00\x08\nOutput: \x1bb\tc", [("a", "b\tc")]),
    "talk-before": ("Here are some examples.\n\nExample 1\nInput: a\nOutput: b", A_B),
    "other-word": ("Sample 1\nX: a\nOutput: b\nSample 2\nX: c\nOutput: d", TWO),
    "hash": ("Example #1\nX: a\nOutput: b\nExample #2\nX: c\nOutput: d", TWO),
    "spelt": ("Example One\nX: a\nOutput: b\nExample Two\nX: c\nOutput: d", TWO),
    "letters": ("Case A:\nX: a\nOutput: b\nCase B:\nX: c\nOutput: d", TWO),
    "brackets": ("【示例1】\nX: a\nOutput: b\n【示例2】\nX: c\nOutput: d", TWO),
    "other-word-once": ("Test case 1\nInput: a\nOutput: b", A_B),
    "fields-in-brackets": ("例1：\n【输入】a\n【输出】b", A_B),
    "chapters": (
        "Input: Chapter 1\nx\nChapter 2\ny\nOutput: b",
        [("Chapter 1\nx\nChapter 2\ny", "b")],
    ),
    "chapters-below": (
        "Input:\nChapter 1\nx\nChapter 2\ny\nOutput: b",
        [("Chapter 1\nx\nChapter 2\ny", "b")],
    ),
    "answer": ("Example 1\nQuestion: a\nAnswer: b", [("Question: a", "b")]),
    "result-in-russian": ("Пример 1:\nВвод: a\nРезультат: b", A_B),
    "answer-inside-an-output": ("Example 1\nOutput: a\nAnswer: b", [("", "a\nAnswer: b")]),
    "answer-in-a-bare-output": ("Example 1\nWell.\nAnswer: b", [("", "Well.\nAnswer: b")]),
    "no-input-in-words": ("Example 1\nInput: (No input needed)\nOutput: b", [("", "b")]),
    "no-input-in-chinese": (
        "示例1\n输入：（无）\n输出：b".replace("（", "(").replace("）", ")"),
        [("", "b")],
    ),
    "next-task": ("Example 1\nInput: a\nOutput: b\n\nTask: Go.\nExample 1\nOutput: c", A_B),
    "task-in-an-output": ("Output: a\n\nTask: buy milk", [("", "a\n\nTask: buy milk")]),
    "fence": ("```\nExample 1\nInput: a\nOutput: b\n```", A_B),
    "fence-left-open": ("```\nExample 1\nInput: a\nOutput: b", A_B),
    "thoughts": ("<think>Output: x</think>Output: b", [("", "b")]),
    "thoughts-cut": ("<think>\nExample 1\nOutput: x", []),
    "neither": ("I don't know.", []),
    "lone-brace": ("{", []),
    "nothing": ("", []),
}


@pytest.mark.parametrize(("text", "pairs"), WORKED.values(), ids=WORKED)
def test_worked_examples_of_a_text(text: str, pairs: Pairs) -> None:
    assert as_pairs(worked_examples(text)) == pairs


NO_OUTPUT: dict[str, str] = {
    "no-output": "Example 1\nInput: What is 2+2?",
    "output-on-the-input-line": "Example 1\nInput: 3 Output: 5",
    "second-cut-off": "Example 1\nInput: a\nOutput: b\nExample 2\nInput: c",
}


@pytest.mark.parametrize("text", NO_OUTPUT.values(), ids=NO_OUTPUT)
def test_an_input_without_an_output_line_is_not_taken_for_an_output(text: str) -> None:
    assert [out for _, out in as_pairs(worked_examples(text)) if "Input" in out] == []


JSON_WORKED: dict[str, tuple[str, Pairs]] = {
    "plain": ('{"examples": [{"input": " a ", "output": "b\\n"}]}', A_B),
    "fence": ('```json\n{"examples": [{"input": "a", "output": "b"}]}\n```', A_B),
    "talk": ('Sure! {"examples": [{"input": "a", "output": "b"}]} Bye', A_B),
    "no-input": ('{"examples": [{"output": "b"}]}', [("", "b")]),
    "null-input": ('{"examples": [{"input": null, "output": "b"}]}', [("", "b")]),
    "no-output": ('{"examples": [{"input": "a"}]}', [("a", "")]),
    "numbers": ('{"examples": [{"input": 3, "output": 4.5}]}', [("3", "4.5")]),
    "boolean": ('{"examples": [{"input": "a", "output": true}]}', [("a", "true")]),
    "lists": ('{"examples": [{"input": ["é", 2], "output": []}]}', [('["é", 2]', "[]")]),
    "object": ('{"examples": [{"input": "a", "output": {"n": 1}}]}', [("a", '{"n": 1}')]),
    "items-of-other-types": ('{"examples": ["x", 3, null, {"output": "b"}]}', [("", "b")]),
    "cut": ('{"examples": [{"output": "b"}, {"inp', [("", "b")]),
    "cut-after-an-item": ('{"examples": [{"output": "b"}', [("", "b")]),
    "empty": ('{"examples": []}', []),
    "raw-newline-in-a-string": ('{"examples": [{"output": "a\nb"}]}', [("", "a\nb")]),
    "tab": ('{"examples": [{"output": "a\\tb"}]}', [("", "a\tb")]),
    "control": ('{"examples": [{"input": "a\\u0000", "output": "\\u001bb"}]}', A_B),
    "crlf": ('{"examples": [{"output": "a\\r\\nb"}]}', [("", "a\nb")]),
    "output-inside": ('{"examples": [{"output": "Output: x"}]}', [("", "Output: x")]),
    "one-object": ('{"input": "a", "output": "b"}', A_B),
    "capitals": ('{"examples": [{"Input": "a", "OUTPUT": "b"}]}', A_B),
    "another-list": ('{"instances": [{"input": "a", "output": "b"}]}', []),
    "numbered-objects": ('{"examples": {"1": {"input": "a", "output": "b"}}}', []),
}


@pytest.mark.parametrize(("text", "pairs"), JSON_WORKED.values(), ids=JSON_WORKED)
def test_worked_examples_of_json(text: str, pairs: Pairs) -> None:
    assert as_pairs(worked_examples(text)) == pairs
    assert as_pairs(worked_examples(text, may_be_bare=True)) == pairs


def test_json_without_the_fields_of_an_example_may_be_a_bare_output() -> None:
    assert as_pairs(worked_examples('{"name": "b"}', may_be_bare=True)) == [("", '{"name": "b"}')]


LABELED: dict[str, tuple[str, Pairs]] = {
    "own-label": ("Class label: Good\nText: a", [("Text: a", "Good")]),
    "two-labels": ("Class label: Good\nA: x\nB: y", [("A: x\nB: y", "Good")]),
    "two": ("Class label: Good\nInput: a\nClass label: Bad\nInput: b", GOOD_BAD),
    "numbered": ("Class label 1: Good\nInput: a\n\nClass Label 2: Bad\nInput: b", GOOD_BAD),
    "white-space": (" Class label:  Good \n\n Input: a\nb ", [("a\nb", "Good")]),
    "no-input": ("Class label: Good", [("", "Good")]),
    "label-on-the-next-line": ("Class label:\nGood\nInput: a", [("a", "Good")]),
    "bold-with-colon": ("**Class label:** Good\n**Input:** a", [("a", "Good")]),
    "bold-before-colon": ("**Class label**: Good\n**Input**: a", [("a", "Good")]),
    "talk-before": ("Here you are:\nClass label: Good\nInput: a", [("a", "Good")]),
    "fence": ("```\nClass label: Good\nInput: a\n```", [("a", "Good")]),
    "thoughts": ("<think>Class label: x</think>Class label: Good\nInput: a", [("a", "Good")]),
    "crlf": ("Class label: Good\r\nInput: a\r\n", [("a", "Good")]),
    "control-and-braces": ("Class label: Go\x00od\nInput: {a}\x1b", [("{a}", "Good")]),
    "label-inside-a-line": ("Text: the class label: x", []),
    "label-and-input-on-a-line": (
        "Class label: Good - Text: a\nClass label: Bad - Text: b",
        [("Text: a", "Good"), ("Text: b", "Bad")],
    ),
    "label-with-a-dash": ("Class label: Good - very\nInput: a", [("a", "Good - very")]),
    "input-before-its-label": ("Text: a\nClass label: Good\n\nInput: b\nClass label: Bad", TURNED),
    "label-left-empty": ("Class label:\nText: a", [("Text: a", "")]),
    "next-task": ("Class label: Good\nInput: a\n\nTask: Go.\nClass label: x", [("a", "Good")]),
    "input-first-reply": ("Example 1\nInput: a\nOutput: b", []),
    "neither": ("Positive", []),
    "lone-brace": ("{", []),
    "nothing": ("", []),
    "json": ('{"examples": [{"label": "Good", "input": " a "}]}', [("a", "Good")]),
    "json-other-types": ('{"examples": [{"label": 1, "input": ["x"]}]}', [('["x"]', "1")]),
    "json-boolean": ('{"examples": [{"label": false}]}', [("", "false")]),
    "json-no-label": ('{"examples": [{"output": "b", "input": "a"}]}', [("a", "")]),
    "json-cut": ('{"examples": [{"label": "Good", "input": "a"}, {"label": "B', [("a", "Good")]),
    "json-control": ('{"examples": [{"label": "G\\u0007", "input": "a\\u0085"}]}', [("a", "G")]),
}


@pytest.mark.parametrize(("text", "pairs"), LABELED.values(), ids=LABELED)
def test_labeled_inputs(text: str, pairs: Pairs) -> None:
    assert as_pairs(labeled_inputs(text)) == pairs


def test_bold_is_taken_from_both_ends_of_a_label_or_from_none() -> None:
    (pair,) = as_pairs(labeled_inputs("Class label: **Good**\nText: a"))
    assert pair in [("Text: a", "Good"), ("Text: a", "**Good**")]


CUT_WORKED = {
    "two": ("Example 1\nOutput: b\nExample 2\nOutput: d", 2, True),
    "one": ("Output: b", 1, True),
    "none": ("nothing", 0, False),
    "json": ('{"examples": [{"output": "b"}, {"output": "c', 1, False),
    "whole-json": ('{"examples": [{"output": "b"}]}', 1, False),
}


@pytest.mark.parametrize(("text", "number", "unfinished"), CUT_WORKED.values(), ids=CUT_WORKED)
def test_the_last_worked_example_of_a_cut_reply_is_unfinished(
    text: str, number: int, unfinished: bool
) -> None:
    found = worked_examples(text, cut=True)
    assert (len(found.instances), found.unfinished) == (number, unfinished)
    assert not worked_examples(text).unfinished


def test_the_last_labeled_input_of_a_cut_reply_is_unfinished() -> None:
    text = "Class label: Good\nInput: a\nClass label: Bad\nInput: b"
    for cut in (True, False):
        found = labeled_inputs(text, cut=cut)
        assert (len(found.instances), found.unfinished) == (2, cut)


def test_the_instruction_goes_with_the_instances() -> None:
    for read in (worked_examples, labeled_inputs):
        assert read('{"examples": []}', "Sort.").instruction == "Sort."
        assert read("Output: b\nClass label: a", "Sort.").instruction == "Sort."


@pytest.mark.parametrize(
    "text",
    [
        "Example 1\nInput: 3\nOutput: 4\n---\nExample 2\nInput: 5\nOutput: 6\n***\n",
        "Sure! Here are two examples:\n\nInput: 3\nOutput: 4",
        "Here is an example:\nInput: 3\nOutput: 4\n[END]",
        "Input: 3\nOutput: 4\n###",
    ],
)
def test_what_stands_between_examples_is_no_part_of_them(text: str) -> None:
    found = as_pairs(worked_examples(text))
    assert found == [("3", "4"), ("5", "6")][: len(found)]
    assert found


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        (
            "Okay, Ann said.\nQuestion: who?\nOutput: Ann",
            ("Okay, Ann said.\nQuestion: who?", "Ann"),
        ),
        ("Input: a\nOutput: Title\n=====", ("a", "Title\n=====")),
        ("Input: a\nOutput:\n| x |\n|---|", ("a", "| x |\n|---|")),
        ("Input: Certainly! It is so:\nOutput: b", ("Certainly! It is so:", "b")),
    ],
)
def test_what_only_looks_like_an_announcement_or_a_rule_stays(
    text: str, pair: tuple[str, str]
) -> None:
    assert as_pairs(worked_examples(text)) == [pair]


@pytest.mark.parametrize(
    "text",
    [
        "<input>3</input>\n<output>4</output>",
        "| Input | Output |\n|---|---|\n| 3 | 4 |",
        "Sample Input: 3\nSample Output: 4",
    ],
)
def test_fields_in_a_form_that_is_not_read_are_no_bare_output(text: str) -> None:
    assert worked_examples(text, may_be_bare=True).instances == ()


@pytest.mark.parametrize(
    "text",
    [
        "Example 1\nClass label: A\nSentence: x\n\nExample 2\nClass label: B\nSentence: y",
        "Class label: A\nSentence: x\n---\nClass label: B\nSentence: y",
        "Class label: A. Sentence: x\nClass label: B. Sentence: y",
    ],
)
def test_headings_and_rules_are_no_part_of_labeled_inputs(text: str) -> None:
    found = as_pairs(labeled_inputs(text))
    assert found == [("Sentence: x", "A"), ("Sentence: y", "B")]
