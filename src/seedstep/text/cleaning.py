r"""Read what a reply contains, find the talk around it, and write Markdown.

`answer` separates a reply from the model's thoughts and fences, `loops` finds those that repeat
themselves. `talk_around` finds what models write around an answer: explanations, and words to who
asked. An answer may have both: an explanation that is asked for, or the last words of a letter. So
what is found is named, and never cut off.

Example::

    >>> print(markdown_table(("name", "score"), [("a_b", "41.2")], right=(False, True)), end="")
    | name | score |
    | --- | ---: |
    | a\_b | 41.2 |
    >>> talk_around("Lima\n\nLet me know if you need more!", "Name the capital of Peru.")
    'Let me know if you need more!'
    >>> talk_around("No\nExplanation: It is odd.", "Is it even? Explain your answer.")
    ''
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from seedstep.lazy import late_pattern
from seedstep.text.characters import one_line, plain_text, single_spaced
from seedstep.text.thoughts import split_thoughts
from seedstep.text.tokens import unicode_tokens

__all__ = [
    "answer",
    "as_entities",
    "escaped",
    "json_fields",
    "json_list",
    "json_object",
    "loops",
    "markdown_table",
    "talk_around",
    "without_talk_of_examples",
]

_FENCE = re.compile(r"\A\s*```\w*\n(?P<body>.*?)\n?(?:```\s*)?\Z", re.DOTALL)


def answer(text: str) -> str:
    """Return what a reply says: without a reasoning model's thoughts, and without a fence.

    Example::

        >>> answer("<think>Easy.</think>```\\n42\\n```")
        '42'
    """
    said, _ = split_thoughts(plain_text(text))
    fenced = _FENCE.match(said)
    return fenced["body"] if fenced else said


def json_object(text: str) -> dict[str, Any] | None:
    """Parse a text as a JSON object; return None if it is none, or has a name twice."""
    try:
        record = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def json_fields(text: str, names: Collection[str]) -> dict[str, Any]:
    """Return these fields of the JSON object in a text that has any of them; empty if none has.

    The text is also without them where another object in it says otherwise.
    """
    decoder, found, start = json.JSONDecoder(), list[dict[str, Any]](), text.find("{")
    while start >= 0:
        try:
            _, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        held = json_object(text[start:end])
        if held and set(names) & set(held):
            found.append({name: held.get(name) for name in names})
        start = text.find("{", end)
    return found[0] if found and all(each == found[0] for each in found) else {}


def json_list(text: str, field: str, item: str) -> tuple[list[Any], str] | None:
    """Return the list `field` of a JSON object, or a list whose items start with `item`.

    If the reply was cut, or is no JSON from some place on, the items before that are returned, and
    the text from there on; it is empty where the list ends.
    """
    opening = re.search(rf'"{field}"\s*+:\s*+\[|\A\s*+\[(?=\s*+{re.escape(item)})', text)
    if opening is None:
        return None
    decoder, separator = json.JSONDecoder(strict=False), re.compile(r"[,\s]*+")
    values: list[Any] = []
    place = opening.end()
    while True:
        begin = separator.match(text, place)
        assert begin
        try:
            value, place = decoder.raw_decode(text, begin.end())
        except (ValueError, RecursionError):
            return values, "" if text.startswith("]", begin.end()) else text[begin.end() :]
        values.append(value)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a name stands twice")
    return record


NGRAM = 3
LOOP_WORDS = 24
LOOP_SHARE = 0.5
"""A text of at least 24 words loops if fewer than half of its word trigrams are distinct."""


def loops(text: str) -> bool:
    """Return whether a text repeats the same words over and over."""
    words = unicode_tokens(text)
    if len(words) < LOOP_WORDS:
        return False
    ngrams = list(zip(*(words[start:] for start in range(NGRAM)), strict=False))
    return len(set(ngrams)) < LOOP_SHARE * len(ngrams)


_IN_TABLES = re.compile(r"[\\`*_<>#|~]|(?<=\])\(")
"""Markup in seedstep's own texts, which contain names. A parenthesis counts if it makes a link."""

_ANYWHERE = re.compile(r"[\\`*_{}\[\]<>()#!|~&:@$]")
"""All markup of Markdown and of the hub's dialects, with mentions, emoji and formulas."""

_IN_HTML = re.compile(r"[<>&|`\\[\]*_~#]")


