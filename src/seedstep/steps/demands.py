"""Find what a definition demands of the output, and whether the steps meet it; and compare texts.

Appendix E calls an instruction complete if it holds all necessary information of the definition,
such as the constraints. A demand is found by its wording, in English only. Steps meet a demand on
form if they have a wording for such a demand too, and a prohibition or another requirement if they
share enough of its words.

Example::

    >>> definition = "Write a title of at most five words. Do not use quotation marks."
    >>> [(demand.kind, demand.text) for demand in demands(definition)]
    [('length', 'at most five words'), ('prohibition', 'use quotation marks')]
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Literal

from rapidfuzz.distance import LCSseq

from seedstep.steps.unfit import NUMBER_WORDS, content, sentences, without_illustrations

__all__ = [
    "ChangeKind",
    "Demand",
    "TextRun",
    "demands",
    "differences",
    "is_met",
]

PROHIBITION, REQUIREMENT, LENGTH, SINGLE = "prohibition", "requirement", "length", "single"

SHARED = 0.33
"""The share of a requirement's words that the steps must contain."""

SHARED_WITH_NEGATION = 0.25
SHARED_WITHOUT = 0.5
"""The share of a prohibition's words that a sentence must contain, with and without a negation."""

SAME_BEGINNING = 12
"""How many characters identify a sentence, without its illustrations, in the definition."""

MAX_DEMANDS = 30
"""The most demands of a definition that are found."""

MAX_SENTENCE_WORDS = 80
"""The most words of a sentence. A longer one is a table, such as a tag set, and demands nothing."""

