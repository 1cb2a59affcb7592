"""The metrics by which a prediction is scored against its references.

ROUGE-L, ROUGE-1 and exact match are those of SUPER-NATURALINSTRUCTIONS (Wang et al. 2022, with
rouge-score 0.1.2 and its stemmer), equal to the last bit. Step-by-Step Instruction Tuning measured
the same (section 4.1 and appendix D). A metric of your own is passed with them::

    same_text = Metric(
        "same_text", "same text", "1 where the texts are equal",
        lambda pair: float(pair.prediction.text == pair.reference.text),
    )
    evaluate_systems([Path("predictions.jsonl")], metrics=[*METRICS, same_text])

Example::

    >>> PredictionMarker().mark("He is sleeping.", ["He sleeps.", "Asleep"])
    {'rouge_l': 0.8, 'rouge_1': 0.8, 'exact_match': 0.0}
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from seedstep.entries import as_entries, guarded, is_number
from seedstep.errors import InputError, MissingExtraError, first_line, unknown_name
from seedstep.text import (
    TOKENIZERS,
    Tokenizer,
    latin_tokens,
    normal_answer,
    rouge_l_and_1,
)
from seedstep.text.tokens import stem

__all__ = [
    "METRICS",
    "Marks",
    "Means",
    "Metric",
    "PredictionMarker",
    "PreparedText",
    "ScoredPair",
    "by_metric",
    "category_metric",
    "check_metrics",
    "compared_metrics",
    "load_tokenizer",
    "stemmed_tokens",
    "without_space_marks",
]

Marks = Mapping[str, float]
"""Scores by the names of their metrics."""

Made = TypeVar("Made")

SPACE = "Ġ"
"""The character that byte-level tokenizers, such as GPT-2's, use for the space before a token."""


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


METRICS: tuple[Metric, ...] = (
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
"""All metrics, in the order of tables. Their categories are those of the English test set."""


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


def check_metrics(metrics: Iterable[Metric] | Metric) -> tuple[Metric, ...]:
    """Return metrics, or one alone, as a tuple: at least one, and no two of the same name.

    Raises:
        InputError: there is no metric, or two have the same name.
        EntryError: something else is given than metrics.
    """
    metrics = as_entries("metrics", metrics, Metric)
    names = [metric.name for metric in metrics]
    if not names:
        raise InputError("there is no metric to score by", "pass one or more")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two metrics are called '{name}'", "rename one of them")
    return metrics


def _measure_of(metric: Metric) -> Callable[[ScoredPair], float]:
    """Return the function of a metric; of one that is not seedstep's own, it checks the score.

    A score that is out of bounds by rounding alone is the bound.
    """
    if metric in METRICS:
        return metric.measure
    entry = f"the metric '{metric.name}'"
    checked = guarded(entry, metric.measure, "a number from 0 to 1", _is_score)
    return lambda pair: min(max(float(checked(pair)), 0.0), 1.0)


ROUNDING = 1e-9
"""How far beyond 0 and 1 a score may be by rounding."""


def _is_score(found: Any) -> bool:
    return is_number(found) and -ROUNDING <= float(found) <= 1 + ROUNDING


class _Memo(dict[str, Made]):
    """Remembers what a function returns for short texts. When it is full, it is emptied."""

    def __init__(self, make: Callable[[str], Made], longest: int, most: int) -> None:
        """Remember at most `most` texts of at most `longest` characters."""
        self._make, self._longest, self._most = make, longest, most

    def __missing__(self, text: str) -> Made:
        made = self._make(text)
        if len(text) <= self._longest:
            if len(self) >= self._most:
                self.clear()
            self[text] = made
        return made


def _stem(word: str) -> str:
    return stem(word) if len(word) > 3 else word


_stems = _Memo(_stem, longest=40, most=200_000)


def stemmed_tokens(text: str) -> list[str]:
    """Return rouge-score's tokens: runs of `[a-z0-9]`, stemmed if they are longer than 3."""
    return [_stems[word] for word in latin_tokens(text)]


def without_space_marks(tokenizer: Tokenizer) -> Tokenizer:
    """Return the tokenizer of the cross-lingual track: GPT-2's without `Ġ` before its tokens.

    Tokens are not lowercased or stemmed. A token that is only spaces remains a token.
    """

    def tokens(text: str) -> list[str]:
        return [token.lstrip(SPACE) or SPACE for token in tokenizer(text)]

    return tokens


class PredictionMarker:
    """Scores predictions. It remembers short answers, as labels are often the same."""

    def __init__(
        self, tokenizer: Tokenizer = stemmed_tokens, metrics: Sequence[Metric] = METRICS
    ) -> None:
        """`tokenizer` decides what a token is for ROUGE."""
        self._tokenizer = tokenizer
        self._answers = _Memo(self._answer, longest=100, most=50_000)
        self._measures = [(metric.name, _measure_of(metric)) for metric in metrics]
        self._tokens_of_character = _Memo(tokenizer, longest=1, most=50_000)

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


FILE = "tokenizer.json"


def load_tokenizer(name: str) -> Tokenizer:
    """Load the tokenizer of a file, a directory with a `tokenizer.json`, or a model on the hub.

    A name in `seedstep.text.TOKENIZERS`, such as `unicode`, is that tokenizer. Others keep case and
    punctuation, and don't stem; with them a lone surrogate becomes a question mark.

    Raises:
        InputError: it is not there, or is no tokenizer.
        MissingExtraError: the package `tokenizers` is not installed.
    """
    if name in TOKENIZERS:
        return TOKENIZERS[name]
    try:
        import tokenizers
    except ImportError:
        raise MissingExtraError("--tokenizer", extra="evaluate") from None
    try:
        loaded = _load(tokenizers.Tokenizer, Path(name))
    except Exception as error:  # tokenizers raises nothing more special
        remedy = (
            f"name unicode, a directory that holds its {FILE}, or an id on the hub such as gpt2"
        )
        raise InputError(f"tokenizer '{name}': {first_line(error)}", remedy) from None
    loaded.no_truncation()
    loaded.no_padding()

    def tokens(text: str) -> list[str]:
        clean = text.encode("utf-8", "replace").decode()
        found: list[str] = loaded.encode(clean, add_special_tokens=False).tokens
        return found

    return without_space_marks(tokens)


def _load(kind: Any, path: Path) -> Any:
    if path.is_dir():
        path /= FILE
    if path.is_file() or path.suffix == ".json":
        return kind.from_file(str(path))
    return kind.from_pretrained(str(path))