def escaped(text: str, *, all_markup: bool = False) -> str:
    """Return a text on one line, with a backslash before what could be markup.

    `all_markup`, for texts that are entirely from data, also escapes dialects of Markdown.
    """
    return (_ANYWHERE if all_markup else _IN_TABLES).sub(r"\\\g<0>", one_line(text))


def as_entities(text: str) -> str:
    """Return a text on one line, with an HTML entity for what could be markup."""
    return _IN_HTML.sub(lambda found: f"&#{ord(found[0])};", single_spaced(one_line(text)))


def markdown_table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    cell: Callable[[object], str] = lambda value: escaped(str(value)),
    right: Sequence[bool] = (),
    rule: str | None = None,
) -> str:
    """Return a table, each line with its end.

    `cell` makes a value a text without markup. Columns that are `right` are aligned there. `rule`
    is the line below the head, where it is not the usual one.
    """
    marks = ["---:" if is_right else "---" for is_right in right] or ["---"] * len(head)
    lines = [_line(map(cell, head)), rule or _line(marks)]
    lines += [_line(map(cell, row)) for row in rows]
    return "".join(f"{line}\n" for line in lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


_LONGEST_QUOTE = 100

_WITH_TAILS = {
    r"(?:I )?hope\b": r" (?:this|that|these|it)\b.{0,40}\bhelp",
    r"if you (?:need|have|want|would like|{a}d like)\b": (
        r".{0,60}\b(?:let me|ask|I can|help|know)"
    ),
    r"these\b": r" (?:are|were) (?:just |only )?(?:a few|some)\b",
}
"""Openings that speak to who asked only if they go on so, or speak of examples."""

_OPENINGS = (
    *("let me know", "feel free to", "(?:do not|don{a}t) hesitate", "sag mir", "avísame"),
    r"(?:would|do) you (?:like|want|need)\b",
    r"(?:is there anything else|I (?:can|could) also)\b",
    *("lass(?:en Sie)? mich wissen", "ich hoffe,? (?:das|dies)", "j{a}espère que (?:cela|ça)"),
    *("n{a}hésite", "¡?espero que (?:esto|te|le|isto|isso)", "no dudes", "spero che (?:questo|ti)"),
    *("fammi sapere", "надеюсь,? (?:это|что)", "дайте знать", "希望(?:这|這|能|对|對)"),
    *("如果(?:你|您)(?:需要|还|還|有)", "如有(?:其他|任何)", "何か(?:他|ご)", "他に(?:何|ご)"),
    *("도움이 되", "더 필요", "bei (?:weiteren )?fragen", "haben sie (?:noch|weitere) fragen"),
    *("ご不明な点", "请告诉我是否", r"(?:these|the above) (?=(?:\w+ )?examples?\b)"),
    *(r"end of (?=(?:the )?examples?\b)", r"here are (?:some|a few) more (?=examples?\b)"),
)


def _opens(*openings: str) -> str:
    """Return a pattern for the beginning of a paragraph."""
    found = rf"(?:[-*•] )?(?:\*\*|[*_(\[])?(?:(?:please|and|also|but),? )?(?:{'|'.join(openings)})"
    return found.replace("{a}", "['\u2019]")


_TO_WHO_ASKED = late_pattern(
    _opens(*_OPENINGS, *(opening + tail for opening, tail in _WITH_TAILS.items())), re.IGNORECASE
)
"""The beginning of a paragraph that speaks to who asked."""

_AT_ITS_END = late_pattern(
    _opens(
        *(r"let me know if you (?:need|have|want|would)\b", r"feel free to (?:ask|reach out)\b"),
        *(r"(?:I )?hope (?:this|that|it) helps\b", r"is there anything else I can\b"),
    )
    + r"[^\n]{0,80}\Z",
    re.IGNORECASE,
)
_PARTS = late_pattern(r"\n|[.!?)\]\"\u201d][ ]+|[ ](?=\()")
"""The last sentence of a text that speaks to who asked, and where it may begin."""

_BEFORE = late_pattern(
    r"(?:sure|certainly|of course|absolutely)[!,.][^\n]{0,80}[:：][*]{0,2}\s*\n", re.IGNORECASE
)
"""A first line that announces an answer."""

_ABOUT_EXAMPLES = late_pattern(
    rf"\n[ \t]*\n[^\w\n]{{0,3}}{_opens(*_OPENINGS, *_WITH_TAILS)}"
    r"[^\n]{0,80}\bexamples?\b[^\n]{0,80}\s*\Z",
    re.IGNORECASE,
)
"""A last paragraph of a reply that speaks of its examples."""

_PARAGRAPH_END = late_pattern(r"\n[ \t]*\n")

_LABELS = (
    *("(?:brief |short )?explanations?", "reasoning", "reasons?", "rationale", "justification"),
    *("notes?", "why", "erklärung", "begründung", "hinweis", "anmerkung", "explication"),
    *("remarque", "explicación", "razonamiento", "nota", "explicação", "spiegazione"),
    *(
        "объяснение",
        "пояснение",
        "примечание",
        "解释",
        "解釋",
        "解析",
        "说明",
        "說明",
        "理由",
        "注",
    ),
    *("説明", "解説", "설명", "이유", "شرح", "التفسير", "व्याख्या", "giải thích", "penjelasan"),
)
_EXPLAINS = late_pattern(
    rf"\S\s*\n[ \t]*(?:(?:[-*•(] ?)?(?:\*\*|[*_]|\#{{1,6}} )?(?:{'|'.join(_LABELS)})"
    rf"(?:\*\*|[*_])?[ ]?[:：]|(?:\*\*|\#{{1,6}} )(?:\*\*)?(?:{'|'.join(_LABELS[:5])})[ *]*$)",
    re.IGNORECASE | re.MULTILINE,
)
"""A later line with which an explanation of an answer begins."""

_ASKS_TO_EXPLAIN = late_pattern(
    r"expla|explic|reason|\bwhy\b|justif|rationale|because|\bnotes?\b|\bhow\b|\bsteps?\b|elaborat"
    r"|show (?:your|the) work|analy|describe|erklär|begründ|warum|pourquoi|por ?qu[eé]|razon|spieg"
    r"|perché|объясн|почему|解|说明|說明|理由|为什么|為什麼|説明|なぜ|설명|이유|왜|شرح|لماذا|व्याख्या"
    r"|क्यों|giải thích|tại sao|jelas",
    re.IGNORECASE,
)
_ASKS_FOR_A_MESSAGE = late_pattern(
    r"\b(?:letters?|e-?mails?|mails?|messages?|repl(?:y|ies)|respon[ds]e?s?|notes?|dialogues?"
    r"|conversations?|chat|posts?|tweets?|speech|scripts?|announcements?|invitations?|memos?"
    r"|reviews?|advertisements?|brief|nachricht|lettre|courriel|carta|correo|mensaje|mensagem"
    r"|lettera|messaggio|письмо|сообщение)\b"
    r"|邮件|郵件|信|消息|メール|手紙|メッセージ|이메일|편지|메시지",
    re.IGNORECASE,
)


def without_talk_of_examples(reply: str) -> str:
    """Return a reply with examples, without a last paragraph about them, which is part of none."""
    return _ABOUT_EXAMPLES.sub("", reply)


def talk_around(text: str, instruction: str) -> str:
    """Return the beginning of what stands around an answer and may be no part of it, or nothing.

    That is a line that begins an explanation in the last paragraph, if the instruction does not ask
    for one, and a first line or a last paragraph or sentence that speaks to who asked, if it does
    not ask for a message.
    """
    above, _, line = text.rstrip().rpartition("\n")
    if not _ASKS_FOR_A_MESSAGE.search(instruction):
        is_paragraph = not above.rpartition("\n")[2].strip() and bool(above.strip())
        if is_paragraph and _TO_WHO_ASKED.match(line):
            return line[:_LONGEST_QUOTE]
        if talk := _BEFORE.match(text) or _at_its_end(text.rstrip()):
            return talk[0].strip()[:_LONGEST_QUOTE]
    found = [*_EXPLAINS.finditer(text)]
    if len(found) != 1 or _ASKS_TO_EXPLAIN.search(instruction):  # several are parts of a whole
        return ""
    explanation = text[found[0].start() + 1 :].strip()
    return "" if _PARAGRAPH_END.search(explanation) else explanation[:_LONGEST_QUOTE]


def _at_its_end(text: str) -> re.Match[str] | None:
    """Return the last sentence of a text, if it speaks to who asked and is not all of it."""
    start = max(0, len(text) - 2 * _LONGEST_QUOTE)
    for part in _PARTS.finditer(text, start):
        if part.start() and (found := _AT_ITS_END.match(text, part.end())):
            return found
    return None
