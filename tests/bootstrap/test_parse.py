"""From replies to instructions, a yes or no, and instances."""

import pytest

from seedstep.bootstrap.classification import says_classification
from seedstep.bootstrap.instances import RawInstance, labeled_inputs, worked_examples
from seedstep.bootstrap.parse import read_instructions

Pairs = list[tuple[str, str]]

BOTH = ["Sort it.", "Name it."]
A_B = [("a", "b")]
TWO = [("X: a", "b"), ("X: c", "d")]
TURNED = [("Text: a", "Good"), ("b", "Bad")]
GOOD_BAD = [("a", "Good"), ("b", "Bad")]
ONE = ["Sort it."]


def as_pairs(found: tuple[RawInstance, ...]) -> Pairs:
    return [(one.input, one.output) for one in found]


def instructions(text: str, *, continues: bool, cut: bool = False) -> tuple[str, ...]:
    """The instructions that can be used."""
    found = read_instructions(text, first=9 if continues else 0, cut=cut)
    return tuple(one.text for one in found if not one.fault)


CONTINUED: dict[str, tuple[str, list[str]]] = {
    "paper": (" Sort the list.\n10. Name a river.", ["Sort the list.", "Name a river."]),
    "no-space-first": ("Sort it.\n10. Name it.\n11. Go.", ["Sort it.", "Name it.", "Go."]),
    "number-repeated": ("9. Sort it.\n10. Name it.", BOTH),
    "blank-line-between": (" Sort it.\n\n10. Name it.", BOTH),
    "two-lines": (" Sort it\nby size.\n10. Name it.", ["Sort it by size.", "Name it."]),
    "white-space": ("  Sort \t it. \n10.   Name it. ", BOTH),
    "number-without-text": (" Sort it.\n10.", ONE),
    "empty-item": (" Sort it.\n10. \n11. Name it.", BOTH),
    "first-left-out": ("\n10. Sort it.", ONE),
    "16.-inside": (" Sort the 16. item.\n10. Name it.", ["Sort the 16. item.", "Name it."]),
    "number-at-the-end": (" Sort 1984?\n10. Name it.", ["Sort 1984?", "Name it."]),
    "decimal-first": (" 3.5 litres weigh what?", ["3.5 litres weigh what?"]),
    "time-first": (" 12:30 is when in words?", ["12:30 is when in words?"]),
    "count-first": (" 7 cats eat how much?", ["7 cats eat how much?"]),
    "crlf": (" Sort it.\r\n10. Name it.\r\n", BOTH),
    "cr": (" Sort it.\r10. Name it.", BOTH),
    "control": (" Sort\x00 it\x1b[0m.\n10. Name\x7f it.", ["Sort it[0m.", "Name it."]),
    "lone-braces": (" Fill in {name} and {", ["Fill in {name} and {"]),
    "json-inside": (' Write JSON like {"a": [1]}.', ['Write JSON like {"a": [1]}.']),
    "capitals-stay": (" Sort NASA's USB keys.", ["Sort NASA's USB keys."]),
    "bullets-of-its-own": (
        " Sort it:\n- The big one.\n- The small one.",
        ["Sort it: - The big one. - The small one."],
    ),
    "options": (
        " Which one?\nA) Red paint.\nB) Blue paint.",
        ["Which one? A) Red paint. B) Blue paint."],
    ),
    "material": (
        " Translate it.\nSentence: The dog ran.",
        ["Translate it. Sentence: The dog ran."],
    ),
    "line-before-a-number": (
        " Write a poem.\nIt must rhyme.\n10. Name it.",
        ["Write a poem. It must rhyme.", "Name it."],
    ),
    "last-of-two-lines": (
        " Sort it.\n10. Write a poem.\nIt must rhyme.",
        ["Sort it.", "Write a poem. It must rhyme."],
    ),
    "label-in-estonian": (" Sort it.\n10. ülesanne: Name it.", BOTH),
    "boxes": (" Sort it.\n- [ ] 10. Name it.", BOTH),
    "dash-before-the-number": (" Sort it.\nTask-10: Name it.", BOTH),
    "label-in-dutch": (" Sort it.\nOpdracht 10: Name it.", BOTH),
    "label-in-polish": (" Sort it.\nZadanie nr 10: Name it.", BOTH),
    "label-in-kazakh": (" Sort it.\n10. Тапсырма 10: Name it.", BOTH),
    "nothing": ("", []),
    "blank": (" \n\n", []),
}


