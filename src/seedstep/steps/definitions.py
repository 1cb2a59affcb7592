"""Read a definition: which of its sentences belong together, and the fixed answers that it names.

A sentence alone may say the opposite of what the definition says: the item of a list whose heading
forbids it, the rest of a line that goes on, what follows an abbreviation or a mark in quotation
marks, or a rule without the exception that the next sentence makes. So quotations are whole
passages.

Fixed answers are class labels, letters of options, `None`, `[]`. They are found by English wording.
Words after verbs such as `output` or `classify as` count. Other quoted words and lists count if an
example has such an output. In a definition in another language no labels are found.

Example::

    >>> definition = "Never do this: \\n- Use more than 8 words\\nUse names. Except those of kings."
    >>> for sentence, passage in passages(definition):
    ...     print(f"{sentence!r}: {passage}")
    'Never do this:': Never do this:
    '- Use more than 8 words': Never do this: - Use more than 8 words
    'Use names.': Use names. Except those of kings.
    'Except those of kings.': Use names. Except those of kings.
    >>> labels('Classify it as "good" or "bad". Return None if it has no text.', ["bad"])
    ('good', 'bad', 'None')
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

import regex

from seedstep.lazy import late_regex
from seedstep.steps.unfit import sentences, spaced_sentences, without_illustrations

__all__ = ["labels", "names", "passages", "promised", "same_answer"]

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


MAX_LABELS = 12
"""The most labels; more are a tag set, which no short instruction can name completely."""

MAX_LABEL_WORDS = 4
MAX_ITEM_WORDS = 3

_QUOTED = (
    r"(?:\"(?P<q>[^\"\n]{1,40})\"|“(?P<q>[^”\n]{1,40})”|‘(?P<q>[^’\n]{1,40})’|`(?P<q>[^`\n]{1,40})`"
    r"|(?<!\w)'(?P<q>[^'\n]{1,40})'(?!\w))"
)
_WORD = (
    r"(?:[A-Z][\w'-]*|\d{1,2}|[a-z]|[a-z]+_\w+|true|false|yes|no|none|\[[\w ]*\])(?![\w'-]|\.\w)"
)
_BARE = rf"(?:(?:[Nn]o[tn]?|NOT)[ -])?{_WORD}(?: (?:[A-Z]\w*|\d+)(?![\w'-])){{0,2}}"
_LINK = r"(?:\s*[,/;]\s*(?:(?:or|and)\s+)?|\s+(?:or|and)\s+)(?:an?\s+)?"
_ARTICLES = (
    r"(?:(?:your|the) (?:answer|choice|response) )?"
    r"(?:(?:with|as|via|either|only|just|be|is|it|the|a|an|label|letter|word|value|number)\b\s*){0,3}"
)
_ANSWERS = (
    r"(?:(?:answer|output|return|say|print|respond|repl|indicat|generat|choos|select|pick|provid"
    r"|predict|writ|giv)(?:e|es|s|y|ies|ing)?"
    r"|(?:answers?|outputs?|responses?|it) (?:is|should be|must be|can be|will be|has to be):?)"
)
_SORTS = (
    r"(?:classif\w+|categori[sz]\w+|label(?:ed|led|s)?|divided?|mark(?:ed)?|tag(?:ged)?"
    r"|consider(?:ed)?|treat(?:ed)?)"
)
_PROMISE = rf"\b(?:{_ANSWERS}|{_SORTS}\b[^.:;\"“‘`]{{0,90}}?\s(?:as|into|in))\s*{_ARTICLES}"
_QUOTED_ANSWER = late_regex(rf"{_PROMISE}{_QUOTED}(?:{_LINK}{_QUOTED}){{0,11}}", regex.I)
_BARE_ANSWER = late_regex(
    rf"(?i:{_PROMISE})\b(?P<q>{_BARE})(?:{_LINK}(?P<q>{_BARE})){{0,11}}"
    r"(?=\s*(?:[,.;:)]|$)"
    r"|\s+(?:if|when|or|and|otherwise|for|else|in|as|where|depending|to|respectively|correspond)\b)"
)
_PROMISES = late_regex(_PROMISE, regex.I)
_OTHERWISE = late_regex(
    rf"(?:[,;]|\b(?:and|or)\b)\s*(?:{_QUOTED}|(?P<q>{_BARE}))\s*(?:,\s*)?otherwise\b"
    rf"|\botherwise,?\s+(?:{_QUOTED}|(?P<q>{_BARE}))(?=\s*[.,;]|$)"
)
_LETTERS = late_regex(
    r"(?<![\w'])(?P<q>[A-Z])(?:\s*,\s*(?:(?:or|and)\s+)?(?P<q>[A-Z])|\s+(?:or|and)\s+(?P<q>[A-Z]))++"
    r"(?![\w'])"
)
_OPTIONS = late_regex(r"\b(?:option|letter|choice|candidate|answer)", regex.I)
_CUE = late_regex(
    r"\b(?:answer|output|return|classif|label|categor|class|option|respon|choos|choice|select"
    r"|indicat|generat|predict|determin|decid|say|write|print|provid|identif|mark|tag|either|one of"
    r"|divid|judg|repl|possib|value|sentiment|emotion|topic|type)",
    regex.I,
)
_LISTS = (
    late_regex(
        r"\b(?:labels?|class(?:es|ifications?)?|categor(?:y|ies)|topics?|types?|options?|emotions?"
        r"|sentiments?|intents?|acts?|values?|answers?|relations?|choices?|one of|following)\b"
        r"[^.:]{0,40}?(?::|\bare\b)\s*(?P<list>[^.:?!]+)",
        regex.I,
    ),
    late_regex(
        rf"\b{_SORTS}\b[^.:;\"“‘`]{{0,90}}?\s(?:as|into)\s+(?P<list>[^.:?!]+)(?!:)", regex.I
    ),
)
_ASIDE = late_regex(r"\([^(),\"']*\)")
_LIST_ENDS = late_regex(
    r",?\s*\b(?:depending|based|according|if|where|which|whether|respectively)\b.*"
)
_CLAUSE = late_regex(r"[^.:;?!]+")
_ITEM_LINK = late_regex(r"\s*[,;/]\s*(?:(?:or|and)\s+)?|\s+(?:or|and)\s+")
_ITEM_START = late_regex(r"^(?:\(?(?:\d{1,2}|[a-z]|[ivx]+)\)|(?:and|or|either|an?)\s)\s*")
_NO_LABEL = late_regex(
    r"\b(?:separat\w+ (?:by|with)|words?|letters|forms?|format\w*|tokens?|prefix|placeholders?"
    r"|symbols?|characters?|phrases?|begin\w* with|start\w* with|end\w* with|within|between"
    r"|enclosed \w+|marked \w+|called|named|denoted \w+|contain\w*|relation|prompts?|than)"
    r"\s+(?:\w+\s+){0,2}$",
    regex.I,
)
_NAMED_THING = late_regex(
    r"\s+(?:statement|clause|command|function|operator|keyword|relation|format|tag|token)", regex.I
)
_PROHIBITS = late_regex(r"\b(?:avoid|(?:do|must|should) not|don['’]t|never)\b", regex.I)
_ONE_ANSWER = rf"(?:{_QUOTED}|{_BARE})"
_RULED_OUT = late_regex(
    r"(?:\b(?:not|never|avoid(?: to)?|cannot)|n['’]t)"
    rf"(?: (?!forget|fail|neglect|omit|hesitate)\w+){{0,2}}? (?:{_ANSWERS}|be|use)\s*{_ARTICLES}"
    rf"{_ONE_ANSWER}(?:{_LINK}{_ONE_ANSWER})*+",
    regex.I,
)
"""Answers that a definition rules out. With a condition they are its answers in other cases."""

_CONDITION = late_regex(
    r"\b(?:unless|except|until|if|when|where|only|without|(?:any|every|no)\w* but)\b", regex.I
)


def labels(definition: str, outputs: Iterable[str]) -> tuple[str, ...]:
    """Return the fixed answers that a definition names, in order; none if they are a tag set.

    `outputs` are those of the examples.
    """
    strong: list[str] = []
    weak: list[str] = []
    for whole in sentences(without_illustrations(definition)):
        sentence = whole if _CONDITION.search(whole) else _RULED_OUT.sub(" ", whole)
        if _CUE.search(sentence):
            strong += [*_quoted_answers(sentence), *_bare_answers(sentence)]
            weak += _quotes(sentence)
            weak += [] if _PROHIBITS.search(sentence) else [*_listed(sentence), *_letters(sentence)]
    confirmed = any(same_answer(label, output) for label in weak for output in outputs)
    found = [label for label in [*strong, *(weak if confirmed else [])] if _is_label(label)]
    kept: dict[str, str] = {}
    for label in found:
        kept.setdefault(_key(label), label)
    return tuple(kept.values()) if len(kept) <= MAX_LABELS else ()


def same_answer(first: str, second: str) -> bool:
    """Return whether two answers are the same but for case and a full stop."""
    return _key(first.strip(" .")) == _key(second.strip(" ."))


def promised(step: str, known: Collection[str]) -> list[str]:
    """Return the fixed answers that a step speaks of. A bare list counts with a `known` label."""
    found: list[str] = []
    for sentence in sentences(without_illustrations(step)):
        found += _quoted_answers(sentence)
        choices = (_bare_answers, _listed, _letters, _chosen_words)
        for bare in (find(sentence) for find in choices):
            if any(same_answer(choice, label) for choice in bare for label in known):
                found += bare
    return [label for label in found if _is_label(label)]


def names(text: str, label: str) -> bool:
    """Return whether a text names a label. Case counts for single letters only."""
    flags = regex.V0 if len(label) == 1 else regex.I
    pattern = rf"(?<!\w|\w['’]){regex.escape(label)}(?:s|es)?(?!\w|['’]\w|\.[a-z]\.)"
    return regex.search(pattern, text, flags) is not None


def _key(label: str) -> str:
    return label.casefold() if len(label) > 1 else label


def _quoted_answers(sentence: str) -> list[str]:
    return _captured(_QUOTED_ANSWER, sentence)


def _bare_answers(sentence: str) -> list[str]:
    return [*_captured(_BARE_ANSWER, sentence), *_captured(_OTHERWISE, sentence)]


def _letters(sentence: str) -> list[str]:
    return _captured(_LETTERS, sentence) if _OPTIONS.search(sentence) else []


def _chosen_words(sentence: str) -> list[str]:
    """Return the words of `output good, bad or mixed`, if all items are single words."""
    for found in _PROMISES.finditer(sentence):
        rest = _CLAUSE.match(sentence, found.end())
        items = _ITEM_LINK.split(_LIST_ENDS.sub("", rest[0]).strip()) if rest else []
        if len(items) > 1 and all(len(item.split()) == 1 for item in items):
            return items
    return []


def _captured(pattern: regex.Pattern[str], sentence: str) -> list[str]:
    return [
        text.strip(" ,.") for found in pattern.finditer(sentence) for text in found.captures("q")
    ]


def _quotes(sentence: str) -> list[str]:
    return [
        found["q"].strip(" ,.")
        for found in regex.finditer(_QUOTED, sentence)
        if not _NO_LABEL.search(sentence[max(0, found.start() - 40) : found.start()])
        and not _NAMED_THING.match(sentence, found.end())
    ]


def _listed(sentence: str) -> list[str]:
    found: list[str] = []
    sentence = _ASIDE.sub("", sentence)
    for listing in (listing for pattern in _LISTS for listing in pattern.finditer(sentence)):
        items = _ITEM_LINK.split(_LIST_ENDS.sub("", listing["list"]).strip())
        items = [_ITEM_START.sub("", item).strip(" \"'()") for item in items]
        if len(items) > 1 and all(0 < len(item.split()) <= MAX_ITEM_WORDS for item in items):
            found += items
    return found


def _is_label(text: str) -> bool:
    few = len(text.split()) <= MAX_LABEL_WORDS
    return few and (text == "[]" or any(map(str.isalnum, text))) and not set(text) & set(":?{}<>")
