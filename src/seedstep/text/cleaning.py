r"""Clean texts that users, models and servers wrote, and read what a reply contains.

One table says which characters are removed. `plain_text` cleans data that is kept, `visible` what
terminals and pages show, `one_line` cells, titles and names. `answer` separates a reply from the
model's thoughts, `is_refusal` finds replies that refuse, `loops` those that repeat themselves.

Example::

    >>> visible("red\x1b[31m")
    'red�[31m'
    >>> one_line("first\nsecond\u202e")
    'first second '
    >>> plain_text("first\r\nsecond\x00")
    'first\nsecond'
"""

import json
import re
from typing import Any

from seedstep.text.tokens import unicode_tokens

__all__ = [
    "THOUGHT_MARKS",
    "answer",
    "is_refusal",
    "is_thought_mark",
    "json_object",
    "loops",
    "mentions_refusal",
    "one_line",
    "opened_thoughts",
    "plain_text",
    "split_thoughts",
    "visible",
    "without_marks",
]

THOUGHT_MARKS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<analysis>", "</analysis>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<unused94>", "<unused95>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<mm:think>", "</mm:think>"),
    ("<antThinking>", "</antThinking>"),
    ("<think_fast>", "</think_fast>"),
    ("<reflection>", "</reflection>"),
    ("<cot>", "</cot>"),
    ("<|think|>", "<|/think|>"),
    ("<|thinking|>", "<|/thinking|>"),
)
"""The marks that open and close thoughts, as models write them; case does not matter."""

_FINAL = re.compile(
    r"<\|channel\|>\s*final\b(?:[^<]|<\|constrain\|>)*+<\|message\|>", re.IGNORECASE
)
_CHANNEL = re.compile(r"\s*(?:<\|start\|>\s*assistant\s*)?<\|channel\|>", re.IGNORECASE)
_CHANNEL_END = re.compile(r"<\|(?:return|end|call)\|>\s*\Z")
_CONTROL = re.compile(r"<\|[a-z_]+\|>", re.IGNORECASE)
_BARE_CHANNELS = re.compile(r"\A\s*analysis(?P<thoughts>.*?)assistantfinal", re.DOTALL)
"""The same channels, where a server left their marks out and their names in (gpt-oss)."""

_MARKS_OPEN = "|".join(f"({re.escape(opening)})" for opening, _ in THOUGHT_MARKS)
_OPENING = re.compile(rf"[\s\ufeff\u200b-\u200f\u2060]*+(?:{_MARKS_OPEN})", re.IGNORECASE)
_CLOSINGS = {
    number: re.compile(re.escape(closing), re.IGNORECASE)
    for number, (_, closing) in enumerate(THOUGHT_MARKS, start=1)
}
"""The closing mark for each group of `_OPENING`."""

_ANY_MARK = re.compile(
    "|".join(re.escape(mark) for pair in THOUGHT_MARKS for mark in pair), re.IGNORECASE
)


_FIRST_CHARACTERS = sorted({mark[0] for pair in THOUGHT_MARKS for mark in pair})
"""A text without any of them holds no mark. Most texts hold none, and are passed on at once."""


_CHANNEL_MARK = re.compile(r"<\|(?:start|channel|message)\|>", re.IGNORECASE)
_OPENED = re.compile(
    rf"(?:{'|'.join(re.escape(opening) for opening, _ in THOUGHT_MARKS)}"
    r"|<\|channel\|>\s*(?!final)\w+\s*<\|message\|>)\s*\Z",
    re.IGNORECASE,
)


def is_thought_mark(text: str) -> bool:
    """Whether a text is one of the marks that tell thoughts from what is said."""
    return bool(_ANY_MARK.fullmatch(text) or _CHANNEL_MARK.fullmatch(text))


def opened_thoughts(prompt: str) -> str:
    """The mark with which a prompt opens thoughts at its end; empty if it does not."""
    found = _OPENED.search(prompt)
    return found[0] if found else ""


def without_marks(text: str) -> str:
    """A text that holds no mark of thoughts: each is replaced by a space."""
    while _ANY_MARK.search(text):
        text = _ANY_MARK.sub(" ", text)
    return text


def split_thoughts(text: str) -> tuple[str, str]:
    """What a reply says, and the thoughts before that; a text without marks is unchanged.

    Where thoughts are opened and not closed, nothing is said. Where they are closed and not opened,
    as by models whose prompt opens them, all before the last closing mark is thought.
    """
    marked = any(character in text for character in _FIRST_CHARACTERS)
    if marked and _CHANNEL.match(text):
        return _split_channels(text)
    if bare := _BARE_CHANNELS.match(text):
        return text[bare.end() :].lstrip(), bare["thoughts"].strip()
    if not marked:
        return text, ""
    thoughts: list[str] = []
    place = 0
    while opened := _OPENING.match(text, place):
        closed = _CLOSINGS[opened.lastindex or 0].search(text, opened.end())
        thoughts.append(text[opened.end() : closed.start() if closed else None].strip())
        place = closed.end() if closed else len(text)
    if not thoughts and (closed := _closed(text)):
        thoughts.append(text[: closed.start()].strip())
        place = closed.end()
    return (text[place:].lstrip(), "\n".join(filter(None, thoughts))) if thoughts else (text, "")


