"""What is read out of definitions: fixed answers, and demands on the output."""

import json
from pathlib import Path
from typing import Any

import pytest

from seedstep.steps.definitions import labels, names, promised
from seedstep.steps.demands import demands, is_met

LABELS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "quoted": ('Answer "yes" or "no".', "x", ("yes", "no")),
    "single-quotes": (
        "Output 'True' if it holds; otherwise, output 'False'.",
        "x",
        ("True", "False"),
    ),
    "curly-quotes": ("Say “spam” or “ham”.", "x", ("spam", "ham")),
    "backticks": ("Return `A` or `B`.", "x", ("A", "B")),
    "as": ('Classify the text as "kind" or "rude".', "x", ("kind", "rude")),
    "into": (
        "Sort it: classify the text into kind, rude, and neutral.",
        "rude",
        ("kind", "rude", "neutral"),
    ),
    "behind-a-colon": (
        "Choose one of these topics: art, sport or law.",
        "law",
        ("art", "sport", "law"),
    ),
    "numbered": (
        "Use one of two classes: (1) formal, (2) informal.",
        "formal",
        ("formal", "informal"),
    ),
    "are": ("The possible emotions are sad, glad and calm.", "sad", ("sad", "glad", "calm")),
    "slashes": ("Give one of the labels: past/present.", "past", ("past", "present")),
    "bare-capitals": ("Output Yes if it fits and No otherwise.", "x", ("Yes", "No")),
    "bare-numbers": ("Return 1 if it is even, else return 0.", "x", ("1", "0")),
    "bare-letters": ("The answer should be A, B or C.", "x", ("A", "B", "C")),
    "with-underscores": (
        "Answer with lost_card or new_account.",
        "x",
        ("lost_card", "new_account"),
    ),
    "negated-in-a-list": ("Sort into two topics: art, not art.", "art", ("art", "not art")),
    "negated-label": ("Label the post as Hate or Not Hate.", "x", ("Hate", "Not Hate")),
    "empty-list": ('Return "[]" if nothing is left.', "[1]", ("[]",)),
    "fallback": ('Name the film. If there is none, output "unknown".', "Ran", ("unknown",)),
    "options": ('Choose the best option (marked "A", "B", "C").', "B", ("A", "B", "C")),
    "options-of-another-task": ('There are two answer options, "A" and "B". Name it.', "Rome", ()),
    "once-each": ('Say "yes" or "no". Say "Yes" if unsure.', "x", ("yes", "no")),
    "word-in-quotes": ('Count the words that rhyme with the word "cat".', "3", ()),
    "separator": ('Write the names, separated by ";".', "a;b", ()),
    "illustration": ('Write a short answer such as "in May".', "in June", ()),
    "prefix": ("The text begins with 'TEXT'. Write its topic.", "art", ()),
    "tag-set": (f"Output one of: {', '.join(f'tag{n}' for n in range(20))}.", "tag1", ()),
    "prose": ("Write a title for the poem.", "Snow", ()),
    "chinese": ("请回答“好”或“坏”。", "好", ()),
    "nothing": ("", "", ()),
}


@pytest.mark.parametrize(("definition", "output", "expected"), LABELS.values(), ids=LABELS)
def test_labels(definition: str, output: str, expected: tuple[str, ...]) -> None:
    assert labels(definition, [output]) == expected


@pytest.mark.parametrize(
    ("text", "label", "named"),
    [
        ("Say Yes or no.", "yes", True),
        ("Say yesterday.", "yes", False),
        ("Ask questions.", "question", True),
        ("Choose e if so.", "e", True),
        ("Choose it, e.g. now.", "e", False),
        ("It can't be.", "t", False),
        ("A man reads.", "a", False),
        ("Say 'None'.", "None", True),
        ("Write [] then.", "[]", True),
        ("It is not a hate post.", "not hate", False),
        ("1. Read 21 lines.", "2", False),
    ],
)
def test_names(text: str, label: str, named: bool) -> None:
    assert names(text, label) is named


DEMANDS: dict[str, tuple[str, list[str]]] = {
    "length": ("Use at most five words.", ["length"]),
    "range": ("Write between 15 and 30 words.", ["length"]),
    "prohibition": ("Do not mention prices.", ["prohibition"]),
    "prohibition-in-capitals": ("DO NOT mention prices.", ["prohibition"]),
    "should-not": ("The title should not mention prices.", ["prohibition"]),
    "avoid": ("Write a story, but avoid adverbs.", ["prohibition"]),
    "requirement": ("Your answer must name both teams.", ["requirement"]),
    "imperative": ("Keep all names and dates.", ["requirement"]),
    "counts-as": ("Zero counts as even number.", ["requirement"]),
    "form": ("Write it in lower case, separated by commas.", ["lower case", "separator"]),
    "only": ("Answer with the letter only.", ["nothing else"]),
    "asked": ("Say whether the animal must be seen by a vet today.", []),
    "asked-and-answered": (
        "Say whether it is urgent, and your answer must name the animal.",
        ["requirement"],
    ),
    "asked-so-your-answer": (
        "Determine whether the review is kind so your answer must name its mood.",
        ["requirement"],
    ),
    "asked-the-output": (
        "Determine whether the review is kind the reply must name its mood.",
        ["requirement"],
    ),
    "asked-it-must": ("Decide whether the form is whole it must name its mood.", ["requirement"]),
    "asked-of-it": ("Ask whether it must be true in this place.", []),
    "may": ("The text may not be long.", []),
    "need-not": ("You don't need to name both teams.", []),
    "input": ("You are given two words separated by a comma.", []),
    "input-list": ("A list contains numbers within brackets.", []),
    "illustration": ("Name a thing (e.g., something in upper case).", []),
    "nothing": ("", []),
}


@pytest.mark.parametrize(("definition", "kinds"), DEMANDS.values(), ids=DEMANDS)
def test_demands(definition: str, kinds: list[str]) -> None:
    assert [demand.kind for demand in demands(definition)] == kinds


@pytest.mark.parametrize("definition", [text for text, kinds in DEMANDS.values() if kinds])
def test_a_demand_is_met_by_its_own_words_and_not_by_others(definition: str) -> None:
    for demand in demands(definition):
        assert is_met(demand, definition)
        assert not is_met(demand, "Think about what you see.")


def _closed(task: dict[str, Any]) -> set[str]:
    """The outputs of a task that has few different ones, and enough instances to tell."""
    outputs = {instance["output"][0].strip(" .").casefold() for instance in task["Instances"]}
    return outputs if len(outputs) <= 12 and len(task["Instances"]) >= 60 else set()


def test_the_labels_of_real_tasks_are_found(shared_data: Path) -> None:
    """Where outputs are few, most definitions name all of them, and hardly anything besides."""
    whole = besides = closed = 0
    for path in sorted((shared_data / "superni" / "tasks").glob("*.json")):
        task = json.loads(path.read_bytes())
        outputs = _closed(task)
        if outputs:
            shown = [str(example["output"]) for example in task["Positive Examples"][:2]]
            found = {label.casefold() for label in labels(task["Definition"][0], shown)}
            closed += 1
            whole += outputs <= found
            besides += bool(found - outputs)
    assert closed > 350
    assert whole >= 0.78 * closed, f"{whole} of {closed}"
    assert besides <= 0.06 * closed, f"{besides} of {closed}"


def test_a_word_that_begins_like_an_article_is_no_article() -> None:
    kinds = ["animal", "fruit", "tool", "vehicle"]
    assert promised("Output animal, fruit, tool or vehicle.", kinds) == kinds
