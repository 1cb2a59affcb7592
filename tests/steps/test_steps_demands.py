"""What a definition demands: what is found, what meets it, and what a repair quotes of it."""

import pytest

from seedstep.data import Task
from seedstep.steps import Finding, check, parse, render, repair_request
from seedstep.steps.conversation import repair_prompt
from seedstep.steps.demands import demands
from support.defined_tasks import defined

TITLE = defined(
    "Write a title for the given poem. The title must have at most four words. Do not use words"
    " that are not in the poem. Write the title in lower case.",
    (("The snow has gone, the grass comes back to the field.", "snow has gone"),),
)


def names(task: Task, *steps: str) -> set[str]:
    return {found.name for found in check(parse(render(steps)), task)}


CONSTRAINED = (
    "Read the poem.",
    "Choose at most four words of it; add no others.",
    "Write them in lower case.",
)


@pytest.mark.parametrize(
    ("steps", "missing"),
    [
        (CONSTRAINED, False),
        ((CONSTRAINED[0], CONSTRAINED[1], "Write them down."), True),
        ((CONSTRAINED[0], "Choose some words of it; add no others.", CONSTRAINED[2]), True),
        ((CONSTRAINED[0], "Find four words in your own mind.", CONSTRAINED[2]), False),
        ((CONSTRAINED[0], "Think of four words.", CONSTRAINED[2]), True),
    ],
)
def test_missing_constraint(steps: tuple[str, ...], missing: bool) -> None:
    assert ("missing_constraint" in names(TITLE, *steps)) is missing


FORMS: dict[str, tuple[str, str, str]] = {
    "separator": ("Separate the names with commas.", "Put a comma between them.", "List them."),
    "brackets": ("Write the list inside square brackets.", "Begin with [.", "Write the list."),
    "tense": ("Use the past tense.", "Put verbs into the past tense.", "Write a sentence."),
    "order": ("Keep the same order.", "Do not change their order.", "List them."),
    "verbatim": ("Copy the name exactly as written.", "Leave it unchanged.", "Write it."),
    "rounding": ("Round to two decimal places.", "Round the result.", "Write the result."),
    "nothing else": ("Answer with the number only.", "Write the number alone.", "Add a reason."),
    "length": ("Use fewer than 15 words.", "Use 14 words at most.", "Be brief."),
    "single": ("Write just one sentence.", "Say it in one short sentence.", "Write sentences."),
    "marks": ("The pronoun is between two underscores.", "Find the word after _.", "Find it."),
    "beginning": ("Start with a verb.", "Begin with a verb.", "Write a verb."),
    "capitals": ("Capitalize every word.", "Use capital letters.", "Write words."),
    "base form": ("Output the base form.", "Find the lemma of it.", "Output it."),
    "upper case": ("Answer in upper case.", "Use capital letters.", "Answer."),
}


@pytest.mark.parametrize(("demand", "met", "not_met"), FORMS.values(), ids=FORMS)
def test_demands_on_form(demand: str, met: str, not_met: str) -> None:
    task = defined(f"Do the task. {demand}")
    assert "missing_constraint" not in names(task, "Read the text.", met)
    assert "missing_constraint" in names(task, "Read the text.", not_met)


def test_another_prohibition_does_not_do() -> None:
    task = defined("Sum it up. Do not mention prices, dates, names or places.")
    assert "missing_constraint" not in names(task, "Read it.", "Leave out all names and prices.")
    assert "missing_constraint" in names(task, "Read it.", "Do not write names in capitals.")


OPPOSITES: dict[str, tuple[str, str, str]] = {
    "order": (
        "Do not mention the owner's name.",
        "Leave out the owner's name.",
        "Mention the owner's name.",
    ),
    "order-among-others": (
        "Do not mention the owner's name.",
        "Never mention the owner's name.",
        "Mention the owner's name, not the street.",
    ),
    "not-forgotten": (
        "Never mention the owner's name.",
        "Do not mention the owner's name.",
        "Do not forget to mention the owner's name.",
    ),
    "requirement": (
        "You must mention the owner's name.",
        "Mention the owner's name.",
        "Do not mention the owner's name.",
    ),
    "reminder": (
        "Do not forget to mention the owner's name.",
        "Mention the owner's name.",
        "Never mention the owner's name.",
    ),
    "sure-not": (
        "Make sure not to include the closing date.",
        "Leave out the closing date.",
        "Include the closing date.",
    ),
    "most": ("Use at most eight words.", "Use no more than eight words.", "Use at least 8 words."),
    "no-more": (
        "Do not use more than eight words.",
        "If there are more than eight words, shorten it.",
        "Use more than eight words.",
    ),
    "one": ("Use only one word.", "Write one word.", "Write more than one word."),
    "case": ("Answer in lower case.", "Use lower case.", "Do not write in lower case."),
    "not-in-capitals": (
        "Do not use capital letters.",
        "Write it without capital letters.",
        "Use capital letters.",
    ),
}


