"""The rules that filters apply to the instructions and instances that a model wrote.

A rule returns what it found, or nothing. `seedstep.bootstrap.filters` has the table in which each
rule has a name and a meaning.

Example::

    >>> too_short(3)
    '3 words'
    >>> is_statement("The sky is blue.")
    True
    >>> lacks_material("Sort these words.")  # it has no words to sort
    True
"""

import re
import string
from functools import cache, lru_cache

from seedstep.bootstrap.instances import CandidateReply
from seedstep.prompts import demonstrations
from seedstep.text import counted, single_spaced, talk_around, unicode_tokens

__all__ = [
    "RuleResult",
    "adds_little",
    "adds_talk",
    "asks_nothing",
    "conflicting_outputs",
    "conflicts_anywhere",
    "copies_demonstration",
    "duplicate",
    "ends_with_colon",
    "is_statement",
    "keyword",
    "lacks_material",
    "missing_input",
    "no_output",
    "output_repeats_input",
    "repeats_demonstration",
    "same_wording",
    "same_words_again",
    "starts_with_non_ascii",
    "starts_with_punctuation",
    "talks_about_itself",
    "too_hard",
    "too_long",
    "too_short",
]

RuleResult = str | bool | None
"""What a rule returns: a detail for people or True if it rejects a text, else None or False."""


MIN_WORDS = 4
MAX_WORDS = 150

KEYWORDS = (
    "image",
    "images",
    "graph",
    "graphs",
    "picture",
    "pictures",
    "file",
    "files",
    "map",
    "maps",
    "draw",
    "plot",
    "go to",
)
"""Words of tasks that a language model can't do (from the released code; the paper has three)."""

_KEYWORD = re.compile(rf"\b(?:{'|'.join(KEYWORDS)})\b", re.IGNORECASE)


def too_short(words: int) -> RuleResult:
    """Return the number of words if there are fewer than 4."""
    return counted(words, "word") if words < MIN_WORDS else None


def too_long(words: int) -> RuleResult:
    """Return the number of words if there are more than 150."""
    return f"{words} words" if words > MAX_WORDS else None


def keyword(text: str) -> RuleResult:
    """Return the first keyword in a text."""
    found = _KEYWORD.search(text)
    return found[0].lower() if found else None


def starts_with_punctuation(text: str) -> RuleResult:
    """Return the first character if it is ASCII punctuation."""
    return text[0] if text[0] in string.punctuation else None


def starts_with_non_ascii(text: str) -> RuleResult:
    """Return the first character if it is not ASCII."""
    return None if text[0].isascii() else text[0]


def output_repeats_input(reply: CandidateReply, place: int) -> RuleResult:
    """Return whether the output of an instance equals its input."""
    instance = reply.instances[place]
    return instance.input == instance.output


def ends_with_colon(reply: CandidateReply, place: int) -> RuleResult:
    """Return whether input or output of an instance ends with a colon."""
    instance = reply.instances[place]
    return instance.input.endswith(":") or instance.output.endswith(":")


def duplicate(reply: CandidateReply, place: int) -> RuleResult:
    """Return whether an instance equals an earlier one of the reply."""
    instance = reply.instances[place]
    return _first_places(reply)[instance.input, instance.output] < place


@lru_cache(maxsize=1)
def _first_places(reply: CandidateReply) -> dict[tuple[str, str], int]:
    """Return the place of the first occurrence of each input with its output."""
    places: dict[tuple[str, str], int] = {}
    for place, instance in enumerate(reply.instances):
        places.setdefault((instance.input, instance.output), place)
    return places


def conflicting_outputs(reply: CandidateReply, place: int) -> RuleResult:
    """Return whether an instance has the same input as another with a different output."""
    return reply.instances[place].input in _conflicting_inputs(reply)


def conflicts_anywhere(reply: CandidateReply, place: int) -> RuleResult:
    """Return whether any two instances of the reply have one input and different outputs."""
    return bool(_conflicting_inputs(reply))


@lru_cache(maxsize=1)
def _conflicting_inputs(reply: CandidateReply) -> frozenset[str]:
    """Return the inputs with different outputs; an empty input is never one of them."""
    outputs: dict[str, set[str]] = {}
    for instance in reply.instances:
        if instance.input:
            outputs.setdefault(instance.input, set()).add(instance.output)
    return frozenset(text for text, several in outputs.items() if len(several) > 1)


_NOT_FILLED_IN = re.compile(
    r"[<\[({]{1,2}\s*(?:(?:insert|enter|add|paste|put|provide|your)\b[^<>\[\](){}\n]{0,60}"
    r"|(?:no )?output|input|(?:class )?label)\s*[>\])}]{1,2}",
    re.IGNORECASE,
)


