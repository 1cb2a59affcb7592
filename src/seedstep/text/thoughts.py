"""Separate the answer in a reply from the thoughts that a model writes before it.

The words and brackets of marks stand in `seedstep.text.thought_marks`. Marks are known in any case,
with white space or attributes inside them, and where the closing mark is of another kind than the
opening one.

Example::

    >>> split_thoughts("Sure!\\n<think>Easy.</thinking>42<|im_end|>")
    ('42', 'Sure!\\nEasy.')
"""

import re

from seedstep.lazy import late_pattern
from seedstep.text.thought_marks import (
    BOX,
    END_MARK,
    FINAL_MARKS,
    OTHER_TAG_WORDS,
    TAG_WORDS,
    THOUGHT_MARKS,
    TURN_START,
)

__all__ = ["is_thought_mark", "opened_thoughts", "split_thoughts", "without_marks"]

_ANSWER_WORDS = r"(?:answer|final_answer|response|final_response|output|solution)"
_WRAPPED = late_pattern(
    rf"\s*<(?P<tag>{_ANSWER_WORDS})>(?P<said>(?:(?!</?{_ANSWER_WORDS}>).)*)(?:</(?P=tag)>\s*)?\Z",
    re.IGNORECASE | re.DOTALL,
)
"""What is said after thoughts, between marks which are an answer's own where there are none."""

_FINAL = late_pattern(
    r"<\|channel\|>\s*final\b(?:[^<]|<\|constrain\|>)*+<\|message\|>", re.IGNORECASE
)
_CHANNEL = late_pattern(
    r"[^<]{0,300}(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*\w", re.IGNORECASE
)
_CONTROL = late_pattern(r"<\|[a-z_]+\|>", re.IGNORECASE)
_BARE_CHANNELS = late_pattern(
    r"\A\s*(?:assistant)?(?:analysis|commentary)(?P<thoughts>.*?)assistantfinal"
    r"|\A\s*(?i:assistant\s*)?(?i:final<\|message\|>)",
    re.DOTALL,
)
"""The same channels, where a server left their marks out and their names in (gpt-oss)."""

_NAMED_THOUGHTS = (
    r"(?:(?:(?:here(?: i|['\u2019])s )?my )?"
    r"(?:thinking(?: process)?|thoughts?(?: process)?|inner monologue))"
)
_NAMED_ANSWER = (
    r"(?:(?:here(?: i|['\u2019])s )?(?:the |my )?(?:final )?"
    r"(?:answer|response|output|solution|result))"
)


def _headings(name: str, plain: str) -> str:
    """Return a pattern for a heading: with `#`, in bold type, or a plain name before a colon."""
    return (
        rf"(?:\#{{1,6}}[ ]*(?:\*\*)?{name}[.\u2026]{{0,3}}(?:\*\*)?[ ]?:?(?:\*\*)?[ \t]*(?=\n)"
        rf"|(\*\*|__|\*){name}[.\u2026]{{0,3}}(?:[ ]?[:\uff1a]\%d|\%d[ ]?[:\uff1a]|\%d[ \t]*(?=\n))"
        rf"|{plain}[ ]?[:\uff1a])"
    )


_PLAIN_THOUGHTS = r"(?:(?:here(?: i|['\u2019])s my )?(?:thinking|thought process))"
_HEADED = late_pattern(
    rf"\A\s*{_headings(_NAMED_THOUGHTS, _PLAIN_THOUGHTS) % (1, 1, 1)}(?P<thoughts>.*?)"
    rf"^[ \t]*{_headings(_NAMED_ANSWER, _NAMED_ANSWER) % (3, 3, 3)}",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)
_NAMES = late_pattern("think|thought|monologue", re.IGNORECASE)
"""Thoughts below a heading. Without one for the answer they can't be told from it, and stay."""

_DONE = r"(?:\.\.\.|\u2026)[ ]?done thinking\b[.*]{0,3}[ \t]*+(?=\n|\Z)"
_SHOWN = late_pattern(
    rf"\s*+(?:\W{{0,3}}Thinking(?=\.\.\.|\u2026)(?P<told>.*?){_DONE}"
    r"|Thinking(?:\.\.\.|\u2026)[ \t]*+\n(?P<begun>.*)"
    r"|<details(?:\s[^<>]{0,200}?\btype=\W?reasoning\b[^<>]{0,200}>"
    r"|[^<>]{0,200}>\s*+<summary>\W*(?:thoughts?|thinking|reasoning)(?: process| for [^<]{1,40})?"
    r"\W{0,5}</summary>)"
    r"(?P<folded>.*?)(?:</details>|\Z))",
    re.DOTALL | re.IGNORECASE,
)
"""Thoughts as programs show them: the command line of Ollama, and the pages of Open WebUI."""