_FORMS = {
    "lower case": (r"\blower[- ]?cased?\b", r"\blower[- ]?case"),
    "upper case": (r"\bupper[- ]?cased?\b|\ball caps\b", r"\bupper[- ]?case|\bcapital|\bcaps\b"),
    "capitals": (r"\bcapitali[sz]e|\bcapital letters?\b", r"\bcapital"),
    "separator": (
        r"\bseparat\w+ (?:\w+ ){0,4}(?:by|with|using) [^.;]{0,40}|\bcomma[- ]separated"
        r"|\bwith commas",
        r"\bcommas?\b|\bsemicolon|\bnew ?line|\bseparat|\bspaces?\b|\btabs?\b",
    ),
    "brackets": (
        r"\b(?:square|curly|round) brackets|\b(?:in|inside|within|between) brackets",
        r"bracket|\[",
    ),
    "tense": (r"\b(?:in|into|use)(?: the)? (?:past|present|future)[- ]tense\b", r"\btense\b"),
    "order": (
        r"\b(?:same|original|alphabetical|ascending|descending|reverse|chronological) order\b",
        r"\border\b|left to right|\bsort|\barrange|\bascend|\bdescend|\balphabet|\breverse",
    ),
    "verbatim": (
        r"\bexactly as\b|\bunchanged\b|\bverbatim\b"
        r"|\bas (?:it is|they are)\b(?= *[.,;]|$| written)",
        r"\bexact|\bunchanged\b|\bverbatim\b|\bas (?:it|they) (?:is|are|stands?|appears?)\b"
        r"|\bsame\b|\boriginal|\bkeep|\bcopy|\bstay|\bleave|(?:n[o']t|\bwithout) (?:\w+ )?chang",
    ),
    "rounding": (r"\bround(?:ed)? (?:\w+ ){0,3}to\b|\bdecimal places?\b", r"\bround|\bdecimal"),
    "base form": (
        r"\bbase form\b|\blemma\b|\broot form\b",
        r"\bbase\b|\blemma|\broot\b|\binfinitive",
    ),
    "nothing else": (
        r"\b(?:answer|output|reply|respond|return|write|generate)\w* (?:\w+ ){0,2}?only\b(?! one)"
        r"|\bonly (?:answer|output|reply|respond|return|write|generate|give)\b"
        r"|\b(?:answer|output|respond|reply|return)\w* with (?:\w+ ){1,6}only\b"
        r"|\bnothing else\b|\banything (?:else )?(?:apart|other than)\b|\bno explanation\b",
        r"\bonly\b|\balone\b|\bjust\b|\bnothing (?:else|more)\b|\bexplain|\bexplanation|\bsingle\b"
        r"|\banything else\b|\bapart from\b|\bwithout\b",
    ),
    "beginning": (r"\b(?:start|begin)s? with\b[^.;]{0,40}", r"\bstart|\bbegin"),
    "marks": (
        r"\bunderscores?\b|\bunderlines?\b|\bcurly brac\w+|\basterisks?\b|(?<!\w)_+(?!\w)|\*\*",
        r"\bunderscores?\b|\bunderlin|\bbrac(?:es|kets)|\basterisk|\bmark|\bblank|\bstars?\b"
        r"|_|\*\*|[{}\[\]]",
    ),
}
_COMPILED = {
    kind: (re.compile(asks, re.IGNORECASE), re.compile(meets, re.IGNORECASE))
    for kind, (asks, meets) in _FORMS.items()
}
_UNITS = (
    r"(?:words?|sentences?|characters?|letters?|keywords?|phrases?|questions?|lines?|tokens?"
    r"|paragraphs?|items?)"
)
_AMOUNT = rf"(?:\d{{1,4}}|{'|'.join(NUMBER_WORDS)})"
_LENGTH = re.compile(
    r"\b(?:at most|at least|more than|fewer than|less than|(?:longer|shorter) than|up to|within"
    rf"|maximum of|minimum of|exactly|between)\s+(?:{_AMOUNT}\s+(?:and|to|or)\s+)?{_AMOUNT}\s+"
    rf"(?:\w+\s+)?{_UNITS}|\b{_AMOUNT}\s+{_UNITS}\s+(?:or (?:less|fewer|more)|at most|long)\b",
    re.IGNORECASE,
)
_ONE = re.compile(
    r"\b(?:only|just|exactly) (?:one |an? )?(?P<unit>word|sentence|question)\b"
    r"|\b(?:one|single)\b (?:\w+ )?(?P<unit2>word|sentence|question)\b",
    re.IGNORECASE,
)
_DESCRIBES_INPUT = re.compile(
    r"\b(?:you (?:are|will be|have been) (?:\w+ )?(?:given|provided|presented|shown)"
    r"|you['’]re given|given (?:an?|two|the)\b|(?:the |each )?input (?:is|consists|contains|has)"
    r"|there are|an? (?:list|set|array) (?:is|contains))\b|^\w+ are (?:\w+ )?separated\b",
    re.IGNORECASE,
)
_OUTPUT = re.compile(r"\b(?:output|answer|return|your|write|generate|must|should)\b", re.IGNORECASE)
_PROHIBITION = re.compile(
    r"(?:^|[,;:(]\s*|\band |\bbut |\bplease )(?:do not|don['’]t|never|avoid)\b(?P<a>[^.;!?]+)"
    r"|\b(?:must|should)(?: not|n['’]t)\b(?P<b>[^.;!?]+)",
    re.IGNORECASE,
)
_REQUIREMENT = re.compile(
    r"(?<!not )(?<!n['’]t )\b(?:must|should|ha(?:s|ve) to|needs? to|make sure|ensure|remember)"
    r"\b(?! not)(?P<a>[^.;!?]+)"
    r"|^(?:please )?(?P<b>(?:keep|use|change|replace|include|leave|make|treat|assume|capitali[sz]e"
    r"|remove|add|count|follow|limit|consider|always)\b[^.;!?]+)"
    r"|^(?P<c>[^.;!?]+ counts? as [^.;!?]+)",
    re.IGNORECASE,
)
_NOTHING_ELSE = re.compile(r"\banything (?:else|apart|other)", re.IGNORECASE)
_CLAUSE_END = re.compile(
    r",?\s*\b(?:because|since|as long as|even if|but|when|unless|if|so that)\b"
)
_RESTRICTS = re.compile(
    r"\b(?:not|no|without|avoid\w*|never|only|exclud\w*|leav\w* out|instead|own|unchanged|keep\w*"
    r"|nothing|ignor\w*|except|other than|rely|remov\w*|just|fewest|no new|cannot|nor)\b|n['’]t\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Demand:
    """A thing that a definition asks for, in its own words.

    `words` are the stems of these words, without those that the definition repeats. `sentence` is
    the definition's whole sentence, with what it negates, limits and excepts.
    """

    kind: str
    text: str
    words: tuple[str, ...] = ()
    sentence: str = field(default="", compare=False)


def demands(definition: str) -> tuple[Demand, ...]:
    """Return the demands of a definition, each once."""
    parts = sentences(without_illustrations(definition))
    whole = {sentence[:SAME_BEGINNING]: sentence for sentence in reversed(sentences(definition))}
    themes = _themes(parts)
    found = [
        replace(demand, sentence=whole.get(part[:SAME_BEGINNING], part))
        for part in parts
        if _is_about_output(part)
        for demand in _of_sentence(part, themes)
    ]
    return tuple(dict.fromkeys(found))[:MAX_DEMANDS]


def is_met(demand: Demand, steps: str) -> bool:
    """Return whether the steps take up a demand."""
    if demand.kind in _COMPILED:
        return _COMPILED[demand.kind][1].search(steps) is not None
    if demand.kind == LENGTH:
        return _has_length(demand, steps)
    if demand.kind == SINGLE:
        unit = re.escape(demand.text.split()[-1])
        pattern = rf"\b(?:one|single|1|only|just|this|that)\b(?:[ -]\w+){{0,3}}?[ -]{unit}\b"
        return re.search(pattern, steps, re.IGNORECASE) is not None
    if demand.kind == REQUIREMENT:
        return _share(demand.words, steps) >= SHARED
    return any(_takes_up(demand, sentence) for sentence in sentences(steps))


def _themes(parts: list[str]) -> set[str]:
    """Return words of several sentences: they tell what the task is about, and are no demand."""
    seen: set[str] = set()
    repeated: set[str] = set()
    for part in parts:
        words = set(content(part))
        repeated |= seen & words
        seen |= words
    return repeated


def _is_about_output(part: str) -> bool:
    return not _DESCRIBES_INPUT.search(part) or _OUTPUT.search(part) is not None


def _of_sentence(part: str, themes: set[str]) -> Iterator[Demand]:
    found = list(_on_form(part))
    yield from found
    for kind, pattern in ((PROHIBITION, _PROHIBITION), (REQUIREMENT, _REQUIREMENT)):
        for match in pattern.finditer(part):
            clause = _CLAUSE_END.split(next(filter(None, match.groups())))[0]
            if not any(demand.text in clause for demand in found):
                yield from _worded(kind, clause, themes)


def _on_form(part: str) -> Iterator[Demand]:
    if len(part.split()) <= MAX_SENTENCE_WORDS:
        for kind, (asks, _) in _COMPILED.items():
            if found := asks.search(part):
                yield Demand(kind, found[0].strip())
    for length in _LENGTH.finditer(part):
        yield Demand(LENGTH, length[0])
    if found := _ONE.search(part):
        yield Demand(SINGLE, found[0])


def _worded(kind: str, clause: str, themes: set[str]) -> Iterator[Demand]:
    words = tuple(dict.fromkeys(content(clause)))
    own = tuple(word for word in words if word not in themes)
    if len(own) >= (2 if kind == REQUIREMENT else 1) and not _NOTHING_ELSE.search(clause):
        yield Demand(kind, " ".join(clause.split()), own)


def _has_length(demand: Demand, steps: str) -> bool:
    """Return whether the steps name a number or its neighbour: "fewer than 15" is "at most 14"."""
    asked = {int(word) for word in content(demand.text) if word.isdecimal()}
    named = {int(word) for word in content(steps) if word.isdecimal()}
    near = {number + by for number in asked for by in (-1, 0, 1)}
    return not asked or bool(near & named)


def _takes_up(demand: Demand, sentence: str) -> bool:
    """Return whether a sentence forbids the same, or names most of it in another way."""
    if _RESTRICTS.search(sentence):
        return _share(content(demand.text), sentence) >= SHARED_WITH_NEGATION
    return len(demand.words) > 1 and _share(demand.words, sentence) > SHARED_WITHOUT


def _share(words: Iterable[str], text: str) -> float:
    asked = set(words)
    return len(asked & set(content(text))) / len(asked)


ChangeKind = Literal["same", "removed", "added"]

MAX_TOKENS = 10_000
"""The most tokens of a text that is compared in parts. Tokens are words, marks, white space."""

ISLAND = 3
"""The fewest equal words and marks between two changes that are shown as equal."""

_TOKEN = re.compile(r"\w+|[^\w\s]|\s+")


@dataclass(frozen=True, slots=True)
class TextRun:
    """A stretch of text that stands in both texts, in the earlier only, or in the later only."""

    kind: ChangeKind
    text: str


def differences(earlier: str, later: str) -> list[TextRun]:
    """Return the runs that lead from one text to the other, what was removed before what was added.

    The runs that are the same or removed make up the earlier text to the last character; those that
    are the same or added make up the later text.
    """
    earlier_tokens, later_tokens = _TOKEN.findall(earlier), _TOKEN.findall(later)
    if earlier_tokens == later_tokens:
        return [TextRun("same", earlier)] if earlier else []
    if max(len(earlier_tokens), len(later_tokens)) > MAX_TOKENS:
        blocks = [(False, earlier, later)]
    else:
        blocks = list(_blocks(earlier_tokens, later_tokens))
    return [run for block in blocks for run in _runs(*block)]


def _blocks(earlier: Sequence[str], later: Sequence[str]) -> Iterator[tuple[bool, str, str]]:
    """Yield stretches as (whether they are the same, earlier text, later text)."""
    codes = LCSseq.opcodes(earlier, later)
    ends = (codes[0], codes[-1])
    found = []
    for code in codes:
        words = earlier[code.src_start : code.src_end]
        large = code in ends or sum(not word.isspace() for word in words) >= ISLAND
        found.append((code.tag == "equal" and large, words, later[code.dest_start : code.dest_end]))
    for same, group in groupby(found, key=lambda block: block[0]):
        together = list(group)
        yield same, _text(words for _, words, _ in together), _text(new for _, _, new in together)


def _text(stretches: Iterable[Sequence[str]]) -> str:
    return "".join(word for stretch in stretches for word in stretch)


def _runs(same: bool, earlier: str, later: str) -> Iterator[TextRun]:
    if same:
        yield TextRun("same", earlier)
        return
    if earlier:
        yield TextRun("removed", earlier)
    if later:
        yield TextRun("added", later)
