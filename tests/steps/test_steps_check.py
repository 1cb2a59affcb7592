"""The checks on step-by-step instructions: what each finds, and what it must leave alone."""

import json
from pathlib import Path

import pytest

from seedstep.data import Task
from seedstep.steps import CHECKS, Finding, check, parse, render, repair_request
from seedstep.steps.unfit import sentences
from support.defined_tasks import defined

MOOD = defined(
    'You are given a review of a film. Say whether it is "good" or "bad". Answer "none" if it has'
    " no text.",
    (
        ("Two hours of pure joy, and the music was lovely.", "good"),
        ("I fell asleep before the first murder happened.", "bad"),
    ),
)
TITLE = defined(
    "Write a title for the given poem. The title must have at most four words. Do not use words"
    " that are not in the poem. Write the title in lower case.",
    (("The snow has gone, the grass comes back to the field.", "snow has gone"),),
)
CODE = defined(
    "You are given a Python function and a file name. Say what the function writes to the file.",
    (("def f(): return 3    File: a.txt", "Nothing"),),
)


def names(task: Task, *steps: str) -> set[str]:
    return {found.name for found in check(parse(render(steps)), task)}


GOOD_MOOD = (
    "Read the review.",
    "Find out what it says about the film.",
    'Output "good" if it praises the film and "bad" if it does not, or "none" without a text.',
)


def test_a_good_instruction_has_no_faults() -> None:
    assert check(parse(render(GOOD_MOOD)), MOOD) == ()


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        ("", "the reply is empty"),
        ("Read the review and say what it is.", "the reply has no list of steps"),
        ("I'm sorry, I can't do that.", "the reply is a refusal or an apology"),
        ('{"steps": []}', "the reply is JSON"),
        ("1. Is it good?\n2. Is it bad?", "the list is one of questions"),
    ],
)
def test_no_steps_is_the_only_finding(reply: str, detail: str) -> None:
    assert check(parse(reply), MOOD) == (Finding("no_steps", detail),)


def test_a_reply_cut_in_a_step_is_no_instruction() -> None:
    reply = render(GOOD_MOOD)
    assert [finding.name for finding in check(parse(reply, cut=True), MOOD)] == ["no_steps"]


def test_the_number_of_steps() -> None:
    step = "Look at part {} of the review."
    few = names(MOOD, step.format(1))
    many = names(MOOD, *(step.format(number) for number in range(1, 17)))
    right = names(MOOD, *(step.format(number) for number in range(1, 16)))
    assert "too_few" in few
    assert "too_many" in many
    assert not right & {"too_few", "too_many"}


def test_300_words_are_not_too_long() -> None:
    words = ["Read.", " ".join(f"word{number}" for number in range(299))]
    assert "too_long" not in names(MOOD, *words)
    assert "too_long" in names(MOOD, *words[:-1], f"{words[-1]} more")


REPEATS: dict[str, tuple[tuple[str, ...], bool]] = {
    "same": (("Read the review.", "Think.", "Read the review."), True),
    "reworded": (
        ("Choose the three words that matter most.", "Select the 3 words which matter the most."),
        True,
    ),
    "within-a-step": (("Read it well. Think. Read it well.", "Answer."), True),
    "loop": (("Read it", "and then read it again " * 12), True),
    "two-parts": (("Read the premise with care.", "Read the hypothesis with care."), False),
    "two-labels": (
        (
            "If the first noun fits the sentence better, output the letter A.",
            "If the second noun fits the sentence better, output the letter B.",
        ),
        False,
    ),
    "contrary": (
        ("Ask whether it must be true in this place.", "Ask if it can't be true in this place."),
        False,
    ),
    "short": (("Find the subject.", "Find the verb."), False),
}


@pytest.mark.parametrize(("steps", "repeats"), REPEATS.values(), ids=REPEATS)
def test_repeats(steps: tuple[str, ...], repeats: bool) -> None:
    assert ("repeats" in names(MOOD, *steps)) is repeats


def test_a_definition_cut_into_steps_is_copied() -> None:
    assert "copies_definition" in names(TITLE, *sentences(TITLE.definition))


def test_a_constraint_may_be_quoted() -> None:
    steps = (
        "Read the poem and find its main image.",
        "Look for the line in which this image is named most clearly.",
        "Shorten this line until it can stand alone.",
        "The title must have at most four words.",
    )
    assert "copies_definition" not in names(TITLE, *steps)