@pytest.mark.parametrize(("demand", "met", "opposite"), OPPOSITES.values(), ids=OPPOSITES)
def test_steps_that_say_the_opposite_do_not_meet_a_demand(
    demand: str, met: str, opposite: str
) -> None:
    task = defined(f"Do the task. {demand}")
    assert "missing_constraint" not in names(task, "Read the text.", met)
    assert "missing_constraint" in names(task, "Read the text.", opposite)


PROHIBITIONS = (
    "You may not mention the owner's name.",
    "You can't use the owner's name.",
    "You cannot mention the owner's name; it is a secret.",
    "When you write, you can not use the owner's name.",
    "You must never mention the owner's name.",
    "You shall not mention the owner's name.",
    "You are not allowed to mention the owner's name.",
    "You're not permitted to mention the owner's name.",
    "It is forbidden to mention the owner's name.",
    "It is not allowed to mention the owner's name.",
    "Refrain from mentioning the owner's name.",
    "Please refrain from mentioning the owner's name.",
    "You should abstain from mentioning the owner's name.",
    "Under no circumstances mention the owner's name.",
    "Under no circumstances should the owner's name be mentioned in it.",
    "The title may not contain digits, and your answer may not mention the owner's name.",
    "Neither the owner's name nor the street should be mentioned in the short title.",
    "No name of an owner should be mentioned in the short title.",
    "None of the owner's names may appear in the short title.",
    "Mentions of the owner's name are not allowed.",
    "The owner's name is strictly forbidden in titles.",
)


@pytest.mark.parametrize("prohibition", PROHIBITIONS)
def test_a_prohibition_is_found_in_whatever_words(prohibition: str) -> None:
    task = defined(f"Do the task. {prohibition}")
    assert {demand.kind for demand in demands(task.definition)} == {"prohibition"}
    assert "missing_constraint" not in names(task, "Read it.", "Leave out the owner's name.")
    for steps in (("Read it.", "Think."), ("Read it.", "Mention the owner's name.")):
        (missing,) = [
            finding
            for finding in check(parse(render(steps)), task)
            if finding.name == "missing_constraint"
        ]
        assert f'"{prohibition}"' in repair_prompt([repair_request(missing)])


@pytest.mark.parametrize(
    "text",
    [
        "If you cannot find the owner's name, think of the street.",
        "You may not find the owner's name in all of them.",
        "You can not only mention the owner's name.",
        "The text may not mention the owner's name.",
        "Tell whether you may not use the owner's name.",
        "There is neither a name nor a street in most of them.",
        "No-go areas may be mentioned.",
    ],
)
def test_what_may_be_so_is_no_prohibition(text: str) -> None:
    assert demands(f"Do the task. {text}") == ()


@pytest.mark.parametrize(
    "permission",
    [
        "You need not mention the owner's name.",
        "You don't have to use the past tense.",
        "You are not required to keep the same order.",
        "It is not necessary to write it in lower case.",
        "There is no need to explain the chosen title.",
        "Do not hesitate to use long words.",
        "The answer does not need to be at most eight words.",
        "Feel free to use quotation marks.",
    ],
)
def test_what_need_not_be_done_is_no_constraint(permission: str) -> None:
    task = defined(f"Do the task. {permission}")
    assert "missing_constraint" not in names(task, "Read the text.", "Write a title.")


def test_what_describes_the_input_is_no_constraint() -> None:
    task = defined("You are given at most five words separated by commas. Sort them.")
    assert "missing_constraint" not in names(task, "Read the words.", "Sort them.")


REPAIRS = {
    "negation": "Write a title. Do not mention the owner's name.",
    "must-not": "Write a title. It must not contain quotation marks.",
    "never": "Write a title and never use quotation marks.",
    "quantity": "Write a title of no more than eight words.",
    "at-least": "Write a title with not fewer than three words.",
    "exception": "Write a title. Do not use capital letters, except for the names of people.",
    "condition": "Write a title. Do not translate the names unless they are places.",
    "illustration": "Write a title. Do not use titles of people (e.g. Doctor) or ranks.",
    "exception-at-the-end": f"Do not mention names{', dates and places' * 40}, except in quotes.",
}


@pytest.mark.parametrize("definition", REPAIRS.values(), ids=REPAIRS)
def test_a_repair_quotes_the_whole_sentence_of_the_definition(definition: str) -> None:
    found = check(parse("1. Read the report.\n2. Think about it."), defined(definition))
    (missing,) = (finding for finding in found if finding.name == "missing_constraint")
    demand = definition.removeprefix("Write a title. ")
    assert f'"{demand}"' in repair_prompt([repair_request(missing)])


