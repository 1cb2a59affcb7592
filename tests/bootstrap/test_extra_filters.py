"""The filters beyond the paper's."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.bootstrap.filters import FILTERS
from seedstep.bootstrap.instances import labeled_inputs, worked_examples
from seedstep.bootstrap.rules import is_statement
from seedstep.bootstrap.sifting import instruction_fault
from seedstep.data import Instance, seed_tasks
from seedstep.prompts import demonstrations
from support.read_replies import as_pairs, pair
from support.sifting import sifted

EXTRA = [rule for rule in FILTERS if rule.extra]


def extra_instance_fault(instruction: str, instance: Instance) -> str:
    """The reason for which our own filters reject an instance, or nothing."""
    rejected = sifted(instruction, instance, filters=EXTRA).rejected_instances
    return rejected[0].reason if rejected else ""


POINTS_AT_INPUT = [
    "Sort these words.",
    "Summarize the following paragraph.",
    "Given a sentence, find its verb.",
    "Translate this short poem into German.",
    "Find the errors in the code below.",
    "Which of these three numbers is the largest?",
    "Correct the given text.",
    "I need to solve this math problem.",
]
STANDS_ALONE = [
    "Write a poem about the sea.",
    "Sort these words: ant, bee, cow.",
    'Translate this sentence: "I am here."',
    "What is the best way to do this at home?",
    "Solve this equation:\n2 + x = 5",
    "You are given two switches. Which one turns on the light?",
    "How many words are there in an average novel?",
]


@pytest.mark.parametrize("instruction", POINTS_AT_INPUT)
def test_an_input_that_the_instruction_points_at_has_to_be_there(instruction: str) -> None:
    assert extra_instance_fault(instruction, pair("", "x")) == "missing_input"
    assert extra_instance_fault(instruction, pair("Text: y", "x")) == ""


@pytest.mark.parametrize("instruction", STANDS_ALONE)
def test_an_instruction_that_stands_alone_needs_no_input(instruction: str) -> None:
    assert extra_instance_fault(instruction, pair("", "x")) == ""


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("The largest island in the world, with 7 million people.", True),
        ("A car won't start until tomorrow.", True),
        ("They were made of nothing but light.", True),
        ("The given text should be checked for errors.", False),
        ("The sky is blue. Explain why.", False),
        ("A dog and a cat: which is faster?", False),
        ("They say that time flies, do you agree?", False),
        ("Answer in the words of a sailor.", False),
        ("Then write down what happens next.", False),
        ("You are not the King of Rome.", True),
        ("You are given a text, find its verbs.", False),
        ("I have been told that your car is old.", True),
        ("I have been told that your car is old, explain.", False),
    ],
)
def test_is_statement(text: str, statement: bool) -> None:
    assert is_statement(text) is statement
    fault = instruction_fault(text, english=True)
    assert fault == (("statement", "") if statement else None)
    assert instruction_fault(text, english=True, extra=False) is None
    assert instruction_fault(text, english=False) is None


LOOP = "a wanderer under the stars, " * 8


@pytest.mark.parametrize(
    ("output", "fault"),
    [
        (LOOP, "repeats_itself"),
        ("Row one of the table. " + LOOP, "repeats_itself"),
        ("0 1 " * 12, "repeats_itself"),
        ("no, no, no!", ""),
        (" ".join(f"word{n}" for n in range(200)), ""),
        ("la " * 23, ""),
    ],
)
def test_an_output_that_goes_round_in_circles(output: str, fault: str) -> None:
    assert extra_instance_fault("Write a poem.", pair("", output)) == fault


@pytest.mark.parametrize("approach", ["input_first", "output_first"])
def test_what_the_prompt_shows_is_not_taken_for_the_models_own(approach: str) -> None:
    for shown in demonstrations()[approach]:
        for example in shown.examples:
            for text in (example.input, f"{shown.label}: {example.input}"):
                copy = pair(text, example.output)
                assert extra_instance_fault("Write a poem.", copy) == "copies_demonstration"
                spaced = pair(copy.input.upper().replace(" ", "\n"), f"{copy.output} ")
                assert extra_instance_fault("Write a poem.", spaced) == "copies_demonstration"
            assert extra_instance_fault("Write a poem.", pair("Other", example.output)) == ""


def test_the_instance_filters_can_be_left_out() -> None:
    found = (pair("", "ant, bee"), pair("bee, ant", "ant, bee"))
    assert len(sifted("Sort these words.", *found, extra=False).task.instances) == 2
    kept = sifted("Sort these words.", *found)
    assert kept.task.instances == (Instance("bee, ant", ("ant, bee",)),)
    assert [rejected.reason for rejected in kept.rejected_instances] == ["missing_input"]


@given(st.text(), st.text(), st.text())
def test_no_text_makes_a_filter_raise(instruction: str, text: str, output: str) -> None:
    is_statement(instruction)
    fault = extra_instance_fault(instruction, pair(text, output))
    assert fault in (
        "",
        "missing_input",
        "copies_demonstration",
        "refused_output",
        "repeats_itself",
        "adds_talk",
    )


REFUSALS = [
    "I'm unable to assist with that request.",
    "As an AI language model I can't write tasks.",
    "I'm sorry, but I can't help with that.",
    "I’m sorry, but that is not something I can do.",
    "Sorry, I cannot do that for you.",
    "I cannot fulfill this request.",
    "Unfortunately, I am unable to generate tasks.",
    "I apologize, but I cannot continue here.",
    "I must decline to write these tasks.",
]
NO_REFUSALS = [
    "I can't sleep at night. Give me advice.",
    "I cannot decide between two jobs; help me choose.",
    "I am an amateur cook: suggest a menu for me.",
    "As an airline's agent, answer the complaint.",
    "Say sorry to a friend in a short letter.",
    "Explain why the model said that it is sorry.",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_no_task_and_no_output(text: str) -> None:
    fault = instruction_fault(text, english=True)
    assert fault
    assert fault[0] == "refusal"
    assert instruction_fault(text, english=True, extra=False) is None
    assert extra_instance_fault("Write a poem.", pair("", text)) == "refused_output"


@pytest.mark.parametrize("text", NO_REFUSALS)
def test_what_only_sounds_like_a_refusal_is_none(text: str) -> None:
    assert instruction_fault(text, english=True) is None
    assert extra_instance_fault("Write a poem.", pair("", text)) == ""


@pytest.mark.parametrize("approach", ["classification", "input_first", "output_first"])
def test_an_instruction_of_the_frames_is_not_taken_for_the_models_own(approach: str) -> None:
    for shown in demonstrations()[approach]:
        text = shown.task.definition
        for copy in (text, f"{text.upper()} "):
            fault = instruction_fault(copy, english=True)
            assert fault in (("repeats_demonstration", ""), ("keyword", "map"))


def test_our_seeds_pass() -> None:
    for task in seed_tasks():
        assert not is_statement(task.definition)
        for instance in task.instances:
            fault = extra_instance_fault(task.definition, pair(instance.input, instance.output))
            assert fault in ("", "copies_demonstration")


def test_hardly_anything_people_wrote_is_refused(shared_data: Path) -> None:
    """What `extra.py` says of its false alarms: at most 1 in 100, for each filter."""
    faults: list[str] = []
    for name in ("seed_tasks", "user_oriented_instructions"):
        with (shared_data / "self_instruct" / f"{name}.jsonl").open() as file:
            for task in map(json.loads, file):
                fault = instruction_fault(task["instruction"], english=True)
                faults.append(fault[0] if fault else "")
                (instance,) = task["instances"]
                raw = pair(instance["input"].strip(), instance["output"])
                faults.append(extra_instance_fault(task["instruction"], raw))
    counts = {name: faults.count(name) for name in {rule.name for rule in EXTRA}}
    expected = {"statement": 3, "missing_input": 1, "repeats_itself": 1}
    assert counts == {**dict.fromkeys(counts, 0), **expected}


@pytest.mark.parametrize(
    ("instruction", "output"),
    [
        ("Name the capital of Peru.", "Lima\n\nLet me know if you need more!"),
        ("Name the capital of Peru.", "Lima\nExplanation: It is the seat of government."),
        ("Is the number even?", "No\n\n**Explanation:** 3 is odd."),
        ("Translate into French.", "Bonjour\n\nI hope this helps!"),
        ("Nenne die Hauptstadt.", "Berlin\n\nIch hoffe, das hilft dir."),
        ("说出秘鲁的首都。", "利马\n解释：这是首都。"),
        ("Name a river.", "The Nile\n(Note: it is the longest one)"),
        ("Name a river.", "The Nile\n\nWould you like me to name others?"),
    ],
)
def test_what_stands_behind_an_output_is_named_and_not_cut(instruction: str, output: str) -> None:
    (bad,) = sifted(instruction, pair("", output)).rejected_instances
    assert (bad.reason, bad.instance.output) == ("adds_talk", output)
    assert bad.detail
    assert bad.detail in output


@pytest.mark.parametrize(
    ("instruction", "output"),
    [
        ("Is 3 even? Explain your answer.", "No\nExplanation: 3 is odd."),
        ("Write an e-mail to a customer.", "Dear Ann,\n\nLet me know if you have questions."),
        ("Give reasons for the verdict.", "Guilty\nReasons: He was seen."),
        ("Name the capital of Peru.", "Let me know"),
        ("Name the capital of Peru.", "Explanation: none is needed."),
        ("Continue the story.", "He sat.\n\nThe letter said: let me know."),
    ],
)
def test_an_explanation_that_is_asked_for_and_a_message_are_no_talk(
    instruction: str, output: str
) -> None:
    assert not sifted(instruction, pair("", output)).rejected_instances


def test_words_about_the_examples_of_a_reply_are_part_of_none() -> None:
    for words in (
        "Let me know if you need more examples!",
        "These examples show both cases.",
        "If you want more examples, just say so.",
        "(I hope the examples help.)",
        "Please let me know if the example is right.",
    ):
        found = worked_examples(f"Example 1\nInput: a\nOutput: b\n\n{words}")
        assert as_pairs(found) == [("a", "b")]
        found = labeled_inputs(f"Class label: Good\nText: a\n\n{words}")
        assert as_pairs(found) == [("Text: a", "Good")]


@pytest.mark.parametrize(
    "output",
    [
        "Lima. Let me know if you need more!",
        "Lima\nLet me know if you need anything else.",
        "Lima (I hope this helps!)",
        "Lima\n\nThese examples show how to do it.",
        "Lima\n\n(End of examples)",
        "Lima\n\n**Explanation**\nIt is the largest city.",
        "Lima\n\n¡Espero que te sirva!",
        "Lima\n\nBei weiteren Fragen helfe ich gerne.",
        "Sure! Here is the answer:\nLima",
    ],
)
def test_talk_at_the_end_of_a_line_or_before_an_output_is_named(output: str) -> None:
    found = sifted("Name the capital of Peru.", pair("", output))
    assert [each.reason for each in found.rejected_instances] == ["adds_talk"]


@pytest.mark.parametrize(
    ("text", "output", "reason"),
    [
        ("a", "[Your answer]", "empty_output"),
        ("a", "<output>", "empty_output"),
        ("[Insert text here]", "a", "missing_input"),
        ("<input>", "a", "missing_input"),
    ],
)
def test_a_form_that_was_not_filled_in_is_no_instance(text: str, output: str, reason: str) -> None:
    found = sifted("Name the capital of Peru.", pair(text, output))
    assert [each.reason for each in found.rejected_instances] == [reason]


@pytest.mark.parametrize(
    "text", ["Sure! Here are more tasks:", "Here are 2 tasks:", "I hope these tasks help you."]
)
def test_an_announcement_is_a_statement(text: str) -> None:
    assert is_statement(text)
    assert not is_statement("Here are words: red, blue. Sort them.")