_SHOWN_END = late_pattern(rf"(?P<thoughts>.*)^[ \t]*+{_DONE}", re.DOTALL | re.MULTILINE)


def _pattern(mark: str) -> str:
    """Return a pattern for a mark, with white space, and attributes if it is a tag."""
    if tag := re.fullmatch(r"<(/?)([\w:]+)>", mark):
        inside = r"\s*+" if tag[1] else r"(?:\s[^<>]{0,200}+)?+"
        return rf"<\s*+{tag[1]}\s*+{re.escape(tag[2])}{inside}>"
    return re.escape(mark)


_OPENINGS = "|".join(dict.fromkeys(_pattern(opening) for opening, _ in THOUGHT_MARKS))
_SURE = [opening for opening, _ in THOUGHT_MARKS if opening[1:-1] not in OTHER_TAG_WORDS]
_SURE_OPENINGS = "|".join(map(_pattern, _SURE))
_MARKS_OPEN = "|".join(f"({_pattern(opening)})" for opening, _ in THOUGHT_MARKS)
_SPACE = r"[\s\ufeff\u200b-\u200f\u2060]"
_OPENING = late_pattern(rf"{_SPACE}*+(?:{_MARKS_OPEN})", re.IGNORECASE)
_CLOSINGS = {
    number: late_pattern(_pattern(closing), re.IGNORECASE)
    for number, (_, closing) in enumerate(THOUGHT_MARKS, start=1)
}
"""The closing mark for each group of `_OPENING`."""

_LONE_CLOSINGS = {
    number: late_pattern(
        rf"^[ \t]*+(?:{_pattern(closing)})[ \t]*+\r?$"
        if opening[1:-1] in OTHER_TAG_WORDS
        else _pattern(closing),
        re.IGNORECASE | re.MULTILINE,
    )
    for number, (opening, closing) in enumerate(THOUGHT_MARKS, start=1)
}
"""The same, where thoughts are closed that were not opened."""

_ANY_CLOSING = late_pattern(
    "|".join(dict.fromkeys(_pattern(mark) for _, mark in THOUGHT_MARKS if "`" not in mark)),
    re.IGNORECASE,
)
_ANY_OPENING = late_pattern(_OPENINGS, re.IGNORECASE)
_ANY_MARK = late_pattern(f"{_ANY_OPENING.pattern}|{_ANY_CLOSING.pattern}", re.IGNORECASE)
_NOTHING = late_pattern(rf"\A{_SPACE}*+<(?:{'|'.join(TAG_WORDS)})\s*/>", re.IGNORECASE)

_FIRST_CHARACTERS = sorted({mark[0] for pair in THOUGHT_MARKS for mark in pair if mark[0] != "\n"})
"""A text without any of them holds no mark. Most texts hold none, and are passed on at once."""

_GREETING = (
    r"(?:sure(?: thing)?|ok(?:ay)?|hello(?: there)?|hi(?: there)?|hey|certainly|of course|great"
    r"|absolutely|al ?right|well|yes|no problem|got it|understood|let me think|let's (?:see|think)"
    r"|thanks?(?: you)?|assistant|model|claro|bien sûr|natürlich|gerne|好的|当然|はい|конечно)"
)
_PREFACE = late_pattern(
    rf"(?:[^\n]{{0,200}}\n){{1,3}}?[ \t]*+(?=(?:{_SURE_OPENINGS}))"
    rf"|(?:<\|[a-z_]+\|>|\s)*+(?:{_GREETING}[ \t,.!:…-]*+){{0,4}}(?=(?:{_OPENINGS}))",
    re.IGNORECASE,
)
"""Up to three lines before thoughts, or a greeting or marks of a turn on the same line."""

_LATER_OPENING = late_pattern(rf"(?<=\n)[ \t]*+(?:{_SURE_OPENINGS})", re.IGNORECASE)
_FENCE = late_pattern(rf"\s*+```\w*+[ \t]*+\n(?=\s*+(?:{_SURE_OPENINGS}))", re.IGNORECASE)
_NO_ANSWER = late_pattern(
    rf"(?:[^\w]*+(?:{_GREETING}|<\|\w+\|>))*+[^\w]*+\Z|.*[:\uff1a]\s*\Z", re.IGNORECASE | re.DOTALL
)
"""A preface that is no answer: a greeting, or the announcement of something."""