@pytest.mark.parametrize(("text", "found"), CONTINUED.values(), ids=CONTINUED)
def test_instructions_of_a_continued_list(text: str, found: list[str]) -> None:
    assert list(instructions(text, continues=True)) == found


CHAT: dict[str, tuple[str, list[str]]] = {
    "dots": ("1. Sort it.\n2. Name it.", BOTH),
    "brackets": ("1) Sort it.\n2) Name it.", BOTH),
    "colons": ("1: Sort it.\n2: Name it.", BOTH),
    "space-before-dot": ("1 . Sort it.\n2 . Name it.", BOTH),
    "no-space": ("1.Sort it.\n2.Name it.", BOTH),
    "indented": ("  1. Sort it.\n\t2. Name it.", BOTH),
    "task-n": ("Task 1: Sort it.\ntask 2. Name it.", BOTH),
    "dashes": ("- Sort it.\n- Name it.", BOTH),
    "bullets": ("* Sort it.\n• Name it.", BOTH),
    "bullet-inside": ("1. Sort it.\n- by size\n2. It.", ["Sort it. - by size", "It."]),
    "blank-lines": ("1. Sort it.\n\n2. Name it.\n\n", BOTH),
    "talk-before": ("Sure! Here are 2 tasks:\n\n1. Sort it.\n2. Name it.", BOTH),
    "talk-after": ("1. Sort it.\n2. Name it.\n\nLet me know!", BOTH),
    "16.-inside": ("1. Sort the 16. item.\n2. Name it.", ["Sort the 16. item.", "Name it."]),
    "past-16": ("15. Sort it.\n16. Name it.\n17. Say it.", ["Sort it.", "Name it.", "Say it."]),
    "fence": ("```\n1. Sort it.\n2. Name it.\n```", BOTH),
    "fence-after-talk": ("Here:\n```\n1. Sort it.\n2. Name it.\n```", BOTH),
    "thoughts": ("<think>1. Hm.\n2. So?</think>\n1. Sort it.", ONE),
    "thoughts-cut": ("<think>\n1. Hm.\n2. So", []),
    "thoughts-opened-in-the-prompt": ("1. Hm.\n</think>\n1. Sort it.", ONE),
    "json": ('{"tasks": ["Sort it.", "Name it."]}', BOTH),
    "json-white-space": ('{"tasks": [" Sort\\n it. ", ""]}', ONE),
    "json-fence": ('```json\n{"tasks": ["Sort it."]}\n```', ONE),
    "json-between-talk": ('Sure:\n```\n{"tasks": ["Sort it."]}\n```\nBye', ONE),
    "json-after-braces": ('Fill {x}: {"tasks": ["Sort it."]}', ONE),
    "json-other-types": ('{"tasks": ["Sort it.", 3, null, ["x"], {"a": 1}]}', ONE),
    "json-cut-in-an-item": ('{"tasks": ["Sort it.", "Name', ONE),
    "json-cut-between-items": ('{"tasks": ["Sort it.",\n ', ONE),
    "json-cut-in-a-fence": ('```json\n{\n "tasks": [\n  "Sort it.",\n  "Na', ONE),
    "json-cut-at-once": ('{"tasks": [', []),
    "json-empty": ('{"tasks": []}', []),
    "json-numbered": ('{"tasks": ["1. Sort it.", " 2) Name it."]}', BOTH),
    "json-no-list": ('{"tasks": "Sort it."}', []),
    "json-in-json": ('{"tasks": ["Write {\\"a\\": 1}."]}', ['Write {"a": 1}.']),
    "json-control": ('{"tasks": ["Sort\\u0000 it\\u001b."]}', ONE),
    "json-field-text": ('{"tasks": [{"text": "Sort it."}, {"Prompt": "Name it."}]}', BOTH),
    "json-title-and-description": ('{"tasks": [{"title": "x", "description": "Sort it."}]}', ONE),
    "refusal": ("I can't do that.", []),
    "lone-brace": ("{", []),
    "nothing": ("", []),
}


