"""The steps of all the forms in which models write them."""

import pytest

from seedstep.steps import parse, render

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
    "sub-numbers-behind-tabs": (
        "1. Read.\n\t1. Find names.\n\t2. Find dates.\n2. Output both.",
        ("Read.\n1. Find names.\n2. Find dates.", "Output both."),
    ),
    "bullets-under-a-line": (
        "1. Choose.\nFollow the instruction:\n- cats\n- dogs\n2. Output it.",
        ("Choose.\nFollow the instruction:\n- cats\n- dogs", "Output it."),
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
    "fence-behind-several-lines": (
        "```\n1. Read it.\nIt may be long.\n2. Say it.\nUse one word.\n```\nBye!",
        ("Read it.\nIt may be long.", "Say it.\nUse one word."),
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
