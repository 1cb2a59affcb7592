"""The metrics by which a prediction is scored against its references.

ROUGE-L, ROUGE-1 and exact match are those of SUPER-NATURALINSTRUCTIONS (Wang et al. 2022, with
rouge-score 0.1.2 and its stemmer), equal to the last bit. Step-by-Step Instruction Tuning measured
the same (section 4.1 and appendix D). A metric of your own is added to the table, or passed with
them::

    same_text = Metric(
        "same_text", "same text", "1 where the texts are equal",
        lambda pair: float(pair.prediction.text == pair.reference.text),
    )
    add_metric(same_text)  # or only here:
    evaluate_systems([Path("predictions.jsonl")], metrics=[*METRICS, same_text])

Example::

    >>> PredictionMarker().mark("He is sleeping.", ["He sleeps.", "Asleep"])
    {'rouge_l': 0.8, 'rouge_1': 0.8, 'exact_match': 0.0}
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from seedstep.entries import (
    FUNCTION,
    LINE,
    TEXTS,
    TRUTH,
    WORDS,
    FieldKind,
    as_entries,
    guarded,
    is_number,
    require_entry,
    require_fields,
    require_name,
)
from seedstep.errors import EntryError, InputError, unknown_name
from seedstep.evaluate.tokens import Memo, stemmed_tokens
from seedstep.text import Tokenizer, normal_answer, rouge_l_and_1

__all__ = [
    "METRICS",
    "OWN_METRICS",
    "Marks",
    "Means",
    "Metric",
    "PredictionMarker",
    "PreparedText",
    "ScoredPair",
    "add_metric",
    "by_metric",
    "category_metric",
    "check_metrics",
    "compared_metrics",
]

Marks = Mapping[str, float]
"""Scores by the names of their metrics."""

Made = TypeVar("Made")


class PreparedText(NamedTuple):
    """A prediction or a reference: its text, its tokens for ROUGE, and its form for exact match."""

    text: str
    tokens: list[str]
    normal: str


class ScoredPair:
    """A prediction and one of its references, with their ROUGE-L and ROUGE-1."""

    __slots__ = ("prediction", "reference", "rouge_1", "rouge_l")

    def __init__(self, prediction: PreparedText, reference: PreparedText) -> None:
        """Compute ROUGE-L and ROUGE-1 together, which is faster than each alone."""
        self.prediction = prediction
        self.reference = reference
        self.rouge_l, self.rouge_1 = rouge_l_and_1(prediction.tokens, reference.tokens)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric.

    `name` is used in files, `title` in tables and figures; `meaning` is a line for people.
    `measure` returns the score of a prediction against one reference, from 0 to 1; the highest over
    all references counts. Tasks of a category in `categories` are scored by this metric in tables
    by group, all others by the first metric. A metric that is not `compared` is left out of
    comparisons and of the figure over all instances. A metric that is `of_tokens` can't judge a
    text that has no tokens.
    """

    name: str
    title: str
    meaning: str
    measure: Callable[[ScoredPair], float]
    categories: tuple[str, ...] = ()
    compared: bool = True
    of_tokens: bool = False


OWN_METRICS: tuple[Metric, ...] = (
    Metric(
        "rouge_l",
        "ROUGE-L",
        "F1 of the longest sequence of words that both have, stemmed",
        attrgetter("rouge_l"),
        categories=(
            "Data to Text",
            "Grammar Error Correction",
            "Keyword Tagging",
            "Overlap Extraction",
            "Question Rewriting",
            "Title Generation",
        ),
        of_tokens=True,
    ),
    Metric(
        "rouge_1",
        "ROUGE-1",
        "F1 of the words that both have, stemmed, in any order",
        attrgetter("rouge_1"),
        compared=False,
        of_tokens=True,
    ),
    Metric(
        "exact_match",
        "exact match",
        "1 where both are equal but for case, ASCII punctuation and white space",
        lambda pair: 1.0 if pair.prediction.normal == pair.reference.normal else 0.0,
        categories=(
            "Answerability Classification",
            "Cause Effect Classification",
            "Coreference Resolution",
            "Dialogue Act Recognition",
            "Textual Entailment",
            "Word Analogy",
        ),
    ),
)
"""The metrics of seedstep. Their categories are those of the English test set."""

METRICS: list[Metric] = list(OWN_METRICS)
"""All metrics, in the order of tables: those of seedstep, then those that were added."""


def by_metric(found: Mapping[str, Made], metric: str) -> Made:
    """Return what was found by the metric of this name.

    Raises:
        InputError: there is no such metric.
    """
    if metric not in found:
        raise unknown_name("metric", metric, found)
    return found[metric]


@dataclass(frozen=True, slots=True)
class Means:
    """Mean scores, from 0 to 100, over all `instances`, missing and failed ones included."""

    marks: Marks
    instances: int
    missing: int
    failed: int

    def of(self, metric: str) -> float:
        """Return the score by the metric of this name.

        Raises:
            InputError: it was not scored by it.
        """
        return by_metric(self.marks, metric)


def category_metric(category: str, metrics: Sequence[Metric] = METRICS) -> Metric:
    """Return the last metric that names the category, or the first of all where none does."""
    return next(
        (metric for metric in reversed(metrics) if category in metric.categories), metrics[0]
    )


