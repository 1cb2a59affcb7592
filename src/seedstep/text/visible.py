"""Texts that others wrote, as they may be shown: nothing that drives a terminal or turns text.

Example::

    visible("red\\x1b[31m")  # "red\N{REPLACEMENT CHARACTER}[31m"
"""

import re

__all__ = ["visible"]

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Control characters but tab and newline, marks of direction, and what is no character at all."""


def visible(text: str) -> str:
    """The text with a replacement character for each of those."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)
