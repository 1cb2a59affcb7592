"""Steps that don't suit a model that sees one input: three faults, found by their wording.

Steps shall not go through the data set, nor ask for what a language model can't do, such as using a
search engine (section 3.1), nor hold specific examples (section 3.2). In other languages than
English, only text copied from an example is found.

Example::

    >>> iteration("Repeat this for every review.", "You are given a review. Classify it.")
    'Repeat this for every review.'
"""

import re
from collections.abc import Sequence
from itertools import chain

from seedstep.data import Example
from seedstep.lazy import late_pattern
from seedstep.text import unicode_tokens
from seedstep.text.numbering import NUMBER_WORDS

__all__ = [
    "clip",
    "content",
    "copied_example",
    "impossible",
    "invented_example",
    "iteration",
    "sentences",
    "spaced_sentences",
    "without_illustrations",
]

LONGEST = 20_000
"""The most characters of a text that the checks read."""

STEM = 5
"""How many letters of words are compared."""

_SENTENCE = late_pattern(
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
_ILLUSTRATION = late_pattern(
    r"\((?:e\.?g\.?|i\.e\.|for example|for instance|such as|like)[^)]*\)"
    r"|\b(?:e\.g\.?|for example|for instance|such as)[^.;]*",
    re.IGNORECASE,
)


def clip(text: str) -> str:
    """Return the part of a text that is looked at, so that no text takes long."""
    return text[:LONGEST]


def sentences(text: str) -> list[str]:
    """Return sentences and lines, without white space around them."""
    return [sentence for _, sentence in spaced_sentences(text)]


def spaced_sentences(text: str) -> list[tuple[str, str]]:
    """Return each sentence or line after the white space, and closing marks, that precede it."""
    found: list[tuple[str, str]] = []
    begin = 0
    gap = ""
    for end in chain(_SENTENCE.finditer(text), [None]):
        part = text[begin : end.start() if end else len(text)]
        if sentence := part.strip():
            found.append((gap + part[: len(part) - len(part.lstrip())], sentence))
            gap = ""
        if end:
            gap, begin = gap + end[0], end.end()
    return found


def without_illustrations(text: str) -> str:
    """Return the text without what `e.g.`, `for example` or `such as` introduce."""
    return _ILLUSTRATION.sub(" ", text)


def content(text: str) -> list[str]:
    """Return the stems of the words that carry meaning, in order, with numbers as digits."""
    return [_stem(token) for token in unicode_tokens(text) if token not in _STOP]


def _stem(token: str) -> str:
    token = _NUMBERS.get(token, token)
    return _SYNONYMS.get(token, token)[:STEM]


COPIED_TOKENS = 6
"""How many words in a row are copied, if steps share them with an example, not the definition."""

COPIED_WORDS = 5
COPIED_SHARE = 0.4
"""The share of an example's words that are copied, if a single step has them."""

QUOTED_WORDS = 4
"""The fewest words of a quotation after "for example" that is an example of an input."""

MAX_UNITS = 20
"""The most nouns of a definition that are used."""

_COLLECTION = late_pattern(r"\b(?:data(?: ?sets?)?|corpus|corpora|collection|batch)\b", re.I)
_ROUND = late_pattern(
    r"\b(?:each|every|all|repeat\w*|iterat\w+|loop\w*|through|over|next|first|remaining|rest|entire)"
    r"\b",
    re.I,
)
_AT = r"\b(?:for|in|to|over|through|with|of|from|process|read|take)\s+(?:\w+\s+)?"
_EVERY = rf"{_AT}(?:each|every|next)(?: (?:new|single|given|remaining|following))?"
_ALL = rf"{_AT}(?:all|remaining|other)(?: (?:of|the|other|given|remaining|these)){{0,3}}"
_RECORD = r"(?:example|instance|input|data ?point|sample|record|row|entr(?:y|ie)|item)"
_RECORDS = late_pattern(
    rf"(?:{_EVERY}|{_AT}(?:the )?following)\s+(?P<a>{_RECORD})\b|{_ALL}\s+(?P<b>{_RECORD}s)\b", re.I
)
_LOOP = late_pattern(
    r"\b(?:loop|iterat\w+) (?:through|over) all\b|\ba (?:for[- ])?loop over\b"
    rf"|\b(?:loop|iterat\w+) (?:through|over) the {_RECORD}s\b",
    re.I,
)
_FORBIDS = late_pattern(r"\b(?:do not|don['’]t|never|avoid|without|instead of|no need)\b", re.I)
_PART_OF = late_pattern(
    r"\s+(?:in|of|from|within)\s+(?:the(?! same)|this|that|your|its|each|both)\b", re.I
)
_PHRASE = r"(?:[\w'-]+\s+){0,3}?[\w'-]+"
_GIVEN = late_pattern(
    r"\b(?:given|provided|presented|shown|read|input is|with|of)\s+(?:with\s+|to\s+)?"
    rf"(?:an?|one|the)\s+(?P<a>{_PHRASE})(?=[,.;:()]|$|\s+(?:of|that|which|with|and|or|from|about|in|on|between"
    r"|written|to|for|is|are|you|where|by|along|containing|as|may)\b)"
    rf"|\bthe given\s+(?P<b>{_PHRASE})(?=[,.;:()]|$|\s+(?:is|as|into|to|and|in)\b)",
    re.I,
)
"""What a definition says that the model is given. The last word of the phrase is the noun."""

_THING = late_pattern(
    rf"\b(?:the|an?)\s+(?P<a>{_PHRASE})(?=[,.;:()]|$|\s+(?:of|that|which|with|and|or|from|in|is|into"
    r"|as|to|for)\b)",
    re.I,
)
_ONWARD = late_pattern(
    r"\b(?:continu|proceed|mov|go|repeat|process|iterat|loop|start|tak|do (?:this|the same))\w*\b"
    r"[^.;]*?\b(?:(?:next|other|remaining|following|rest of the)\s+(?P<a>[\w-]+)"
    r"|(?:over|through) the (?:[\w-]+ )?(?P<b>[\w-]+s)\b)",
    re.I,
)
_PARTS = frozenset(
    {"word", "letter", "character", "number", "element", "digit", "token", "line", "option"}
    | {"column", "row", "item"}
)
"""Nouns for parts of an input, which steps may go through."""

_CUE = late_pattern(
    r"\b(?:for (?:example|instance)|e\.g\.?|examples?:|consider|suppose)(?=\W)", re.I
)
_QUOTED = late_pattern(r"\"([^\"\n]+)\"|“([^”\n]+)”|‘([^’\n]+)’|(?<!\w)'([^'\n]+)'(?!\w)")
_SUM = late_pattern(r"\d\s*[-+*/x×]\s*\d+\s*=\s*\d")
_ARROW = late_pattern(r"[\"”’')\]\w]\s*(?:->|=>|→|⇒|➔)\s*[\"“‘'(\[\w]")
_INPUT = late_pattern(r"\b(?:input|text|sentence|question|passage)\s*:", re.I)
_OUTPUT = late_pattern(r"\b(?:output|answer|label)\s*:", re.I)

_START = r"(?:^|[,;:.]\s*|\b(?:and|then|to|or|can|should|by)\s+)"
_SOME = r"(?: [\w'-]+){0,4}?"
_PERSON = (
    r"(?:(?:the|an?|some|another|other)\s+)?(?:\w+\s+)?(?:users?|customers?|authors?|writers?"
    r"|experts?|colleagues?|friends?|teachers?|speakers?|persons?|people|readers?|humans?"
    r"|professionals?|specialists?|someone|somebody)"
)
_OWN_MATTER = tuple(
    late_pattern(pattern, re.I)
    for pattern in (
        # the web
        r"\b(?:search engines?|google|web ?sites?|wikipedia|browse|online"
        r"|(?:the|from) (?:web|internet))\b",
        # other models and libraries
        r"\b(?:pre-?trained|machine[- ]learning|neural networks?|deep learning|classifiers?|nlp"
        r"|natural language (?:processing|generation)|nltk|spacy|bert|gpt|chatgpt|embeddings?"
        r"|software|(?:tokenizer|tagger|parser|lemmatizer|stemmer|analyzer)s?"
        r"|librar(?:y|ies)(?! (?:method|function|call)))\b",
        # code
        rf"{_START}(?:write|implement|create|import)\b{_SOME} (?:code|script|program|function)\b",
        r"\b(?:python|interpreter|list comprehension|regular expressions?)\b",
        # reference works and tools
        r"\b(?:dictionar(?:y|ies)|thesaurus|encyclop\w+|textbooks?|reference books?|calculator"
        r"|(?:grammar|spell(?:ing)?)[- ]?checker|translator|translation tool"
        r"|(?:external|outside|additional) (?:resources?|sources?|references?|tools?))\b",
        # help
        r"\b(?:native speaker|second opinion"
        r"|(?:ask for|seek|get|request)(?: \w+)? (?:help|clarification|feedback))\b",
        # files
        rf"{_START}(?:open|load|save|download|upload|import|read)\b{_SOME}"
        r" (?:files?|spreadsheets?|csv|databases?|mail program|app)\b",
    )
)
"""What no model can do, unless the definition itself speaks of the thing that is named last."""

_NEVER = tuple(
    late_pattern(pattern, re.I)
    for pattern in (
        r"\b(?:train(?:ing)?|fine-?tun\w+)\b[^.;]{0,40}\b(?:model|classifier|network|data|set)\b",
        r"\b(?:evaluate|accuracy of|performance of) (?:the|your) model\b",
        rf"{_START}(?:run|execute|compile)\b{_SOME} (?:code|script|program|function)\b",
        rf"{_START}(?:ask|consult|contact|call|phone|interview|discuss|talk|check|confirm)\b"
        rf"(?:{_SOME} (?:with|to))? {_PERSON}\b",
        rf"{_START}(?:send|post|publish|submit) (?:the|your) (?:e-?mail|message|result|answer)\b",
        r"\btest and iterate\b|\bcollect\b(?: \w+){0,3} data\b|\bimport (?:the|an?)\b",
    )
)
"""What no model can do, whatever the task is."""

_NEGATED = late_pattern(
    r"(?:\bnot|n['’]t|\bnever|\bwithout|\bavoid|\bno|\bmentally)\b[^.;,]{0,40}$", re.I
)
_IN_MIND = late_pattern(r"\b(?:in (?:your|the) (?:mind|head)|mentally|imagine|by hand)\b", re.I)


def iteration(step: str, definition: str) -> str:
    """Return the sentence that tells to go on to other inputs; empty if there is none.

    Steps may go through parts of one input, such as the words of a sentence.
    """
    units = _units(definition)
    for sentence in sentences(step):
        if _FORBIDS.search(sentence):
            continue
        data = _COLLECTION.search(sentence)
        if data and _ROUND.search(sentence) and not _speaks_of(definition, data[0]):
            return sentence
        if _LOOP.search(sentence) or _goes_on(sentence, definition, units):
            return sentence
    return ""


def _goes_on(sentence: str, definition: str, units: Sequence[str]) -> bool:
    found = _RECORDS.search(sentence)
    if found and not _speaks_of(definition, found["a"] or found["b"]):
        return True
    for unit in units:
        noun = re.escape(unit)
        pattern = rf"{_EVERY}\s+{noun}\b|{_ALL}\s+{noun}(?:s|es)\b"
        again = re.search(pattern, sentence, re.I)
        if again and not _PART_OF.match(sentence, again.end()):
            return True
    return _goes_onward(sentence, definition)


def _goes_onward(sentence: str, definition: str) -> bool:
    """Return whether the sentence goes on to another of what the definition has only one of."""
    found = _ONWARD.search(sentence)
    if not found or _PART_OF.match(sentence, found.end()):
        return False
    noun = (found["a"] or found["b"]).lower().rstrip("s")
    known = {thing["a"].split()[-1].lower() for thing in _THING.finditer(definition)}
    return noun in known and noun not in _PARTS and noun != "sentence"


def _speaks_of(definition: str, phrase: str) -> bool:
    word = re.escape(phrase.rstrip("s"))
    return re.search(rf"\b{word}", definition, re.I) is not None


def _units(definition: str) -> list[str]:
    """Return nouns for what the model is given one of: the `review` of "You are given a review"."""
    phrases = [found["a"] or found["b"] for found in _GIVEN.finditer(definition)]
    nouns = [phrase.split()[-1].lower() for phrase in phrases]
    kept = (noun for noun in nouns if len(noun) > 2 and noun not in _PARTS)
    return list(dict.fromkeys(kept))[:MAX_UNITS]


def copied_example(steps: Sequence[str], definition: str, examples: Sequence[Example]) -> str:
    """Return what steps take from an example: its input, many words in a row, or many words."""
    known = " ".join(unicode_tokens(definition))
    text = f" {' '.join(unicode_tokens(' '.join(steps)))} "
    for example in examples:
        for side in (example.input, example.output):
            if run := _shared_run(unicode_tokens(side), text, known):
                return run
        own = set(content(example.input)) - set(content(definition))
        for step in steps:
            shared = own & set(content(step))
            if len(shared) >= COPIED_WORDS and len(shared) >= COPIED_SHARE * len(own):
                return step
    return ""


def _shared_run(tokens: Sequence[str], text: str, known: str) -> str:
    size = min(COPIED_TOKENS, len(tokens))
    if size < 3:
        return ""
    for start in range(len(tokens) - size + 1):
        run = " ".join(tokens[start : start + size])
        if f" {run} " in text and run not in known:
            return run
    return ""


def invented_example(step: str) -> str:
    """Return the sentence that shows an input, or an input with its output, or nothing."""
    if _INPUT.search(step) and _OUTPUT.search(step):
        return step
    for sentence in sentences(step):
        if _ARROW.search(sentence) or _SUM.search(sentence):
            return sentence
        cue = _CUE.search(sentence)
        if cue and _quotes_at_length(sentence[cue.end() :]):
            return sentence
    return ""


def _quotes_at_length(text: str) -> bool:
    quoted = (next(filter(None, found.groups())) for found in _QUOTED.finditer(text))
    return any(len(quotation.split()) >= QUOTED_WORDS for quotation in quoted)


def impossible(step: str, definition: str) -> str:
    """Return the sentence that asks for what a model can't do; empty if there is none.

    What the definition itself speaks of, such as code or web sites, is no fault.
    """
    for sentence in sentences(step):
        own = (found for pattern in _OWN_MATTER if (found := pattern.search(sentence)))
        strange = (found for found in own if not _speaks_of(definition, found[0].split()[-1]))
        never = (found for pattern in _NEVER if (found := pattern.search(sentence)))
        if any(not _is_excused(found, sentence) for found in chain(strange, never)):
            return sentence
    return ""


def _is_excused(found: re.Match[str], sentence: str) -> bool:
    forbidden = _NEGATED.search(sentence[: found.start()])
    return forbidden is not None or _IN_MIND.search(sentence) is not None