MOST_MARKS_IN_MARKS = 4
MOST_LOOKED_AT = 20

_CHANNEL_MARK = late_pattern(r"<\|(?:start|channel|message)\|>", re.IGNORECASE)
_OPENED = late_pattern(
    rf"(?:{_OPENINGS}|<\|channel\|>\s*(?!final)\w+\s*<\|message\|>)\s*\Z", re.IGNORECASE
)


def is_thought_mark(text: str) -> bool:
    """Return whether a text is a mark that separates thoughts from an answer."""
    return bool(_ANY_MARK.fullmatch(text) or _CHANNEL_MARK.fullmatch(text))


def opened_thoughts(prompt: str) -> str:
    """Return the mark with which a prompt opens thoughts at its end; empty if it does not."""
    found = _OPENED.search(prompt)
    return found[0] if found else ""


def without_marks(text: str) -> str:
    """Return a text without marks of thoughts, each of which becomes a space.

    What stands around a mark may then be one itself. Where that goes on, as it does behind many
    `<`, these are left out, too: only marks with a `<` have room for spaces.
    """
    for _ in range(MOST_MARKS_IN_MARKS):
        if not _ANY_MARK.search(text):
            return text
        text = _ANY_MARK.sub(" ", text)
    return _ANY_MARK.sub(" ", text.replace("<", " ")) if _ANY_MARK.search(text) else text


def split_thoughts(text: str) -> tuple[str, str]:
    """Return the answer in a reply, and the thoughts before it; a text without marks is unchanged.

    Where thoughts are opened and not closed, the answer is empty. Where they are closed and not
    opened, as by models whose prompt opens them, all before the last closing mark is thought. A
    preface is a thought, too, if an answer follows the thoughts.
    """
    named = _HEADED.match(text) if _NAMES.search(text, 0, 60) else None
    if named:
        return text[named.end() :].strip(), named["thoughts"].strip()
    shown, place = _shown(text)
    if place:
        said, thoughts = split_thoughts(text[place:].strip())
        return said, "\n".join(filter(None, [*shown, thoughts]))
    if not any(character in text for character in _FIRST_CHARACTERS):
        return _split_bare(text) or (text, "")
    said, thoughts = _split(text)
    if turn := TURN_START.match(said):
        said = said[turn.end() :]
    said = BOX.sub("", said)
    if said.rstrip().endswith("</s>") and "<s>" not in said:
        said = said.rstrip().removesuffix("</s>").rstrip()
    if ended := END_MARK.search(said):
        said = said[: ended.start()].rstrip()
    wrapped = _WRAPPED.match(said) if thoughts else None
    return wrapped["said"].strip() if wrapped else said, thoughts


def _shown(text: str) -> tuple[list[str], int]:
    """Return the thoughts that a program shows before an answer, and where they end."""
    shown, place = list[str](), 0
    while found := _SHOWN.match(text, place):
        shown += filter(None, found.groups())
        place = found.end()
    if not place and "done thinking" in text and (found := _SHOWN_END.match(text)):
        shown, place = [found["thoughts"]], found.end()
    return [thoughts.strip("\n .\u2026") for thoughts in shown], place


def _split(text: str) -> tuple[str, str]:
    if _CHANNEL.match(text):
        return _split_channels(text)
    if found := _split_bare(text) or _last_final(text):
        return found
    if fence := _FENCE.match(text):
        said, thoughts = _split_marked(text[fence.end() :])
        return (f"{fence[0].lstrip()}{said}", thoughts) if thoughts else (text, "")
    return _split_marked(text)


def _split_bare(text: str) -> tuple[str, str] | None:
    bare = _BARE_CHANNELS.match(text)
    return (text[bare.end() :].lstrip(), (bare["thoughts"] or "").strip()) if bare else None


