"""Statistics of data: similarity, sizes, lengths, labels, and working time.

They are those of Self-Instruct, section 3: Table 1 and Figures 4, 5 and 8, and the labels of
classification tasks, which output-first generation is meant to balance (section 2.2).

Example::

    >>> words_histogram([3, 4, 4, 9]).counts
    (0, 0, 0, 1, 2, 0, 0, 0, 0, 1)
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TypeVar

from seedstep.data import Task
from seedstep.novelty import NamedText, Neighbor, NoveltyIndex
from seedstep.report.parsing import TellDone
from seedstep.text import Tokenizer, count_words, normal_answer

__all__ = [
    "Histogram",
    "LabelCounts",
    "NearestText",
    "PoolCounts",
    "WordLengths",
    "closest",
    "counts",
    "label_balance",
    "lengths",
    "nearest",
    "nearest_before",
    "score_histogram",
    "thinned",
    "words_histogram",
]


@dataclass(frozen=True, slots=True)
class NearestText:
    """A text, the nearest known text, and their ROUGE-L F1, which is 0 if they share no token."""

    text: NamedText
    nearest: NamedText | None
    score: float


def nearest(
    texts: Iterable[NamedText],
    known: Sequence[NamedText],
    tokenizer: Tokenizer,
    tell: TellDone = lambda done: None,
) -> list[NearestText]:
    """Find the nearest known text of each text. `tell` is called with the number that is done."""
    index = NoveltyIndex(tokenizer)
    index.add_all((str(place), text) for place, (_, text) in enumerate(known))
    found = []
    for done, named in enumerate(texts, start=1):
        found.append(_near(named, index.nearest(named[1]), known))
        tell(done)
    return found


def nearest_before(
    texts: Sequence[NamedText], tokenizer: Tokenizer, tell: TellDone = lambda done: None
) -> list[NearestText]:
    """Find the nearest earlier text of each text but the first; `tell` is as in `nearest`."""
    index = NoveltyIndex(tokenizer)
    index.add_all((str(place), text) for place, (_, text) in enumerate(texts))
    found = []
    for place, named in enumerate(texts):
        if place:
            found.append(_near(named, index.nearest_before(place), texts))
        tell(place + 1)
    return found


def closest(found: Iterable[NearestText], most: int) -> list[NearestText]:
    """Return the pairs with the highest scores, the highest first."""
    return sorted((pair for pair in found if pair.nearest), key=lambda pair: -pair.score)[:most]


def _near(named: NamedText, found: Neighbor | None, known: Sequence[NamedText]) -> NearestText:
    if found is None:
        return NearestText(named, None, 0.0)
    return NearestText(named, known[int(found.id)], found.score)


T = TypeVar("T")

MAX_BINS = 20

COVERED = 0.95
"""The share of values that the bins of a histogram of word counts cover; the last has the rest."""

WIDTHS = (1, 2, 5)
"""The widths of bins; they are multiplied by powers of ten."""

SCORE_BINS = 20


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """The numbers of Self-Instruct's Table 1. Words are counted by script; a mean may be None."""

    instructions: int
    classification: int
    instances: int
    empty_inputs: int
    instruction_words: float | None
    input_words: float | None
    output_words: float | None


@dataclass(frozen=True, slots=True)
class WordLengths:
    """The numbers of words of instructions, of inputs that are not empty, and of first outputs."""

    instructions: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """The number of values in each bin. All bins have the same width, and the first begins at 0.

    Bin i has the values from `i * width` up to, but not including, the start of the next. If the
    histogram is `open`, the last bin also has all higher values; otherwise it includes its upper
    end. `mean` and `median` are those of all values.
    """

    width: float
    counts: tuple[int, ...]
    open: bool
    mean: float
    median: float


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """Counts of the labels of classification tasks, in the form in which answers are compared.

    `distinct` counts tasks by their number of different labels, `common` counts instances by label.
    `lopsided` counts the tasks with two or more instances that all have the same label.
    """

    tasks: int
    instances: int
    distinct: Counter[int]
    common: Counter[str]
    lopsided: int


def lengths(tasks: Iterable[Task]) -> WordLengths:
    """Count the words of the texts of some tasks."""
    tasks = tuple(tasks)
    instances = [instance for task in tasks for instance in task.instances]
    return WordLengths(
        tuple(count_words(task.definition) for task in tasks),
        tuple(count_words(instance.input) for instance in instances if instance.input.strip()),
        tuple(count_words(instance.output) for instance in instances),
    )


def counts(tasks: Iterable[Task]) -> PoolCounts:
    """Return the numbers and mean lengths of some tasks."""
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
    """Return a histogram of one or more word counts, in at most 20 bins of 1, 2, 5 ... words."""
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
    """Return a histogram of scores from 0 to 1, at least one, in bins of 0.05."""
    found = Counter(min(int(score * SCORE_BINS), SCORE_BINS - 1) for score in scores)
    bins = tuple(found[place] for place in range(SCORE_BINS))
    return Histogram(1 / SCORE_BINS, bins, False, fmean(scores), median(scores))


def label_balance(tasks: Iterable[Task]) -> LabelCounts:
    """Count the labels of the classification tasks among some tasks."""
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


def thinned(points: Sequence[T], most: int = 400) -> tuple[T, ...]:
    """Return at most so many points, evenly spread, with the first and the last."""
    if len(points) <= most:
        return tuple(points)
    step = (len(points) - 1) / (most - 1)
    return tuple(points[round(place * step)] for place in range(most))
