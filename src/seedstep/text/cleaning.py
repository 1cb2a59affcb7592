"""Texts that others wrote, as they may be shown: nothing that drives a terminal or turns text.

Example::

    visible("red\x1b[31m")  # "red�[31m"
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
    "plain_text",
    "visible",
]

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Control characters but tab and newline, marks of direction, and what is no character at all."""


def visible(text: str) -> str:
    """The text with a replacement character for each of those."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


_NOT_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_FENCE = re.compile(r"\A\s*```\w*\n(?P<body>.*?)\n?(?:```\s*)?\Z", re.DOTALL)


def plain_text(text: str) -> str:
    """Without control characters and lone surrogates; a line ends with a line feed."""
    return _NOT_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def answer(text: str) -> str:
    """A reply without a reasoning model's thoughts, and without one fence around it all."""
    said, _ = split_thoughts(plain_text(text))
    fenced = _FENCE.match(said)
    return fenced["body"] if fenced else said


def json_object(text: str) -> dict[str, Any] | None:
    """The one JSON object that a text is; None if it is none, or has a name twice."""
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
    """Whether a text repeats the same words over and over."""
    words = unicode_tokens(text)
    if len(words) < LOOP_WORDS:
        return False
    ngrams = list(zip(*(words[start:] for start in range(NGRAM)), strict=False))
    return len(set(ngrams)) < LOOP_SHARE * len(ngrams)
