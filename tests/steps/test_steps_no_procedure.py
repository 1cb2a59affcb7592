"""Replies that hold no procedure, a cut one, or more than one; and what belongs to no step."""

import pytest

from seedstep.steps import REASONS, parse, render

OTHERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "nothing": ("", "empty", ()),
    "blank": (" \n\t\n ", "empty", ()),
    "only-thoughts": ("<think>1. Read it.\n2. Say", "empty", ()),
    "prose": ("Read the review and say whether it is good or bad.", "prose", ()),
    "prose-with-ordinals": ("First, read the review. Second, output its mood.", "prose", ()),
    "prose-with-a-date": ("The review was written on\n12. May. Say so.", "prose", ()),
    "prose-with-a-lone-number": ("Rate it from 1. to 5. and say why.", "prose", ()),
    "answer": ("positive", "prose", ()),
    "numbers-only": ("1.\n2.\n3.", "prose", ()),
    "refusal": ("I'm sorry, but I can't help with that.", "refusal", ()),
    "apology": ("I apologize for the confusion. What is the task?", "refusal", ()),
    "inability": ("As an AI language model, I have no access to the task.", "refusal", ()),
    "not-able": ("I am unable to see the examples.", "refusal", ()),
    "json": ('{"steps": ["Read it.", "Say it."]}', "json", ()),
    "json-list": ('["1. Read it.", "2. Say it."]', "json", ()),
    "json-in-a-fence": ('```json\n{"steps": ["Read it."]}\n```', "json", ()),
    "json-cut": ('[{"step": "1. Read it. 2. Say it.', "json", ()),
    "single-step": ("1. Read it and say it.", "single_step", ("Read it and say it.",)),
    "single-bullet": ("- Read it and say it.", "single_step", ("Read it and say it.",)),
    "questions": (
        "1. What is it?\n2. Who wrote it?",
        "questions",
        ("What is it?", "Who wrote it?"),
    ),
    "chinese-questions": ("1. 谁？\n2. 什么？", "questions", ("谁？", "什么？")),
    "examples": (
        "1. Input: 3 + 4\nOutput: 7\n2. Input: 1 + 1\nOutput: 2",
        "examples",
        ("Input: 3 + 4\nOutput: 7", "Input: 1 + 1\nOutput: 2"),
    ),
    "headings": ("- Task:\n- Output:\n", "headings", ("Task:", "Output:")),
    "announced-examples": (
        "Here are two harder examples:\n1. A cat sat.\n2. A dog ran.",
        "examples",
        ("A cat sat.", "A dog ran."),
    ),
}


@pytest.mark.parametrize(("reply", "reason", "steps"), OTHERS.values(), ids=OTHERS)
def test_what_is_no_procedure_has_a_reason(reply: str, reason: str, steps: tuple[str, ...]) -> None:
    found = parse(reply)
    assert (found.reason, found.steps) == (reason, steps)
    assert reason in REASONS


@pytest.mark.parametrize(
    "preamble",
    [
        "Here is the refined instruction without any specific examples:",
        "Following these steps, no examples are needed:",
        "I apologize for the confusion. Here is the instruction for all examples:",
        "I can't see the dataset, but here are the steps:",
    ],
)
def test_talk_of_examples_or_apologies_does_not_spoil_a_procedure(preamble: str) -> None:
    found = parse(f"{preamble}\n1. Read it.\n2. Say it.")
    assert (found.reason, found.preamble) == ("", preamble)


def test_a_procedure_may_hold_a_question_and_name_the_fields() -> None:
    steps = ("Ask: is it true?", "If so, write Output: yes.", "Otherwise write Output: no.")
    assert parse(render(steps)).reason == ""


def test_what_belongs_to_no_step_is_kept() -> None:
    reply = (
        "Sure!\n\n## Preparation\n1. Read it.\n\n## Decision\n2. Say it.\n\n"
        "Note: say it in lower case.\n\nLet me know!"
    )
    found = parse(reply)
    assert found.preamble == "Sure!\n\n## Preparation"
    assert found.between == "## Decision"
    assert found.epilogue == "Note: say it in lower case.\n\nLet me know!"


def test_an_earlier_version_is_kept_as_preamble() -> None:
    found = parse("1. Read all.\n2. Loop.\n\nRefined instruction:\n1. Read it.\n2. Say it.\n\nBye")
    assert found.preamble == "1. Read all.\n2. Loop.\n\nRefined instruction:"
    assert found.epilogue == "Bye"


def test_what_is_no_procedure_is_kept_whole() -> None:
    assert parse(" Read it.\n\nSay it. ").preamble == "Read it.\n\nSay it."


def test_the_last_step_of_a_cut_reply_is_left_out() -> None:
    found = parse("1. Read it.\n2. Think.\n3. Say i", cut=True)
    assert (found.steps, found.reason) == (("Read it.", "Think."), "cut")
    assert found.epilogue == "3. Say i"


def test_a_reply_cut_after_its_last_step_has_all_steps() -> None:
    found = parse("1. Read it.\n2. Say it.\n\nLet me kn", cut=True)
    assert (found.steps, found.reason) == (("Read it.", "Say it."), "")


def test_a_reply_cut_in_its_first_step_has_none() -> None:
    assert (parse("1. Read i", cut=True).steps, parse("1. Read i", cut=True).reason) == ((), "cut")


def test_of_a_reply_cut_in_its_second_version_the_first_counts() -> None:
    reply = "1. Read it.\n2. Say it.\n\nRefined instruction:\n1. Read.\n2. Thi"
    found = parse(reply, cut=True)
    assert (found.steps, found.reason) == (("Read it.", "Say it."), "")
    assert found.epilogue == "Refined instruction:\n1. Read.\n2. Thi"


def test_a_cut_reply_without_steps_keeps_its_reason() -> None:
    assert parse("Read the review and", cut=True).reason == "prose"
