"""From replies to instructions, and to a yes or no."""

import pytest

from seedstep.bootstrap.instances import says_classification
from seedstep.bootstrap.parse import read_instructions
from support.read_replies import instructions

BOTH = ["Sort it.", "Name it."]
ONE = ["Sort it."]


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


@pytest.mark.parametrize("text", ["Yes?", "Maybe yes", "Really, no?", "Perhaps no."])
def test_an_answer_that_asks_or_doubts_says_neither(text: str) -> None:
    assert says_classification(text) is None