def compared_metrics(metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """Return the metrics that comparisons show: those that are `compared`, or else the first."""
    return tuple(metric for metric in metrics if metric.compared) or tuple(metrics[:1])


_FIELDS: Mapping[str, FieldKind] = MappingProxyType(
    {
        "title": WORDS,
        "meaning": LINE,
        "measure": FUNCTION,
        "categories": TEXTS,
        "compared": TRUTH,
        "of_tokens": TRUTH,
    }
)
"""What the fields of a metric have to be."""

_BESIDE = frozenset(
    {
        *("system", "tokenizer", "instances", "tasks", "missing", "failed", "empty", "cut"),
        *("overall", "categories", "mcnemar"),
        *("first_absent", "second_absent", "first_unpaired", "second_unpaired"),
    }
)
"""What stands beside the scores in tables and files, of which no metric can have the name."""


def check_metrics(metrics: Iterable[Metric] | Metric, where: str = "metrics") -> tuple[Metric, ...]:
    """Return metrics, or one alone, as a tuple: at least one, and no two of one name or title.

    Raises:
        InputError: there is no metric, or two have the same name or title.
        EntryError: something else is given than metrics, or a field of one can't be used; `where`
            names the argument.
    """
    metrics = as_entries(where, metrics, Metric)
    if not metrics:
        raise InputError("there is no metric to score by", "pass one or more")
    names: set[str] = set()
    titles: set[str] = set()
    for metric in metrics:
        require_name(where, metric.name)
        entry, title = f"the metric '{metric.name}'", metric.title
        require_fields(entry, metric, _FIELDS)
        for taken in _BESIDE & {metric.name, title}:
            what = f"{entry} can't be called '{taken}', which stands beside its scores"
            raise EntryError(what, "give it another name and title")
        if metric.name in names:
            raise InputError(f"two metrics are called '{metric.name}'", "rename one of them")
        if title in titles:
            raise InputError(f"two metrics have the title '{title}'", "give one of them another")
        names.add(metric.name)
        titles.add(title)
    return metrics


def add_metric(metric: Metric) -> None:
    """Add a metric of your own to the table. One of its name that was added before is replaced.

    Raises:
        EntryError: it is no metric, or its name or another field can't be used.
        InputError: seedstep has a metric of that name, or another metric has its title.
    """
    require_entry("add_metric", metric, Metric)
    others = [other for other in METRICS if other.name != metric.name]
    if metric.name in [own.name for own in OWN_METRICS]:
        what = f"seedstep has a metric '{metric.name}' already"
        raise InputError(what, "give yours another name")
    METRICS[:] = check_metrics([*others, metric], "add_metric")


def _measure_of(metric: Metric) -> Callable[[ScoredPair], float]:
    """Return the function of a metric; of one that is not seedstep's own, it checks the score.

    A score that is out of bounds by rounding alone is the bound.
    """
    if metric in OWN_METRICS:
        return metric.measure
    entry = f"the metric '{metric.name}'"
    checked = guarded(entry, metric.measure, "a number from 0 to 1", _is_score)
    return lambda pair: min(max(float(checked(pair)), 0.0), 1.0)


ROUNDING = 1e-9
"""How far beyond 0 and 1 a score may be by rounding."""


def _is_score(found: Any) -> bool:
    return is_number(found) and -ROUNDING <= float(found) <= 1 + ROUNDING


class PredictionMarker:
    """Scores predictions. It remembers short answers, as labels are often the same."""

    def __init__(
        self, tokenizer: Tokenizer = stemmed_tokens, metrics: Sequence[Metric] = METRICS
    ) -> None:
        """`tokenizer` decides what a token is for ROUGE."""
        self._tokenizer = tokenizer
        self._answers = Memo(self._answer, longest=100, most=50_000)
        self._measures = [(metric.name, _measure_of(metric)) for metric in metrics]
        self._tokens_of_character = Memo(tokenizer, longest=1, most=50_000)

    def mark(self, prediction: str, references: Sequence[str]) -> Marks:
        """Return the highest score of a prediction against any of its references, by each metric.

        Exact match ignores case, ASCII punctuation and white space. ROUGE is 0 if one of the texts
        has no tokens: "+" against "+" scores 0, although it is an exact match.

        Raises:
            ValueError: there is no reference.
        """
        if not references:
            raise ValueError("no reference to compare with")
        given = self._answers[prediction]
        pairs = [ScoredPair(given, self._answers[reference]) for reference in references]
        if len(pairs) == 1:  # most often, and faster
            return {name: measure(pairs[0]) for name, measure in self._measures}
        return {name: max(map(measure, pairs)) for name, measure in self._measures}

    def is_tokenless(self, text: str) -> bool:
        """Return whether a text has no tokens, or keeps fewer letters and digits than it loses."""
        if not self._answers[text].tokens:
            return True
        letters = [char for char in text if char.isalnum()]
        kept = sum(bool(self._tokens_of_character[char]) for char in letters)
        return 2 * kept < len(letters)

    def is_blank(self, text: str) -> bool:
        """Return whether exact match leaves nothing of a text: it is ASCII punctuation alone."""
        return bool(text.strip()) and not self._answers[text].normal

    def _answer(self, text: str) -> PreparedText:
        return PreparedText(text, self._tokenizer(text), normal_answer(text))
