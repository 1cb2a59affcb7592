"""Sentences and content words of English texts, as the checks compare them.

No parser and no dictionary: a word stands for all words that begin with the same five letters, and
a few synonyms for one another. Texts in other languages have sentences and words too, but none of
the English cue words that the checks look for.

Example::

    content("Choose the three best keywords.")  # ["choos", "3", "best", "keywo"]
"""

import re

from seedstep.text import unicode_tokens

__all__ = ["NUMBER_WORDS", "clip", "content", "sentences", "without_illustrations"]

LONGEST = 20_000
"""Characters of a text that the checks look at."""

STEM = 5
"""Letters by which words are told apart."""

NUMBER_WORDS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)

_SENTENCE = re.compile(
    r"(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<=[.?!])[\"')\]”’]*\s+(?=[\"'(“‘\[]?\w)|\n+|(?<=[。！？；])"
)
_STOP_WORDS = """
a an the this that these those it its they them their there here of to in on at by for from into
and or nor but if then else so as is are was were be been being am do does did has have had having
can could will would shall should may might must need any some all both each every either neither
one you your we our i he she his her him which who whom whose what when where while than too very
also just only such other another same given following using use
"""
_STOP = frozenset(_STOP_WORDS.split())
_NUMBERS = {word: str(value) for value, word in enumerate(NUMBER_WORDS, start=1)}
_SYNONYMS = {
    word: words[0]
    for words in (
        ("choose", "select", "pick"),
        ("find", "identify", "locate", "determine", "recognize", "detect"),
        ("write", "output", "return", "print", "give", "provide", "respond", "generate"),
        ("check", "verify", "ensure"),
        ("exactly", "precisely"),
        ("decide", "judge"),
        ("not", "no", "t", "cannot", "never", "without"),
    )
    for word in words
}
_ILLUSTRATION = re.compile(
    r"\((?:e\.?g\.?|i\.e\.|for example|for instance|such as|like)[^)]*\)"
    r"|\b(?:e\.g\.?|for example|for instance|such as)[^.;]*",
    re.IGNORECASE,
)


def clip(text: str) -> str:
    """The part of a text that is looked at, so that no text takes long."""
    return text[:LONGEST]


def sentences(text: str) -> list[str]:
    """Sentences and lines, without white space around them."""
    return [one for part in _SENTENCE.split(text) if (one := part.strip())]


def without_illustrations(text: str) -> str:
    """The text without what `e.g.`, `for example` or `such as` introduce."""
    return _ILLUSTRATION.sub(" ", text)


def content(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order; numbers as digits."""
    return [_stem(token) for token in unicode_tokens(text) if token not in _STOP]


def _stem(token: str) -> str:
    token = _NUMBERS.get(token, token)
    return _SYNONYMS.get(token, token)[:STEM]
