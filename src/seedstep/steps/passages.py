"""Find which sentences and lines of a definition belong together, so that quotations are whole.

A sentence alone may say the opposite of what the definition says: the item of a list whose heading
forbids it, the rest of a line that goes on, what follows an abbreviation or a mark in quotation
marks, or a rule without the exception that the next sentence makes.

Example::

    >>> definition = "Never do this: \\n- Use more than 8 words\\nUse names. Except those of kings."
    >>> for sentence, passage in passages(definition):
    ...     print(f"{sentence!r}: {passage}")
    'Never do this:': Never do this:
    '- Use more than 8 words': Never do this: - Use more than 8 words
    'Use names.': Use names. Except those of kings.
    'Except those of kings.': Use names. Except those of kings.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from seedstep.steps.unfit import spaced_sentences

__all__ = ["passages"]

LONGEST = 600
"""The most characters of a passage that goes on."""

_ITEM = re.compile(r"[-*•–]\s|\(?\w{1,3}[.)](?:\s|$)")
_NUMBER = re.compile(r"\(?\w{1,3}[.)]$")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“])(?:[A-Z]|Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|Nos?|Figs?|Art|Sec|Inc|Ltd|Co|pp|vs|approx"
    r"|resp|cf|ca|incl|excl|max|min|etc|e\.g|i\.e|[ap]\.m|U\.S)\.$"
)
_GOES_ON = re.compile(
    r"\W*(?:(?:this|these|that|those)\b|exceptions?\b|except|excluding|unless|but\b|however"
    r"|nevertheless|otherwise|apart from|the (?:only|sole|one) exception|only (?:if|when|where)"
    r"|(?:if|when|where) (?:not|so)\b)",
    re.IGNORECASE,
)
"""How sentences begin that limit the one before, or depend on it."""

_ENDED = re.compile(r"[.?!:;。！？；：][\"'”’)\]*_]*$")
_MARKS = "\"')]”’"
_COLON = re.compile(r"[:：][*_]*$")
_HEADING = re.compile(r"#{1,6}\s|(\*\*|__).*\1:?$")


@dataclass
class _Passage:
    indent: int
    blank: bool
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(self.parts)


def passages(definition: str) -> list[tuple[str, str]]:
    """Return each sentence with the passage that it is from, after the headings of its list."""
    grouped: list[_Passage] = []
    for space, sentence in spaced_sentences(definition):
        gap = space.lstrip(_MARKS)
        if grouped:
            grouped[-1].parts[-1] += space[: len(space) - len(gap)]
        if not (grouped and _belongs(grouped[-1].text, gap, sentence)):
            indent = len(gap.rpartition("\n")[2].expandtabs(4)) if "\n" in gap else 0
            grouped.append(_Passage(indent, gap.count("\n") > 1))
        grouped[-1].parts.append(sentence)
    return [
        (sentence, whole)
        for passage, whole in zip(grouped, _with_headings(grouped), strict=True)
        for sentence in passage.parts
    ]


def _belongs(before: str, gap: str, sentence: str) -> bool:
    """Return whether a sentence goes on with what stands before it."""
    if _ITEM.match(sentence) or len(before) > LONGEST:
        return False
    letter = next(filter(str.isalpha, sentence), "")
    on_one_line = "\n" not in gap
    if gap.count("\n") < 2 and letter.islower() and (on_one_line or not _ENDED.search(before)):
        return True
    if _GOES_ON.match(sentence) and not _COLON.search(before):
        return True
    return on_one_line and (
        _NUMBER.fullmatch(before) is not None
        or _ABBREVIATION.search(before) is not None
        or before.count('"') % 2 == 1
        or before.count("“") > before.count("”")
        or before.count("(") > before.count(")")
    )


def _with_headings(grouped: list[_Passage]) -> Iterator[str]:
    headings: list[tuple[int, str]] = []  # the indentation of each, and its text
    after_item = False
    for number, passage in enumerate(grouped):
        text = passage.text
        is_item = _ITEM.match(text) is not None
        follows = grouped[number + 1] if number + 1 < len(grouped) else None
        while headings and headings[-1][0] >= (passage.indent if is_item else 0):
            headings.pop()
        is_heading = _HEADING.match(text) or _COLON.search(text)
        if not is_item and (after_item or passage.blank or is_heading):
            headings = []
        after_item = is_item
        yield " ".join([*(heading for _, heading in headings), text])
        before_list = follows is not None and _ITEM.match(follows.text) is not None
        if is_heading:
            headings.append((passage.indent if is_item else -1, text))
        elif not is_item and before_list and not _ENDED.search(text):
            headings = [(-1, text)]
