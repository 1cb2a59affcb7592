r"""Read what a reply contains, and write Markdown.

`answer` separates a reply from the model's thoughts and fences, `loops` finds those that repeat
themselves.

Example::

    >>> print(markdown_table(("name", "score"), [("a_b", "41.2")], right=(False, True)), end="")
    | name | score |
    | --- | ---: |
    | a\_b | 41.2 |
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from seedstep.text.characters import one_line, plain_text
from seedstep.text.thoughts import split_thoughts
from seedstep.text.tokens import unicode_tokens

__all__ = [
    "answer",
    "as_entities",
    "escaped",
    "json_fields",
    "json_object",
    "loops",
    "markdown_table",
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
    return _IN_HTML.sub(lambda found: f"&#{ord(found[0])};", " ".join(one_line(text).split()))


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
