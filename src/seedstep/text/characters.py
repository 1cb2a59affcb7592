r"""Which characters are removed from the texts of users, models and servers, and how.

One table says which. `plain_text` cleans data that is kept, `visible` what terminals and pages
show, `one_line` cells, titles and names. `shortened` cuts one for a list, `counted` writes a
number with its noun.

Example::

    >>> visible("red\x1b[31m")
    'red�[31m'
    >>> one_line("first\nsecond\u202e")
    'first second '
    >>> plain_text("first\r\nsecond\x00")
    'first\nsecond'
    >>> counted(1, "task"), counted(12000, "batch")
    ('1 task', '12,000 batches')
"""

import re

__all__ = ["counted", "one_line", "plain_text", "shortened", "visible"]

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


def shortened(text: str, most: int) -> str:
    """Return a text on one line; one longer than `most` is cut there, with an ellipsis.

    White space is one space each. Characters stay as they are.
    """
    start, rest = text[: 20 * most], text[20 * most :]
    line = " ".join(start.split())
    is_whole = len(line) <= most and not rest.strip()
    return line if is_whole else line[:most].rstrip() + "…"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless the number is 1."""
    ending = "es" if noun.endswith(("s", "x", "sh", "tch")) else "s"
    return f"{count:,} {noun}{ending * (count != 1)}"