def no_output(reply: CandidateReply, place: int) -> RuleResult:
    """Return whether an instance has no output, or a form in its place that was not filled in."""
    output = reply.instances[place].output
    return not output or (output if _NOT_FILLED_IN.fullmatch(output) else None)


def missing_input(reply: CandidateReply, place: int) -> RuleResult:
    """Return whether an instance has no input although the instruction refers to one.

    A form that was not filled in is no input, whatever the instruction says.
    """
    text = reply.instances[place].input
    if _NOT_FILLED_IN.fullmatch(text):
        return text
    return not text and lacks_material(reply.instruction)


def copies_demonstration(reply: CandidateReply, place: int) -> RuleResult:
    """Return whether an instance is copied from the fixed demonstrations, however it is spaced."""
    instance = reply.instances[place]
    return (_plain(instance.input), _plain(instance.output)) in _shown_pairs()


def _plain(text: str) -> str:
    """Return a text without case, line breaks, and a full stop or quotation marks around it."""
    return single_spaced(text.casefold()).strip(" .\"'\u201c\u201d")


@cache
def _shown_pairs() -> frozenset[tuple[str, str]]:
    """Return (input, output) of all fixed demonstrations, each input with and without its label."""
    pairs = set()
    for approach in ("input_first", "output_first"):
        for shown in demonstrations()[approach]:
            for example in shown.examples:
                labelled = f"{shown.label}: {example.input}"
                output = _plain(example.output)
                pairs |= {(_plain(example.input), output), (_plain(labelled), output)}
    return frozenset(pairs)


def repeats_demonstration(text: str) -> RuleResult:
    """Return whether an instruction is that of a fixed demonstration."""
    return same_wording(text) in _shown_instructions()


@cache
def _shown_instructions() -> frozenset[str]:
    """Return the instructions of all fixed demonstrations, in the form of `same_wording`."""
    shown = (demonstration for group in demonstrations().values() for demonstration in group)
    return frozenset(same_wording(demonstration.task.definition) for demonstration in shown)


def same_wording(text: str) -> str:
    """Return a text without case, punctuation and extra white space, for comparison."""
    return " ".join(unicode_tokens(text))


def adds_talk(reply: CandidateReply, place: int) -> RuleResult:
    """Return what stands behind an input or output and may not be part of it."""
    instance = reply.instances[place]
    found = (talk_around(text, reply.instruction) for text in (instance.output, instance.input))
    return next(filter(None, found), None)


_MATERIAL = (
    "sentence|text|paragraph|passage|article|e-?mail|message|poem|story|essay|review|comment|tweet"
    "|dialogue|conversation|list|table|number|word|phrase|equation|problem|puzzle|riddle|code"
    "|snippet|function|recipe|ingredient|fruit|item|name|date|event|quote|headline|title"
    "|description|statement|question|fact|document|note|product|animal|object"
)
_COUNT = "two |three |four |five |six "
_THIS = rf"(?:this|these|those) (?:{_COUNT})?(?:\w+ )?(?:{_MATERIAL})s?\b"
_POINTS_AT_INPUT = re.compile(
    rf"\b(?:the following|the given|the provided|given (?:an?|the)\b|{_THIS}|below|above)",
    re.IGNORECASE,
)
_BRINGS_MATERIAL = re.compile(r"[:\"“”`\n]\s*\S")
_STARTS_LIKE_STATEMENT = re.compile(
    r"(?:An?|The|He|She|It|They|We|There|His|Her|Their|My|One|Some|Many|This is|That is|I hope)\b"
    r"|(?:You are|You're|I am|I'm|I have)\b(?!.*,)"
)
_ANNOUNCES = re.compile(
    r"(?:(?:sure|certainly|of course|absolutely|ok(?:ay)?|great)[!,.]+ )?"
    r"(?:here(?:['\u2019]s| is| are)|below (?:is|are))\b[^.!?:]*[:.!]?",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\?|\b(?:should|must|needs? to|has to|have to|could|please)\b|[.!:;]\s+\S", re.I
)


def is_statement(instruction: str) -> bool:
    """Return whether an English text is one sentence that states something and asks nothing."""
    if _ANNOUNCES.fullmatch(instruction):
        return True
    return bool(_STARTS_LIKE_STATEMENT.match(instruction)) and not _ASKS.search(instruction)


def lacks_material(instruction: str) -> bool:
    """Return whether an instruction refers to a text, a list or the like that it lacks."""
    points = _POINTS_AT_INPUT.search(instruction)
    return points is not None and not _BRINGS_MATERIAL.search(instruction)