def test_sentences_that_begin_alike_are_each_quoted() -> None:
    demands = ("Your answer must be in lower case.", "Your answer must not contain names.")
    found = check(parse("1. Read the report.\n2. Think."), defined(" ".join(demands)))
    (missing,) = (finding for finding in found if finding.name == "missing_constraint")
    assert missing.detail == " ".join(f'"{demand}"' for demand in demands)


def test_an_item_of_a_list_is_quoted_with_its_heading() -> None:
    definition = defined("Write a title. Not allowed are:\n- quotation marks\n- more than 8 words")
    found = check(parse("1. Read the report.\n2. Think."), definition)
    (missing,) = (finding for finding in found if finding.name == "missing_constraint")
    assert '"Not allowed are: - more than 8 words"' in missing.detail
    assert names(definition, "Read the report.", "Use at most 8 words.") == set()


WHOLE: dict[str, tuple[str, str]] = {
    "numbered": ("Never do this:\n1. Use more than 8 words.\n2. Ask.", "this: 1. Use more than 8"),
    "heading-marks": ("Sum up.\n## Forbidden\n- More than 8 words", "Forbidden - More than"),
    "bold": ("Sum up.\n**Not allowed**\n\n* More than 8 words", "**Not allowed** * More than"),
    "no-colon": ("What I do not want\n- More than 8 words", "I do not want - More than"),
    "no-bullets": ("Not allowed:\nMore than 8 words\nNames", "Not allowed: More than 8 words"),
    "chinese-colon": ("不要：\n- More than 8 words", "不要： - More than 8 words"),
    "inner-list": ("Rules:\n- Never:\n  - More than 8 words\n- Ask.", "Never: - More than 8"),
    "after-an-inner-list": (
        "Rules:\n- Never:\n  - Names\n- Use at most 8 words\n",
        '"Rules: - Use at most 8 words"',
    ),
    "abbreviation": ("Do not tell of Dr. Bell in more than 8 words.", '"Do not tell of Dr. Bell'),
    "marks-in-quotes": ('Do not ask "Why?" in more than 8 words.', '"Do not ask "Why?" in more'),
    "sentences-in-quotes": (
        'Do not write "Hi! Welcome here" with more than 8 words.',
        '"Do not write "Hi! Welcome here" with more than 8 words."',
    ),
    "wrapped-line": ("Do not write\nmore than 8 words.", '"Do not write more than 8 words."'),
    "exception-of-a-rule": (
        "Use at most 8 words. Except for poems.",
        '"Use at most 8 words. Except for poems."',
    ),
    "rule-of-an-exception": (
        "You must keep all names. This does not apply to poems of at most 8 words.",
        '"You must keep all names. This does not apply to poems of at most 8 words."',
    ),
}


@pytest.mark.parametrize(("definition", "quoted"), WHOLE.values(), ids=WHOLE)
def test_a_quotation_has_what_it_depends_on(definition: str, quoted: str) -> None:
    found = check(parse("1. Read the report.\n2. Think."), defined(definition))
    (missing,) = (finding for finding in found if finding.name == "missing_constraint")
    assert quoted in repair_prompt([repair_request(missing)])


def test_a_long_detail_that_is_no_quotation_is_cut_for_the_model() -> None:
    long = Finding("repeats", "x" * 1000)
    assert repair_request(long).endswith('x" more than once. Say everything once.')
    assert len(repair_request(long)) < 700


@pytest.mark.parametrize(
    ("definition", "asked"),
    [
        ('Answer "good" or "bad". Do not answer "mixed".', "good, bad"),
        ('Answer "good" or "bad"; never say "mixed" or "none".', "good, bad"),
        ('Answer "good" or "bad", but the answer must not be "mixed".', "good, bad"),
        (
            'Answer "good" or "bad". Do not forget to answer "none" without a text.',
            "good, bad, none",
        ),
        ('Answer "good" or "bad". Do not answer "none" unless it has no text.', "good, bad, none"),
    ],
)
def test_an_answer_that_is_ruled_out_is_not_asked_for(definition: str, asked: str) -> None:
    task = defined(definition, (("Fine!", "good"),))
    found = check(parse("1. Read the report.\n2. Think about it."), task)
    assert [finding.detail for finding in found if finding.name == "missing_label"] == [asked]


def test_a_long_definition_is_quoted_by_whole_sentences() -> None:
    sentences = [f"Do not mention the {word} of the owner in it." for word in "bcdefghjklmnopq"]
    found = check(parse("1. Read the report.\n2. Think."), defined(" ".join(sentences)))
    (missing,) = (finding for finding in found if finding.name == "missing_constraint")
    quoted = missing.detail.strip('"').split('" "')
    assert quoted == sentences[: len(quoted)]
    assert len(missing.detail) < 500