@pytest.mark.parametrize(("text", "found"), CHAT.values(), ids=CHAT)
def test_instructions_of_a_chat_reply(text: str, found: list[str]) -> None:
    assert list(instructions(text, continues=False)) == found


UNREADABLE: dict[str, tuple[str, bool, list[str]]] = {
    "bullets": (" Sort it.\n- Name it.\n- Say it.", True, []),
    "signs": (" Sort it.\n\u2022 Name it.", True, []),
    "plain-lines": (" Sort it.\nName a river in Asia.", True, []),
    "no-full-stops": (" Sort the list\nName a river in Asia\nSay it very loud", True, []),
    "chinese": (" 写一首诗。\n说出一条河的名字。", True, []),
    "counted-by-the-next-number": (" Sort it.\n- Name it.\n- Say it.\n12. Go.", True, ["Go."]),
    "below-the-last-one": (" Sort it.\n10. Name it.\nSay it.\nCount it.", True, ONE),
    "label-with-its-number": (" Sort it.\n10. Zorblat 10: Name it.", True, ONE),
    "one-label-for-all": ("1. zorblat: Sort it.\n2. zorblat: Name it.", False, []),
    "json-of-another-shape": ('{"tasks": [{"zorblat": 1}, "Sort it."]}', False, ONE),
    "json-with-empty-fields": ('{"tasks": [{"instruction": ""}, "Sort it."]}', False, ONE),
    "json-that-breaks-off": ('{"tasks": ["Sort it.", Name it.]}', False, ONE),
}


