r"""Clean texts that users, models and servers wrote, and read what a reply contains.

One table says which characters are removed. `plain_text` cleans data that is kept, `visible` what
terminals and pages show, `one_line` cells, titles and names. `answer` separates a reply from the
model's thoughts and fences, `loops` finds those that repeat themselves.

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

from seedstep.text.thoughts import split_thoughts
from seedstep.text.tokens import unicode_tokens

__all__ = [
    "answer",
    "json_object",
    "loops",
    "one_line",
    "plain_text",
    "visible",
]

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