def _closed(text: str) -> re.Match[str] | None:
    """The last closing mark of a kind whose opening mark does not stand before it."""
    for number, (opening, _) in enumerate(THOUGHT_MARKS, start=1):
        last = None
        for last in _CLOSINGS[number].finditer(text):  # noqa: B007 - the last one is wanted
            pass
        if last and not re.compile(re.escape(opening), re.IGNORECASE).search(text, 0, last.start()):
            return last
    return None


def _split_channels(text: str) -> tuple[str, str]:
    """The last message of the channel `final`, and all before it (gpt-oss)."""
    final = max(_FINAL.finditer(text), key=lambda found: found.end(), default=None)
    thought = text[: final.start()] if final else text
    said = text[final.end() :] if final else ""
    return _CHANNEL_END.sub("", said).strip(), _CONTROL.sub(" ", thought).strip()


CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f"
"""The control characters but tab and line feed. Some drive terminals."""

SURROGATES = "\ud800-\udfff"
"""Halves of characters, which can't be written to a file."""

MARKS = "\u061c\u200e\u200f"
"""Marks of direction, which act on the characters beside them."""

OVERRIDES = "\u202a-\u202e\u2066-\u2069"
"""Embeddings, overrides and isolates, which turn the text that follows them around."""

DIRECTION = MARKS + OVERRIDES
"""Unicode's property Bidi_Control."""

NONCHARACTERS = "\ufffe\uffff"
"""Code points that stand for no character and are not allowed in XML."""

LINE_BREAKS = "\t\n\u2028\u2029"
"""White space that ends a line or a cell."""

_NOT_TEXT = re.compile(f"[{CONTROL}{SURROGATES}]")
_NOT_SHOWN = re.compile(f"[{CONTROL}{SURROGATES}{DIRECTION}{NONCHARACTERS}]")
_NOT_SHOWN_TO_RATERS = re.compile(f"[{CONTROL}{SURROGATES}{OVERRIDES}{NONCHARACTERS}]")
_NOT_ON_A_LINE = re.compile(f"[{CONTROL}{SURROGATES}{DIRECTION}{NONCHARACTERS}{LINE_BREAKS}]+")


def plain_text(text: str) -> str:
    """Return a text without control characters and surrogates; lines end with a line feed.

    Marks of direction stay, since texts in Arabic and Hebrew need them.
    """
    return _NOT_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def visible(text: str, *, keep_marks: bool = False) -> str:
    """Return a text to show on several lines, a replacement character for each harmful one.

    `keep_marks` is for people who judge the text itself: marks of direction stay, which texts in
    Arabic and Hebrew need.
    """
    harmful = _NOT_SHOWN_TO_RATERS if keep_marks else _NOT_SHOWN
    return harmful.sub("\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str) -> str:
    """Return a text to show on one line, a space for harmful characters and line breaks."""
    return _NOT_ON_A_LINE.sub(" ", text)


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


_LOOKED_AT = 300
"""How many characters, from the start, are searched for a refusal."""

_SELF = (
    r"I(?:['’]m| am) (?:an? )?(?:AI|artificial|(?:large |just a )?language model)"
    r"|as an? (?:AI|artificial intelligence|large language model|language model|text-based)\b"
)
_DO = (
    r"(?:assist|help|fulfil+|comply|complete|provide|create|generate|write|answer|respond|continue"
    r"|produce|do that|do this|process|access|engage|discuss|perform|satisfy|support|offer|share"
    r"|participate|carry out|come up|proceed|accommodate|give|see any|see the|find (?:any|the|an?)"
    r"|determine|identify|translate|classify|summari[sz]e|read the|view|open|be able to)"
)
_CANNOT = (
    r"(?:cannot|can['’]?t|can not|won['’]?t|will not|am (?:unable|not able|not allowed) to"
    r"|['’]m (?:unable|not able|not allowed) to|must decline to|am not going to|['’]m not going to)"
)
_REFUSAL = re.compile(
    r"\s*+[\"'“*]*+(?:(?:unfortunately|sure|no|hi|hello|well|thank you)[,.!]*+\s++)?+(?:"
    rf"(?:{_SELF})"
    r"|(?:I(?:['’]m| am) )?(?:(?:very|so|really|truly|terribly) )?sorry,? ?"
    rf"(?:but|however)?,? (?:I|as an AI|this request|that request|your request)\b[ ]?"
    rf"(?:{_CANNOT}|don['’]?t|do not|can be|have no|is|goes)"
    r"|I(?:['’]m| am) (?:very |so |really )?sorry,? but\b"
    r"|I (?:do )?apologi[sz]e,? (?:but|for)\b"
    r"|my apologies\b"
    rf"|I ?(?:just |really |simply )?{_CANNOT} (?:\w+ly )?{_DO}"
    r"|I (?:do not|don['’]?t) have (?:the (?:ability|capability)|access to|enough (?:info|context))"
    r"|I must decline\b"
    r")",
    re.IGNORECASE,
)
_MENTION = re.compile(
    r"\b(?:sorry|apologi[sz]e|as an? (?:ai|language model)"
    r"|I(?: am|['’]m)? (?:unable to|not able to|cannot|can['’]t|won['’]t))\b",
    re.IGNORECASE,
)


def is_refusal(text: str) -> bool:
    """Return whether a text begins as a model's refusal or apology does."""
    return _REFUSAL.match(text[:_LOOKED_AT]) is not None


def mentions_refusal(text: str) -> bool:
    """Return whether the beginning of a text has words of refusals, in a reply of no other form."""
    return _MENTION.search(text[:_LOOKED_AT]) is not None
