"""Read from a reply whether a task is a classification task (Self-Instruct, section 2.2).

A reply that says yes and no, or denies what it says, says neither.

Example::

    >>> says_classification("Yes, it has two labels."), says_classification("Yes.\\nNo.")
    (True, None)
"""

import re

from seedstep.text import answer, is_refusal

__all__ = ["says_classification"]

_JSON_ANSWER = re.compile(r'"is_classification"\s*+:\s*+"?(?P<said>true|false|yes|no)\b', re.I)
_YES_OR_NO = (
    r"(?P<said>yes(?!\w)|no(?!\w)(?![ ](?!(?:it|this|that|the|because|since|I)\b)\w))"
    r"(?![ ]?(?:/|or\b|and\b)|['\u2019-]\w)"
)
"""Matches a yes or a no, but not "yes or no", and not the no of "no labels"."""

_FIRST_WORD = re.compile(rf"[^\w]*+{_YES_OR_NO}(?!\W{{0,3}}\?)", re.IGNORECASE)
_ASKED_AGAIN = re.compile(
    r"(?:is it (?:a )?classification(?: task)?[ ]?\?|\b(?:answer|classification)\b[ ]?(?:is\b|:))"
    rf"[\s*:\"']*+{_YES_OR_NO}",
    re.IGNORECASE,
)
_BOTH = re.compile(r"\byes\W+(?:\w+\W+)?no\b|\bno\W+(?:\w+\W+)?yes\b", re.IGNORECASE)
_LAST_WORD = re.compile(
    r"(?<![\w/])(?<!\bor )(?<!maybe )(?<!perhaps )(?P<said>yes|no)[^\w?]{0,9}\Z", re.IGNORECASE
)
_GOES_ON = re.compile(r"\W*\w|[.!\u3002\uff01]")
_PAIR = re.compile(
    r"\byes\W{1,4}(?:(?:or|and|nor)\W{1,3})?no\b|\bno\W{1,4}(?:(?:or|and|nor)\W{1,3})?yes\b"
    r"|[\"'\u201c\u2018`](?:yes|no)\b",
    re.IGNORECASE,
)
"""Both words as labels, or one as a label in quotation marks, in the reason for an answer."""

_WORD_ALONE = re.compile(
    r"(?:^|[\n.!?;:,/|(\[\u2013\u2014-])[ \t*]*+"
    r"(?:(?:\w+[ ](?:thought|reflection)|actually|rather|wait|hmm+|(?:or )?(?:maybe|perhaps|better)"
    r"|but|sorry|so|or|and)[ ,.]{1,3}){0,3}"
    r"(?P<said>yes|no)(?=[ \t*]*+(?:[^\w\s'\u2019-]|\n|\Z))",
    re.IGNORECASE,
)
"""A yes or a no that answers: it stands alone in its part of a sentence."""

_DENIED = re.compile(
    r"(?:yes\W{1,3}(?:it|this|that)(?:[ ]is|['\u2019]s)?(?:[ ]not|n['\u2019]t)"
    r"|no\W{1,3}(?:it|this|that) is(?= (?:a )?classif|\W*\Z))\b",
    re.IGNORECASE,
)
_NOT_SAID = re.compile(r"(?:n['\u2019]t|\bnot|\bcannot|\bnever)[ ](?:\w+[ ]){0,2}\Z", re.IGNORECASE)
_NEXT_TASK = re.compile(r"\n[ \t]*+Task\b", re.IGNORECASE)
_LOOKED_AT = 2000
"""How many characters, from the start, are read of a reply about classification."""

RELEASED_YES = ("Yes", "yes", "YES")
"""The only replies that the released code takes for a yes."""


def says_classification(text: str, *, cut: bool = False, released: bool = False) -> bool | None:
    """Return whether a reply says that a task is a classification task; None if it says neither.

    A reply may be `{"is_classification": true}`, have a yes or no as its first or last word, or
    repeat the question and answer it. One that also says the opposite says neither, as does a
    refusal. The last word of a reply that was `cut` is not read: a "No" may have gone on as "No
    problem". With `released`, as in the released code, Yes, yes and YES are a yes, and all other
    text is a no; an empty reply says neither.
    """
    said = answer(text)[:_LOOKED_AT].strip()
    signs = {sign["said"].lower() in ("true", "yes") for sign in _JSON_ANSWER.finditer(said)}
    if signs:
        return signs.pop() if len(signs) == 1 else None
    if released:
        return said in RELEASED_YES if said else None
    if is_refusal(said):
        return None
    said = _NEXT_TASK.split(said, maxsplit=1)[0]
    found = _FIRST_WORD.match(said) or _ASKED_AGAIN.search(said)
    if cut and found and not _GOES_ON.match(said, found.end()):
        found = None
    if not found and not cut and not _BOTH.match(said):
        found = _LAST_WORD.search(said)
    if not found or _contradicts(said, found):
        return None
    return found["said"].lower() == "yes"


def _contradicts(said: str, found: re.Match[str]) -> bool:
    """Return whether a reply also says the opposite of a word in it, or denies the word."""
    start = found.start("said")
    if _DENIED.match(said, start) or _NOT_SAID.search(said[max(0, start - 60) : start]):
        return True
    before, after = said[:start], said[found.end("said") :]
    signs = (
        sign for part in (before, after) for sign in _WORD_ALONE.finditer(_PAIR.sub("both", part))
    )
    return any(sign["said"].lower() != found["said"].lower() for sign in signs)
