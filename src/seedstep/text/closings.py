"""Find the words with which models end a reply, after what was asked for.

A line of a list, or a letter in an example, may begin with the same words. So there are three
grades, and who reads a reply takes the one that suits the place: what speaks to who asked, what
speaks of the list, too, and notes, which may be part of what was asked for.

Example::

    >>> is_closing("Let me know if you need more!"), is_closing("If you need a label, name it.")
    (True, False)
    >>> is_closing("- Note the date."), is_note("Note: these are examples.")
    (False, True)
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise

from seedstep.text.closing_words import ASKER, LIST, NOTES, PARTS, SAYS, SIGN_OFFS

__all__ = [
    "closing_sentence",
    "ends_list",
    "is_closing",
    "is_note",
    "speaks_to_asker",
    "talk_begins",
]

_LONGEST = 300
"""How many characters of a line, or of the end of a text, are looked at."""

_WRAPPED = (
    r"(?:[^\w\s¡¿]|_){0,6}[ ]?(?:[^\w\s¡¿]|_){0,3}[ ]?"
    r"(?:(?:please|and|also|but|so|ok(?:ay)?|great)[,!]? )?"
)
"""What may stand before such words: bullets, signs of bold type, brackets, an emoji."""

_INNER_ITEM = re.compile(r"[-*•–—·+◦▪●○>][ \t]|\(?\w{1,3}[.)][ \t]")
_ANNOUNCES = (":", "：")

_SENTENCE_END = re.compile(
    r"[.!?。！？।؟…][)\]\"\u201d*_]{0,3}[ \t]{0,3}(?=\S)|[*_)\]][ \t]{1,3}(?=\S)"
)

_OFFERS = re.compile(
    r"\b(?:let me know|hope (?:this|that|these|it)|feel free to (?:ask|reach)|hesitate"
    r"|would you like me|(?:shall|should) I|want me to|anything else|(?:happy|glad) to"
    r"|I can|I['’](?:d|ll|m))\b",
    re.IGNORECASE,
)
"""What is no part of tasks and steps, even if it has a number of its own."""

_QUOTES = re.compile(r"[:：\"“”„«»「『‘]")
"""Marks before what is quoted."""


@cache
def _pattern(*grades: str) -> re.Pattern[str]:
    """Return the pattern for the openings of some grades."""
    tables: dict[str, Mapping[str, str]] = {
        "asker": ASKER,
        "list": LIST,
        "notes": NOTES,
        "sign_offs": SIGN_OFFS,
    }
    lines = "\n".join(text for grade in grades for text in tables[grade].values()).split("\n")
    joined = "|".join(line for line in lines if line)
    for name, words in {**PARTS, "says": SAYS}.items():
        joined = joined.replace(f"{{{name}}}", words)
    return re.compile(f"{_WRAPPED}(?:{joined})", re.IGNORECASE)


def speaks_to_asker(line: str) -> bool:
    """Return whether a line begins with words to who asked, such as an offer of more."""
    return bool(_pattern("asker").match(line.strip()[:_LONGEST]))


def is_closing(line: str) -> bool:
    """Return whether a line of its own ends a reply: it speaks to who asked, or of the list."""
    return bool(_pattern("asker", "list", "sign_offs").match(line.strip()[:_LONGEST]))


def is_note(line: str) -> bool:
    """Return whether a line of its own is a note, on what stands above it or as a part of it."""
    return bool(_pattern("notes").match(line.strip()[:_LONGEST]))


def talk_begins(lines: Sequence[str], place: int) -> bool:
    """Return whether the lines of a list's last item end, and talk begins, at a place after them.

    What the item announces with a colon is part of it. So is an item of a list inside it, unless it
    is the first one and nothing but talk follows.

    Example:
        >>> talk_begins(["Name it.", "Hope this helps!"], 1)
        True
        >>> talk_begins(["Decide:", "- Let me know if it fits.", "- Else say no."], 1)
        False
    """
    line = lines[place].strip()
    if not (is_closing(line) or is_note(line)):
        return False
    earlier = [text.strip() for text in lines[:place] if text.strip()]
    inner = [text for text in earlier[1:] if _INNER_ITEM.match(text)]
    if inner or (earlier[-1:] and earlier[-1].endswith(_ANNOUNCES)):
        return speaks_to_asker(line) and not (_INNER_ITEM.match(line) and not inner)
    rest = [text for text in lines[place + 1 :] if text.strip()]
    return not _INNER_ITEM.match(line) or all(is_closing(text) or is_note(text) for text in rest)


def ends_list(items: Sequence[str]) -> bool:
    """Return whether the last item of a list is talk: it stands in the list, but ends the reply.

    Example:
        >>> ends_list(["Name it.", "Good luck!"]), ends_list(["End it with:", "Good luck!"])
        (True, False)
    """
    if len(items) < 2 or items[-2].rstrip().endswith(_ANNOUNCES):
        return False
    last = items[-1].strip()
    wishes = _pattern("sign_offs").match(last[:_LONGEST])
    offers = _OFFERS.search(last) and speaks_to_asker(last) and not closing_sentence(last)
    return "\n" not in last and bool(wishes or offers)


def closing_sentence(text: str) -> str:
    """Return the end of a text from the first sentence on that speaks to who asked, or nothing.

    A wish or a farewell counts if nothing but such sentences follow, and nothing announces or
    quotes it.

    Example:
        >>> closing_sentence("Name a river. Let me know if you need more! Bye.")
        'Let me know if you need more! Bye.'
        >>> closing_sentence("Name a river. Good luck!"), closing_sentence("Say: Go. Good luck!")
        ('Good luck!', '')
    """
    ends = _SENTENCE_END.finditer(text, max(0, len(text) - _LONGEST))
    begins = [end.end() for end in ends]
    talk = len(text)
    for begin, after in reversed([*pairwise([*begins, len(text)])]):
        wishes = after == talk and _pattern("sign_offs").match(text[begin:talk].rstrip())
        quoted = _QUOTES.search(text, 0, begin)
        if _pattern("asker").match(text, begin) or (wishes and not quoted):
            talk = begin
    return text[talk:]
