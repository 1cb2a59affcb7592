"""What a reasoning model thought, told apart from what it answered.

Models write their thoughts before the answer, between marks of their own. Servers that do not take
them out send them inside the text.

Example::

    >>> split_thoughts("<think>Two and two.</think>\\n\\n4")
    ('4', 'Two and two.')
"""

import re

__all__ = ["MARKS", "split_thoughts", "without_marks"]

MARKS = (
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
)
"""The marks that open and close thoughts, as models write them; case does not matter."""

_FINAL = re.compile(r"<\|channel\|>\s*final\b[^<]*<\|message\|>", re.IGNORECASE)
_CHANNEL = re.compile(r"\s*(?:<\|start\|>\s*assistant\s*)?<\|channel\|>", re.IGNORECASE)
_CHANNEL_END = re.compile(r"<\|(?:return|end|call)\|>\s*\Z")
_CONTROL = re.compile(r"<\|[a-z_]+\|>", re.IGNORECASE)
_BARE_CHANNELS = re.compile(r"\A\s*analysis(?P<thoughts>.*?)assistantfinal", re.DOTALL)
"""The same channels, where a server left their marks out and their names in (gpt-oss)."""

_OPENING = re.compile(
    rf"\s*+(?:{'|'.join(f'({re.escape(opening)})' for opening, _ in MARKS)})", re.IGNORECASE
)
_CLOSINGS = {
    number: re.compile(re.escape(closing), re.IGNORECASE)
    for number, (_, closing) in enumerate(MARKS, start=1)
}
"""The closing mark for each group of `_OPENING`."""

_ANY_MARK = re.compile("|".join(re.escape(mark) for pair in MARKS for mark in pair), re.IGNORECASE)


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
    if _CHANNEL.match(text):
        return _split_channels(text)
    if bare := _BARE_CHANNELS.match(text):
        return text[bare.end() :].lstrip(), bare["thoughts"].strip()
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
    for number, (opening, _) in enumerate(MARKS, start=1):
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