ITERATES: dict[str, tuple[str, bool]] = {
    "data-set": ("Repeat this for all reviews in the dataset.", True),
    "data-set-in-two-words": ("Go through the data set one by one.", True),
    "each-example": ("For each example, write the label.", True),
    "every-instance": ("Do this for every instance.", True),
    "all-inputs": ("Apply this to all of the inputs.", True),
    "each-of-what-is-given": ("For every review, write the label.", True),
    "next": ("Move on to the next review.", True),
    "remaining": ("Continue with the remaining reviews.", True),
    "loop": ("Loop through the reviews.", True),
    "loop-over-all": ("Loop over all texts.", True),
    "each-word": ("For each word in the review, decide whether it is kind.", False),
    "every-sentence-of-it": ("Go through every sentence of the review.", False),
    "next-sentence": ("Continue with the next sentence until the review ends.", False),
    "through-it": ("Go through the review from beginning to end.", False),
    "each-of-both": ("Read each review of the two aloud.", False),
    "forbidden": ("Do not repeat this for other reviews in the dataset.", False),
    "next-of-something-else": ("Note it down and go on to the next idea.", False),
    "in-all-cases": ("In all other cases, output none.", False),
}


@pytest.mark.parametrize(("step", "iterates"), ITERATES.values(), ids=ITERATES)
def test_iterates(step: str, iterates: bool) -> None:
    assert ("iterates" in names(MOOD, *GOOD_MOOD, step)) is iterates


def test_data_that_the_definition_speaks_of_may_be_gone_through() -> None:
    task = defined("You are given the description of a dataset with rows. Count the rows.")
    step = "Look at each row in the dataset."
    assert "iterates" not in names(task, step, "Count it.")
    assert "iterates" in names(MOOD, step, "Count it.")


SPECIFIC: dict[str, tuple[str, bool]] = {
    "whole-input": ("Two hours of pure joy, and the music was lovely is good.", True),
    "part-of-an-input": ("If someone fell asleep before the first murder, say bad.", True),
    "input-in-other-words": ("See that the music was lovely joy, two pure hours.", True),
    "invented": ('For example, "I would see it again and again" is good.', True),
    "invented-with-a-comma": ('E.g., "Never see this dull film" means bad.', True),
    "arrow": ('Find the mood: "I love it" -> good.', True),
    "unicode-arrow": ("Find the mood: a great film → good.", True),
    "fields": ("Input: A fine film. Output: good.", True),
    "sum": ("Add the stars of both (3 + 4 = 7).", True),
    "few-words": ('Look for words such as "joy", "boring" or "lovely".', False),
    "one-word": ('For instance, the word "lovely" is praise.', False),
    "no-quotation": ("For example, praise for the actors is a sign of a good film.", False),
    "output-only": ("Output: good, bad or none.", False),
    "a-phrase-of-the-definition": ('Say whether it is "good" or "bad".', False),
}


@pytest.mark.parametrize(("step", "specific"), SPECIFIC.values(), ids=SPECIFIC)
def test_specific_example(step: str, specific: bool) -> None:
    assert ("specific_example" in names(MOOD, "Read the review.", step)) is specific


def test_six_words_in_a_row_are_copied_and_five_are_not() -> None:
    story = "Every morning old Anna fed seven grey ducks at the pond behind her garden gate."
    task = defined("Write the end of the story.", ((f"{story} {story[::-1]}", "They flew away."),))
    six = "Think of how old Anna fed seven grey ducks."
    five = "Think of how Anna fed seven grey ducks."
    assert "specific_example" in names(task, "Read it.", six)
    assert "specific_example" not in names(task, "Read it.", five)


def test_single_words_of_a_short_example_may_be_used() -> None:
    task = defined("Say how the guest feels.", (("The soup was cold!", "angry"),))
    steps = ("Read it.", "Food that is cold, such as soup, makes guests angry.")
    assert "specific_example" not in names(task, *steps)


IMPOSSIBLE: dict[str, tuple[str, bool]] = {
    "web": ("Search the web for the film.", True),
    "search-engine": ("Use a search engine to find the director.", True),
    "encyclopedia": ("Look the director up on Wikipedia.", True),
    "train": ("Train a model on reviews.", True),
    "fine-tune": ("Fine-tune a classifier.", True),
    "library": ("Import the NLTK library.", True),
    "pretrained": ("Feed the review to a pre-trained network.", True),
    "run-code": ("Run the script on the review.", True),
    "write-code": ("Write a Python program that counts the words.", True),
    "dictionary": ("Look the words up in a dictionary.", True),
    "textbook": ("Consult a textbook on film.", True),
    "expert": ("Ask an expert for help.", True),
    "user": ("Then ask the user what the film was about.", True),
    "feedback": ("Get feedback on your answer.", True),
    "file": ("Open the file with the review.", True),
    "send": ("Send the answer to the editor.", True),
    "techniques": ("Apply natural language processing to the review.", True),
    "search-the-review": ("Search the review for words of praise.", False),
    "look-up-in-the-review": ("Look up the name of the film in the review.", False),
    "model-number": ("Copy the model number of the camera.", False),
    "train-station": ("Find the train station in the review.", False),
    "ask-yourself": ("Ask yourself what the writer of the review felt.", False),
    "what-people-say": ("Note what people say about the film.", False),
    "forbidden": ("Do not search the web for the film.", False),
    "without": ("Decide without a dictionary or other help.", False),
    "in-mind": ("Run through the program of the film in your mind.", False),
    "read-the-text": ("Read the text.", False),
    "model-of-a-car": ("Find the model of the car that is reviewed.", False),
}


