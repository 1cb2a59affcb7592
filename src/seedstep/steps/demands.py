"""Find what a definition demands of the output, and whether the steps meet it.

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

from seedstep.lazy import late_pattern
from seedstep.steps.definitions import passages
from seedstep.steps.unfit import content, sentences, without_illustrations
from seedstep.text import single_spaced
from seedstep.text.numbering import NUMBER_WORDS

__all__ = ["Demand", "demands", "is_met"]

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
    kind: (late_pattern(asks, re.IGNORECASE), late_pattern(meets, re.IGNORECASE))
    for kind, (asks, meets) in _FORMS.items()
}
_UNITS = (
    r"(?:words?|sentences?|characters?|letters?|keywords?|phrases?|questions?|lines?|tokens?"
    r"|paragraphs?|items?)"
)
_AMOUNT = rf"(?:\d{{1,4}}|{'|'.join(NUMBER_WORDS)})"
_LENGTH = late_pattern(
    r"\b(?:at most|at least|more than|fewer than|less than|(?:longer|shorter) than|up to|within"
    rf"|maximum of|minimum of|exactly|between)\s+(?:{_AMOUNT}\s+(?:and|to|or)\s+)?{_AMOUNT}\s+"
    rf"(?:\w+\s+)?{_UNITS}|\b{_AMOUNT}\s+{_UNITS}\s+(?:or (?:less|fewer|more)|at most|long)\b",
    re.IGNORECASE,
)
_ONE = late_pattern(
    r"\b(?:only|just|exactly) (?:one |an? )?(?P<unit>word|sentence|question)\b"
    r"|\b(?:one|single)\b (?:\w+ )?(?P<unit2>word|sentence|question)\b",
    re.IGNORECASE,
)
_DESCRIBES_INPUT = late_pattern(
    r"\b(?:you (?:are|will be|have been) (?:\w+ )?(?:given|provided|presented|shown)"
    r"|you['’]re given|given (?:an?|two|the)\b|(?:the |each )?input (?:is|consists|contains|has)"
    r"|there are|an? (?:list|set|array) (?:is|contains))\b|^\w+ are (?:\w+ )?separated\b",
    re.IGNORECASE,
)
_OUTPUT = late_pattern(
    r"\b(?:output|answer|return|your|write|generate|must|should)\b", re.IGNORECASE
)
_OPTIONAL = late_pattern(
    r"\b(?:you |it |there |we |one |the \w+ |\w+s )?(?:need(?: not|n['’]t)"
    r"|(?:do|does)(?: not|n['’]t) (?:need|have to|want to|wish to)\b"
    r"|(?:is|are|['’]re|['’]s)(?: not|n['’]t) (?:required|necessary|needed|obliged|expected"
    r"|mandatory|compulsory|essential|a must)\b"
    r"|(?:is |are )?(?:no need|unnecessary|not necessary|not required|optional)\b|feel free\b"
    r"|(?:do not|don['’]t) (?:hesitate|worry|bother|be afraid)\b)[^.;!?,]*",
    re.IGNORECASE,
)
"""What need not be done: no demand."""

_NOT_ALLOWED = r"not (?:allowed|permitted|supposed|acceptable)"
_FORBIDDEN = r"(?:strictly )?(?:forbidden|prohibited|disallowed|banned)(?: from)?"
_REFRAIN = r"(?:avoid|(?:refrain|abstain) from)"
_ABILITY = r"(?:only|always|just|simply|find|tell|see|decide|determine|know|be sure|need)\b"
_PROHIBITION = late_pattern(
    r"(?:^|[,;:(]\s*|\band |\bbut )(?P<whole>(?:neither|none|no|nothing) [^.;!?,]*?"
    r"\b(?:may|can|must|shall|should|(?:is|are) (?:allowed|permitted))\b[^.;!?,]*)"
    rf"|(?:^|[,;:(]\s*|\band |\bbut |\bplease )(?:(?:do not|don['’]t|never|{_REFRAIN}"
    r"|under no circumstances)\b(?! (?:forget|fail|neglect|omit) to\b)"
    r"|(?:you|(?:the|your) (?:answer|output|response|reply|result)s?)"
    rf" (?:may not|can ?not|can['’]t)\b(?! {_ABILITY}))(?P<a>[^.;!?]+)"
    r"|\b(?:must|shall|should)(?: not| never|n['’]t)\b(?P<b>[^.;!?]+)"
    r"|\b(?:sure|careful|care|try|remember|ensure)(?: that you do)? not to\b(?P<c>[^.;!?]+)"
    rf"|\b(?:must|should|have to|need to|sure to|please) {_REFRAIN}\b(?P<d>[^.;!?]+)"
    rf"|\b(?:you are|you['’]re|it is|it['’]s) (?:{_NOT_ALLOWED}|{_FORBIDDEN})\b(?P<e>[^.;!?]+)"
    rf"|^(?P<f>[^.;!?,:]+ (?:is|are) (?:{_NOT_ALLOWED}|{_FORBIDDEN}))(?=[.;!?,)]|$| in | at all)",
    re.IGNORECASE,
)
_REQUIREMENT = late_pattern(
    r"(?<!not )(?<!n['’]t )\b(?:must|should|ha(?:s|ve) to|needs? to|make sure|ensure|remember)"
    r"\b(?! not)(?! that you do not)(?P<a>[^.;!?]+)"
    r"|\b(?:do not|don['’]t|never) (?:forget|fail|neglect|omit) to\b(?P<d>[^.;!?]+)"
    r"|^(?:please )?(?P<b>(?:keep|use|change|replace|include|leave|make|treat|assume|capitali[sz]e"
    r"|remove|add|count|follow|limit|consider|always)\b[^.;!?]+)"
    r"|^(?P<c>[^.;!?]+ counts? as [^.;!?]+)",
    re.IGNORECASE,
)
_ASKED = late_pattern(
    r"\bwhether\b(?: it\b)?(?:(?!\b(?:and|but|then|so|your?"
    r"|(?:the|its|each|any) (?:output|answer|reply|response))\b|\bit *$)[^,.;:!?])*$",
    re.IGNORECASE,
)
"""Before a demand in what is asked about the input, as in "whether the form must be signed"."""

_NOTHING_ELSE = late_pattern(r"\banything (?:else|apart|other)", re.IGNORECASE)
_CLAUSE_END = late_pattern(
    r",?\s*\b(?:because|since|as long as|even if|but|when|unless|if|so that)\b"
)
_RESTRICTS = late_pattern(
    r"\b(?:not|no|without|avoid\w*|never|only|exclud\w*|leav\w* out|instead|own|unchanged|keep\w*"
    r"|nothing|ignor\w*|rather than|free of|refrain\w*|replac\w*|except|other than|rely|remov\w*"
    r"|just|fewest|no new|cannot|nor|neither)\b|n['’]t\b",
    re.IGNORECASE,
)
_DO_IT = late_pattern(
    r"\b(?:do not|don['’]t|never|not) (?:forget|fail|neglect|omit|hesitate) to\b", re.IGNORECASE
)
_CLAUSE = late_pattern(r"[,;:\n]|\bbut\b|\band\b|\bthen\b", re.IGNORECASE)
_FORBIDS = late_pattern(
    r"\b(?:do not|never|avoid\w*|not|without|no|refrain|cannot|neither|nor)\b|n['’]t\b",
    re.IGNORECASE,
)
_WITH_SIDES = (
    "lower case",
    "upper case",
    "capitals",
    "brackets",
    "tense",
    "beginning",
    "separator",
)
"""The demands on form of which a prohibition is the opposite."""

_MOST = late_pattern(
    r"\b(?:at most|up to|within|maximum|(?:fewer|less|shorter) than|exceed|limit"
    r"|or (?:less|fewer))\b",
    re.IGNORECASE,
)
_LEAST = late_pattern(
    r"\b(?:at least|minimum|(?:more|longer) than|no (?:fewer|less) than|or more)\b", re.IGNORECASE
)
_LOOKS = late_pattern(
    r"\b(?:if|when|unless|until|whether|check|count|shorten|cut|trim|remove|delete|reduce)\b",
    re.IGNORECASE,
)
"""Words of sentences that look at a length, and do not set it."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A thing that a definition asks for, in its own words.

    `words` are the stems of these words, without those that the definition repeats. `sentence` is
    the definition's whole passage, with what it negates, limits and excepts.
    """

    kind: str
    text: str
    words: tuple[str, ...] = ()
    sentence: str = field(default="", compare=False)


def demands(definition: str) -> tuple[Demand, ...]:
    """Return the demands of a definition, each once."""
    parts = sentences(without_illustrations(definition))
    themes = _themes(parts)
    found = [
        replace(demand, sentence=whole)
        for part, whole in zip(parts, _whole(parts, passages(definition)), strict=True)
        if _is_about_output(part)
        for demand in _of_sentence(part, themes)
    ]
    return tuple(dict.fromkeys(found))[:MAX_DEMANDS]


def _whole(parts: Iterable[str], known: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield the passage of the definition that each part is from."""
    first = 0
    for part in parts:
        begin = part[:SAME_BEGINNING]
        places = range(first, len(known))
        place = next((at for at in places if known[at][0].startswith(begin)), None)
        yield part if place is None else known[place][1]
        first = first if place is None else place + 1


