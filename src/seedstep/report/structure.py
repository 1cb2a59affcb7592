"""What instructions ask for: the verb nearest to the root of each, and its object.

Self-Instruct, section 3.2 and Figure 3. The paper used a constituency parser; this is spaCy's
dependency parse, so that counts are comparable within seedstep, and roughly with the paper's.

Example::

    structure(["Write a short story.", "Is it true?"]).pairs  # {("write", "story"): 1}
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seedstep.errors import MissingExtraError

__all__ = ["Structure", "Verb", "structure", "top_verbs", "verb_and_noun"]

LONGEST = 2000
"""Characters of an instruction that are parsed: filters allow 150 words."""

INSTALL = "pip install 'seedstep[report]' && python -m spacy download en_core_web_sm"

UNUSED = ("ner", "entity_linker", "textcat", "textcat_multilabel")
"""Parts of a pipeline that neither the parse nor the lemmas need."""

OBJECTS = frozenset({"dobj", "obj"})
NOUNS = frozenset({"NOUN", "PROPN"})

TellParsed = Callable[[int], None]
"""Is told how many instructions are parsed."""


@dataclass(frozen=True, slots=True)
class Structure:
    """How many `instructions` there are, and (verb, noun) of those that have both."""

    instructions: int
    pairs: Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb, how often it stands with any object, and its most common objects."""

    verb: str
    count: int
    nouns: tuple[tuple[str, int], ...]


def structure(instructions: Sequence[str], tell: TellParsed = lambda done: None) -> Structure:
    """The verb-noun pairs of some English instructions.

    Raises:
        MissingExtraError: spaCy, or a model of English for it, is not installed.
    """
    parse = _pipeline()
    pairs: Counter[tuple[str, str]] = Counter()
    for done, parsed in enumerate(parse(one[:LONGEST] for one in instructions), start=1):
        if pair := verb_and_noun(parsed):
            pairs[pair] += 1
        tell(done)
    return Structure(len(instructions), pairs)


def top_verbs(found: Structure, verbs: int = 20, nouns: int = 4) -> tuple[Verb, ...]:
    """The most common verbs with their most common objects (Figure 3: 20, and 4 of each)."""
    by_verb: dict[str, Counter[str]] = {}
    for (verb, noun), count in sorted(found.pairs.items()):
        by_verb.setdefault(verb, Counter())[noun] += count
    rows = [
        Verb(verb, objects.total(), tuple(objects.most_common(nouns)))
        for verb, objects in by_verb.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.verb))[:verbs])


def _pipeline() -> Callable[[Iterator[str]], Iterator[Any]]:
    try:
        import spacy
    except ImportError:
        raise MissingExtraError("the structure of instructions", INSTALL) from None
    names = sorted(name for name in spacy.util.get_installed_models() if name.startswith("en_"))
    if not names:
        raise MissingExtraError("the structure of instructions", INSTALL)
    pipeline = spacy.load(names[0], exclude=UNUSED)
    return lambda texts: pipeline.pipe(texts, batch_size=200)


def verb_and_noun(parsed: Any) -> tuple[str, str] | None:
    """The verb nearest to the root of a spaCy `Doc`, and its first object; None without either.

    What counts is the first sentence that has a verb.
    """
    for sentence in parsed.sents:
        waiting = deque([sentence.root])
        while waiting:
            token = waiting.popleft()
            if token.pos_ == "VERB":
                return _with_object(token)
            waiting.extend(token.children)
    return None


def _with_object(verb: Any) -> tuple[str, str] | None:
    for child in verb.children:
        if child.dep_ in OBJECTS and child.pos_ in NOUNS:
            return verb.lemma_.lower(), child.lemma_.lower()
    return None