@pytest.mark.parametrize(("step", "impossible"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_not_for_models(step: str, impossible: bool) -> None:
    assert ("not_for_models" in names(MOOD, "Read the review.", step)) is impossible


@pytest.mark.parametrize(
    "step", ["Read the Python function.", "Read the file name.", "Follow the code."]
)
def test_code_that_the_definition_speaks_of_is_no_fault(step: str) -> None:
    assert "not_for_models" not in names(CODE, step, "Say what it writes to the file.")


UNKNOWN: dict[str, tuple[str, bool]] = {
    "quoted": ('Output "mixed" if it is neither good nor bad.', True),
    "in-a-list": ('Choose "good", "bad", "none" or "average".', True),
    "bare-list": ("Output good, bad or mixed.", True),
    "known": ('Answer "bad" if it is not good, or "none".', False),
    "other-case": ('Answer "Good", "Bad" or "None".', False),
    "illustration": ('Look for praise such as "great" or "superb".', False),
    "intermediate": ("Classify each sentence as praise or blame.", False),
    "quotation": ('Decide whether "fine" is meant as praise.', False),
}


@pytest.mark.parametrize(("step", "unknown"), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_label(step: str, unknown: bool) -> None:
    assert ("unknown_label" in names(MOOD, "Read the review.", step)) is unknown


def test_missing_labels_are_named() -> None:
    found = check(parse(render(("Read it.", 'Output "good" if it is good.'))), MOOD)
    assert Finding("missing_label", "bad, none") in found


OPTIONS = defined('Answer with the letter of the right option: "A", "B" or "C".', (("x", "A"),))


@pytest.mark.parametrize(
    ("step", "missing"),
    [
        ("Output A, B or C.", ""),
        ("Output the letter of the right option.", ""),
        ("Output the letter of the right option, A or B.", "C"),
        ("Output the right answer.", "A, B, C"),
        ("Output a, b or c.", "A, B, C"),
    ],
)
def test_letters_of_options_may_be_left_to_the_input(step: str, missing: str) -> None:
    details = {
        finding.name: finding.detail for finding in check(parse(render(("Read.", step))), OPTIONS)
    }
    assert details.get("missing_label", "") == missing


def test_what_names_no_labels_misses_none() -> None:
    assert not names(TITLE, "Read the poem.", "Sing.") & {"missing_label", "unknown_label"}


OTHER_LANGUAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "chinese": (
        "给你一条评论。请回答“好”或“坏”。不要解释。",
        ("阅读评论。", "判断情绪。", "对数据集中的每个评论重复。", "上网搜索。"),
    ),
    "german": (
        "Lies die Bewertung. Antworte mit „gut“ oder „schlecht“, höchstens drei Wörter.",
        ("Lies den Text.", "Suche im Netz nach dem Film.", "Wiederhole das für alle Texte."),
    ),
}


@pytest.mark.parametrize(("definition", "steps"), OTHER_LANGUAGES.values(), ids=OTHER_LANGUAGES)
def test_in_other_languages_wording_is_not_judged(definition: str, steps: tuple[str, ...]) -> None:
    assert names(defined(definition), *steps) == set()


def test_in_other_languages_form_and_copies_are_found() -> None:
    task = defined(
        "给你一条关于餐厅的评论，请回答好或坏。", (("这家餐厅的汤很冷，我们不会再来。", "坏"),)
    )
    assert names(task, "阅读评论。", "阅读评论。") == {"repeats"}
    assert "specific_example" in names(task, "注意这家餐厅的汤很冷，我们不会再来。", "回答。")
    assert "copies_definition" in names(task, "给你一条关于餐厅的评论", "请回答好或坏")


@pytest.mark.parametrize("name", CHECKS)
def test_a_fault_is_told_with_its_detail(name: str) -> None:
    request = repair_request(Finding(name, "<the {detail}>"))
    assert "<the {detail}>" in request
    assert "{}" not in request


def test_real_definitions_said_in_steps_hold_what_they_hold(shared_data: Path) -> None:
    """Their own sentences are complete and ask for nothing that their task does not."""
    wrong = []
    paths = sorted((shared_data / "superni" / "tasks").glob("*.json"))
    for path in paths:
        task = json.loads(path.read_bytes())
        definition = task["Definition"][0]
        about = {
            "missing_label",
            "missing_constraint",
            "unknown_label",
            "iterates",
            "not_for_models",
        }
        if names(defined(definition), *sentences(definition)) & about:
            wrong.append(path.name)
    assert len(paths) > 700
    assert len(wrong) <= 0.01 * len(paths), wrong