@pytest.mark.parametrize(("text", "continues", "found"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_not_understood_is_named(text: str, continues: bool, found: list[str]) -> None:
    items = read_instructions(text, first=9 if continues else 0)
    assert [item.text for item in items if not item.fault] == found
    assert {item.fault for item in items if item.fault} == {"unreadable_list"}


CUT_INSTRUCTIONS: dict[str, tuple[str, bool, list[str]]] = {
    "completion": (" Sort it.\n10. Name i", True, ONE),
    "only-one": (" Sort i", True, []),
    "in-a-number": (" Sort it.\n10. Name it.\n11.", True, BOTH),
    "chat-list": ("1. Sort it.\n2. Name i", False, ONE),
    "chat-bullets": ("- Sort it.\n- Name i", False, ONE),
    "json": ('{"tasks": ["Sort it.", "Name i', False, ONE),
    "whole-json": ('{"tasks": ["Sort it.", "Name it."]}', False, BOTH),
    "nothing": ("", True, []),
}


@pytest.mark.parametrize(
    ("text", "continues", "found"), CUT_INSTRUCTIONS.values(), ids=CUT_INSTRUCTIONS
)
def test_the_last_instruction_of_a_cut_reply_is_left_out(
    text: str, continues: bool, found: list[str]
) -> None:
    assert list(instructions(text, continues=continues, cut=True)) == found


YES_OR_NO: dict[str, tuple[str, bool | None]] = {
    "yes": ("Yes", True),
    "lower-case": (" yes\n", True),
    "upper-case": ("YES", True),
    "full-stop": ("Yes.", True),
    "bold": ("**Yes**", True),
    "reasons": ("Yes, it has two labels", True),
    "fence": ("```\nYes\n```", True),
    "thoughts": ("<think>No? No.</think>\n\nYes", True),
    "json": ('{"is_classification": true}', True),
    "json-fence": ('```json\n{"is_classification": true}\n```', True),
    "json-between-talk": ('It is: {"is_classification": true}.', True),
    "json-after-braces": ('Task {x}: {"is_classification": true}', True),
    "no": ("No", False),
    "both-no-first": ("No, yes", None),
    "yesterday": ("Yesterday", None),
    "json-false": ('{"is_classification": false}', False),
    "json-text": ('{"is_classification": "true"}', True),
    "json-number": ('{"is_classification": 1}', None),
    "json-cut": ('{"is_classification": tr', None),
    "json-list": ("[true]", None),
    "maybe": ("maybe", None),
    "nothing": ("", None),
    "json-yes": ('{"is_classification": "Yes"}', True),
    "no-with-reasons": ("No, its answers are free text", False),
    "no-it": ("No it is not.", False),
    "yes-it": ("Yes it is.", True),
    "no-as-another-word": ("No labels are named.", None),
    "nothing-like-it": ("None", None),
    "not": ("Not sure", None),
    "both": ("Yes/No", None),
    "both-in-words": ("Yes or no?", None),
    "question-again": ("Is it classification? Yes", True),
    "labelled": ("Answer: **No**", False),
    "last-word": ("I would say yes.", True),
    "last-word-no": ("The answer is no.", False),
    "no-inside": ("There is no set of labels here.", None),
    "refusal": ("I'm sorry, but I can't help with that.", None),
    "prose": ("This task asks for a poem.", None),
}


@pytest.mark.parametrize(("text", "positive"), YES_OR_NO.values(), ids=YES_OR_NO)
def test_what_is_said_of_classification(text: str, positive: bool | None) -> None:
    assert says_classification(text) is positive


@pytest.mark.parametrize(
    ("text", "positive"),
    [("Yes", True), (" yes\n", True), ("YES", True)]
    + [(text, False) for text in ("yEs", "Yes.", '"Yes"', "Yes/No", "Yes, it is", "No", "maybe")],
)
def test_the_released_code_knows_three_forms_of_yes(text: str, positive: bool) -> None:
    assert says_classification(text, released=True) is positive


@pytest.mark.parametrize("text", ["", " \n", "<think>Yes.</think>"])
def test_an_empty_reply_says_nothing_of_the_task_in_the_released_form_either(text: str) -> None:
    assert says_classification(text, released=True) is None


def test_the_last_word_of_a_cut_reply_is_not_known() -> None:
    assert says_classification("I would say no", cut=True) is None
    assert says_classification("No, it asks for fr", cut=True) is False
    assert says_classification("No.", cut=True) is False
    for text in ("No", "Yes", "**No**", "No,", "Is it classification? No"):
        assert says_classification(text, cut=True) is None


@pytest.mark.parametrize(
    "text",
    [
        "No, I can't help with that.",
        "No, I can't",
        "No, unfortunately I cannot help.",
        "Yes and no",
        "No. I'm afraid I cannot answer this.",
        "No, lo siento, pero no puedo ayudar con eso.",
        "Non, je ne peux pas vous aider.",
        "No, mi dispiace, non posso aiutarti.",
    ],
)
def test_a_no_that_refuses_says_nothing_of_the_task(text: str) -> None:
    assert says_classification(text) is None


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


CUT_WORKED: dict[str, tuple[str, list[bool]]] = {
    "two": ("Example 1\nOutput: b\nExample 2\nOutput: d", [True, False]),
    "one": ("Output: b", [False]),
    "none": ("nothing", []),
    "json": ('{"examples": [{"output": "b"}, {"output": "c', [True]),
    "whole-json": ('{"examples": [{"output": "b"}]}', [True]),
}


@pytest.mark.parametrize(("text", "whole"), CUT_WORKED.values(), ids=CUT_WORKED)
def test_the_last_worked_example_of_a_cut_reply_is_not_whole(text: str, whole: list[bool]) -> None:
    assert [one.whole for one in worked_examples(text, cut=True)] == whole
    assert all(one.whole for one in worked_examples(text))


def test_the_last_labeled_input_of_a_cut_reply_is_not_whole() -> None:
    text = "Class label: Good\nInput: a\nClass label: Bad\nInput: b"
    assert [one.whole for one in labeled_inputs(text, cut=True)] == [True, False]
    assert [one.whole for one in labeled_inputs(text)] == [True, True]


@pytest.mark.parametrize(
    ("text", "first", "found"),
    [
        ("9. Name a river.\n---\n10. Sort it.\n---", 0, ["Name a river.", "Sort it."]),
        ("9. Name a river.\n***\n10. Sort it.\n* * *", 0, ["Name a river.", "Sort it."]),
        ("1. Name a river.\nExpected output: Rhine\n2. Sort it.", 0, ["Name a river.", "Sort it."]),
        (
            "1. Name a river.\nNote: only in Europe.\n2. Sort it.",
            0,
            ["Name a river. Note: only in Europe.", "Sort it."],
        ),
        (" Sure! Here are more:\n9. Name a river.\n10. Sort it.", 9, ["Name a river.", "Sort it."]),
        ("1. **Name** Europe's rivers.\n2. Sort it.", 0, ["Name Europe's rivers.", "Sort it."]),
        ("1. **Name a river**\n2. **Sort it**", 0, ["Name a river", "Sort it"]),
        (
            "1. **Name a river**\n   in Europe.\n2. Sort it.",
            0,
            ["Name a river in Europe.", "Sort it."],
        ),
    ],
)
def test_rules_and_other_fields_are_no_part_of_an_instruction(
    text: str, first: int, found: list[str]
) -> None:
    read = [item.text for item in read_instructions(text, first=first) if not item.fault]
    assert read == found


@pytest.mark.parametrize(
    "text",
    [
        "1. **River naming**\nName three rivers of Europe.",
        "1. **River naming** Name three rivers of Europe.",
        "### Task 1: River naming\nName three rivers of Europe.",
        "### Task 1: River naming\n\nName three rivers of Europe.",
        "**Task 1: River naming**\nName three rivers of Europe.",
    ],
)
def test_a_title_without_a_colon_is_no_part_of_an_instruction(text: str) -> None:
    items = read_instructions(f"{text}\n2. Sort the words by length.")
    assert [(item.text, item.fault) for item in items[1:]] == [("Sort the words by length.", "")]
    assert items[0].fault == "unreadable_list"


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
    found = [(each.input, each.output) for each in worked_examples(text)]
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
    assert [(each.input, each.output) for each in worked_examples(text)] == [pair]


@pytest.mark.parametrize(
    "text",
    [
        "<input>3</input>\n<output>4</output>",
        "| Input | Output |\n|---|---|\n| 3 | 4 |",
        "Sample Input: 3\nSample Output: 4",
    ],
)
def test_fields_in_a_form_that_is_not_read_are_no_bare_output(text: str) -> None:
    assert worked_examples(text, may_be_bare=True) == ()


@pytest.mark.parametrize(
    "text",
    [
        "Example 1\nClass label: A\nSentence: x\n\nExample 2\nClass label: B\nSentence: y",
        "Class label: A\nSentence: x\n---\nClass label: B\nSentence: y",
        "Class label: A. Sentence: x\nClass label: B. Sentence: y",
    ],
)
def test_headings_and_rules_are_no_part_of_labeled_inputs(text: str) -> None:
    found = [(each.input, each.output) for each in labeled_inputs(text)]
    assert found == [("Sentence: x", "A"), ("Sentence: y", "B")]


@pytest.mark.parametrize("text", ["Yes?", "Maybe yes", "Really, no?", "Perhaps no."])
def test_an_answer_that_asks_or_doubts_says_neither(text: str) -> None:
    assert says_classification(text) is None