def is_met(demand: Demand, steps: str) -> bool:
    """Return whether the steps take up a demand. Steps that say the opposite don't."""
    if demand.kind in _COMPILED:
        return _has_form(demand, steps)
    if demand.kind == LENGTH:
        return _has_length(demand, steps)
    if demand.kind == SINGLE:
        unit = re.escape(demand.text.split()[-1])
        pattern = (
            r"(?<!than )(?<!at least )"
            rf"\b(?:one|single|1|only|just|this|that)\b(?:[ -]\w+){{0,3}}?[ -]{unit}\b"
        )
        return re.search(pattern, steps, re.IGNORECASE) is not None
    if demand.kind == REQUIREMENT:
        return _share(demand.words, _without_its_opposite(demand, steps)) >= SHARED
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
    part = _OPTIONAL.sub(" ", part)
    found = list(_on_form(part))
    yield from found
    prohibitions = list(_PROHIBITION.finditer(part))
    for kind, pattern in ((PROHIBITION, _PROHIBITION), (REQUIREMENT, _REQUIREMENT)):
        for match in pattern.finditer(part):
            place = match.start()
            forbidden = kind == REQUIREMENT and any(_forbids(each, place) for each in prohibitions)
            if forbidden or _ASKED.search(part[:place]):
                continue
            clause = _CLAUSE_END.split(next(filter(None, match.groups())))[0]
            if not any(demand.text in clause for demand in found):
                yield from _worded(kind, clause, themes)


