"""Model replies to steps, and steps to text and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.steps import REASONS, canonical, parse, render

TOPIC = ("Read the article.", "Find its main subject.", "Output one topic.")
MOOD = ("Read the review.", 'Output "good" or "bad".')

PROCEDURES: dict[str, tuple[str, tuple[str, ...]]] = {
    "dots": ("1. Read the article.\n2. Find its main subject.\n3. Output one topic.", TOPIC),
    "brackets": ("1) Read the article.\n2) Find its main subject.\n3) Output one topic.", TOPIC),
    "in-brackets": (
        "(1) Read the article.\n(2) Find its main subject.\n(3) Output one topic.",
        TOPIC,
    ),
    "square-brackets": ('[1] Read the review.\n[2] Output "good" or "bad".', MOOD),
    "dots-and-brackets": ('1.) Read the review.\n2.) Output "good" or "bad".', MOOD),
    "escaped-dots": ('1\\. Read the review.\n2\\. Output "good" or "bad".', MOOD),
    "colons": ("1: Read the article.\n2: Find its main subject.\n3: Output one topic.", TOPIC),
    "dashes-after-numbers": (
        "1 - Read the article.\n2 - Find its main subject.\n3 - Output one topic.",
        TOPIC,
    ),
    "no-space": ("1.Read the article.\n2.Find its main subject.\n3.Output one topic.", TOPIC),
    "step-n-colon": ('Step 1: Read the review.\nStep 2: Output "good" or "bad".', MOOD),
    "step-n-dash": ('Step 1 - Read the review.\nStep 2 – Output "good" or "bad".', MOOD),
    "step-n-dot": ('STEP 1. Read the review.\nSTEP 2. Output "good" or "bad".', MOOD),
    "step-with-word": ('Step one: Read the review.\nStep Two: Output "good" or "bad".', MOOD),
    "bold-label": (
        '**Step 1:** Read the review.\n**Step 2:** Output "good" or "bad".',
        MOOD,
    ),
    "bold-label-colon-outside": (
        '**Step 1**: Read the review.\n**Step 2**: Output "good" or "bad".',
        MOOD,
    ),
    "bold-number": ('**1.** Read the review.\n**2.** Output "good" or "bad".', MOOD),
    "bold-whole-line": ('**1. Read the review.**\n**2. Output "good" or "bad".**', MOOD),
    "bold-title": (
        "1. **Read:** Go through the review.\n2. **Decide:** Output the mood.",
        ("Read: Go through the review.", "Decide: Output the mood."),
    ),
    "bold-label-and-title": (
        "**Step 1: Read** Go through the review.\n**Step 2: Decide** Output the mood.",
        ("Read Go through the review.", "Decide Output the mood."),
    ),
    "bold-inside-stays": (
        "1. Find the word between ** **.\n2. Output **only** the word.",
        ("Find the word between ** **.", "Output **only** the word."),
    ),
    "headings": (
        '### Step 1: Read the review.\n\n### Step 2: Output "good" or "bad".\n',
        MOOD,
    ),
    "headings-with-text": (
        "### Step 1: Read\n\nGo through the review.\n\n### Step 2: Decide\n\nOutput the mood.\n\n"
        "I hope this helps!",
        ("Read\nGo through the review.", "Decide\nOutput the mood."),
    ),
    "heading-on-its-own-line": (
        "Step 1\nGo through the review.\n\nStep 2\nOutput the mood.",
        ("Go through the review.", "Output the mood."),
    ),
    "numbered-headings": (
        "## 1. Read\nGo through the review.\n## 2. Decide\nOutput the mood.",
        ("Read\nGo through the review.", "Decide\nOutput the mood."),
    ),
    "rules-between": (
        '**Step 1:** Read the review.\n\n---\n\n**Step 2:** Output "good" or "bad".\n\n---\n\nBye',
        MOOD,
    ),
    "number-and-label": (
        '1. Step 1: Read the review.\n2. Step 2: Output "good" or "bad".',
        MOOD,
    ),
    "bulleted-labels": (
        '- Step 1: Read the review.\n- Step 2: Output "good" or "bad".',
        MOOD,
    ),
    "hyphens": ('- Read the review.\n- Output "good" or "bad".', MOOD),
    "asterisks": ('* Read the review.\n* Output "good" or "bad".', MOOD),
    "bullets": ('• Read the review.\n•Output "good" or "bad".', MOOD),
    "bullets-with-bold": ('- **Read** the review.\n- **Output** "good" or "bad".', MOOD),
    "sub-bullets": (
        "1. Read the list.\n   - Look at its length.\n   - Look at its order.\n2. Sort it.",
        ("Read the list.\n- Look at its length.\n- Look at its order.", "Sort it."),
    ),
    "sub-bullets-not-indented": (
        "1. Read the list.\n- Look at its length.\n* Look at its order.\n2. Sort it.\n- by size",
        ("Read the list.\n- Look at its length.\n* Look at its order.", "Sort it.\n- by size"),
    ),
    "sub-letters": (
        "1. Choose:\na. cats, if it purrs\nb. dogs, if it barks\n2. Output:\na) the choice",
        ("Choose:\na. cats, if it purrs\nb. dogs, if it barks", "Output:\na) the choice"),
    ),
    "sub-numbers": (
        "1. Read.\n  1. Find names.\n  2. Find dates.\n2. Output both.",
        ("Read.\n1. Find names.\n2. Find dates.", "Output both."),
    ),
    "decimal-sub-numbers": (
        "1. Read.\n1.1 Find names.\n1.2 Find dates.\n2. Output both.",
        ("Read.\n1.1 Find names.\n1.2 Find dates.", "Output both."),
    ),
    "other-sub-numbers": (
        "1. Read.\n(1) Find names.\n(2) Find dates.\n2. Output both.",
        ("Read.\n(1) Find names.\n(2) Find dates.", "Output both."),
    ),
    "numbers-under-steps": (
        "Step 1: Read.\n1. Find names.\n2. Find dates.\nStep 2: Output both.",
        ("Read.\n1. Find names.\n2. Find dates.", "Output both."),
    ),
    "numbers-under-bullets": (
        "- Read.\n  1. Find names.\n  2. Find dates.\n- Output both.",
        ("Read.\n1. Find names.\n2. Find dates.", "Output both."),
    ),
    "bullets-under-bullets": (
        "- Read.\n  - Find names.\n- Output them.",
        ("Read.\n- Find names.", "Output them."),
    ),
    "bullets-under-a-title": (
        "1. Sentiment Analysis\n- Read the review.\n- Output the mood.",
        ("Read the review.", "Output the mood."),
    ),
    "several-lines": (
        "1. Read the question.\n   It may be long.\n2. Answer it.\n   Use one word.",
        ("Read the question.\nIt may be long.", "Answer it.\nUse one word."),
    ),
    "several-lines-not-indented": (
        "1. Read the question.\nIt may be long.\n2. Answer it.\nUse one word.",
        ("Read the question.\nIt may be long.", "Answer it.\nUse one word."),
    ),
    "broken-lines": (
        "1. Read the question, which\nmay be long.\n2. Answer it with\none word.",
        ("Read the question, which may be long.", "Answer it with one word."),
    ),
    "labels-below-the-last-step": (
        "1. Read the tweet.\n2. Output one of these:\nHate\nNo hate",
        ("Read the tweet.", "Output one of these:\nHate\nNo hate"),
    ),
    "code-in-a-step": (
        "1. Read the list.\n2. Write it like this:\n```\n[1, 2]\n```",
        ("Read the list.", "Write it like this:\n```\n[1, 2]\n```"),
    ),
    "blank-lines": (
        "1. Read the article.\n\n2. Find its main subject.\n\n\n3. Output one topic.\n\n",
        TOPIC,
    ),
    "blank-lines-and-sub-bullets": (
        "1. Read.\n\n   - Find names.\n\n2. Output.\n\n   - Only names.\n",
        ("Read.\n- Find names.", "Output.\n- Only names."),
    ),
    "preamble": ('Sure! Here is one:\n\n1. Read the review.\n2. Output "good" or "bad".', MOOD),
    "preamble-title": (
        'Step-by-Step Instruction:\n1. Read the review.\n2. Output "good" or "bad".',
        MOOD,
    ),
    "preamble-on-the-line": (
        'Here you go: 1. Read the review. 2. Output "good" or "bad".',
        MOOD,
    ),
    "epilogue": ('1. Read the review.\n2. Output "good" or "bad".\n\nLet me know!', MOOD),
    "epilogue-without-blank-line": (
        '1. Read the review.\n2. Output "good" or "bad".\nI hope this helps.',
        MOOD,
    ),
    "epilogue-of-another-kind": (
        '1. Read the review.\n2. Output "good" or "bad".\nHave a nice day.',
        MOOD,
    ),
    "note": (
        '1. Read the review.\n2. Output "good" or "bad".\n\nNote: Use lower case.\n- Always.',
        MOOD,
    ),
    "bulleted-note": (
        '1. Read the review.\n2. Output "good" or "bad".\n- Note: use lower case.',
        MOOD,
    ),
    "bold-note": ('1. Read the review.\n2. Output "good" or "bad".\n**Note:** No talk.', MOOD),
    "fence": ('```\n1. Read the review.\n2. Output "good" or "bad".\n```', MOOD),
    "fence-with-language": (
        '```markdown\n1. Read the review.\n2. Output "good" or "bad".\n```',
        MOOD,
    ),
    "fence-between-talk": (
        'Sure:\n```\n1. Read the review.\n2. Output "good" or "bad".\n```\nBye!',
        MOOD,
    ),
    "fence-then-talk": (
        '```\n1. Read the review.\n2. Output "good" or "bad".\n```\nBye!',
        MOOD,
    ),
    "fence-not-closed": ('```\n1. Read the review.\n2. Output "good" or "bad".', MOOD),
    "one-line": (
        "1. Read the article. 2. Find its main subject. 3. Output one topic.",
        TOPIC,
    ),
    "one-line-without-full-stops": (
        "1. Read the article 2. Find its subject 3. Output it",
        ("Read the article", "Find its subject", "Output it"),
    ),
    "one-line-brackets": (
        "1) Read the article. 2) Find its main subject. 3) Output one topic.",
        TOPIC,
    ),
    "one-line-steps": ('Step 1: Read the review. Step 2: Output "good" or "bad".', MOOD),
    "one-line-and-talk": (
        'Sure.\n\n1. Read the review. 2. Output "good" or "bad".\n\nBye!',
        MOOD,
    ),
    "numbers-restart": (
        "1. Read the article.\n2. Find its main subject.\n1. Output one topic.",
        TOPIC,
    ),
    "all-ones": ("1. Read the article.\n1. Find its main subject.\n1. Output one topic.", TOPIC),
    "from-zero": ("0. Read the article.\n1. Find its main subject.\n2. Output one topic.", TOPIC),
    "from-two": ("2. Read the article.\n3. Find its main subject.\n4. Output one topic.", TOPIC),
    "skips": ("1. Read the article.\n3. Find its main subject.\n6. Output one topic.", TOPIC),
    "many": (
        "\n".join(f"{n}. Do part {n}." for n in range(1, 13)),
        tuple(f"Do part {n}." for n in range(1, 13)),
    ),
    "sections": (
        "## Preparation\n1. Read.\n2. Mark names.\n\n## Decision\n1. Count them.\n2. Output.",
        ("Read.", "Mark names.", "Count them.", "Output."),
    ),
    "bold-sections": (
        "**Preparation**\n1. Read.\n2. Mark names.\n\n**Decision**\n3. Count them.\n4. Output.",
        ("Read.", "Mark names.", "Count them.", "Output."),
    ),
    "plain-sections": (
        "Preparation:\n1. Read.\n2. Mark names.\n\nDecision:\n3. Count them.\n4. Output.",
        ("Read.", "Mark names.", "Count them.", "Output."),
    ),
    "full-width-digits": ("１．記事を読む。\n２．話題を書く。", ("記事を読む。", "話題を書く。")),
    "ideographic-comma": ("1、阅读评论。\n2、输出标签。", ("阅读评论。", "输出标签。")),
    "ideographic-one-line": (
        "1、阅读评论；2、判断情绪；3、输出标签。",
        ("阅读评论；", "判断情绪；", "输出标签。"),
    ),
    "chinese-steps": ("第一步：阅读评论。\n第二步：输出标签。", ("阅读评论。", "输出标签。")),
    "chinese-labels": ("步骤1：阅读评论。\n步骤2：输出标签。", ("阅读评论。", "输出标签。")),
    "japanese-labels": ("手順1：読む。\n手順2：書く。", ("読む。", "書く。")),
    "korean-labels": ("1단계: 글을 읽는다.\n2단계: 주제를 쓴다.", ("글을 읽는다.", "주제를 쓴다.")),
    "german-labels": (
        "Schritt 1: Lies den Text.\nSchritt 2: Nenne das Thema.",
        ("Lies den Text.", "Nenne das Thema."),
    ),
    "french-labels": (
        "Étape 1 : Lisez le texte.\nÉtape 2 : Donnez le sujet.",
        ("Lisez le texte.", "Donnez le sujet."),
    ),
    "russian-labels": ("Шаг 1. Прочитай.\nШаг 2. Ответь.", ("Прочитай.", "Ответь.")),
    "arabic-digits": ("١. اقرأ النص.\n٢. اكتب الموضوع.", ("اقرأ النص.", "اكتب الموضوع.")),
    "keycaps": ("1️⃣ Read it.\n2️⃣ Say it.", ("Read it.", "Say it.")),
    "tabs": ("1.\tRead\tit.\n\t- twice\n2.\tSay it.", ("Read it.\n- twice", "Say it.")),
    "indented": ("   1. Read it.\n   2. Say it.", ("Read it.", "Say it.")),
    "indented-but-for-the-first": ("1. Read it.\n 2. Say it.", ("Read it.", "Say it.")),
    "crlf": ("1. Read it.\r\n2. Say it.\r\n", ("Read it.", "Say it.")),
    "cr": ("1. Read it.\r2. Say it.", ("Read it.", "Say it.")),
    "byte-order-mark": ("\ufeff1. Read it.\n2. Say it.", ("Read it.", "Say it.")),
    "no-break-space": ("1.\xa0Read\xa0it.\n2.\xa0Say it.", ("Read it.", "Say it.")),
    "control": ("1. Read\x00 it\x1b.\n2. Say\x7f it.", ("Read it.", "Say it.")),
    "lone-surrogate": ("1. Read\ud800 it.\n2. Say it.", ("Read it.", "Say it.")),
    "thoughts": ("<think>1. Hm.\n2. So?</think>\n1. Read it.\n2. Say it.", ("Read it.", "Say it.")),
    "two-versions": (
        "Initial instruction:\n1. Read all.\n2. Loop.\n3. Stop.\n\n"
        "Refined instruction:\n1. Read it.\n2. Say it.",
        ("Read it.", "Say it."),
    ),
    "two-versions-of-two-kinds": (
        "Step 1: Read all.\nStep 2: Loop.\n\n**Updated version:**\n\n1. Read it.\n2. Say it.",
        ("Read it.", "Say it."),
    ),
    "second-version-is-no-list": (
        "1. Read it.\n2. Say it.\n\nRefined instruction:\n1. Read it and say it.",
        ("Read it.", "Say it."),
    ),
    "versions-in-bullets": (
        "- Read all.\n- Loop.\n\nHere is the revised version:\n- Read it.\n- Say it.",
        ("Read it.", "Say it."),
    ),
    "number-without-text": ("1. Read it.\n2. Say it.\n3.", ("Read it.", "Say it.")),
    "empty-step": ("1. Read it.\n2.\n3. Say it.", ("Read it.", "Say it.")),
    "third-place": (
        "1. Find who came in 2. Place or in 3. place.\n2. Output the name.",
        ("Find who came in 2. Place or in 3. place.", "Output the name."),
    ),
    "chess-move": (
        "1. Read the game, e.g. 1. e4 e5 2. Nf3.\n2. Name the opening.",
        ("Read the game, e.g. 1. e4 e5 2. Nf3.", "Name the opening."),
    ),
    "move-at-the-start": ("1. 1. e4 is a move.\n2. Say so.", ("1. e4 is a move.", "Say so.")),
    "decimals": (
        "1. Give\n   2.5 points for each name.\n2. Give 0.5 points for each date.",
        ("Give\n2.5 points for each name.", "Give 0.5 points for each date."),
    ),
    "date-on-a-line": (
        "1. Find the date, for instance\n12. May\n2. Write it as a number.",
        ("Find the date, for instance\n12. May", "Write it as a number."),
    ),
    "year-on-a-line": (
        "1. Find out what happened in\n2019. Use one sentence.\n2. Output it.",
        ("Find out what happened in\n2019. Use one sentence.", "Output it."),
    ),
    "time-and-ratio": (
        "1. Change 12:30 to 1:30.\n2. Output 3:1 as 3 to 1.",
        ("Change 12:30 to 1:30.", "Output 3:1 as 3 to 1."),
    ),
    "markup-stays": (
        "1. Keep <b> and [red]&amp;[/red].\n2. Keep {name} and \\n.",
        ("Keep <b> and [red]&amp;[/red].", "Keep {name} and \\n."),
    ),
}


@pytest.mark.parametrize(("reply", "steps"), PROCEDURES.values(), ids=PROCEDURES)
def test_the_steps_of_a_reply(reply: str, steps: tuple[str, ...]) -> None:
    found = parse(reply)
    assert (found.steps, found.reason) == (steps, "")
    assert parse(render(found.steps)).steps == found.steps


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


def test_the_form_of_the_paper() -> None:
    steps = ("Read sentence 1 and sentence 2.", "Find:\n- names\n- dates", "Output them.")
    assert render(steps) == (
        "1. Read sentence 1 and sentence 2.\n2. Find:\n   - names\n   - dates\n3. Output them."
    )


def test_nothing_renders_to_nothing() -> None:
    assert render(()) == ""
    assert parse("").steps == ()


CANONICAL: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "white-space": ((" Read \t it. \n\n  Twice. ", "Say it."), ("Read it.\nTwice.", "Say it.")),
    "empty": (("Read it.", " ", "Say it."), ("Read it.", "Say it.")),
    "label": (("Step 3: Read it.", "**Step 4:** Say it."), ("Read it.", "Say it.")),
    "only-a-label": (("Step 1:\nRead it.", "Step 2:"), ("Read it.",)),
    "bold": (("**Read** it.", "Say **it**."), ("Read it.", "Say **it**.")),
    "control": (("Read\x00 it.\r\nTwice.", "Say\ud800 it."), ("Read it.\nTwice.", "Say it.")),
    "thoughts": (("Find </think> here.", "Say it."), ("Find here.", "Say it.")),
    "list-in-one-line": (("Read it. 2. Say it.\nNow.",), ("Read it.", "Say it.\nNow.")),
    "list-in-one-of-two": (("Read. 2. Say it.", "Go."), ("Read. 2. Say it.", "Go.")),
}


@pytest.mark.parametrize(("steps", "expected"), CANONICAL.values(), ids=CANONICAL)
def test_canonical(steps: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert canonical(steps) == expected


PIECES = st.sampled_from(
    [
        *(
            "1.",
            "2.",
            "3.",
            "2)",
            "(2)",
            "Step 2:",
            "step two -",
            "**Step 3**:",
            "**Step** 1:",
            "**",
        ),
        *(
            "- ",
            "* ",
            "• ",
            "a. ",
            "1.1 ",
            "#",
            "### ",
            "---",
            "```",
            "```json\n",
            "2.5",
            "12. May",
        ),
        *(" ", "  ", "    ", "\t", "\n", "\n\n", "\r\n", "\u2028", "\xa0", "\u3000", "\ufeff"),
        *("Read it.", "Compare", "say", "Note: x", "Let me know", "Refined instruction:", "Why?"),
        *("<think>", "</think>", "</thi", "nk>", '{"a": [', "Input: x", "Output: y", ":", "."),
        *("第一步：", "1、", "２．", "1단계: ", "1️⃣", "Étape 1 :", "读", "اقرأ", "\x00", "\ud800"),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join))
STEPS = st.lists(TEXTS.filter(lambda text: bool(text.strip())), max_size=8)


@given(STEPS)
def test_any_steps_made_canonical_survive(steps: list[str]) -> None:
    made = canonical(steps)
    assert parse(render(steps)).steps == made
    assert canonical(made) == made


@given(TEXTS)
def test_what_was_parsed_is_canonical(reply: str) -> None:
    found = parse(reply)
    assert canonical(found.steps) == found.steps
    assert parse(render(found.steps)).steps == found.steps
    assert render(parse(render(found.steps)).steps) == render(found.steps)


@given(TEXTS, st.booleans())
def test_a_reply_has_steps_or_a_reason(reply: str, cut: bool) -> None:
    found = parse(reply, cut=cut)
    assert len(found.steps) > 1 or found.reason
    assert not found.reason or found.reason in REASONS


@given(STEPS)
def test_talk_around_a_list_changes_no_step(steps: list[str]) -> None:
    made = canonical(steps)
    reply = f"Sure! Here you go:\n\n{render(made)}\n\nLet me know if anything is missing."
    if made:
        assert parse(reply).steps == made


PLAIN = st.text(st.characters(categories=["Ll", "Lu"]), min_size=1)


@given(st.lists(PLAIN, min_size=2, max_size=20), st.sampled_from("-*•."))
def test_plain_steps_survive_other_markers(steps: list[str], mark: str) -> None:
    signs = [f"{number}." if mark == "." else mark for number in range(1, len(steps) + 1)]
    reply = "\n".join(f"{sign} {step}" for sign, step in zip(signs, steps, strict=True))
    assert parse(reply).steps == tuple(steps)


MEGABYTE = 1_000_000

HOSTILE: dict[str, tuple[str, int, int]] = {
    "digits": ("7", 0, 0),
    "spaces": (" ", 0, 0),
    "blank-lines": ("\n", 0, 0),
    "numbers": ("1.", 0, 0),
    "numbers-and-spaces": ("1. ", 1, 1),
    "sub-numbers": ("1.1.", 0, 0),
    "stars": ("**", 0, 0),
    "labels": ("Step 2: **Step 3: ", 0, 0),
    "steps": ("1. Go.\n", MEGABYTE // 7, MEGABYTE // 7),
    "versions": ("Refined instruction:\n1. Go.\n2. Stop.\n", 2, 2),
    "thoughts": ("<think>", 0, 0),
    "brackets": ("[", 0, 0),
    "announcements": ("here are examples ", 0, 0),
}


@pytest.mark.parametrize(("piece", "least", "most"), HOSTILE.values(), ids=HOSTILE)
def test_a_megabyte_of_anything_is_read(piece: str, least: int, most: int) -> None:
    assert least <= len(parse(piece * (MEGABYTE // len(piece))).steps) <= most


@pytest.mark.parametrize(
    "piece", ["1.1.", "Step 2: **Step 3: ", "here ", "input: ", "2. Go ", "**a"]
)
def test_a_step_of_a_megabyte_is_read(piece: str) -> None:
    long = piece * (MEGABYTE // len(piece))
    found = parse(f"x {long}\n1. {long}\n2. Stop.\n\nx {long}")
    assert len(found.steps) == 2
    assert parse(render(found.steps)).steps == found.steps