def _split_marked(text: str) -> tuple[str, str]:
    """Return the answer after thoughts between marks, and the thoughts."""
    if nothing := _NOTHING.match(text):
        return text[nothing.end() :].lstrip(), ""
    preface = None if _OPENING.match(text) else _PREFACE.match(text)
    place = preface.end() if preface else 0
    before = text[:place].strip()
    thoughts: list[str] = []
    absent: set[int] = set()
    closed: re.Match[str] | None = None
    while opened := _OPENING.match(text, place):
        closed = _closing(text, opened, absent)
        thoughts.append(text[opened.end() : closed.start() if closed else None].strip())
        place = closed.end() if closed else len(text)
    if not thoughts and (closed := _closed(text)):
        thoughts.append(text[: closed.start()].strip())
        before, place = "", closed.end()
    if not thoughts:
        return _split_behind(text)
    said, later = _without_later(text[place:].lstrip())
    thoughts += later
    if closed and not said and not _NO_ANSWER.match(before):
        before, said = "", before  # the answer came first
    return said, "\n".join(filter(None, [before, *thoughts]))


def _without_later(said: str) -> tuple[str, list[str]]:
    """Return an answer without the thoughts between its lines, and these.

    A model that marked its first thoughts marks later ones, too. Marks inside a line, or in a
    fence, belong to the answer.
    """
    kept: list[str] = []
    thoughts: list[str] = []
    place = fences = 0
    while opened := _LATER_OPENING.search(said, place):
        closed = _ANY_CLOSING.search(said, opened.end())
        fences += said.count("```", place, opened.start())
        if closed is None or fences % 2:
            break
        kept.append(said[place : opened.start()])
        thoughts.append(said[opened.end() : closed.start()].strip())
        place = closed.end()
    return "".join([*kept, said[place:]]) if thoughts else said, thoughts


def _split_behind(text: str) -> tuple[str, str]:
    """Return the answer before thoughts that end a text, and these; else the text unchanged."""
    opened = re.search(_SURE_OPENINGS, text, re.IGNORECASE)
    closed = _ANY_CLOSING.search(text, opened.end()) if opened else None
    if not opened or not closed or text[closed.end() :].strip():
        return text, ""
    said = text[: opened.start()].rstrip()
    return (said, text[opened.end() : closed.start()].strip()) if said else (text, "")


def _closing(text: str, opened: re.Match[str], absent: set[int]) -> re.Match[str] | None:
    """Return the mark that closes thoughts: one of their kind, else one of another kind.

    Where thoughts are opened again inside them, each needs a mark of its own, if there are as many.
    `absent` are the kinds that do not come any more.
    """
    number = opened.lastindex or 0
    closed = None if number in absent else _CLOSINGS[number].search(text, opened.end())
    if closed is None:
        absent.add(number)
        closed = _ANY_CLOSING.search(text, opened.end())
    if closed is None:
        return None
    inner = sum(1 for _ in _ANY_OPENING.finditer(text, opened.end(), closed.start()))
    for _ in range(inner):
        later = _ANY_CLOSING.search(text, closed.end())
        if later is None or _ANY_OPENING.search(text, closed.end(), later.start()):
            break
        closed = later
    return closed


def _closed(text: str) -> re.Match[str] | None:
    """Return the last closing mark of a kind whose opening mark does not stand before it."""
    if not _ANY_CLOSING.search(text):
        return None
    for number, (opening, closing) in enumerate(THOUGHT_MARKS, start=1):
        last = None
        if "`" not in closing:
            found = [*_LONE_CLOSINGS[number].finditer(text)][-MOST_LOOKED_AT:]
            last = next((each for each in reversed(found) if not _is_quoted(text, each)), None)
        if last and not re.compile(_pattern(opening), re.I).search(text, 0, last.start()):
            return last
    return None


def _is_quoted(text: str, found: re.Match[str]) -> bool:
    """Return whether a mark is quoted: it stands between quotation marks, or in a fence."""
    before, after = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
    if before and before == after and before in "`\"'":
        return True
    return text.count("```", 0, found.start()) % 2 == 1 and "```" in text[found.end() :]


def _last_final(text: str) -> tuple[str, str] | None:
    """Return what stands between the last marks around an answer, and all before them."""
    for opening, closing in FINAL_MARKS:
        if found := [*opening.finditer(text)]:
            said = closing.split(text[found[-1].end() :])[0]
            return said.strip(), without_marks(text[: found[-1].start()]).strip()
    return None


def _split_channels(text: str) -> tuple[str, str]:
    """Return the last message of the channel `final`, and all before it (gpt-oss)."""
    final = max(_FINAL.finditer(text), key=lambda found: found.end(), default=None)
    thought = text[: final.start()] if final else text
    said = text[final.end() :] if final else ""
    return END_MARK.split(said, maxsplit=1)[0].strip(), _CONTROL.sub(" ", thought).strip()