_OPENINGS = re.compile(
    r"(?!do(?:n't| not)\b)(?:(?:please|in what|on what|at what|for what),? )?"
    r"(?:what|which|who|where|when|why|how|can|could|should|is|are|do|does|will|would"
    r"|explain|describe|discuss|list|name|write|give|tell|suggest|create|make|design|compose"
    r"|compare|define|provide|recommend|plan|outline|imagine|invent|share|help|choose|draft"
    r"|develop|argue|teach|offer|propose|advise|summari[sz]e|mention|state)\b",
    re.IGNORECASE,
)
_TOO_HARD = re.compile(
    r"[\"\u201c\u201d`{}<>=]|\d|'\w+'"
    r"|\b(?:how (?:many|much|far|old|tall|long|often|big|fast|heavy)|calculat\w+|probabilit\w+"
    r"|percent\w*"
    r"|equations?|numbers?|average|sum|formulas?|solve|math\w*|dice|coins?|feet|dollars"
    r"|python|javascript|java|sql|html|css|json|csv|code|program\w*|functions?|scripts?|regex"
    r"|algorithms?|commands?|linux|git|windows|databases?"
    r"|letters?|words?|sentences?|rhym\w+|syllables?|alphabet\w*|spell\w*|verbs?|nouns?"
    r"|mnemonics?|riddles?|puzzles?|jokes?|twisters?|limericks?|haiku|sonnets?|quiz\w*|poems?"
    r"|translat\w+|languages?|french|spanish|german|italian|latin|japanese|chinese|english"
    r"|largest|biggest|smallest|longest|shortest|highest|tallest|oldest|fastest|richest|capital"
    r"|who (?:wrote|composed|invented|is|was|were|painted|won|discovered)|(?:which|what) (?:country"
    r"|countries|city|cities|year|person)|what year|when (?:was|did|were)|name of|meaning of"
    r"|countr(?:y|ies)|landlocked|tables?|charts?|spreadsheets?|diagrams?|websites?|links?|videos?|chess|song|lyrics"
    r"|your (?:favou?rite|opinion|name|own|life|day)|have you|are you"
    r"|do you (?:think|like|feel|have|want|know|eat|love|prefer|remember|believe|see)"
    r"|recipes?|(?:to|i|we|you) (?:make|bake|cook|brew|build|fix|repair) (?:an?|your|the|my|some)"
    r"|how do(?:es)? (?!(?:i|you|we|people)\b)|difference|without|the only)\b",
    re.IGNORECASE,
)
_ABOUT_ITSELF = re.compile(
    r"(?:I'm|I am) (?:glad|happy|sorry|not|unable|here|ready|just|an?|excited|sure)\b"
    r"|I (?:can|could|will|would|don't|do not|can't|cannot|have|need)\b|I'd\b|I'll\b"
    r"|(?:As|Being) an? |(?:Sure|Yes|Of course|Certainly|Thank you|Thanks|Hello|Hi)[,.! ]",
    re.IGNORECASE,
)
AGAIN = 5
"""How many words in a row may not stand in an output twice."""

NEW_WORDS = 5
"""The fewest words of an output that are not in the instruction."""


def asks_nothing(instruction: str) -> RuleResult:
    """Return whether an English text does not end with a question mark, or open as a request."""
    return not (instruction.endswith("?") or _OPENINGS.match(instruction))


def too_hard(instruction: str) -> RuleResult:
    """Return what an instruction names that models of 0.1 billion parameters get wrong.

    That is arithmetic, code, words and letters, languages, facts about names and records, recipes,
    and how things work.
    """
    found = _TOO_HARD.search(instruction)
    return found[0].lower() if found else None


def same_words_again(reply: CandidateReply, place: int) -> RuleResult:
    """Return the first five words in a row that an output has twice."""
    words = unicode_tokens(reply.instances[place].output)
    seen: set[tuple[str, ...]] = set()
    for start in range(len(words) - AGAIN + 1):
        run = tuple(words[start : start + AGAIN])
        if run in seen:
            return " ".join(run)
        seen.add(run)
    return None


def adds_little(reply: CandidateReply, place: int) -> RuleResult:
    """Return whether an output has fewer than five words that are not in the instruction."""
    known = set(unicode_tokens(reply.instruction))
    new = set(unicode_tokens(reply.instances[place].output)) - known
    return ", ".join(sorted(new)) or True if len(new) < NEW_WORDS else None


def talks_about_itself(reply: CandidateReply, place: int) -> RuleResult:
    """Return how an output begins that answers as a person would in a chat."""
    found = _ABOUT_ITSELF.match(reply.instances[place].output)
    return found[0] if found else None