def _forbids(match: re.Match[str], place: int) -> bool:
    """Return whether a word such as "must" at a place belongs to the words that forbid."""
    clause = match.start(match.lastgroup or 0)
    whole = match.lastgroup in ("whole", "f")
    inside = match.start() <= place < match.end()
    return inside and (whole or not match.string[clause:place].strip())


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
        yield Demand(kind, single_spaced(clause), own)


def _clause_before(demand: Demand) -> str:
    """Return what stands before a demand in its clause, to which a colon is no end."""
    return _CLAUSE.split(demand.sentence.partition(demand.text)[0].replace(":", " "))[-1]


def _has_form(demand: Demand, steps: str) -> bool:
    """Return whether steps have a wording for a demand on form, and not only for its opposite."""
    pattern = _COMPILED[demand.kind][1]
    if demand.kind not in _WITH_SIDES:
        return pattern.search(steps) is not None
    forbidden = _FORBIDS.search(_clause_before(demand)) is not None
    for sentence in sentences(_DO_IT.sub("", steps)):
        for found in pattern.finditer(sentence):
            said = _FORBIDS.search(_CLAUSE.split(sentence[: found.start()])[-1]) is not None
            if said == forbidden or (forbidden and _RESTRICTS.search(sentence)):
                return True
    return False


def _has_length(demand: Demand, steps: str) -> bool:
    """Return whether the steps name a number or its neighbour: "fewer than 15" is "at most 14"."""
    asked = {int(word) for word in content(demand.text) if word.isdecimal()}
    near = {number + by for number in asked for by in (-1, 0, 1)}
    side = _side(f"{_clause_before(demand)} {demand.text}")
    for sentence in sentences(steps):
        for clause in _CLAUSE.split(sentence):
            named = {int(word) for word in content(clause) if word.isdecimal()}
            if near & named and (_LOOKS.search(sentence) or _side(clause) * side >= 0):
                return True
    return not asked


def _side(text: str) -> int:
    """Return 1 for a smallest length, -1 for a largest one, 0 for neither or both."""
    sides = bool(_LEAST.search(text)) - bool(_MOST.search(text))
    return (
        -sides if _FORBIDS.search(text) and not re.search(r"\bno (?:fewer|less)", text) else sides
    )


def _without_its_opposite(demand: Demand, steps: str) -> str:
    """Return the steps without clauses that forbid what a demand requires."""
    if _FORBIDS.search(demand.text):
        return steps
    verb = content(demand.text)[:1]
    clauses = (
        clause for step in sentences(_DO_IT.sub("", steps)) for clause in _CLAUSE.split(step)
    )
    return " ; ".join(
        clause
        for clause in clauses
        if not (_PROHIBITION.search(clause.strip()) and set(verb) & set(content(clause)))
    )


def _takes_up(demand: Demand, sentence: str) -> bool:
    """Return whether a sentence forbids the same, or names most of it in another way."""
    sentence = _DO_IT.sub("", sentence)
    asked = content(demand.text)
    for clause in _CLAUSE.split(sentence):
        found = set(content(clause))
        ordered = asked[0] in found and len(found & set(asked)) > 1
        if ordered and not _RESTRICTS.search(clause):
            return False
    if _RESTRICTS.search(sentence):
        return _share(asked, sentence) >= SHARED_WITH_NEGATION
    return len(demand.words) > 1 and _share(demand.words, sentence) > SHARED_WITHOUT


def _share(words: Iterable[str], text: str) -> float:
    asked = set(words)
    return len(asked & set(content(text))) / len(asked)
