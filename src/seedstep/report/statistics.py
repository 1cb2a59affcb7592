"""What is counted about data: sizes, lengths, labels, and progress in time.

Records in, numbers out. Self-Instruct's Table 1 and Figure 5 (section 3), and the labels of its
classification tasks, which output-first instance generation is there to balance (section 2.2).

Example::

    >>> words_histogram([3, 4, 4, 9]).counts
    (0, 0, 0, 1, 2, 0, 0, 0, 0, 1)
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import Any, TypeVar

from seedstep.data import Task
from seedstep.errors import MissingExtraError
from seedstep.novelty import NoveltyIndex
from seedstep.text import Tokenizer, normal_answer

__all__ = [
    "PAUSE_SECONDS",
    "Histogram",
    "LabelCounts",
    "NamedText",
    "NearestText",
    "PoolCounts",
    "Structure",
    "Verb",
    "WordLengths",
    "closest",
    "counts",
    "elapsed",
    "label_balance",
    "lengths",
    "nearest",
    "nearest_before",
    "score_histogram",
    "structure",
    "thinned",
    "top_verbs",
    "verb_and_noun",
    "words_histogram",
]

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
    for done, parsed in enumerate(parse(text[:LONGEST] for text in instructions), start=1):
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


@dataclass(frozen=True, slots=True)
class NamedText:
    """A text and what it is called."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class NearestText:
    """A text, the nearest known one, and their ROUGE-L F1: 0 and None where no token is shared."""

    text: NamedText
    nearest: NamedText | None
    score: float


def nearest(
    texts: Iterable[NamedText], known: Sequence[NamedText], tokenizer: Tokenizer
) -> list[NearestText]:
    """The known text that each of some texts is nearest to."""
    index = NoveltyIndex(tokenizer)
    for place, named in enumerate(known):
        index.add(str(place), named.text)
    return [_near(index, text, known) for text in texts]


def nearest_before(texts: Sequence[NamedText], tokenizer: Tokenizer) -> list[NearestText]:
    """The nearest of those that come before each text; the first has none, and is left out."""
    index = NoveltyIndex(tokenizer)
    found = []
    for place, named in enumerate(texts):
        if place:
            found.append(_near(index, named, texts))
        index.add(str(place), named.text)
    return found


def closest(found: Iterable[NearestText], most: int) -> list[NearestText]:
    """The pairs that are closest to each other, the closest first."""
    return sorted((pair for pair in found if pair.nearest), key=lambda pair: -pair.score)[:most]


def _near(index: NoveltyIndex, text: NamedText, known: Sequence[NamedText]) -> NearestText:
    found = index.nearest(text.text)
    return (
        NearestText(text, known[int(found.id)], found.score)
        if found
        else NearestText(text, None, 0.0)
    )


T = TypeVar("T")

MAX_BINS = 20

COVERED = 0.95
"""The share of values that histograms of word counts resolve; their last bin has the rest."""

WIDTHS = (1, 2, 5)
"""Of bins, and their multiples by powers of ten."""

SCORE_BINS = 20

PAUSE_SECONDS = 900.0
"""Longer than any reply may take: in such a gap nobody worked on the run."""


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """Self-Instruct's Table 1. Words are parted by white space; a mean of nothing is None."""

    instructions: int
    classification: int
    instances: int
    empty_inputs: int
    instruction_words: float | None
    input_words: float | None
    output_words: float | None


@dataclass(frozen=True, slots=True)
class WordLengths:
    """Numbers of words: of instructions, of inputs that are not empty, of first outputs."""

    instructions: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie in bins of one width, the first of which begins at 0.

    Bin i holds values from `i * width` on, up to the next. The last holds what is above, too, if
    it is `open`; else its upper end belongs to it. `mean` and `median` are those of the values.
    """

    width: float
    counts: tuple[int, ...]
    open: bool
    mean: float
    median: float


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """The outputs of classification tasks, in the form in which answers are compared.

    `distinct` counts tasks by their number of different labels, `common` instances by label.
    `lopsided` are tasks with two or more instances that all have one label.
    """

    tasks: int
    instances: int
    distinct: Counter[int]
    common: Counter[str]
    lopsided: int


def lengths(tasks: Iterable[Task]) -> WordLengths:
    """How many words the texts of some tasks have."""
    tasks = tuple(tasks)
    instances = [instance for task in tasks for instance in task.instances]
    return WordLengths(
        tuple(len(task.definition.split()) for task in tasks),
        tuple(len(instance.input.split()) for instance in instances if instance.input.strip()),
        tuple(len(instance.output.split()) for instance in instances),
    )


def counts(tasks: Iterable[Task]) -> PoolCounts:
    """The sizes and mean lengths of some tasks."""
    tasks = tuple(tasks)
    words = lengths(tasks)
    return PoolCounts(
        len(tasks),
        sum(task.is_classification for task in tasks),
        len(words.outputs),
        len(words.outputs) - len(words.inputs),
        *(
            fmean(values) if values else None
            for values in (words.instructions, words.inputs, words.outputs)
        ),
    )


def words_histogram(values: Sequence[int]) -> Histogram:
    """Word counts in at most 20 bins of 1, 2, 5, 10 ... words; there is at least one value."""
    ordered = sorted(values)
    top = ordered[min(int(COVERED * len(ordered)), len(ordered) - 1)]
    width = next(
        step * 10**power
        for power in range(len(str(top)) + 1)
        for step in WIDTHS
        if top < step * 10**power * MAX_BINS
    )
    bins = top // width + 1
    found = Counter(min(value // width, bins - 1) for value in ordered)
    rest = ordered[-1] >= bins * width
    return Histogram(
        width, tuple(found[place] for place in range(bins)), rest, fmean(ordered), median(ordered)
    )


def score_histogram(scores: Sequence[float]) -> Histogram:
    """Scores from 0 to 1 in bins of 0.05; there is at least one."""
    found = Counter(min(int(score * SCORE_BINS), SCORE_BINS - 1) for score in scores)
    bins = tuple(found[place] for place in range(SCORE_BINS))
    return Histogram(1 / SCORE_BINS, bins, False, fmean(scores), median(scores))


def label_balance(tasks: Iterable[Task]) -> LabelCounts:
    """The labels of the classification tasks among some tasks."""
    labels = [
        [normal_answer(instance.output) for instance in task.instances]
        for task in tasks
        if task.is_classification
    ]
    return LabelCounts(
        len(labels),
        sum(map(len, labels)),
        Counter(len(set(found)) for found in labels),
        Counter(label for found in labels for label in found),
        sum(len(found) > 1 and len(set(found)) == 1 for found in labels),
    )


def elapsed(times: Sequence[float]) -> tuple[float, ...]:
    """Seconds of work up to each of some times, which are in order.

    A gap in which nobody worked counts for nothing.
    """
    total, seconds = 0.0, [0.0] * bool(times)
    for first, second in pairwise(times):
        gap = second - first
        total += gap if gap <= PAUSE_SECONDS else 0.0
        seconds.append(total)
    return tuple(seconds)


def thinned(points: Sequence[T], most: int = 400) -> tuple[T, ...]:
    """At most so many of some points, evenly, the first and the last among them."""
    if len(points) <= most:
        return tuple(points)
    step = (len(points) - 1) / (most - 1)
    return tuple(points[round(place * step)] for place in range(most))
